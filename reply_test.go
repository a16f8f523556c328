package netchan_test

import (
	"errors"
	"testing"

	"github.com/matveynator/netchan"
)

type question struct {
	N     int
	Reply chan<- answer
}

type answer struct{ Square int }

// server answers questions until its node ends.
func server(t testing.TB, n *netchan.Node) {
	questions := receiver[question](t, n, "questions", netchan.Buffer(16), netchan.KeepOpen())
	go func() {
		for q := range questions.C {
			q.Reply <- answer{q.N * q.N}
		}
	}()
}

// A question brings the channel for its answer.
func TestReplyChannel(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	server(t, b)
	questions := sender[question](t, a, "questions")
	for i := range 100 {
		reply := make(chan answer, 1)
		give(t, questions.C, question{i, reply})
		if got := take(t, reply); got.Square != i*i {
			t.Fatalf("%d squared is %d", i, got.Square)
		}
	}
}

// A channel that was passed on leads straight to where it lives, and one that comes home is
// itself.
func TestHandoff(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	c := join(t, "c", a.Addr())
	toB := sender[chan<- int](t, a, "b")
	fromA := receiver[chan<- int](t, b, "b")
	toC := sender[chan<- int](t, b, "c")
	fromB := receiver[chan<- int](t, c, "c")
	toA := sender[chan<- int](t, c, "a")
	fromC := receiver[chan<- int](t, a, "a")
	ints := make(chan int, 10)
	give(t, toB.C, ints)
	atB := take(t, fromA.C)
	give(t, atB, 1)
	give(t, toC.C, atB)
	atC := take(t, fromB.C)
	give(t, atC, 2)
	if one, two := take(t, ints), take(t, ints); one != 1 || two != 2 {
		t.Fatal(one, two)
	}
	if home, ok := netchan.Home(atC); !ok || home.ID != a.Self().ID {
		t.Fatalf("at home in %v, %v", home, ok)
	}
	give(t, toA.C, atC)
	if got := take(t, fromC.C); got != ints {
		t.Fatal("what comes home is not the original")
	}
	b.Close()
	give(t, atC, 3)
	if v := take(t, ints); v != 3 {
		t.Fatal(v)
	}
}

// A channel to receive from brings what is sent at its home, and its end.
func TestReceiveFromAfar(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	out := sender[<-chan string](t, a, "words")
	in := receiver[<-chan string](t, b, "words")
	words := make(chan string, 3)
	give(t, out.C, (<-chan string)(words))
	go func() {
		for _, w := range []string{"to", "be", "or", "not"} {
			words <- w
		}
		close(words)
	}()
	far := take(t, in.C)
	got := ""
	for w := range far {
		got += w + " "
	}
	if got != "to be or not " || netchan.Err(far) != nil {
		t.Fatalf("%q, %v", got, netchan.Err(far))
	}
}

// Who waits for an answer learns that nobody is left who could give it, also where
// waiting began before the channel travelled.
func TestDoneOfAReply(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	questions := receiver[question](t, b, "questions")
	ask := sender[question](t, a, "questions")
	reply := make(chan answer, 1)
	done := netchan.Done(reply)
	give(t, ask.C, question{1, reply})
	q := take(t, questions.C)
	if netchan.Err(reply) != nil {
		t.Fatal(netchan.Err(reply))
	}
	netchan.Release(q.Reply)
	take(t, closedIs(done))
	if err := netchan.Err(reply); !errors.Is(err, netchan.ErrClosed) {
		t.Fatal(err)
	}
	give(t, ask.C, question{2, reply}) // it travels again
	q = take(t, questions.C)
	done = netchan.Done(reply)
	// Else it would come back, and wait with its channel for who is asked next.
	waitFor(t, "it to be known as taken", func() bool { return ask.Stats().Acknowledged == 2 })
	b.Close()
	take(t, closedIs(done))
	if err := netchan.Err(reply); err == nil {
		t.Fatal("no reason")
	}
	take(t, closedIs(netchan.Done(q.Reply)))
}

// closedIs is a channel that tells that done was closed.
func closedIs(done <-chan struct{}) <-chan bool {
	c := make(chan bool, 1)
	go func() {
		<-done
		c <- true
	}()
	return c
}
