package chanref

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// A source that is closed delivers what its channel held, and leaves without
// telling that the channel is closed. Later sends complete and are counted.
func TestSourceClose(t *testing.T) {
	forBuffers(t, func(t *testing.T, buffer int) {
		w := newWorld(t)
		c, src := sourceIn[int](w, buffer)
		d, sink := sinkIn[int](w, 4)
		for i := range buffer {
			send(t, c, i)
		}
		src.Close()
		src.Close()
		synctest.Wait()
		if buffer > 0 {
			select {
			case <-src.Done():
				t.Fatal("the source has ended, and its values are not delivered")
			default:
			}
		}
		src.Connect(w.link("b"), to(sink), "b")
		for i := range buffer {
			if v := receive(t, d); v != i {
				t.Fatalf("got %d, want %d", v, i)
			}
		}
		ended(t, "the source", src.Done())
		if src.Err() != ErrClosed {
			t.Fatal(src.Err())
		}
		for i := range 20 {
			send(t, c, 100+i)
		}
		settled()
		select {
		case v, ok := <-d:
			t.Fatalf("the receiver gets %d, %v", v, ok)
		default:
		}
		if st := src.Stats(); int(st.Sent) != buffer+20 || int(st.Acknowledged) != buffer || st.Dropped != 20 || st.LastDrop != ErrClosed {
			t.Fatalf("%+v", st)
		}
		if st := sink.Stats(); st.Senders != 0 {
			t.Fatalf("%+v", st)
		}
		if err := src.Flush(testContext(t)); err != nil {
			t.Fatalf("Flush after the end: %v", err)
		}
		if err := src.Deliver(testContext(t), 1); err != ErrClosed {
			t.Fatalf("Deliver after the end: %v", err)
		}
		if err := src.WaitReceivers(testContext(t), 1); err != ErrClosed {
			t.Fatalf("WaitReceivers after the end: %v", err)
		}
		// One that never closes its channel leaves the receiver open for others.
		other, otherSrc := sourceIn[int](w, 0)
		connect(t, otherSrc, w.link("c"), sink)
		close(other)
		if got := closed(t, d); len(got) > 0 {
			t.Fatalf("%v came", got)
		}
	})
}

// What is sent while a closed source still delivers is not taken for what it
// held.
func TestSourceCloseTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 2)
		d, sink := sinkIn[int](w, 1)
		connect(t, src, w.link("b"), sink)
		for i := range 4 { // one lies there, one is on its way, two in c
			send(t, c, i)
		}
		settled()
		src.Close()
		synctest.Wait()
		var senders sync.WaitGroup
		for i := range 10 {
			senders.Go(func() { c <- 100 + i })
		}
		for i := range 4 {
			if v := receive(t, d); v != i {
				t.Fatalf("got %d, want %d", v, i)
			}
			settled()
		}
		ended(t, "the source", src.Done())
		senders.Wait()
		settled()
		if st := src.Stats(); st.Acknowledged != 4 || st.Dropped != 10 || len(d) > 0 {
			t.Fatalf("%+v, %d values came", st, len(d))
		}
	})
}

// The close of the channel reaches the receivers when all is taken, by
// whichever of them, and not before.
func TestCloseIsToldLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		c, src := sourceIn[int](w, 8)
		quick, quickSink := sinkIn[int](w, 4)
		slow, slowSink := sinkIn[int](w, 4)
		connect(t, src, link, quickSink)
		connect(t, src, link, slowSink)
		for i := range 8 {
			send(t, c, i)
		}
		close(c)
		settled()
		if len(quick) != 4 || len(slow) != 4 {
			t.Fatalf("%d and %d values came", len(quick), len(slow))
		}
		for range 4 {
			receive(t, quick)
		}
		pass(time.Minute)
		select {
		case <-quick:
			t.Fatal("closed, and another receiver has values that may come back")
		default:
		}
		slowSink.Close()
		if got := closed(t, quick); len(got) != 4 {
			t.Fatalf("%d values came back, want 4", len(got))
		}
		if got := closed(t, slow); len(got) != 0 || slowSink.Err() != nil {
			t.Fatal(got, slowSink.Err())
		}
		ended(t, "the source", src.Done())
		if st := src.Stats(); st.Acknowledged != 8 {
			t.Fatalf("%+v", st)
		}
	})
}

// A receiver that is known, and has no stream when the channel is closed, hears
// of it if it comes soon; the source does not wait for it for ever.
func TestCloseWaitsForLateReceiver(t *testing.T) {
	for _, comes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			c, src := sourceIn[int](w, 0)
			d, sink := sinkIn[int](w, 0)
			there, thereSink := sinkIn[int](w, 0)
			connect(t, src, w.link("c"), thereSink)
			src.Know(map[mux.Target]string{to(sink): "b", to(thereSink): "c"})
			close(c)
			pass(lingerTime / 2)
			if !comes {
				closed(t, there)
				ended(t, "the source", src.Done())
				return
			}
			select {
			case <-src.Done():
				t.Fatal("the source has not waited")
			default:
			}
			src.Connect(w.link("b"), to(sink), "b")
			closed(t, d)
			ended(t, "the source", src.Done())
		})
	}
}

// A sender of a name that others still send to does not close the channel.
func TestChannelOutlivesASender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		awaited := true
		d, sink := sinkIn[int](w, 0, func(c *SinkConfig) {
			c.Others = func(func([32]byte, mux.ID) bool) bool { return awaited }
		})
		a, srcA := sourceIn[int](w, 0)
		b, srcB := sourceIn[int](w, 0)
		connect(t, srcA, link, sink)
		connect(t, srcB, link, sink)
		close(a)
		ended(t, "the source", srcA.Done())
		send(t, b, 1)
		receive(t, d)
		close(b)
		settled()
		select {
		case <-d:
			t.Fatal("closed, and the registry names another sender")
		default:
		}
		awaited = false
		sink.Evaluate()
		closed(t, d)
		// A service's channel stays open; Last ends that.
		e, keep := sinkIn[int](w, 0, keepOpen)
		c, src := sourceIn[int](w, 0)
		connect(t, src, link, keep)
		keep.Last()
		send(t, c, 1)
		receive(t, e)
		close(c)
		closed(t, e)
	})
}

// A Flush that comes while the source ends finds that all was delivered.
func TestFlushAtTheEnd(t *testing.T) {
	w := newWorld(t)
	link := w.link("b")
	for range 300 {
		c, src := sourceIn[int](w, 0)
		d, sink := sinkIn[int](w, 0)
		connect(t, src, link, sink)
		send(t, c, 1)
		receive(t, d)
		var flushes sync.WaitGroup
		flushes.Go(func() { close(c) })
		for range 4 {
			flushes.Go(func() {
				if err := src.Flush(testContext(t)); err != nil {
					t.Errorf("Flush: %v", err)
				}
			})
		}
		flushes.Wait()
		closed(t, d)
		ended(t, "the source", src.Done())
	}
}
