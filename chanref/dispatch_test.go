package chanref

import (
	"math/rand/v2"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// randomProgram is a program for a model, whose bytes are operations.
func randomProgram(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	program := make([]byte, n)
	for i := range program {
		program[i] = byte(r.Uint32())
	}
	return program
}

func TestDispatchPrograms(t *testing.T) {
	for _, mode := range []struct {
		name                  string
		broadcast, atMostOnce bool
	}{{name: "queue"}, {name: "at most once", atMostOnce: true}, {name: "broadcast", broadcast: true}} {
		t.Run(mode.name, func(t *testing.T) {
			var seen dispatchModel
			for seed := range uint64(500) {
				m := runDispatch(t, randomProgram(seed, 400), mode.broadcast, mode.atMostOnce)
				seen.ok, seen.bad, seen.again, seen.seq = seen.ok+m.ok, seen.bad+m.bad, seen.again+m.again, seen.seq+m.seq
			}
			// Programs that do nothing prove nothing.
			if seen.ok < 1000 || seen.bad < 500 || !mode.broadcast && !mode.atMostOnce && seen.again < 100 {
				t.Fatalf("of %d values %d were acknowledged, %d dropped, %d redelivered", seen.seq, seen.ok, seen.bad, seen.again)
			}
			if mode.atMostOnce && seen.again > 0 {
				t.Fatalf("%d values were delivered again", seen.again)
			}
		})
	}
}

func FuzzDispatch(f *testing.F) {
	f.Add(randomProgram(1, 60), uint8(0))
	f.Add(randomProgram(2, 200), uint8(1))
	f.Add(randomProgram(3, 200), uint8(2))
	f.Add([]byte{0, 1, 0, 7, 3, 3, 14, 0, 1, 0, 1, 0, 7, 3, 13, 0, 1}, uint8(0))
	f.Fuzz(func(t *testing.T, program []byte, mode uint8) {
		runDispatch(t, program[:min(len(program), 1<<12)], mode%3 == 2, mode%3 == 1)
	})
}

// A receiver may give up each value that it got, one by one and each for a
// reason of its own, however many they are; telling it twice does no harm.
func TestDispatchManyDrops(t *testing.T) {
	const n = 3000
	d := &dispatch[int]{}
	l := &lane[int]{live: true, limit: n}
	d.add(l)
	for i := range n {
		d.assign(l, item[int]{seq: uint64(i + 1)})
	}
	// The first is not taken yet, so the others can't be acknowledged either.
	for _, i := range rand.Perm(n - 1) {
		drop := mux.Drop{First: uint64(i) + 2, Count: 1, Code: mux.CodeDecode}
		if err := d.ack(l, mux.Ack{Drops: []mux.Drop{drop, drop}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.drops) != n-1 {
		t.Fatalf("%d drops are kept", len(l.drops))
	}
	if err := d.ack(l, mux.Ack{Taken: n}); err != nil || d.dropped != n-1 || d.acknowledged != 1 || len(l.drops) > 0 {
		t.Fatalf("%v, %d dropped, %d acknowledged, %d drops are kept", err, d.dropped, d.acknowledged, len(l.drops))
	}
}
