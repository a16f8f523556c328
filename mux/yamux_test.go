package mux

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// TestYamuxConfig: each of these values keeps a trap of yamux shut.
func TestYamuxConfig(t *testing.T) {
	s := newSession(&handler{}, Config{Logger: quiet})
	c := yamuxConfig(s)
	switch {
	case c.AcceptBacklog < s.cfg.MaxStreams:
		t.Error("streams beyond the backlog are reset from the receive loop")
	case c.EnableKeepAlive:
		t.Error("keep-alive sends pings, which the guard forbids")
	case c.ConnectionWriteTimeout != math.MaxInt64:
		t.Error("a write that timed out may still be delivered")
	case c.StreamOpenTimeout != 0:
		t.Error("one stream that is not accepted ends the session")
	case c.StreamCloseTimeout != 0:
		t.Error("data that has arrived is thrown away")
	case c.MaxStreamWindowSize != yamuxWindow || 2*maxWindow > yamuxWindow:
		t.Error("a byte limit above half of yamux' window makes the writer wait")
	case baseWindow >= yamuxInitial:
		t.Error("a stream that is not yet accepted has a window of 256 KiB")
	}
}

// TestBuffersShrink: the memory of a burst is given back when the stream has been at rest.
func TestBuffersShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serving, release := make(chan *In, 1), make(chan struct{})
		a, b := Pair(&handler{serve: func(in *In) {
			in.Accept(Accept{Limit: 1 << 40})
			serving <- in
			<-release
			take(in)
		}}, Config{Logger: quiet})
		f := newFeedback()
		o := a.Open(open("x"), f)
		in := <-serving
		for range 5 {
			sendAll(t, o, f, numbers(NewBatch(ID{1}), 1, 2000))
		}
		size := func() int {
			p := in.st.stream.(*pipeEnd).pipe
			p.mu.Lock()
			defer p.mu.Unlock()
			return cap(p.buf)
		}
		if size() < 16000 {
			t.Fatalf("a buffer of %d bytes", size())
		}
		close(release)
		synctest.Wait()
		if size() == 0 {
			t.Error("freed at once: the next frame must make it again")
		}
		time.Sleep(2 * shrinkAfter) // the bubble's clock
		synctest.Wait()
		if size() != 0 {
			t.Errorf("%d bytes are kept", size())
		}
		sendAll(t, o, f, numbers(NewBatch(ID{1}), 1, 2000)) // and it goes on
		a.Close(nil)
		a.Wait()
		b.Wait()
	})
}

// TestRepliesAreCheap: a use that brings one value and ends is one write.
func TestRepliesAreCheap(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		a, _ := connect(&handler{serve: take}, Config{})
		for i := range 3 {
			before := a.Stats().FramesOut
			f := newFeedback()
			b := numbers(NewBatch(ID{1}), 1, 1)
			a.mu.Lock() // as if all three calls came while the writer was at something else
			o := &Out{s: a, fb: f, open: open("x"), off: -1, limit: firstWindow, batch: b, closed: true, clean: true}
			a.unsaid[o] = struct{}{}
			a.queue(o)
			a.mu.Unlock()
			want(t, "Written", f.written)
			waitFor(t, func() bool { return a.Stats().Outs == 0 })
			if n := a.Stats().FramesOut - before; n != 1 {
				t.Errorf("use %d took %d writes", i, n)
			}
		}
	})
}
