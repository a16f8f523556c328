package netchan_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// Acknowledged means taken by the receiving program, not arrived in its buffer.
func TestPromise4AcknowledgedMeansTaken(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[string](t, a, "taken")
	r := receiver[string](t, b, "taken", netchan.Buffer(4))
	connected(t, s, 1)

	delivered := make(chan error, 1)
	go func() { delivered <- s.Deliver(testContext(t), "x") }()
	waitFor(t, "the value to lie in C", func() bool { return len(r.C) == 1 })
	short, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err := s.Flush(short)
	stalled := (*netchan.StalledError)(nil)
	if !errors.As(err, &stalled) || stalled.Left != 1 || !errors.Is(err, context.DeadlineExceeded) || !stalled.Timeout() {
		t.Fatalf("Flush with a value in C: %v, want a StalledError with 1 left", err)
	}
	select {
	case err := <-delivered:
		t.Fatalf("Deliver returned %v while the value lay in C", err)
	default:
	}
	if v := take(t, r.C); v != "x" {
		t.Fatal(v)
	}
	if err := <-delivered; err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Acknowledged != 1 || st.InFlight != 0 {
		t.Fatalf("%+v", st)
	}
}

// What a Receiver's C still holds at its Close goes to another receiver.
func TestPromise4CloseGivesBack(t *testing.T) {
	const n = 12
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "back", netchan.Buffer(n))
	first := receiver[int](t, b, "back", netchan.Buffer(n))
	connected(t, s, 1)
	for i := range n {
		give(t, s.C, i)
	}
	waitFor(t, "all to lie in C", func() bool { return len(first.C) == n })
	if v := take(t, first.C); v != 0 {
		t.Fatal(v)
	}
	first.Close()
	if v, ok := <-first.C; ok || first.Err() != nil {
		t.Fatalf("closed receiver: %v %v %v", v, ok, first.Err())
	}
	second := receiver[int](t, b, "back")
	for i := 1; i < n; i++ {
		if v := take(t, second.C); v != i {
			t.Fatalf("got %d, want %d", v, i)
		}
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// A worker that ends by Close, while jobs take their time, loses none and has
// none done twice.
func TestPromise4CloseWhileWorking(t *testing.T) {
	const jobs = 2000
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "jobs", netchan.Buffer(16))
	done := make(chan int, jobs)
	work := func(r *netchan.Receiver[int]) {
		for v := range r.C {
			done <- v
		}
	}
	steady := receiver[int](t, b, "jobs", netchan.Buffer(8))
	go work(steady)
	go func() {
		for i := range jobs {
			s.C <- i
		}
	}()
	for range 30 {
		r := receiver[int](t, b, "jobs", netchan.Buffer(8))
		go work(r)
		waitFor(t, "the new worker to get some", func() bool { return r.Stats().Received > 4 || len(done) == jobs })
		r.Close()
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	seen := make([]int, jobs)
	for range jobs {
		seen[take(t, done)]++
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("job %d was done %d times", i, n)
		}
	}
	if len(done) != 0 {
		t.Fatalf("%d jobs too many", len(done))
	}
}
