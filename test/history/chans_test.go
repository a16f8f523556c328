package history

import (
	"testing"
	"time"
)

// chanPast is a history made by hand of a channel whose home is a, and which b sends on.
type chanPast struct {
	*Chans
	at     time.Duration
	a, b   int
	c      *Chan
	own    *ChanEnd // to send on, at home
	of, to *ChanEnd // to receive from, at home, and to send on, at b
}

func newChanPast() *chanPast {
	p := &chanPast{}
	p.Chans = NewChans(New(func() time.Duration { p.at += time.Millisecond; return p.at }, errClosed))
	p.a, p.b = p.Node("A"), p.Node("B")
	p.c = p.Make(p.a, 3)
	p.own, p.of = p.Hold(p.c.ID, p.a, ToSend, 0), p.Hold(p.c.ID, p.a, ToReceive, 0)
	p.to = p.passed(p.own, p.b)
	return p
}

// passed has a node hold what an end passes on.
func (p *chanPast) passed(e *ChanEnd, node int) *ChanEnd {
	n := p.Pass(e, Pass{To: node, Linked: true})
	p.Keep(n)
	return p.Hold(e.Ch, node, e.Dir, n)
}

// tell sends n values.
func (p *chanPast) tell(e *ChanEnd, n int) {
	for range n {
		p.Told(e, p.Tells(e))
	}
}

// hear has r take these values of e.
func (p *chanPast) hear(r, e *ChanEnd, numbers ...int) {
	for _, n := range numbers {
		p.Hears(r, e.ID, n)
	}
}

// TestChanChecker is TestChecker for channels in values.
func TestChanChecker(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(p *chanPast)
		want error
	}{
		{"all is well", func(p *chanPast) {
			p.tell(p.to, 3)
			p.hear(p.of, p.to, 1, 2, 3)
			p.Shuts(p.own)
			p.FoundClosed(p.of, nil)
			p.Done(p.to, errClosed)
		}, nil},
		{"a value of nobody", func(p *chanPast) { p.Hears(p.of, 9, 1) }, ErrInvented},
		{"a value that was never sent", func(p *chanPast) { p.hear(p.of, p.to, 1) }, ErrInvented},
		{"a value of another channel", func(p *chanPast) {
			p.tell(p.to, 1)
			p.hear(p.Hold(p.Make(p.a, 0).ID, p.a, ToReceive, 0), p.to, 1)
		}, ErrInvented},
		{"a value taken before it was sent", func(p *chanPast) { p.hear(p.of, p.to, 1); p.tell(p.to, 1) }, ErrEarly},
		{"a value twice", func(p *chanPast) {
			p.tell(p.to, 1)
			p.hear(p.of, p.to, 1)
			p.hear(p.passed(p.of, p.b), p.to, 1)
		}, ErrDoubled},
		{"a value twice, where a reader died", func(p *chanPast) {
			p.tell(p.to, 1)
			p.hear(p.passed(p.of, p.b), p.to, 1)
			p.Dies(p.b, "killed")
			p.hear(p.of, p.to, 1)
		}, nil},
		{"a value twice at home, where a reader died", func(p *chanPast) {
			p.tell(p.to, 1)
			p.passed(p.of, p.b)
			p.Dies(p.b, "killed")
			p.hear(p.of, p.to, 1, 1)
		}, ErrDoubled},
		{"a step back", func(p *chanPast) { p.tell(p.to, 2); p.hear(p.of, p.to, 2, 1) }, ErrReordered},
		{"a step back elsewhere, of what another reader gave back", func(p *chanPast) {
			r, other := p.passed(p.of, p.b), p.passed(p.of, p.b)
			p.tell(p.to, 2)
			p.hear(r, p.to, 2)
			p.Releases(other)
			p.hear(r, p.to, 1)
		}, nil},
		{"what was sent before it was passed on comes later", func(p *chanPast) {
			c := p.Make(p.a, 3)
			own, of := p.Hold(c.ID, p.a, ToSend, 0), p.Hold(c.ID, p.a, ToReceive, 0)
			p.tell(own, 1)
			to := p.passed(own, p.b)
			p.tell(to, 1)
			p.hear(of, to, 1)
			p.hear(of, own, 1)
		}, ErrReordered},
		{"an end for no reason", func(p *chanPast) { p.Done(p.to, errClosed) }, ErrDishonest},
		{"an end of what was released", func(p *chanPast) { p.Releases(p.to); p.Done(p.to, errClosed) }, nil},
		{"an end of what its home has dropped", func(p *chanPast) { p.Forsakes(p.c); p.Done(p.to, errClosed) }, nil},
		{"an end at a node that died", func(p *chanPast) { p.Dies(p.b, "closed"); p.Done(p.to, errClosed) }, nil},
		{"what the harness found", func(p *chanPast) { p.Fault(ErrLate, "x") }, ErrLate},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newChanPast()
			c.make(p)
			judged(t, p.Check(true), c.want)
		})
	}
}

// TestMissing has a history name a value that was accepted and did not arrive.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name    string
		make    func(p *chanPast)
		missing bool
	}{
		{"nothing", func(p *chanPast) { p.tell(p.to, 1); p.hear(p.of, p.to, 1) }, false},
		{"a value", func(p *chanPast) { p.tell(p.to, 2); p.hear(p.of, p.to, 1) }, true},
		{"a value whose send has not returned", func(p *chanPast) { p.Tells(p.to) }, false},
		{"a value to a home that died", func(p *chanPast) { p.tell(p.to, 1); p.Dies(p.a, "killed") }, false},
		{"a value that a reader had who was killed", func(p *chanPast) {
			c := p.Node("C")
			p.passed(p.of, c)
			p.tell(p.to, 1)
			p.Killed(c, "killed")
		}, false},
		{"two values that a reader had who was killed", func(p *chanPast) {
			c := p.Node("C")
			p.passed(p.of, c)
			p.tell(p.to, 2)
			p.Killed(c, "killed")
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newChanPast()
			c.make(p)
			if got := p.Missing(); (got != "") != c.missing {
				t.Errorf("%q", got)
			}
		})
	}
}
