package chanref

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// forBuffers runs f in a bubble for a channel without and with a buffer.
func forBuffers(t *testing.T, f func(t *testing.T, buffer int)) {
	for _, buffer := range []int{0, 1, 16} {
		t.Run(fmt.Sprintf("buffer %d", buffer), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, buffer) })
		})
	}
}

func TestOrderAndClose(t *testing.T) {
	forBuffers(t, func(t *testing.T, buffer int) {
		w := newWorld(t)
		c, src := sourceIn[int](w, buffer)
		d, sink := sinkIn[int](w, buffer)
		connect(t, src, w.link("b"), sink)
		go func() {
			for i := range 5000 {
				c <- i
			}
			close(c)
		}()
		if got := closed(t, d); !slices.Equal(got, upTo(5000)) {
			t.Fatalf("%d values came, or not in order", len(got))
		}
		if err := sink.Err(); err != nil {
			t.Fatalf("the sink's end: %v", err)
		}
		ended(t, "the source", src.Done())
		if err := src.Err(); err != ErrClosed {
			t.Fatalf("the source's end: %v", err)
		}
		synctest.Wait()
		if st := src.Stats(); st.Sent != 5000 || st.Acknowledged != 5000 || st.InFlight != 0 || st.Dropped != 0 || st.Redelivered != 0 || st.Receivers != 0 {
			t.Fatalf("%+v", st)
		}
		if st := sink.Stats(); st.Received != 5000 || st.Dropped != 0 || st.Senders != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// Values of all sizes: many to a frame, one to a frame, one to many frames.
func TestOrderOfSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[[]byte](w, 4)
		d, sink := sinkIn[[]byte](w, 4)
		connect(t, src, w.link("b"), sink)
		size := func(i int) int {
			return []int{0, 1, 100, mux.MaxFrame - 10, mux.MaxFrame, mux.MaxFrame + 1, 3 * mux.MaxFrame, 200 << 10}[i*5%8]
		}
		go func() {
			for i := range 200 {
				c <- slices.Repeat([]byte{byte(i)}, size(i))
			}
			close(c)
		}()
		for i := range 200 {
			if v := receive(t, d); len(v) != size(i) || len(v) > 0 && v[len(v)-1] != byte(i) {
				t.Fatalf("value %d has %d bytes, want %d", i, len(v), size(i))
			}
		}
		closed(t, d)
	})
}

// Deliver returns when the program has taken the value, not when it lies in
// the receiving channel.
func TestDeliverMeansTaken(t *testing.T) {
	forBuffers(t, func(t *testing.T, buffer int) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 4)
		d, sink := sinkIn[int](w, buffer)
		connect(t, src, w.link("b"), sink)
		send(t, c, 1)
		delivered := make(chan error, 1)
		go func() { delivered <- src.Deliver(testContext(t), 2) }()
		settled()
		if n := len(d); n != min(buffer, 2) {
			t.Fatalf("%d values lie in the channel", n)
		}
		if v := receive(t, d); v != 1 {
			t.Fatalf("got %d first", v)
		}
		settled()
		select {
		case err := <-delivered:
			t.Fatalf("Deliver returned %v, and nobody has taken the value", err)
		default:
		}
		if st := src.Stats(); st.Acknowledged != 1 || st.Sent-st.Acknowledged != 1 && buffer > 0 {
			t.Fatalf("%+v", st)
		}
		if v := receive(t, d); v != 2 {
			t.Fatalf("got %d, want 2", v)
		}
		if err := receive(t, delivered); err != nil {
			t.Fatal(err)
		}
		if err := src.Flush(testContext(t)); err != nil {
			t.Fatal(err)
		}
	})
}

