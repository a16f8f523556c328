package netchan_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/matveynator/netchan"
)

// numbered is a value that says whose it is and which one.
type numbered struct {
	Sender, N int
	Pad       string // makes frames, if it is long
}

// orderChecker holds what one receiver got against the order of the senders.
type orderChecker struct {
	last map[int]int // per sender, of the values that came in order
	late map[int]int // per sender, of those that came behind newer ones
}

func newOrderChecker() *orderChecker {
	return &orderChecker{last: map[int]int{}, late: map[int]int{}}
}

// add returns what is wrong with v coming now.
func (o *orderChecker) add(v numbered, lateAllowed bool) string {
	if v.N > o.last[v.Sender] {
		o.last[v.Sender] = v.N
		return ""
	}
	if !lateAllowed {
		return "reordered"
	}
	if v.N <= o.late[v.Sender] {
		return "given back values reordered"
	}
	o.late[v.Sender] = v.N
	return ""
}

func TestPromise1Order(t *testing.T) {
	const senders, receivers, each = 2, 3, 5000
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	nodes := []*netchan.Node{a, b, b}
	pad := []string{"", strings.Repeat("3 KiB fill a frame after five", 100)}
	var got sync.Map
	var wg sync.WaitGroup
	var all []*netchan.Receiver[numbered]
	for i := range receivers {
		r := receiver[numbered](t, nodes[i], "order", netchan.Buffer(32))
		all = append(all, r)
	}
	var sending []*netchan.Sender[numbered]
	for i := range senders {
		s := sender[numbered](t, nodes[i], "order", netchan.Buffer(32))
		connected(t, s, receivers)
		sending = append(sending, s)
	}
	for _, r := range all {
		wg.Go(func() {
			check := newOrderChecker()
			for v := range r.C {
				if wrong := check.add(v, false); wrong != "" {
					t.Errorf("%s: %v", wrong, v)
				}
				if _, twice := got.LoadOrStore([2]int{v.Sender, v.N}, true); twice {
					t.Errorf("%v twice", v)
				}
			}
		})
	}
	for i, s := range sending {
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				s.C <- numbered{i, n, pad[i]}
			}
			close(s.C)
		})
	}
	wg.Wait()
	n := 0
	got.Range(func(any, any) bool { n++; return true })
	if n != senders*each {
		t.Fatalf("%d values arrived, want %d", n, senders*each)
	}
}

// Values that a receiver gives back come later, in order among themselves.
func TestPromise1OrderOfValuesGivenBack(t *testing.T) {
	const buffer, each = 16, 200
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[numbered](t, a, "order", netchan.Buffer(buffer))
	goes := receiver[numbered](t, b, "order", netchan.Buffer(buffer))
	connected(t, s, 1)
	for n := 1; n <= buffer; n++ {
		give(t, s.C, numbered{N: n})
	}
	waitFor(t, "the values to lie in C", func() bool { return len(goes.C) == buffer })
	stays := receiver[numbered](t, b, "order")
	connected(t, s, 2)
	go func() {
		for n := buffer + 1; n <= each; n++ {
			s.C <- numbered{N: n}
		}
		close(s.C)
	}()
	check := newOrderChecker()
	got := map[int]bool{}
	note := func(v numbered) {
		if wrong := check.add(v, true); wrong != "" {
			t.Errorf("%s: %v", wrong, v)
		}
		if got[v.N] {
			t.Errorf("%v twice", v)
		}
		got[v.N] = true
	}
	note(take(t, stays.C)) // a newer one than those that will come back
	goes.Close()
	for v := range stays.C {
		note(v)
	}
	if len(got) != each {
		t.Fatalf("%d values arrived, want %d", len(got), each)
	}
	if st := s.Stats(); st.Redelivered != 0 || st.Dropped != 0 || len(check.late) == 0 {
		t.Fatalf("%d came late, and %+v: what is given back is not redelivered", len(check.late), st)
	}
}
