package codec

import (
	"math"
	"reflect"
	"sync"
	"testing"
)

// Writers and Readers are shared: by the plans, and by whoever made them.
func TestConcurrentUse(t *testing.T) {
	n := note{Text: "a", Kids: []any{1, map[string]any{"k": note{}}}}
	w := writer[note](t)
	known := new(sync.Map)
	env := &WriteEnv{Met: func(s *Schema) { known.Store(s.Hash(), s) }}
	r := reader[note, note](t)
	lookup := &ReadEnv{Schema: func(h Hash) *Schema {
		s, _ := known.Load(h)
		return s.(*Schema)
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				b, err := w.Append(nil, &n, env)
				if err != nil {
					t.Error(err)
					return
				}
				var got note
				if _, err := r.Read(b, &got, lookup); err != nil || !reflect.DeepEqual(got, n) {
					t.Errorf("%v, %v", got, err)
					return
				}
				Register[note]()
				if _, err := NewWriter[everything](); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Writing allocates nothing, reading only what the value is made of.
func TestAllocations(t *testing.T) {
	check := func(name string, write, read float64, f func(t *testing.T) (write, read float64)) {
		t.Helper()
		if w, r := f(t); w > write || r > read {
			t.Errorf("%s: %v allocations to write, %v to read, want %v and %v", name, w, r, write, read)
		}
	}
	check("int64", 0, 0, allocations(int64(math.MaxInt64)))
	check("string", 0, 1, allocations("a string"))
	check("job", 0, 3, allocations(aJob()))
	check("ints", 0, 1, allocations(make([]int64, 100)))
	check("structs", 0, 2, allocations([]struct{ A, B string }{{"abc", ""}}))
	check("pointers", 0, 1, allocations(&struct{ A int }{1}))
	check("any", 0, 1, allocations(any(1<<40)))
	check("time", 0, 0, allocations(aPerson().BirthDay.UTC()))
}

func allocations[T any](v T) func(t *testing.T) (float64, float64) {
	return func(t *testing.T) (float64, float64) {
		if raceEnabled {
			t.Skip("the race detector makes pools forget")
		}
		w, r := writer[T](t), reader[T, T](t)
		b := encode(t, v, nil)
		buf := make([]byte, 0, 2*len(b))
		write := testing.AllocsPerRun(100, func() { _, _ = w.Append(buf, &v, nil) })
		var to T
		read := testing.AllocsPerRun(100, func() { _, _ = r.Read(b, &to, nil) })
		return write, read
	}
}

// What a map counts for is no less than what it takes.
func TestMapCost(t *testing.T) {
	type wide [200]byte
	compare := func(name string, per uint64, f func()) {
		t.Helper()
		n, most := allocated(f), per+per/8+512
		for range 4 { // the runtime may have allocated something for itself meanwhile
			if n > most {
				n = min(n, allocated(f))
			}
		}
		if n > most {
			t.Errorf("%s: %d bytes allocated, %d counted", name, n, per)
		}
	}
	for _, n := range []int{0, 1, 7, 8, 9, 14, 15, 100, 895, 897, 1000, 1793, 1793, 1793, 1793, 1793, 1793, 1793, 1793, 10000} {
		compare("int", mapCost(n, 8, 8), func() {
			m := make(map[int]int, n)
			for i := range n {
				m[i] = i
			}
		})
		compare("wide", mapCost(n, 2, 200), func() {
			m := make(map[uint16]wide, n)
			for i := range n {
				m[uint16(i)] = wide{}
			}
		})
	}
}
