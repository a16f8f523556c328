package netchan

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// past is a history made by hand, one event a millisecond.
type past struct {
	*history
	a, b int // nodes
	s    *senderLog
	r    *receiverLog
}

func newPast(from, to options) *past {
	at := time.Duration(0)
	p := &past{history: newHistory(func() time.Duration { at += time.Millisecond; return at })}
	p.a, p.b = p.node("A"), p.node("B")
	p.s, p.r = p.sender(p.a, "x", from), p.receiver(p.b, "x", to)
	return p
}

// send sends n values.
func (p *past) send(n int) {
	for range n {
		p.accepted(p.s, p.sends(p.s, false))
	}
}

func (p *past) value(n int) parcel {
	v := parcel{From: p.s.id, N: n}
	v.pad(10)
	return v
}

// take has r take these values.
func (p *past) take(r *receiverLog, numbers ...int) {
	for _, n := range numbers {
		p.took(r, p.value(n))
	}
}

// TestChecker has the checker name what is wrong with histories made by hand, and
// nothing where nothing is.
func TestChecker(t *testing.T) {
	var none options
	sixteen := options{buffer: 16}
	for _, c := range []struct {
		name     string
		from, to options
		make     func(p *past)
		want     error
	}{
		{"all is well", sixteen, sixteen, func(p *past) {
			p.send(3)
			done := p.call(p.s, "Flush", 0)
			p.take(p.r, 1, 2, 3)
			done(nil)
			p.closesC(p.s)
			p.senderEnded(p.s, ErrClosed)
			p.receiverEnded(p.r, nil)
		}, nil},
		{"a value of nobody", none, none, func(p *past) {
			v := parcel{From: 7, N: 1}
			v.pad(0)
			p.took(p.r, v)
		}, errInvented},
		{"a value that was never sent", none, none, func(p *past) { p.take(p.r, 1) }, errInvented},
		{"a value with other bytes", none, none, func(p *past) {
			p.send(1)
			v := p.value(1)
			v.Pad[3]++
			p.took(p.r, v)
		}, errInvented},
		{"a value of another channel", none, none, func(p *past) {
			p.send(1)
			p.take(p.receiver(p.b, "y", none), 1)
		}, errInvented},
		{"a value taken before it was sent", none, none, func(p *past) { p.take(p.r, 1); p.send(1) }, errEarly},
		{"a value twice", none, none, func(p *past) { p.send(1); p.take(p.r, 1, 1) }, errDoubled},
		{"a value twice, counted, for no reason", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1, 1)
			p.s.stats.Redelivered = 1
		}, errDoubled},
		{"a value twice, counted, because a receiver died", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.dies(p.b, "killed")
			p.take(p.receiver(p.a, "x", none), 1)
			p.s.stats.Redelivered = 1
		}, nil},
		{"the same, but at most once", options{atMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.dies(p.b, "killed")
			p.take(p.receiver(p.a, "x", none), 1)
			p.s.stats.Redelivered = 1
		}, errDoubled},
		{"the same, not counted", none, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.linkEnded(p.b, p.a)
			p.take(p.r, 1)
		}, errDoubled},
		{"redelivered, but at most once", options{atMostOnce: true}, none, func(p *past) {
			p.dies(p.b, "killed")
			p.s.stats.Redelivered = 1
		}, errDoubled},
		{"redelivered for no reason", none, none, func(p *past) { p.s.stats.Redelivered = 1 }, errDishonest},
		{"a broadcast value twice", options{broadcast: true}, none, func(p *past) { p.send(1); p.take(p.r, 1, 1) }, errDoubled},
		{"a broadcast to two", options{broadcast: true}, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.take(p.receiver(p.a, "x", none), 1)
		}, nil},
		{"a step back", sixteen, none, func(p *past) { p.send(2); p.take(p.r, 2, 1) }, errReordered},
		{"a step back of what was given back", sixteen, none, func(p *past) {
			other := p.receiver(p.a, "x", none)
			p.send(3)
			p.take(p.r, 2)
			p.closes(other)
			p.take(p.r, 1, 3)
		}, nil},
		{"two steps back, given back once", sixteen, none, func(p *past) {
			other := p.receiver(p.a, "x", none)
			p.send(3)
			p.take(p.r, 3)
			p.closes(other)
			p.take(p.r, 2, 1)
		}, errReordered},
		{"a step back before anything was given back", sixteen, none, func(p *past) {
			other := p.receiver(p.a, "x", none)
			p.send(2)
			p.take(p.r, 2, 1)
			p.closes(other)
		}, errReordered},
		{"a value missing", sixteen, none, func(p *past) { p.send(2); p.take(p.r, 1) }, errLost},
		{"a value missing that was sent too late", sixteen, none, func(p *past) {
			p.send(1)
			p.take(p.r, 1)
			p.detaches(p.s)
			p.send(1)
		}, nil},
		{"a value missing whose sender died", sixteen, none, func(p *past) { p.send(1); p.dies(p.a, "killed") }, nil},
		{"a value taken from a dead node's C only", sixteen, none, func(p *past) {
			p.send(1)
			p.dies(p.b, "killed")
			p.take(p.r, 1)
		}, errLost},
		{"a dropped value, counted", options{buffer: 16, atMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.dies(p.b, "killed")
			p.s.stats.Dropped = 1
		}, nil},
		{"a dropped value, not counted", options{buffer: 16, atMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.dies(p.b, "killed")
		}, errLost},
		{"a dropped value, counted, for no reason", options{buffer: 16, atMostOnce: true}, none, func(p *past) {
			p.send(1)
			p.s.stats.Dropped = 1
		}, errLost},
		{"a gap in a broadcast", options{buffer: 16, broadcast: true}, none, func(p *past) { p.send(3); p.take(p.r, 1, 3) }, errLost},
		{"a C closed before all was taken", sixteen, none, func(p *past) {
			p.send(1)
			p.closesC(p.s)
			p.receiverEnded(p.r, nil)
			p.take(p.receiver(p.a, "x", none), 1)
		}, errAfterClose},
		{"a C closed though nobody closed", none, none, func(p *past) { p.receiverEnded(p.r, nil) }, errDishonest},
		{"a C closed though nobody had closed by then", none, none, func(p *past) {
			p.receiverEnded(p.r, nil)
			p.closes(p.r)
			p.closesC(p.s)
		}, errDishonest},
		{"a C closed for a reason that there is not", none, none, func(p *past) { p.receiverEnded(p.r, errNodeClosed) }, errDishonest},
		{"a C closed that stays open", none, options{keepOpen: true}, func(p *past) {
			p.closesC(p.s)
			p.receiverEnded(p.r, nil)
		}, errDishonest},
		{"more than there is room for", none, options{buffer: 2}, func(p *past) { p.send(5); p.take(p.r, 1, 2, 3, 4, 5) }, errOverrun},
		{"as much as there is room for", none, options{buffer: 2}, func(p *past) { p.send(4); p.take(p.r, 1, 2, 3, 4) }, nil},
		{"a Flush that lies", sixteen, none, func(p *past) {
			p.send(1)
			p.call(p.s, "Flush", 0)(nil)
			p.take(p.r, 1)
		}, errDishonest},
		{"a Flush that does not", sixteen, none, func(p *past) {
			p.send(1)
			done := p.call(p.s, "Flush", 0)
			p.send(1) // not covered
			p.take(p.r, 1)
			done(nil)
			p.take(p.r, 2)
		}, nil},
		{"a Deliver that lies", none, none, func(p *past) { p.call(p.s, "Deliver", p.sends(p.s, false))(nil); p.take(p.r, 1) }, errDishonest},
		{"a counter that lies", none, none, func(p *past) { p.s.stats.Acknowledged = 1 }, errDishonest},
		{"counters that don't add up", none, none, func(p *past) { p.s.stats.Sent = 1 }, errDishonest},
		{"a sender that ends by itself", none, none, func(p *past) { p.senderEnded(p.s, ErrClosed) }, errDishonest},
		{"what the harness found", none, none, func(p *past) { p.fault(errLate, "x") }, errLate},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPast(c.from, c.to)
			c.make(p)
			wrong := p.check(true)
			named := slices.ContainsFunc(wrong, func(v violation) bool { return errors.Is(v, c.want) })
			if named != (c.want != nil) || c.want == nil && len(wrong) > 0 {
				t.Errorf("found %v, want %v", wrong, c.want)
			}
		})
	}
}
