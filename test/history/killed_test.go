package history

import "testing"

// TestKilled has a process end whose log ends in the middle: of each receiver one value may be
// missing there, and of its senders the counters.
func TestKilled(t *testing.T) {
	sixteen := Options{Buffer: 16}
	for _, c := range []struct {
		name string
		from Options
		make func(p *past, end func(node int, how string))
		dies error // where it Dies
		want error // where it was Killed
	}{
		{"a value missing", sixteen, func(p *past, end func(int, string)) {
			p.send(2)
			p.take(p.r, 1)
			end(p.b, "killed")
		}, ErrLost, nil},
		{"two values missing", sixteen, func(p *past, end func(int, string)) {
			p.send(2)
			end(p.b, "killed")
		}, ErrLost, ErrLost},
		{"two values missing, of two receivers", sixteen, func(p *past, end func(int, string)) {
			p.NewReceiver(p.b, "x", Options{})
			p.send(2)
			end(p.b, "killed")
		}, ErrLost, nil},
		{"a value missing of each of two senders", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			other := p.NewSender(p.a, "x", sixteen)
			p.Accepted(other, p.Sends(other, false))
			end(p.b, "killed")
		}, ErrLost, ErrLost},
		{"a value missing, and the receiver had ended before", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			p.Closes(p.r)
			p.ReceiverEnded(p.r, nil)
			end(p.b, "killed")
		}, ErrLost, ErrLost},
		{"a value missing of a sender at most once", Options{Buffer: 16, AtMostOnce: true}, func(p *past, end func(int, string)) {
			p.send(1)
			end(p.b, "killed")
		}, ErrLost, nil},
		{"a value missing that was sent later", sixteen, func(p *past, end func(int, string)) {
			end(p.b, "killed")
			p.send(1)
		}, ErrLost, ErrLost},
		{"a value missing that was sent before there was a receiver", sixteen, func(p *past, end func(int, string)) {
			s := p.NewSender(p.a, "y", sixteen)
			p.Accepted(s, p.Sends(s, false))
			p.NewReceiver(p.b, "y", Options{})
			end(p.b, "killed")
		}, ErrLost, nil},
		{"a value missing of each of two lives", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			end(p.b, "killed")
			p.send(1)
			next := p.Node("B")
			p.NewReceiver(next, "x", Options{})
			end(next, "killed")
		}, ErrLost, nil},
		{"two values missing of the second of two lives", sixteen, func(p *past, end func(int, string)) {
			end(p.b, "killed")
			p.send(2)
			next := p.Node("B")
			p.NewReceiver(next, "x", Options{})
			end(next, "killed")
		}, ErrLost, ErrLost},
		{"a Flush that returned with one on its way that was sent later", sixteen, func(p *past, end func(int, string)) {
			end(p.b, "killed")
			p.send(1)
			p.Call(p.s, "Flush", 0)(nil)
		}, ErrDishonest, ErrDishonest},
		{"one acknowledged that was sent later", sixteen, func(p *past, end func(int, string)) {
			end(p.b, "killed")
			p.send(1)
			p.s.Stats = Stats{Sent: 1, Acknowledged: 1}
		}, ErrDishonest, ErrDishonest},
		{"two steps back, of one lost", sixteen, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.Node("C"), "x", Options{})
			p.send(3)
			end(p.b, "killed")
			p.LinkEnded(p.a, p.b)
			p.take(other, 3, 2, 1)
		}, ErrReordered, ErrReordered},
		{"a step back of what was sent until the link ended", sixteen, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.Node("C"), "x", Options{})
			end(p.b, "killed")
			p.send(2)
			p.LinkEnded(p.a, p.b)
			p.take(other, 2, 1)
		}, nil, nil},
		{"a step back of what was sent later", sixteen, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.Node("C"), "x", Options{})
			end(p.b, "killed")
			p.LinkEnded(p.a, p.b)
			p.send(2)
			p.take(other, 2, 1)
		}, ErrReordered, ErrReordered},
		{"a value missing on another channel", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			p.NewReceiver(p.a, "y", Options{})
			end(p.a, "killed")
		}, nil, nil}, // nothing survives its sender
		{"one more acknowledged than was taken", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			p.s.Stats = Stats{Sent: 1, Acknowledged: 1}
			end(p.b, "killed")
		}, ErrDishonest, nil},
		{"two more acknowledged than were taken", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			p.s.Stats = Stats{Sent: 1, Acknowledged: 2}
			end(p.b, "killed")
		}, ErrDishonest, ErrDishonest},
		{"a Flush that returned", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			p.Call(p.s, "Flush", 0)(nil)
			end(p.b, "killed")
		}, ErrDishonest, nil},
		{"a Flush that returned with two on their way", sixteen, func(p *past, end func(int, string)) {
			p.send(2)
			p.Call(p.s, "Flush", 0)(nil)
			end(p.b, "killed")
		}, ErrDishonest, ErrDishonest},
		{"a Flush that returned before what was taken in the end", sixteen, func(p *past, end func(int, string)) {
			p.send(1)
			p.Call(p.s, "Flush", 0)(nil)
			end(p.b, "killed")
			p.take(p.NewReceiver(p.a, "x", Options{}), 1)
		}, ErrDishonest, ErrDishonest},
		{"a close that was told", sixteen, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.a, "x", Options{})
			p.send(1)
			end(p.b, "killed")
			p.ClosesC(p.s)
			p.ReceiverEnded(other, nil)
		}, ErrAfterClose, nil},
		{"one more than there is room for", Options{}, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.a, "x", Options{}) // has room for one, as p.r
			p.send(3)
			end(p.b, "killed")
			p.take(other, 2, 3)
		}, ErrOverrun, nil},
		{"two more than there is room for", Options{}, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.a, "x", Options{})
			p.send(4)
			end(p.b, "killed")
			p.take(other, 2, 3, 4)
		}, ErrOverrun, ErrOverrun},
		{"a value twice, of which its sender can't tell", sixteen, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.Node("C"), "x", Options{})
			p.send(1)
			p.take(p.r, 1)
			p.Dies(p.b, "closed")
			p.take(other, 1)
			end(p.a, "killed")
		}, ErrDoubled, nil},
		{"a value twice at most once, of which its sender can't tell", Options{AtMostOnce: true}, func(p *past, end func(int, string)) {
			other := p.NewReceiver(p.Node("C"), "x", Options{})
			p.send(1)
			p.take(p.r, 1)
			p.Dies(p.b, "closed")
			p.take(other, 1)
			end(p.a, "killed")
		}, ErrDoubled, ErrDoubled},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPast(c.from, Options{})
			c.make(p, p.Dies)
			judged(t, p.Check(true), c.dies)
			p = newPast(c.from, Options{})
			c.make(p, p.Killed)
			judged(t, p.Check(true), c.want)
		})
	}
}
