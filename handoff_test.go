package netchan_test

import (
	"testing"

	"github.com/matveynator/netchan"
)

// Who passes a channel on may shut down right afterwards.
func TestIntroducerShutsDown(t *testing.T) {
	for range 5 {
		a := join(t, "a")
		b := join(t, "b", a.Addr())
		c := join(t, "c", a.Addr())
		toB, fromA := sender[chan<- int](t, a, "b"), receiver[chan<- int](t, b, "b")
		toC, fromB := sender[chan<- int](t, b, "c"), receiver[chan<- int](t, c, "c")
		ints := make(chan int, 4)
		give(t, toB.C, (chan<- int)(ints))
		atB := take(t, fromA.C)
		give(t, atB, 1)
		give(t, toC.C, atB)
		down := make(chan error, 1)
		go func() { down <- b.Shutdown(testContext(t)) }()
		atC := take(t, fromB.C)
		if v := take(t, ints); v != 1 { // B waits until that is taken
			t.Fatal(v)
		}
		if err := <-down; err != nil {
			t.Fatal(err)
		}
		if err := netchan.Send(testContext(t), atC, 2); err != nil {
			t.Fatal(err)
		}
		if v := take(t, ints); v != 2 {
			t.Fatal(v)
		}
		c.Close()
		a.Close()
	}
}
