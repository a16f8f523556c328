package chanref

import (
	"runtime"
	"testing"
)

// The same channel is the same proxy, however often and by whichever way it came; at home it
// is itself.
func TestIdentity(t *testing.T) {
	g, n := newGlobe(t, "a", "b", "c")
	a, b, c := n[0], n[1], n[2]
	ints := make(chan int, 3)
	first := carry[chan<- int](a, b, ints)
	if cap(first) != 3 {
		t.Fatalf("room for %d", cap(first))
	}
	if carry[chan<- int](a, b, ints) != first {
		t.Fatal("the same channel is another proxy when it comes again")
	}
	if carry[chan<- int](b, a, first) != ints {
		t.Fatal("what comes home is not the original")
	}
	atC := carry[chan<- int](b, c, first)
	if carry[chan<- int](a, c, ints) != atC {
		t.Fatal("by two ways it is two proxies")
	}
	if carry[chan<- int](c, a, atC) != ints || carry[chan<- int](c, b, atC) != first {
		t.Fatal("from a third node")
	}
	for i, p := range []chan<- int{first, atC} {
		send(t, p, i)
		if v := receive(t, ints); v != i {
			t.Fatal(v)
		}
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(ints)
	first, atC, ints = nil, nil, nil
	g.empty()
}

// Sender and receiver on one node: every channel is itself, and nothing of it stays.
func TestIdentityLocal(t *testing.T) {
	g, n := newGlobe(t, "a", "b")
	a, b := n[0], n[1]
	ints := make(chan int, 3)
	if carry[chan<- int](a, a, ints) != ints || carry[<-chan int](a, a, ints) != ints {
		t.Fatal("a channel of the node's own")
	}
	send1, recv1 := carry[chan<- int](a, b, ints), carry[<-chan int](a, b, ints)
	if carry[chan<- int](b, b, send1) != send1 {
		t.Fatal("a proxy to send on")
	}
	if carry[<-chan int](b, b, recv1) != recv1 {
		t.Fatal("a proxy to receive from")
	}
	send(t, ints, 5)
	if v := receive(t, recv1); v != 5 {
		t.Fatal(v)
	}
	e, _ := EndingOf(send1)
	e.Release()
	ended(t, "a proxy", e.Done())
	if carry[chan<- int](b, b, send1) != send1 {
		t.Fatal("a proxy that has ended")
	}
	send1, recv1 = nil, nil
	g.empty()
	runtime.KeepAlive(ints)
}

// A channel comes home as itself also from a node that can't reach it straight, and from one that
// can by now, but sends through another.
func TestIdentityByRelay(t *testing.T) {
	g, n := newGlobe(t, "a", "b", "c")
	a, b, c := n[0], n[1], n[2]
	g.part(a, c)
	ints := make(chan int, 3)
	atB := carry[chan<- int](a, b, ints)
	atC := carry[chan<- int](b, c, atB)
	send(t, atC, 1)
	if v := receive(t, ints); v != 1 {
		t.Fatal(v)
	}
	if carry[chan<- int](c, b, atC) != atB || carry[chan<- int](b, c, atB) != atC {
		t.Fatal("through a relay it is another one")
	}
	// Now there is a link.
	if carry[chan<- int](c, a, atC) != ints {
		t.Fatal("what comes home is not the original")
	}
	if carry[chan<- int](a, c, ints) != atC {
		t.Fatal("by two ways it is two proxies")
	}
	send(t, atC, 2)
	if v := receive(t, ints); v != 2 {
		t.Fatal(v)
	}
	atB, atC, ints = nil, nil, nil
	g.empty()
}

// Two nodes that pass a channel of a third to each other don't keep it alive for each other.
func TestIdentityNoRing(t *testing.T) {
	for _, apart := range []bool{false, true} {
		g, n := newGlobe(t, "a", "b", "c")
		a, b, c := n[0], n[1], n[2]
		if apart {
			g.part(a, c)
		}
		ints := make(chan int, 3)
		atB := carry[chan<- int](a, b, ints)
		atC := carry[chan<- int](b, c, atB)
		send(t, atC, 1)
		receive(t, ints)
		for range 3 {
			carry[chan<- int](c, b, atC)
			carry[chan<- int](b, c, atB)
		}
		atB, atC = nil, nil
		g.empty()
		runtime.KeepAlive(ints) // its reader stays: only that they dropped it lets it go
	}
}
