package netchan_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/matveynator/netchan"
)

// What a receiver that died had not taken goes to another one of the name.
func TestDeadReceiversValuesAreRedelivered(t *testing.T) {
	const n = 20
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	c := join(t, "c", a.Addr())
	s := sender[int](t, a, "jobs")
	dies := receiver[int](t, b, "jobs", netchan.Buffer(8))
	connected(t, s, 1)
	for i := range 10 {
		give(t, s.C, i)
	}
	for i := range 3 {
		if v := take(t, dies.C); v != i {
			t.Fatal(v)
		}
	}
	waitFor(t, "three to be acknowledged", func() bool { return s.Stats().Acknowledged == 3 })
	b.Close() // no word to anybody, as if it had died
	waitFor(t, "a to notice", func() bool { return s.Stats().Waiting == 7 })
	lives := receiver[int](t, c, "jobs")
	go func() {
		for i := 10; i < n; i++ {
			s.C <- i
		}
		close(s.C)
	}()
	for i := 3; i < n; i++ {
		if v := take(t, lives.C); v != i {
			t.Fatalf("got %d, want %d", v, i)
		}
	}
	if _, ok := <-lives.C; ok || lives.Err() != nil {
		t.Fatal(lives.Err())
	}
	if st := s.Stats(); st.Redelivered != 7 || st.Dropped != 0 || st.Acknowledged != n {
		t.Errorf("%+v", st)
	}
}

func TestAtMostOnceDropsAndCounts(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "once", netchan.AtMostOnce())
	dies := receiver[int](t, b, "once", netchan.Buffer(8))
	connected(t, s, 1)
	for i := range 10 {
		give(t, s.C, i)
	}
	waitFor(t, "the values to lie in C", func() bool { return len(dies.C) == 8 && s.Stats().InFlight == 10 })
	b.Close()
	waitFor(t, "the drop", func() bool { return s.Stats().Dropped == 10 })
	if err := s.Stats().LastDrop; !errors.Is(err, netchan.ErrPeerLost) {
		t.Errorf("%v", err)
	}
	// The channel goes on.
	r := receiver[int](t, a, "once")
	give(t, s.C, 10)
	if v := take(t, r.C); v != 10 {
		t.Fatal(v)
	}
}

func TestShutdownDrains(t *testing.T) {
	const n = 200
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "drain", netchan.Buffer(n))
	r := receiver[int](t, b, "drain", netchan.Buffer(4))
	connected(t, s, 1)
	for i := range n {
		s.C <- i
	}
	down := make(chan error)
	go func() { down <- a.Shutdown(testContext(t)) }()
	for i := range n {
		if v := take(t, r.C); v != i {
			t.Fatal(v)
		}
	}
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	if _, err := netchan.NewSender[int](a, "x"); !errors.Is(err, netchan.ErrClosed) {
		t.Fatal(err)
	}
	waitFor(t, "b to hear of it", func() bool { return len(b.Members()) == 1 })
}

// A Shutdown whose time ends says what was left, and why.
func TestShutdownSaysWhatWasLeft(t *testing.T) {
	a := join(t, "a")
	s := sender[int](t, a, "left", netchan.Buffer(3))
	for i := range 3 {
		s.C <- i
	}
	ctx, cancel := context.WithTimeout(context.Background(), quietTime)
	defer cancel()
	err := a.Shutdown(ctx)
	stalled := (*netchan.StalledError)(nil)
	if !errors.As(err, &stalled) || stalled.Channel != "left" || stalled.Left != 3 || stalled.Reason != netchan.NoReceiver {
		t.Fatalf("%v", err)
	}
	if st := s.Stats(); st.Dropped != 3 {
		waitFor(t, "the drops to be counted", func() bool { return s.Stats().Dropped == 3 })
	}
}

// A worker that leaves by Close and Shutdown gives back what it has not taken.
func TestShutdownOfAReceiver(t *testing.T) {
	const n = 300
	a := join(t, "a")
	s := sender[int](t, a, "work", netchan.Buffer(8))
	got := make(chan int, n)
	for i := range 4 {
		b := join(t, string(rune('b'+i)), a.Addr())
		r := receiver[int](t, b, "work", netchan.Buffer(8))
		go func() {
			k := 0
			for v := range r.C {
				got <- v
				if k++; k == 20 && i > 0 {
					go b.Shutdown(testContext(t))
				}
			}
		}()
	}
	connected(t, s, 4)
	for i := range n {
		give(t, s.C, i)
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for range n {
		v := take(t, got)
		if seen[v] {
			t.Fatalf("%d twice", v)
		}
		seen[v] = true
	}
	if st := s.Stats(); st.Redelivered != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

// Thousands of channels neither make joining nor ending slow.
func TestManyChannels(t *testing.T) {
	const n = 2000
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	var all []*netchan.Sender[int]
	for i := range n {
		all = append(all, sender[int](t, a, fmt.Sprint("many ", i), netchan.Buffer(1)))
		receiver[int](t, b, fmt.Sprint("many ", i), netchan.Buffer(1))
	}
	for i, s := range all {
		connected(t, s, 1)
		give(t, s.C, i)
	}
	b.Close()
	waitFor(t, "every sender to have its value back", func() bool {
		for _, s := range a.Stats().Senders {
			if s.Waiting != 1 {
				return false
			}
		}
		return true
	})
}
