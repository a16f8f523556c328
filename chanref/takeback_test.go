package chanref

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/mux"
)

// While a sink that is being closed empties its channel, its program takes values
// too: only what it did not get goes back.
func TestTakeBackBesideAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		c, src := sourceIn[int](w, 8)
		d, sink := sinkIn[int](w, 8)
		connect(t, src, link, sink)
		for i := range 8 {
			send(t, c, i)
		}
		synctest.Wait()
		// As Close does, but for the values taken between its looking and its emptying.
		sink.push <- struct{}{}
		sink.mu.Lock()
		u := sink.uses.get(src.ID())
		sink.k.settle(sink.k.pushed, uint64(len(d)))
		sink.k.frozen = true
		sink.mu.Unlock()
		for i := range 3 {
			if v := receive(t, d); v != i {
				t.Fatal(v)
			}
		}
		stay, stops := sink.takeBack(sink.grip.conduit(), []*use{u})
		want := []mux.Run{{First: 4, Count: 5}}
		if st := stops[u]; len(stay) > 0 || st.UpTo != 8 || !slices.Equal(st.NotTaken, want) {
			t.Errorf("%v stays, %+v goes back, want %v", stay, st, want)
		}
		sink.mu.Lock()
		sink.k.frozen = false
		sink.mu.Unlock()
		<-sink.push
	})
}

// Many drops, with values between them that are taken, are told at one time, in
// more than one frame: each counts as what it is.
func TestDropsBetweenTakenValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		w := newWorld(t)
		c, src := sourceIn[int64](w, 2*n)
		d, sink := sinkIn[int8](w, 4*n)
		for i := range int64(n) {
			send(t, c, 1)
			send(t, c, 1000+i)
		}
		connect(t, src, w.link("b"), sink)
		synctest.Wait() // no time has passed: nothing is acknowledged
		for range n {
			receive(t, d)
		}
		settled()
		if st := src.Stats(); st.Acknowledged != n || st.Dropped != n {
			t.Fatalf("%+v", st)
		}
	})
}
