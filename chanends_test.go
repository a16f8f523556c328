package netchan_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// pair sends one channel from node a to node b.
func handed[T any](t *testing.T, a, b *netchan.Node, c T) T {
	t.Helper()
	name := t.Name()
	s, r := sender[T](t, a, name), receiver[T](t, b, name)
	got := make(chan T, 1)
	go func() { got <- <-r.C }()
	if err := s.Deliver(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	return <-got
}

// Done, Err and Flush tell the same story at both ends, whoever ends a channel and how.
func TestDoneAtBothEnds(t *testing.T) {
	type ends struct{ home, far error } // what Err has to match
	for _, c := range []struct {
		what    string
		receive bool
		end     func(home chan int, to chan<- int, from <-chan int, b *netchan.Node)
		want    ends
	}{
		{"closed afar", false, func(_ chan int, to chan<- int, _ <-chan int, _ *netchan.Node) { close(to) }, ends{netchan.ErrClosed, netchan.ErrClosed}},
		{"released afar", false, func(_ chan int, to chan<- int, _ <-chan int, _ *netchan.Node) { netchan.Release(to) }, ends{netchan.ErrClosed, netchan.ErrClosed}},
		{"its node is closed", false, func(_ chan int, _ chan<- int, _ <-chan int, b *netchan.Node) { b.Close() }, ends{netchan.ErrPeerLost, netchan.ErrClosed}},
		{"closed at home", true, func(home chan int, _ chan<- int, _ <-chan int, _ *netchan.Node) { close(home) }, ends{netchan.ErrClosed, nil}},
		{"reading is released", true, func(_ chan int, _ chan<- int, from <-chan int, _ *netchan.Node) { netchan.Release(from) }, ends{netchan.ErrClosed, netchan.ErrClosed}},
		{"the reading node is closed", true, func(_ chan int, _ chan<- int, _ <-chan int, b *netchan.Node) { b.Close() }, ends{netchan.ErrPeerLost, netchan.ErrClosed}},
	} {
		t.Run(c.what, func(t *testing.T) {
			a := join(t, "a")
			b := join(t, "b", a.Addr())
			home := make(chan int, 1)
			var far any
			var to chan<- int
			var from <-chan int
			if c.receive {
				from = handed(t, a, b, (<-chan int)(home))
				home <- 1
				if err := netchan.Err(from); err != nil || take(t, from) != 1 {
					t.Fatal(err)
				}
				far = from
			} else {
				to = handed(t, a, b, (chan<- int)(home))
				to <- 1
				if netchan.Err(to) != nil || take(t, home) != 1 {
					t.Fatal("ended already")
				}
				far = to
			}
			if c.want.home != netchan.ErrPeerLost {
				if err := netchan.Flush(testContext(t), far); err != nil {
					t.Error(err)
				}
			}
			if err := netchan.Err(home); err != nil {
				t.Fatal(err)
			}
			done := netchan.Done(home)
			c.end(home, to, from, b)
			for _, d := range []<-chan struct{}{done, netchan.Done(far)} {
				select {
				case <-d:
				case <-time.After(testTime):
					t.Fatal("not done")
				}
			}
			if err := netchan.Err(home); !errors.Is(err, c.want.home) {
				t.Errorf("at home: %v", err)
			}
			if err := netchan.Err(far); !errors.Is(err, c.want.far) || (err == nil) != (c.want.far == nil) {
				t.Errorf("afar: %v", err)
			}
			if _, closed := receivedNow(home); closed != (c.what == "closed afar" || c.what == "closed at home") {
				t.Errorf("at home it is closed: %t", closed)
			}
		})
	}
}

func receivedNow(c <-chan int) (v int, closed bool) {
	select {
	case v, ok := <-c:
		return v, !ok
	default:
		return 0, false
	}
}

// Flush waits until what was sent on a channel that came in a value was taken at its home.
func TestFlushOfAChannelInAValue(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	home := make(chan int, 1)
	far := handed(t, a, b, (chan<- int)(home))
	give(t, far, 1)
	ctx, cancel := context.WithTimeout(context.Background(), quietTime)
	defer cancel()
	stalled := (*netchan.StalledError)(nil)
	if err := netchan.Flush(ctx, far); !errors.As(err, &stalled) || stalled.Left != 1 {
		t.Fatalf("%v", err)
	}
	if take(t, home) != 1 {
		t.Fatal("another value")
	}
	if err := netchan.Flush(testContext(t), far); err != nil {
		t.Fatal(err)
	}
}
