package mesh

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// The names are those of the lists, whatever has come and gone.
func TestNames(t *testing.T) {
	dice := rand.New(rand.NewPCG(7, 7))
	now := time.Unix(1000, 0)
	r := newRegistry(id(1), 10, 1<<20)
	for step := range 2000 {
		node := id(byte(2 + dice.IntN(5)))
		if dice.IntN(4) == 0 {
			r.drop(node)
		} else {
			ends := make([]End, dice.IntN(6))
			for i := range ends {
				ends[i] = End{ID: [16]byte{byte(i)}, Name: fmt.Sprint("name ", dice.IntN(4))}
			}
			r.hint(node, newList(uint64(step+1), ends), now)
		}
		want := make(map[string]int)
		for _, k := range r.lists {
			for _, e := range k.ends {
				want[e.Name]++
			}
		}
		if len(r.names) != len(want) {
			t.Fatalf("step %d: %d names, want %d", step, len(r.names), len(want))
		}
		for name, places := range r.names {
			seen := make(map[place]bool)
			for _, p := range places {
				if seen[p] || r.lists[p.of.id] != p.of || p.of.ends[p.end].Name != name {
					t.Fatalf("step %d: %q is not where it is said to be", step, name)
				}
				seen[p] = true
			}
			if len(places) != want[name] {
				t.Fatalf("step %d: %q is in %d places, want %d", step, name, len(places), want[name])
			}
		}
	}
}

// BenchmarkLookup looks up a name that one of many nodes has, of ten each.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 4000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			m := &Mesh{nodes: make(map[ID]*node), reg: newRegistry(id(1), n, DefaultMaxRegistry)}
			before := heap()
			for i := range n {
				who := ID{byte(i), byte(i >> 8), 2}
				m.nodes[who] = &node{Member: Member{ID: who}, alive: true}
				var ends []End
				for k := range 10 {
					ends = append(ends, End{ID: [16]byte{byte(k)}, Name: fmt.Sprintf("name %d of %d", k, i), TypeText: "int"})
				}
				l, err := parseList(1, newList(1, ends).body)
				if err != nil || !m.reg.hint(who, l, time.Now()) {
					b.Fatal("not taken:", err)
				}
			}
			perEnd := float64(heap()-before) / float64(10*n)
			name := fmt.Sprintf("name 3 of %d", n/2)
			b.ReportAllocs()
			for b.Loop() {
				if len(m.Lookup(name)) != 1 {
					b.Fatal("not found")
				}
			}
			b.ReportMetric(perEnd, "B/end")
		})
	}
}

// heap is what is in use, garbage aside.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
