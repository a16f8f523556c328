package chanref

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// Abort ends a source at once, and every call that waits with it.
func TestAbortAnswersEverything(t *testing.T) {
	why := errors.New("the node is closing")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 4)
		d, sink := sinkIn[int](w, 1)
		connect(t, src, w.link("b"), sink)
		for i := range 5 { // one lies there, one is on its way, three in c
			send(t, c, i)
		}
		synctest.Wait()
		results := make(chan error, 4)
		go func() { results <- src.Deliver(context.Background(), 9) }()
		go func() { results <- src.Flush(context.Background()) }()
		go func() { results <- src.WaitReceivers(context.Background(), 3) }()
		synctest.Wait()
		src.Abort(why)
		src.Abort(errors.New("another"))
		for range 3 {
			if err := receive(t, results); err != why {
				t.Fatalf("a call returned %v", err)
			}
		}
		ended(t, "the source", src.Done())
		if src.Err() != why || src.Flush(testContext(t)) != why {
			t.Fatal(src.Err())
		}
		settled()
		if st := src.Stats(); st.Sent != 5 || st.Dropped != 5 || st.InFlight != 0 || st.Waiting != 0 || st.LastDrop == nil {
			t.Fatalf("%+v", st)
		}
		if lines := w.log.with("values=3"); len(lines) != 1 { // two that were given out, and Deliver's
			t.Fatalf("the log says %q", w.log.with(""))
		}
		// The receiver keeps what it has, and is not told of a close.
		if v := receive(t, d); v != 0 {
			t.Fatal(v)
		}
	})
}

// A delivery that has been sent is answered too.
func TestAbortAnswersSentDelivery(t *testing.T) {
	for _, mode := range []func(*SourceConfig){func(*SourceConfig) {}, broadcast, atMostOnce} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			_, src := sourceIn[int](w, 4, mode)
			_, sink := sinkIn[int](w, 1)
			connect(t, src, w.link("b"), sink)
			result := make(chan error, 1)
			go func() { result <- src.Deliver(context.Background(), 9) }()
			settled()
			src.Abort(ErrClosed)
			if err := receive(t, result); err == nil {
				t.Fatal("Deliver returned nil for a value that nobody took")
			}
			ended(t, "the source", src.Done())
			synctest.Wait()
			if st := src.Stats(); st.Dropped != 1 {
				t.Fatalf("%+v", st)
			}
			if lines := w.log.with("when a sender ended"); len(lines) != 1 {
				t.Fatalf("the log says %q", w.log.with(""))
			}
		})
	}
}

// The end of the table ends all, whatever it waits for; sends go on completing.
func TestTableClose(t *testing.T) {
	for _, sessionsFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			link := w.link("b")
			full, fullSrc := sourceIn[int](w, 1)
			idle, idleSrc := sourceIn[int](w, 0)
			d, sink := sinkIn[int](w, 2)
			connect(t, fullSrc, link, sink)
			for i := range 5 {
				send(t, full, i)
			}
			settled()
			if sessionsFirst {
				cut(link)
			}
			why := errors.New("closed for a reason")
			w.table.Close(why)
			if got := closed(t, d); !slices.Equal(got, []int{0, 1}) || sink.Err() != why {
				t.Fatalf("%v could be read, then %v", got, sink.Err())
			}
			for _, src := range []*Source[int]{fullSrc, idleSrc} {
				ended(t, "a source", src.Done())
				if src.Err() != why {
					t.Fatal(src.Err())
				}
			}
			for i := range 10 {
				send(t, full, i)
				send(t, idle, i)
			}
			// What is made in a closed table has ended.
			late, lateSrc := sourceIn[int](w, 0)
			lateD, _ := sinkIn[int](w, 0)
			ended(t, "a source", lateSrc.Done())
			send(t, late, 1)
			closed(t, lateD)
		})
	}
}

// Nobody has to wait until those who send on an ended channel stop.
func TestTableCloseUnderSenders(t *testing.T) {
	w := newWorld(t)
	c, src := sourceIn[int](w, 64)
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for {
				select {
				case c <- 1:
				case <-stop:
					return
				}
			}
		})
	}
	w.table.Close(ErrClosed)
	ended(t, "the source", src.Done())
	for dropped := src.Stats().Dropped; src.Stats().Dropped < dropped+5000; {
		send(t, c, 1)
	}
	close(stop)
	senders.Wait()
}
