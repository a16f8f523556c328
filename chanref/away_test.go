package chanref

import (
	"slices"
	"testing"
	"testing/synctest"
)

// While a receiver's node can't be reached, its values go to others, and wait
// where there is no other; what it had stays with it.
func TestAwayReceiverGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		near, far := w.link("near"), w.link("far")
		c, src := sourceIn[int](w, 10)
		a, one := sinkIn[int](w, 4, keepOpen)
		b, two := sinkIn[int](w, 4, keepOpen)
		connect(t, src, near, one)
		connect(t, src, far, two)
		w.table.Away(far, true)
		for i := range 8 {
			send(t, c, i)
		}
		settled()
		if len(a) != 4 || len(b) != 0 || src.Stats().InFlight != 8 {
			t.Fatalf("%d and %d lie there, %+v", len(a), len(b), src.Stats())
		}
		w.table.Away(near, true)
		for i := range 8 {
			if v := receive(t, a); v != i {
				t.Fatal(v)
			}
		}
		send(t, c, 8)
		settled()
		if got := stalled(t, src.Flush); got.Reason != StallLink || got.Left != 1 {
			t.Fatalf("%+v", got)
		}
		// A stream that is opened meanwhile does not count either.
		e, three := sinkIn[int](w, 4, keepOpen)
		src.Connect(far, to(three), "far")
		settled()
		if len(e) != 0 {
			t.Fatal("a value went to a receiver that is away")
		}
		w.table.Away(far, false)
		send(t, c, 9)
		settled()
		if got := []int{receive(t, b), receive(t, e)}; !slices.Contains(got, 8) || !slices.Contains(got, 9) {
			t.Fatal(got)
		}
	})
}

// A broadcast waits for a receiver that is away, but for a lossy one.
func TestAwayReceiverOfABroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		far, near := w.link("far"), w.link("near")
		c, src := sourceIn[int](w, 0, broadcast)
		d, sink := sinkIn[int](w, 2, keepOpen)
		e, other := sinkIn[int](w, 2, keepOpen, lossySink)
		connect(t, src, near, sink)
		connect(t, src, far, other)
		w.table.Away(far, true)
		send(t, c, 1)
		if v := receive(t, d); v != 1 {
			t.Fatal(v)
		}
		w.table.Away(far, false)
		w.table.Away(near, true)
		select {
		case c <- 2:
			t.Fatal("the broadcast did not wait")
		default:
		}
		settled()
		select {
		case c <- 2:
			t.Fatal("the broadcast did not wait")
		default:
		}
		w.table.Away(near, false)
		send(t, c, 2)
		if v := receive(t, d); v != 2 {
			t.Fatal(v)
		}
		if got := []int{receive(t, e), receive(t, e)}; !slices.Equal(got, []int{1, 2}) {
			t.Fatal(got)
		}
	})
}
