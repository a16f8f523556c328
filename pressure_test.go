package netchan_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// quietTime is how long a test watches that nothing happens.
const quietTime = 150 * time.Millisecond

// fill sends until a send blocks, and returns how many went through.
func fill(t *testing.T, c chan<- int) int {
	for n := 0; ; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), quietTime)
		err := netchan.Send(ctx, c, n)
		cancel()
		if err != nil {
			return n
		}
	}
}

func TestPromise5BackPressure(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	for _, test := range []struct{ send, receive, want int }{
		{0, 0, 1},     // a window of 1
		{0, 3, 3 + 3}, // a window and a buffer
		{5, 0, 5 + 1}, // what lies in the sender's own C is not on its way
		{5, 3, 5 + 3 + 3},
	} {
		for _, node := range []*netchan.Node{a, b} {
			t.Run(fmt.Sprintf("%d-%d-%s", test.send, test.receive, node.Name()), func(t *testing.T) {
				name := t.Name()
				s := sender[int](t, a, name, netchan.Buffer(test.send))
				r := receiver[int](t, node, name, netchan.Buffer(test.receive))
				connected(t, s, 1)
				if n := fill(t, s.C); n != test.want {
					t.Fatalf("%d values went before a send blocked, want %d", n, test.want)
				}
				// Each value taken makes room for one.
				for i := range 3 {
					if v := take(t, r.C); v != i {
						t.Fatalf("got %d, want %d", v, i)
					}
					give(t, s.C, test.want+i)
				}
				if n := fill(t, s.C); n != 0 {
					t.Fatalf("%d values more than the window and the buffers", n)
				}
			})
		}
	}
}

func TestPromise5NoReceiverBlocks(t *testing.T) {
	a := join(t, "a")
	s := sender[int](t, a, "nobody")
	if n := fill(t, s.C); n != 0 {
		t.Fatalf("%d values went to nobody", n)
	}
	all := sender[int](t, a, "nobody either", netchan.Broadcast())
	if n := fill(t, all.C); n != 0 {
		t.Fatalf("%d values were broadcast to nobody", n)
	}
	lossy := sender[int](t, a, "nobody at all", netchan.Broadcast(), netchan.Lossy())
	for i := range 100 {
		give(t, lossy.C, i)
	}
}

// One receiver that never reads delays no other channel of the link.
func TestPromise6Independence(t *testing.T) {
	const channels, each = 100, 1000
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	type pair struct {
		s *netchan.Sender[int]
		r *netchan.Receiver[int]
	}
	var pairs []pair
	for i := range channels {
		name := fmt.Sprint("independent ", i)
		pairs = append(pairs, pair{
			sender[int](t, a, name, netchan.Buffer(16)), receiver[int](t, b, name, netchan.Buffer(16))})
	}
	for _, p := range pairs {
		connected(t, p.s, 1)
	}
	stuck := pairs[0]
	blocked := fill(t, stuck.s.C)
	var wg sync.WaitGroup
	for _, p := range pairs[1:] {
		wg.Go(func() {
			for i := range each {
				p.s.C <- i
			}
		})
		wg.Go(func() {
			for i := range each {
				if v, err := netchan.Receive(testContext(t), p.r.C); err != nil || v != i {
					t.Errorf("got %d, %v, want %d", v, err, i)
					return
				}
			}
		})
	}
	wg.Wait()
	if st := stuck.s.Stats(); st.Acknowledged != 0 || blocked != 16+16+16 {
		t.Fatalf("the stuck channel moved: %d sent, %+v", blocked, st)
	}
	if links := a.Stats().Links; len(links) != 1 {
		t.Fatalf("%d links, want 1", len(links))
	}
}

// Large values that wait for a receiver which never reads leave room for the
// large values of other channels.
func TestPromise6IndependenceOfLargeValues(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	stuck := receiver[[]byte](t, b, "stuck")
	other := receiver[[]byte](t, b, "other")
	s := sender[[]byte](t, a, "other")
	connected(t, s, 1)
	for range 9 { // 9 times 5 MiB is more than a session's budget
		big := sender[[]byte](t, a, "stuck")
		connected(t, big, 1)
		give(t, big.C, noise(5<<20))
	}
	waitFor(t, "the stuck receiver to have them", func() bool { return stuck.Stats().Senders == 9 })
	go func() {
		for range 20 {
			s.C <- noise(300 << 10)
		}
	}()
	for range 20 {
		if v := take(t, other.C); len(v) != 300<<10 {
			t.Fatal(len(v))
		}
	}
}
