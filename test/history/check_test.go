package history

import (
	"errors"
	"slices"
	"testing"
	"time"
)

var errClosed = errors.New("closed")

// past is a history made by hand, one event a millisecond.
type past struct {
	*History
	at   time.Duration
	a, b int // nodes
	s    *Sender
	r    *Receiver
}

func newPast(from, to Options) *past {
	p := &past{}
	p.History = New(func() time.Duration { p.at += time.Millisecond; return p.at }, errClosed)
	p.a, p.b = p.Node("A"), p.Node("B")
	p.s, p.r = p.NewSender(p.a, "x", from), p.NewReceiver(p.b, "x", to)
	return p
}

// send sends n values.
func (p *past) send(n int) {
	for range n {
		p.Accepted(p.s, p.Sends(p.s, false))
	}
}

func (p *past) value(n int) Parcel {
	v := Parcel{From: p.s.ID, N: n}
	v.Fill(10)
	return v
}

// take has r take these values.
func (p *past) take(r *Receiver, numbers ...int) {
	for _, n := range numbers {
		v := p.value(n)
		p.Took(r, v.From, v.N, v.Intact())
	}
}

// TestChecker has the checker name what is wrong with histories made by hand, and
// nothing where nothing is.
func TestChecker(t *testing.T) {
	var none Options
	sixteen := Options{Buffer: 16}
	for _, c := range []struct {
		name     string
		from, to Options
		make     func(p *past)
		want     error
	}{
		{"all is well", sixteen, sixteen, func(p *past) {
			p.send(3)
			done := p.Call(p.s, "Flush", 0)
			p.take(p.r, 1, 2, 3)
			done(nil)
			p.ClosesC(p.s)
			p.SenderEnded(p.s, errClosed)
			p.ReceiverEnded(p.r, nil)
		}, nil},
		{"a value of nobody", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.Took(p.r, 7, 1, true)
		}, ErrInvented},
		{"a value that was never sent", none, none, func(p *past) { p.take(p.r, 1) }, ErrInvented},
		{"a value with other bytes", none, none, func(p *past) {
			p.send(1)
			v := p.value(1)
			v.Pad[3]++
			p.Took(p.r, v.From, v.N, v.Intact())
		}, ErrInvented},
		{"a value of another channel", none, none, func(p *past) {
			p.send(1)
			p.take(p.NewReceiver(p.b, "y", none), 1)
		}, ErrInvented},
		{"a value taken before it was sent", none, none, func(p *past) { p.take(p.r, 1); p.send(1) }, ErrEarly},
		{"a value twice", none, none, func(p *past) { p.send(1); p.take(p.r, 1, 1) }, ErrDoubled},
		{"a value twice, counted, for no reason", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1, 1)
			p.s.Stats.Redelivered = 1
		}, ErrDoubled},
		{"a value twice, counted, at one that lives, while another died", none, none, func(p *past) {
			other := p.NewReceiver(p.a, "x", none)
			p.send(2)
			p.take(p.r, 1)
			p.Dies(p.b, "killed")
			p.take(other, 2, 2)
			p.s.Stats.Redelivered = 1
		}, ErrDoubled},
		{"a C closed, and one of two senders goes on", none, none, func(p *past) {
			other := p.NewSender(p.a, "x", none)
			p.send(1)
			p.take(p.r, 1)
			p.ClosesC(other)
			p.ReceiverEnded(p.r, nil)
		}, ErrAfterClose},
		{"the same, and the link to that has ended", none, none, func(p *past) {
			other := p.NewSender(p.a, "x", none)
			p.send(1)
			p.take(p.r, 1)
			p.LinkEnded(p.b, p.a)
			p.ClosesC(other)
			p.ReceiverEnded(p.r, nil)
		}, nil},
		{"a value twice, counted, because a receiver died", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.Dies(p.b, "killed")
			p.take(p.NewReceiver(p.a, "x", none), 1)
			p.s.Stats.Redelivered = 1
		}, nil},
		{"the same, but at most once", Options{AtMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.Dies(p.b, "killed")
			p.take(p.NewReceiver(p.a, "x", none), 1)
			p.s.Stats.Redelivered = 1
		}, ErrDoubled},
		{"the same, not counted", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.LinkEnded(p.b, p.a)
			p.take(p.r, 1)
		}, ErrDoubled},
		{"redelivered, but at most once", Options{AtMostOnce: true}, none, func(p *past) {
			p.Dies(p.b, "killed")
			p.s.Stats.Redelivered = 1
		}, ErrDoubled},
		{"redelivered for no reason", none, none, func(p *past) { p.s.Stats.Redelivered = 1 }, ErrDishonest},
		{"a broadcast value twice", Options{Broadcast: true}, none, func(p *past) { p.send(1); p.take(p.r, 1, 1) }, ErrDoubled},
		{"a broadcast to two", Options{Broadcast: true}, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.take(p.NewReceiver(p.a, "x", none), 1)
		}, nil},
		{"a step back", sixteen, none, func(p *past) { p.send(2); p.take(p.r, 2, 1) }, ErrReordered},
		{"a step back of what was given back", sixteen, none, func(p *past) {
			other := p.NewReceiver(p.a, "x", none)
			p.send(3)
			p.take(p.r, 2)
			p.Closes(other)
			p.take(p.r, 1, 3)
		}, nil},
		{"two steps back, given back once", sixteen, none, func(p *past) {
			other := p.NewReceiver(p.a, "x", none)
			p.send(3)
			p.take(p.r, 3)
			p.Closes(other)
			p.take(p.r, 2, 1)
		}, ErrReordered},
		{"two steps back, two links lost", sixteen, none, func(p *past) {
			p.send(3)
			p.take(p.r, 3)
			p.LinkEnded(p.a, p.b)
			p.take(p.r, 2)
			p.LinkEnded(p.b, p.a)
			p.take(p.r, 1)
		}, nil},
		{"two steps back, one link lost, of which both told", sixteen, none, func(p *past) {
			p.Both = true
			p.send(3)
			p.take(p.r, 3)
			p.LinkEnded(p.a, p.b)
			p.take(p.r, 2)
			p.LinkEnded(p.b, p.a)
			p.take(p.r, 1)
		}, ErrReordered},
		{"a step back of what was sent after the link was lost", sixteen, none, func(p *past) {
			p.LinkEnded(p.a, p.b)
			p.send(2)
			p.take(p.r, 2, 1)
		}, ErrReordered},
		{"a step back before anything was given back", sixteen, none, func(p *past) {
			other := p.NewReceiver(p.a, "x", none)
			p.send(2)
			p.take(p.r, 2, 1)
			p.Closes(other)
		}, ErrReordered},
		{"a value missing", sixteen, none, func(p *past) { p.send(2); p.take(p.r, 1) }, ErrLost},
		{"a value missing that was sent too late", sixteen, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.Detaches(p.s)
			p.send(1)
		}, nil},
		{"a value missing whose sender died", sixteen, none, func(p *past) { p.send(1); p.Dies(p.a, "killed") }, nil},
		{"a value taken from a dead node's C only", sixteen, none, func(p *past) {
			p.send(1)
			p.Dies(p.b, "killed")
			p.take(p.r, 1)
		}, ErrLost},
		{"a dropped value, counted", Options{Buffer: 16, AtMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.Dies(p.b, "killed")
			p.s.Stats.Dropped = 1
		}, nil},
		{"a dropped value, not counted", Options{Buffer: 16, AtMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.Dies(p.b, "killed")
		}, ErrLost},
		{"a dropped value, counted, for no reason", Options{Buffer: 16, AtMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.s.Stats.Dropped = 1
		}, ErrLost},
		{"a gap in a broadcast", Options{Buffer: 16, Broadcast: true}, none, func(p *past) { p.send(3); p.take(p.r, 1, 3) }, ErrLost},
		{"a C closed before all was taken", sixteen, none, func(p *past) {
			p.send(1)
			p.ClosesC(p.s)
			p.ReceiverEnded(p.r, nil)
			p.take(p.NewReceiver(p.a, "x", none), 1)
		}, ErrAfterClose},
		{"a C closed though nobody closed", none, none, func(p *past) { p.ReceiverEnded(p.r, nil) }, ErrDishonest},
		{"a C closed though nobody had closed by then", none, none, func(p *past) {
			p.ReceiverEnded(p.r, nil)
			p.Closes(p.r)
			p.ClosesC(p.s)
		}, ErrDishonest},
		{"a C closed for a reason that there is not", none, none, func(p *past) { p.ReceiverEnded(p.r, errors.New("another")) }, ErrDishonest},
		{"a C closed that stays open", none, Options{KeepOpen: true}, func(p *past) {
			p.ClosesC(p.s)
			p.ReceiverEnded(p.r, nil)
		}, ErrDishonest},
		{"more than there is room for", none, Options{Buffer: 2}, func(p *past) { p.send(5); p.take(p.r, 1, 2, 3, 4, 5) }, ErrOverrun},
		{"as much as there is room for", none, Options{Buffer: 2}, func(p *past) { p.send(4); p.take(p.r, 1, 2, 3, 4) }, nil},
		{"a Flush that lies", sixteen, none, func(p *past) {
			p.send(1)
			p.Call(p.s, "Flush", 0)(nil)
			p.take(p.r, 1)
		}, ErrDishonest},
		{"a Flush that does not", sixteen, none, func(p *past) {
			p.send(1)
			done := p.Call(p.s, "Flush", 0)
			p.send(1) // not covered
			p.take(p.r, 1)
			done(nil)
			p.take(p.r, 2)
		}, nil},
		{"a Deliver that lies", none, none, func(p *past) { p.Call(p.s, "Deliver", p.Sends(p.s, false))(nil); p.take(p.r, 1) }, ErrDishonest},
		{"a counter that lies", none, none, func(p *past) { p.s.Stats.Acknowledged = 1 }, ErrDishonest},
		{"counters that don't add up", none, none, func(p *past) { p.s.Stats.Sent = 1 }, ErrDishonest},
		{"a sender that ends by itself", none, none, func(p *past) { p.SenderEnded(p.s, errClosed) }, ErrDishonest},
		{"a sender that ends for another reason", none, none, func(p *past) {
			p.ClosesC(p.s)
			p.SenderEnded(p.s, errors.New("another"))
		}, ErrDishonest},
		{"what the harness found", none, none, func(p *past) { p.Fault(ErrLate, "x") }, ErrLate},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPast(c.from, c.to)
			c.make(p)
			judged(t, p.Check(true), c.want)
		})
	}
}

// judged fails the test where what was found is not what was wanted: nil is nothing.
func judged(t *testing.T, wrong []Violation, want error) {
	t.Helper()
	named := slices.ContainsFunc(wrong, func(v Violation) bool { return errors.Is(v, want) })
	if named != (want != nil) || want == nil && len(wrong) > 0 {
		t.Errorf("found %v, want %v", wrong, want)
	}
}
