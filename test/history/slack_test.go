package history

import (
	"testing"
	"time"
)

// TestSlack has two nodes write down what is in the wrong order: that is a violation where the
// times are further apart than Slack, by the smallest of steps, and none where they are not.
func TestSlack(t *testing.T) {
	const slack = 20 * time.Millisecond
	sixteen := Options{Buffer: 16}
	for _, c := range []struct {
		name     string
		from, to Options
		// make has the first thing happen, waits, and then has the other: one event, a
		// millisecond behind the first with no wait.
		make func(p *past, wait func())
		want error
	}{
		{"a value taken before it was sent", Options{}, Options{}, func(p *past, wait func()) {
			p.take(p.r, 1)
			wait()
			p.send(1)
		}, ErrEarly},
		{"a value taken before its sender was made", Options{}, Options{}, func(p *past, wait func()) {
			p.Took(p.r, 1, 1, true)
			s := p.NewSender(p.a, "x", Options{})
			p.at -= time.Millisecond
			wait()
			p.Accepted(s, p.Sends(s, false))
		}, ErrEarly},
		{"a Flush that returns before a value was taken", sixteen, Options{}, func(p *past, wait func()) {
			p.send(1)
			p.Call(p.s, "Flush", 0)(nil)
			wait()
			p.take(p.r, 1)
		}, ErrDishonest},
		{"a Deliver that returns before its value was taken", sixteen, Options{}, func(p *past, wait func()) {
			p.Call(p.s, "Deliver", p.Sends(p.s, false))(nil)
			wait()
			p.take(p.r, 1)
		}, ErrDishonest},
		{"more than there is room for", Options{}, Options{Buffer: 2}, func(p *past, wait func()) {
			p.send(5)
			wait()
			p.take(p.r, 1, 2, 3, 4, 5)
		}, ErrOverrun},
		{"more than there is room for before a receiver was there", Options{}, Options{}, func(p *past, wait func()) {
			p.send(2) // p.r has room for one
			wait()
			p.take(p.NewReceiver(p.b, "x", Options{Buffer: 1}), 1, 2)
		}, ErrOverrun},
		{"a step back before something was given back", sixteen, Options{}, func(p *past, wait func()) {
			other := p.NewReceiver(p.b, "x", Options{})
			p.send(2)
			p.take(p.r, 2, 1)
			wait()
			p.Closes(other)
		}, ErrReordered},
		{"a step back of what was sent after its receiver was killed", sixteen, Options{}, func(p *past, wait func()) {
			other := p.NewReceiver(p.Node("C"), "x", Options{})
			p.Killed(p.b, "killed")
			wait()
			p.send(2)
			p.take(other, 2, 1)
		}, ErrReordered},
		{"a value missing that was sent after its receiver was killed", sixteen, Options{}, func(p *past, wait func()) {
			p.Killed(p.b, "killed")
			wait()
			p.send(1)
		}, ErrLost},
		{"a C closed before all was taken", sixteen, Options{}, func(p *past, wait func()) {
			other := p.NewReceiver(p.b, "x", Options{})
			p.send(1)
			p.ClosesC(p.s)
			p.ReceiverEnded(p.r, nil)
			wait()
			p.take(other, 1)
		}, ErrAfterClose},
		{"a C closed before anybody closed", Options{}, Options{}, func(p *past, wait func()) {
			p.ReceiverEnded(p.r, nil)
			wait()
			p.ClosesC(p.s)
		}, ErrDishonest},
		{"a C closed before its node ended", Options{}, Options{}, func(p *past, wait func()) {
			p.ReceiverEnded(p.r, errClosed)
			wait()
			p.Dies(p.b, "closed")
		}, ErrDishonest},
		{"a value taken when its node had died", sixteen, Options{}, func(p *past, wait func()) {
			p.send(1)
			p.Dies(p.b, "closed")
			wait()
			p.take(p.r, 1)
		}, ErrLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, further := range []time.Duration{0, 1} {
				p := newPast(c.from, c.to)
				p.Slack = slack
				c.make(p, func() { p.at += slack - time.Millisecond + further })
				want := c.want
				if further == 0 {
					want = nil
				}
				judged(t, p.Check(true), want)
			}
		})
	}
}

// TestChanSlack is TestSlack for channels in values.
func TestChanSlack(t *testing.T) {
	const slack = 20 * time.Millisecond
	for _, c := range []struct {
		name string
		make func(p *chanPast, wait func())
		want error
	}{
		{"a value taken before it was sent", func(p *chanPast, wait func()) {
			p.Hears(p.of, p.to.ID, 1)
			wait()
			p.Told(p.to, p.Tells(p.to))
		}, ErrEarly},
		{"an end before its home died", func(p *chanPast, wait func()) {
			p.Done(p.to, errClosed)
			wait()
			p.Dies(p.a, "killed")
		}, ErrDishonest},
		{"an end before the channel was closed", func(p *chanPast, wait func()) {
			p.Done(p.to, errClosed)
			wait()
			p.Shuts(p.of)
		}, ErrDishonest},
		{"an end before the link ended", func(p *chanPast, wait func()) {
			p.Done(p.to, errClosed)
			wait()
			p.LinkEnded(p.a, p.b)
		}, ErrDishonest},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, further := range []time.Duration{0, 1} {
				p := newChanPast()
				p.Slack = slack
				c.make(p, func() { p.at += slack - time.Millisecond + further })
				want := c.want
				if further == 0 {
					want = nil
				}
				judged(t, p.Check(true), want)
			}
		})
	}
}
