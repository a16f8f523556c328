package netchan_test

import (
	"fmt"
	"testing"

	"github.com/matveynator/netchan"
)

// Of ten receivers nine are busy. Once each of these has one value waiting, the
// idle one gets every next value.
func TestPromise7FirstComeFirstServed(t *testing.T) {
	const busy, more = 9, 200
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	c := join(t, "c", b.Addr())
	nodes := []*netchan.Node{a, b, c}
	s := sender[int](t, a, "fair")
	var rs []*netchan.Receiver[int]
	for i := range busy {
		rs = append(rs, receiver[int](t, nodes[i%3], "fair"))
	}
	connected(t, s, busy)
	// Each of the nine takes one, and gets one more that waits.
	for i := range busy {
		give(t, s.C, i)
	}
	for _, r := range rs {
		take(t, r.C)
	}
	for i := range busy {
		give(t, s.C, i)
	}
	waitFor(t, "each to have one waiting", func() bool {
		st := s.Stats()
		return st.Acknowledged == busy && st.InFlight == busy
	})
	for i, r := range rs {
		if n := r.Stats().Received; n != 1 {
			t.Fatalf("receiver %d has got %d values of %d among %d equals", i, n, busy, busy)
		}
	}
	idle := receiver[int](t, b, "fair")
	connected(t, s, busy+1)
	go func() {
		for i := range more {
			s.C <- 1000 + i
		}
	}()
	for i := range more {
		if v := take(t, idle.C); v != 1000+i {
			t.Fatalf("the idle receiver got %d, want %d: a value went to a busy one", v, 1000+i)
		}
	}
}

// Several receivers of a name share its values wherever they are: also on the
// sender's own node, and several on one node.
func TestPromise7Shared(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "shared")
	var rs []*netchan.Receiver[int]
	for i := range 4 {
		rs = append(rs, receiver[int](t, []*netchan.Node{a, b}[i%2], "shared"))
	}
	connected(t, s, 4)
	got := make(chan string)
	for i, r := range rs {
		go func() {
			for range r.C {
				got <- fmt.Sprint(i)
			}
			got <- "end"
		}()
	}
	const n = 400
	go func() {
		for i := range n {
			s.C <- i
		}
		close(s.C)
	}()
	counts := map[string]int{}
	for counts["end"] < 4 {
		counts[<-got]++
	}
	total := 0
	for i := range rs {
		total += counts[fmt.Sprint(i)]
		if counts[fmt.Sprint(i)] == 0 {
			t.Errorf("receiver %d got nothing", i)
		}
	}
	if total != n {
		t.Errorf("%d values arrived, want %d", total, n)
	}
}

// A value goes to the receiver with the least waiting for it.
func TestPromise7LeastWaiting(t *testing.T) {
	const buffer, each = 4, 2
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "least")
	var rs []*netchan.Receiver[int]
	for range 3 {
		rs = append(rs, receiver[int](t, b, "least", netchan.Buffer(buffer)))
	}
	connected(t, s, len(rs))
	for i := range each * len(rs) {
		give(t, s.C, i)
	}
	for i, r := range rs {
		waitFor(t, fmt.Sprint("two in each, also in ", i), func() bool { return len(r.C) == each })
	}
	for range each {
		take(t, rs[1].C)
	}
	waitFor(t, "the acknowledgements", func() bool { return s.Stats().Acknowledged == each })
	for i := range each {
		give(t, s.C, 100+i)
	}
	for i := range each {
		if v := take(t, rs[1].C); v != 100+i {
			t.Fatalf("the one with nothing waiting got %d, want %d", v, 100+i)
		}
	}
}
