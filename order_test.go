package netchan_test

import (
	"sync"
	"testing"

	"github.com/matveynator/netchan"
)

// numbered is a value that says whose it is and which one.
type numbered struct{ Sender, N int }

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
	var got sync.Map
	var wg sync.WaitGroup
	var all []*netchan.Receiver[numbered]
	for i := range receivers {
		r := receiver[numbered](t, nodes[i], "order", netchan.Buffer(7))
		all = append(all, r)
	}
	var sending []*netchan.Sender[numbered]
	for i := range senders {
		s := sender[numbered](t, nodes[i], "order", netchan.Buffer(5))
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
				if _, twice := got.LoadOrStore(v, true); twice {
					t.Errorf("%v twice", v)
				}
			}
		})
	}
	for i, s := range sending {
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				s.C <- numbered{i, n}
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
	const each = 3000
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[numbered](t, a, "order", netchan.Buffer(8))
	stays := receiver[numbered](t, b, "order", netchan.Buffer(16))
	connected(t, s, 1)
	go func() {
		for n := 1; n <= each; n++ {
			s.C <- numbered{0, n}
		}
		close(s.C)
	}()
	var mu sync.Mutex
	got := map[int]int{}
	note := func(v numbered) {
		mu.Lock()
		defer mu.Unlock()
		if got[v.N]++; got[v.N] > 1 {
			t.Errorf("value %d came twice", v.N)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		check := newOrderChecker()
		for v := range stays.C {
			if wrong := check.add(v, true); wrong != "" {
				t.Errorf("%s: %v", wrong, v)
			}
			note(v)
		}
	})
	// Receivers come, take some, and go with values in their buffers.
	for range 20 {
		r := receiver[numbered](t, b, "order", netchan.Buffer(16))
		for range 10 {
			v, ok := <-r.C
			if !ok {
				break
			}
			note(v)
		}
		r.Close()
		for v := range r.C {
			t.Errorf("%v left in a closed receiver", v)
		}
	}
	wg.Wait()
	if len(got) != each {
		t.Fatalf("%d values arrived, want %d", len(got), each)
	}
	if st := s.Stats(); st.Redelivered != 0 || st.Dropped != 0 {
		t.Fatalf("given back values counted as redelivered or dropped: %+v", st)
	}
}
