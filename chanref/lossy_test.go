package chanref

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/mux"
)

// A lossy receiver is never waited for: it has the newest values, and both
// sides count the others.
func TestLossySink(t *testing.T) {
	for _, broadcasts := range []bool{false, true} {
		for _, buffer := range []int{1, 8} {
			t.Run(fmt.Sprint(buffer, broadcasts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					c, src := sourceIn[int](w, 0, func(c *SourceConfig) { c.Broadcast = broadcasts })
					d, sink := sinkIn[int](w, buffer, lossySink)
					connect(t, src, w.link("b"), sink)
					for i := range 1000 {
						send(t, c, i)
						if i%100 == 0 {
							synctest.Wait()
						}
					}
					settled()
					if st := sink.Stats(); int(st.Dropped) != 1000-buffer || st.Received != 1000 {
						t.Fatalf("%+v", st)
					}
					if st := src.Stats(); int(st.Dropped) != 1000-buffer || st.Acknowledged != 0 {
						t.Fatalf("%+v", st)
					}
					close(c)
					if got := closed(t, d); !slices.Equal(got, upTo(1000)[1000-buffer:]) {
						t.Fatalf("%v could be read", got)
					}
					synctest.Wait()
					taken := uint64(buffer)
					if broadcasts {
						taken = 0 // its end did not wait: they were in flight then
					}
					if st := src.Stats(); st.Acknowledged != taken || st.InFlight != uint64(buffer)-taken || int(st.Dropped) != 1000-buffer {
						t.Fatalf("%+v", st)
					}
				})
			})
		}
	}
}

// A reader that is a little too slow gets what it gets in order, and the counts
// of both sides are right, with looks at any time.
func TestLossySinkUnderReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 8000
		w := newWorld(t)
		c, src := sourceIn[int](w, 0)
		d, sink := sinkIn[int](w, 4, lossySink)
		connect(t, src, w.link("b"), sink)
		var reading sync.WaitGroup
		read := 0
		reading.Go(func() {
			last := -1
			for v := range d {
				if v <= last {
					t.Errorf("%d after %d", v, last)
				}
				last = v
				read++
				sink.look()
			}
		})
		for i := range n {
			send(t, c, i)
		}
		close(c)
		reading.Wait()
		ended(t, "the source", src.Done())
		st, there := src.Stats(), sink.Stats()
		if int(st.Acknowledged) != read || int(there.Dropped) != n-read || st.Dropped != there.Dropped {
			t.Fatalf("read %d of %d: %+v, %+v", read, n, st, there)
		}
	})
}

// In a channel of both kinds of senders only values of the lossy one go, and the others keep their order.
func TestLossySenderAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		w := newWorld(t)
		link := w.link("b")
		d, sink := sinkIn[int](w, 4)
		lossy, lossySrc := sourceIn[int](w, 0, lossySource)
		queue, queueSrc := sourceIn[int](w, 0)
		connect(t, lossySrc, link, sink)
		connect(t, queueSrc, link, sink)
		var all sync.WaitGroup
		all.Go(func() {
			for i := range n {
				lossy <- -i
			}
			close(lossy)
		})
		all.Go(func() {
			for i := range n {
				queue <- i + 1
			}
			close(queue)
		})
		next, read := 1, 0
		for v := range d {
			if v <= 0 {
				read++
				continue
			}
			if v != next {
				t.Fatalf("got %d, want %d", v, next)
			}
			next++
			sink.look()
		}
		all.Wait()
		synctest.Wait()
		if next != n+1 {
			t.Fatalf("%d values came of the sender that is waited for", next-1)
		}
		if st := queueSrc.Stats(); st.Acknowledged != n || st.Dropped != 0 {
			t.Fatalf("%+v", st)
		}
		// The end of the lossy source did not wait for what was read after it.
		st := lossySrc.Stats()
		if after := read - int(st.Acknowledged); after < 0 || after > int(st.InFlight) || st.Acknowledged+st.InFlight+st.Dropped != n {
			t.Fatalf("%d read; %+v", read, st)
		}
	})
}

// A lossy broadcast waits for nobody, and goes on where nobody is.
func TestLossyBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 8, lossySource)
		for i := range 100 {
			send(t, c, i)
		}
		// What the channel still holds at a Flush, nobody will get.
		release, flushed := hold(src), make(chan error, 1)
		for i := range 4 {
			send(t, c, i)
		}
		go func() { flushed <- src.Flush(testContext(t)) }()
		synctest.Wait()
		release()
		if err := receive(t, flushed); err != nil {
			t.Fatal(err)
		}
		if err := src.Deliver(testContext(t), 1); err != nil {
			t.Fatal(err)
		}
		if st := src.Stats(); st.Sent != 105 || st.Dropped != 0 || st.Acknowledged != 0 {
			t.Fatalf("%+v", st)
		}
		d, sink := sinkIn[int](w, 2)
		connect(t, src, w.link("b"), sink)
		for i := range 100 {
			send(t, c, i)
		}
		go func() { flushed <- src.Flush(testContext(t)) }()
		settled()
		if len(d) != 2 {
			t.Fatalf("%d values came", len(d))
		}
		receive(t, d)
		receive(t, d)
		receive(t, flushed)
		settled()
		if st := src.Stats(); st.Acknowledged != 2 || st.Dropped != 98 {
			t.Fatalf("%+v", st)
		}
	})
}

// While room is made the program takes values too: what was taken out is found
// among those that lay there.
func TestDropOldestFindsItsPlace(t *testing.T) {
	w := newWorld(t)
	d, s := sinkIn[int](w, 4, keepOpen)
	c := s.grip.(chanOf[int]).c
	lossy, other := &use{next: 1, lossy: true}, &use{next: 1, lossy: true}
	for _, v := range []struct {
		u *use
		v int
	}{{lossy, 10}, {other, 20}, {lossy, 30}, {lossy, 40}} {
		c <- v.v
		s.vals[s.pushes%uint64(len(s.vals))] = v.v
		s.pushes++
		s.k.note(v.u, 1, false)
	}
	if other.lossy = false; s.k.lossy() {
		t.Fatal("room could be made by a value whose sender is waited for")
	}
	if other.lossy = true; !s.k.lossy() {
		t.Fatal("no room could be made")
	}
	s.k.frozen = true
	if v := receive(t, d); v != 10 {
		t.Fatal(v)
	}
	s.dropOldest(<-c)
	why := "the receiver's channel was full"
	want := []mux.Drop{{First: 1, Count: 1, Code: mux.CodeLossy, Text: why}}
	if len(lossy.drops) > 0 || !slices.Equal(other.drops, want) || lossy.taken != 1 || other.taken != 0 || len(d) != 2 {
		t.Fatalf("dropped %v, %v; %d, %d taken; %d are left", lossy.drops, other.drops, lossy.taken, other.taken, len(d))
	}
	if v := receive(t, d); v != 30 {
		t.Fatalf("got %d, want 30", v)
	}
	s.dropOldest(<-c)
	want = []mux.Drop{{First: 3, Count: 1, Code: mux.CodeLossy, Text: why}}
	if !slices.Equal(lossy.drops, want) || lossy.taken != 2 || other.taken != 1 || len(d) != 0 {
		t.Fatalf("dropped %v; %d, %d taken; %d are left", lossy.drops, lossy.taken, other.taken, len(d))
	}
	s.k.frozen = false
	s.k.settle(s.k.pushed, 0)
	if lossy.taken != 3 || s.k.runs.len() > 0 || s.Stats().Dropped != 2 {
		t.Fatalf("%d taken, %+v", lossy.taken, s.Stats())
	}
}
