package netchan_test

import (
	"testing"

	"github.com/matveynator/netchan"
)

func TestBroadcast(t *testing.T) {
	const n = 500
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "all", netchan.Broadcast(), netchan.Buffer(4))
	var rs []*netchan.Receiver[int]
	for i := range 4 {
		rs = append(rs, receiver[int](t, []*netchan.Node{a, b}[i%2], "all", netchan.Buffer(i)))
	}
	connected(t, s, len(rs))
	go func() {
		for i := range n {
			s.C <- i
		}
		close(s.C)
	}()
	done := make(chan bool)
	for _, r := range rs {
		go func() {
			want := 0
			for v := range r.C {
				if v != want {
					t.Errorf("got %d, want %d", v, want)
				}
				want++
			}
			done <- want == n && r.Err() == nil
		}()
	}
	for range rs {
		if !<-done {
			t.Error("a receiver missed values")
		}
	}
	if st := s.Stats(); st.Sent != n || st.Acknowledged != uint64(n*len(rs)) || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

// A Lossy receiver is never waited for: it keeps the newest values, and what
// made room is counted at both ends.
func TestLossyReceiver(t *testing.T) {
	const n, buffer = 1000, 4
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "lossy", netchan.Broadcast())
	lossy := receiver[int](t, b, "lossy", netchan.Lossy(), netchan.Buffer(buffer))
	waits := receiver[int](t, b, "lossy")
	connected(t, s, 2)
	go func() {
		for i := range n {
			s.C <- i
		}
	}()
	for i := range n {
		if v := take(t, waits.C); v != i {
			t.Fatalf("got %d, want %d", v, i)
		}
	}
	waitFor(t, "all to arrive", func() bool {
		st := lossy.Stats()
		return st.Received-st.Dropped == buffer && s.Stats().Dropped == n-buffer
	})
	for i := n - buffer; i < n; i++ {
		if v := take(t, lossy.C); v != i {
			t.Fatalf("got %d, want %d: the oldest goes", v, i)
		}
	}
	waitFor(t, "the acknowledgements", func() bool { return s.Stats().InFlight == 0 })
	close(s.C)
	if _, ok := <-lossy.C; ok {
		t.Fatal("more")
	}
	<-s.Done()
	if st := s.Stats(); st.Acknowledged+st.Dropped != 2*n {
		t.Errorf("%+v", st)
	}
}

// A Lossy Broadcast waits for nobody, not even for a receiver that is not.
func TestLossySender(t *testing.T) {
	const n = 1000
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "news", netchan.Broadcast(), netchan.Lossy())
	r := receiver[int](t, b, "news", netchan.Buffer(2))
	connected(t, s, 1)
	for i := range n {
		give(t, s.C, i)
	}
	waitFor(t, "all to be sent or dropped", func() bool {
		st := s.Stats()
		return st.Sent == n && st.Dropped >= n-2-2 && len(r.C) == 2
	})
	first, second := take(t, r.C), take(t, r.C)
	if first >= second {
		t.Errorf("got %d before %d", first, second)
	}
}

// Nor do its Deliver, Flush and end wait for a receiver that is Lossy.
func TestNobodyWaitsForALossyReceiver(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "monitor", netchan.Broadcast())
	monitor := receiver[int](t, b, "monitor", netchan.Lossy(), netchan.Buffer(3))
	connected(t, s, 1)
	if err := s.Deliver(testContext(t), 1); err != nil {
		t.Fatal(err)
	}
	give(t, s.C, 2)
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	close(s.C)
	<-s.Done()
	want := 1
	for v := range monitor.C {
		if v != want {
			t.Fatalf("got %d, want %d", v, want)
		}
		want++
	}
	if want != 3 || monitor.Err() != nil {
		t.Fatal(want, monitor.Err())
	}
}
