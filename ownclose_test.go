package netchan_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// far is a channel to send on that lives at home, as a node elsewhere has it.
func far[T any](t testing.TB, home, elsewhere *netchan.Node, name string, ch chan<- T) chan<- T {
	t.Helper()
	out := sender[chan<- T](t, home, name)
	in := receiver[chan<- T](t, elsewhere, name)
	give(t, out.C, ch)
	return take(t, in.C)
}

// complete is a plain send, which must come to its end.
func complete[T any](t testing.TB, ch chan<- T, v T) {
	t.Helper()
	select {
	case ch <- v:
	case <-time.After(testTime):
		t.Fatal("a send does not complete")
	}
}

// Who closes his own reply channel while an answer is on its way panics nobody's process: the
// answer is dropped, and counted.
func TestReplyChannelIsClosedByItsOwner(t *testing.T) {
	if netchan.RaceEnabled {
		t.Skip("a close during a send is what the race detector calls a race")
	}
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	reply := make(chan int) // nobody reads: the first value waits in between
	atB := far(t, a, b, "reply", reply)
	give(t, atB, 1)
	close(reply)
	take(t, closedIs(netchan.Done(atB)))
	if err := netchan.Err(atB); !errors.Is(err, netchan.ErrClosed) {
		t.Fatal(err)
	}
	for i := range 10 {
		complete(t, atB, i)
	}
	waitFor(t, "what was dropped to be counted", func() bool { return b.Stats().Refs.Dropped >= 11 })
}

// A channel that two hold is closed by who comes first; what the other one still sends is
// dropped, and counted, and his close does no harm.
func TestTwoCloseOneChannel(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	c := join(t, "c", a.Addr())
	ints := make(chan int, 4)
	atB := far(t, a, b, "to b", ints)
	atC := far(t, a, c, "to c", ints)
	give(t, atC, 1)
	if v := take(t, ints); v != 1 {
		t.Fatal(v)
	}
	give(t, atB, 2)
	close(atB)
	if v := take(t, ints); v != 2 {
		t.Fatal(v)
	}
	if v, open := <-ints; open {
		t.Fatalf("%d instead of the close", v)
	}
	take(t, closedIs(netchan.Done(atC)))
	complete(t, atC, 3)
	waitFor(t, "the late value to be counted", func() bool { return c.Stats().Refs.Dropped == 1 })
	close(atC)
}

// A close comes behind what the closer has sent, and behind nothing else; a proxy that was never
// used can be closed, too.
func TestCloseComesLast(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	ints := make(chan int, 2)
	atB := far(t, a, b, "ints", ints)
	go func() {
		for i := range 100 {
			atB <- i
		}
		close(atB)
	}()
	n := 0
	for v := range ints {
		if v != n {
			t.Fatal(v, n)
		}
		n++
	}
	if n != 100 {
		t.Fatalf("%d values", n)
	}
	never := make(chan int)
	unused := far(t, a, b, "never used", never)
	close(unused)
	if _, open := <-never; open {
		t.Fatal("a value")
	}
}

// nil stays nil, and a channel that is closed already arrives closed, behind what lay in it.
func TestNilAndClosedChannels(t *testing.T) {
	type both struct {
		In  <-chan int
		Out chan<- int
	}
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	out, in := sender[both](t, a, "both"), receiver[both](t, b, "both")
	give(t, out.C, both{})
	if got := take(t, in.C); got.In != nil || got.Out != nil {
		t.Fatal(got)
	}
	over := make(chan int, 1)
	over <- 7
	close(over)
	give(t, out.C, both{In: over, Out: over})
	got := take(t, in.C)
	if v := take(t, got.In); v != 7 {
		t.Fatal(v)
	}
	if v, open := <-got.In; open {
		t.Fatal(v)
	}
	if err := netchan.Err(got.In); err != nil {
		t.Fatal(err)
	}
	complete(t, got.Out, 1) // and goes nowhere
	take(t, closedIs(netchan.Done(got.Out)))
}

// Receive sees a close by who holds the channel as the end in good order, and does not wait
// when nobody is left who could send.
func TestReceiveOfAReply(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	for i, c := range []struct {
		end  func(chan<- int)
		want error
	}{
		{func(ch chan<- int) { close(ch) }, io.EOF},
		{func(ch chan<- int) { netchan.Release(ch) }, netchan.ErrClosed},
	} {
		reply := make(chan int, 2)
		atB := far(t, a, b, fmt.Sprint("replies ", i), reply)
		give(t, atB, 7)
		c.end(atB)
		if v, err := netchan.Receive(testContext(t), reply); err != nil || v != 7 {
			t.Fatal(v, err)
		}
		if v, err := netchan.Receive(testContext(t), reply); !errors.Is(err, c.want) {
			t.Fatalf("%d, %v, want %v", v, err, c.want)
		}
	}
}

// A stream whose home is lost says so, also when values have come.
func TestLostHomeOfAStream(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	ints := make(chan int, 2)
	out := sender[<-chan int](t, a, "streams")
	in := receiver[<-chan int](t, b, "streams")
	give(t, out.C, (<-chan int)(ints))
	atB := take(t, in.C)
	ints <- 1
	if v := take(t, atB); v != 1 {
		t.Fatal(v)
	}
	a.Close()
	if v, open := <-atB; open {
		t.Fatal(v)
	}
	if err := netchan.Err(atB); !errors.Is(err, netchan.ErrPeerLost) {
		t.Fatal(err)
	}
}

// A value that can't be encoded passes nothing on: a stream in it is still this node's to read.
func TestUnsendableValuePassesNothingOn(t *testing.T) {
	type parcel struct {
		In   <-chan int
		Else any
	}
	type unregistered struct{ A int }
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	c := join(t, "c", a.Addr())
	ints := make(chan int, 2)
	out := sender[<-chan int](t, a, "streams")
	in := receiver[<-chan int](t, b, "streams")
	give(t, out.C, (<-chan int)(ints))
	atB := take(t, in.C)
	parcels := sender[parcel](t, b, "parcels")
	receiver[parcel](t, c, "parcels")
	connected(t, parcels, 1)
	err := parcels.Deliver(testContext(t), parcel{In: atB, Else: unregistered{1}})
	if !errors.Is(err, netchan.ErrUnregistered) {
		t.Fatal(err)
	}
	ints <- 1
	if v := take(t, atB); v != 1 {
		t.Fatal(v)
	}
	if err := netchan.Err(atB); err != nil {
		t.Fatal(err)
	}
}
