package chanref

import (
	"math"
	"runtime"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// A channel of values without a size may have room for any number.
func TestHugeChannel(t *testing.T) {
	g, n := newGlobe(t, "home", "other")
	nothing := make(chan struct{}, math.MaxInt)
	far := carry[chan<- struct{}](n[0], n[1], nothing)
	for range 3 {
		far <- struct{}{}
	}
	for range 3 {
		<-nothing
	}
	far = nil
	g.empty()
}

// The program's own channel costs nothing beside what it takes itself, however large.
func TestLargeChannel(t *testing.T) {
	g, n := newGlobe(t, "home", "other")
	ints := make(chan int, 1<<22)
	far := carry[chan<- int](n[0], n[1], ints)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	far <- 1
	<-ints
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated", took)
	}
	far = nil
	g.empty()
}

// What is sent to a proxy that has ended is counted, also when the program drops it at once.
func TestSentToTheEndedAndDropped(t *testing.T) {
	const many = 100
	g, n := newGlobe(t, "home", "other")
	home, other := n[0], n[1]
	func() {
		var all []chan<- int
		for range many {
			ints := make(chan int, 1)
			far := carry[chan<- int](home, other, ints)
			ended(t, "the proxy", released(far))
			all = append(all, far)
		}
		for _, far := range all {
			far <- 1
		}
	}()
	eventually(t, "the drops", func() bool {
		runtime.GC()
		return other.table.RefStats().Dropped == many
	})
	g.empty()
}

// A peer can't have others lose what they have sent to a program's own channel: who sends to one that
// travelled waits for room.
func TestNobodySendsLossy(t *testing.T) {
	x := newIntruder(t)
	carry[chan<- int](x.victim, x.self, x.original)
	for i := range cap(x.original) {
		x.original <- i
	}
	schema, f := writer[int](t).Schema(), newFeedback()
	out := x.s.Open(mux.Open{
		Target: mux.Target{ID: x.ref(mux.ToSend).Channel}, End: newID(), First: 1,
		Hash: schema.Hash(), Schema: schema.Bytes(), Flags: flagLossy,
	}, f)
	b := mux.NewBatch(schema.Hash())
	b.Count, b.B = 1, append(b.B, 2)
	out.Send(b)
	eventually(t, "the sink", func() bool {
		x.victim.table.refs.mu.Lock()
		defer x.victim.table.refs.mu.Unlock()
		for _, e := range x.victim.table.refs.exports {
			if e.sink != nil {
				return true
			}
		}
		return false
	})
	for i := range cap(x.original) {
		if v := <-x.original; v != i {
			t.Fatalf("%d instead of %d", v, i)
		}
	}
	if v := <-x.original; v != 1 {
		t.Errorf("%d from the peer", v)
	}
}