// A value that Deliver brings goes behind what the channel holds, and before
// what comes into it later.
func TestDeliverOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 4)
		d, sink := sinkIn[int](w, 0)
		send(t, c, 1)
		send(t, c, 2)
		results := make(chan error, 2)
		go func() { results <- src.Deliver(testContext(t), 3) }()
		synctest.Wait()
		send(t, c, 4)
		go func() { results <- src.Deliver(testContext(t), 5) }()
		synctest.Wait()
		send(t, c, 6)
		connect(t, src, w.link("b"), sink)
		for want := 1; want <= 6; want++ {
			if v := receive(t, d); v != want {
				t.Fatalf("got %d, want %d", v, want)
			}
		}
		for range 2 {
			if err := receive(t, results); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Without anybody taking, as many sends complete as the two channels and the
// window hold; then each value taken lets one more in.
func TestBackPressure(t *testing.T) {
	for _, size := range []struct{ send, receive int }{{0, 0}, {3, 0}, {0, 5}, {4, 1}, {7, 16}, {1, 100}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c, src := sourceIn[int](w, size.send)
				d, sink := sinkIn[int](w, size.receive)
				connect(t, src, w.link("b"), sink)
				ctx, cancel := context.WithCancel(t.Context())
				sent := 0
				go func() {
					for {
						select {
						case c <- sent:
							sent++
						case <-ctx.Done():
							return
						}
					}
				}()
				want := size.send + size.receive + max(1, size.receive)
				settled()
				if sent != want || len(d) != size.receive {
					t.Fatalf("%d sends completed, want %d; %d values lie in the channel", sent, want, len(d))
				}
				if st := src.Stats(); int(st.InFlight) != want-size.send {
					t.Fatalf("%d in flight, want %d", st.InFlight, want-size.send)
				}
				for i := range 3 * size.receive {
					if v := receive(t, d); v != i {
						t.Fatalf("got %d, want %d", v, i)
					}
					settled()
					if sent != want+i+1 {
						t.Fatalf("%d values taken, %d sends completed, want %d", i+1, sent, want+i+1)
					}
				}
				cancel()
			})
		})
	}
}

// With nobody there a sender is held up as by a channel that nobody reads.
func TestBackPressureWithoutReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 3)
		for range 3 {
			send(t, c, 1)
		}
		settled()
		select {
		case c <- 4:
			t.Fatal("a fourth value goes into a channel of three")
		default:
		}
		if st := src.Stats(); st.Sent != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// What is on its way is bounded by bytes too: of large values the window is
// never used up.
func TestBackPressureByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[[]byte](w, 0)
		_, sink := sinkIn[[]byte](w, 30)
		connect(t, src, w.link("b"), sink)
		value := noise(256 << 10)
		sent := 0
		for done := false; !done; {
			select {
			case c <- value:
				sent++
			case <-time.After(time.Second):
				done = true
			}
		}
		// 30 lie in the channel, one is being pushed, 2 MiB may be on the stream.
		if sent < 31 || sent > 30+1+8+3 {
			t.Fatalf("%d values were taken", sent)
		}
	})
}

// A broadcast waits for the slowest, and each receiver gets all.
func TestBroadcastWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		c, src := sourceIn[int](w, 0, broadcast)
		fast, fastSink := sinkIn[int](w, 16)
		slow, slowSink := sinkIn[int](w, 2)
		connect(t, src, link, fastSink)
		connect(t, src, link, slowSink)
		for i := range 4 {
			send(t, c, i)
		}
		settled()
		select {
		case c <- 4:
			t.Fatal("a value more than the slow receiver has room for")
		default:
		}
		if st := src.Stats(); st.InFlight != 8 || st.Sent != 4 {
			t.Fatalf("%+v", st)
		}
		receive(t, slow)
		delivered := make(chan error, 1)
		go func() { delivered <- src.Deliver(testContext(t), 4) }()
		settled()
		for i := range 5 {
			if v := receive(t, fast); v != i {
				t.Fatalf("got %d, want %d", v, i)
			}
		}
		settled()
		if len(delivered) > 0 {
			t.Fatal("Deliver returned, and one of two has not taken the value")
		}
		for i := range 4 {
			if v := receive(t, slow); v != i+1 {
				t.Fatalf("got %d, want %d", v, i+1)
			}
		}
		if err := receive(t, delivered); err != nil {
			t.Fatal(err)
		}
		settled()
		if st := src.Stats(); st.Acknowledged != 10 {
			t.Fatalf("%+v", st)
		}
	})
}

// The context of Deliver may have ended before it was called.
func TestDeliverEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, src := sourceIn[int](newWorld(t), 0)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := src.Deliver(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}
