package history

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// chanChecker is what Check works with.
type chanChecker struct {
	*Chans
	takes [][]endTake // by end: of values that there are
	found []Violation
}

// Check returns the promises that a history with channels in values breaks, those of History's
// Check with them.
func (h *Chans) Check(final bool) []Violation {
	c := &chanChecker{Chans: h, found: h.History.Check(final)}
	h.mu.Lock()
	defer h.mu.Unlock()
	c.takes = make([][]endTake, len(h.ends))
	for _, e := range h.ends {
		c.heard(e)
	}
	for _, e := range h.ends {
		c.doubles(e)
		c.early(e)
		c.honestEnd(e)
		c.handed(e)
		for _, r := range h.ends {
			if r.Ch == e.Ch {
				c.inOrder(e, r)
			}
		}
	}
	return c.found
}

func (c *chanChecker) wrong(promise error, at when, format string, args ...any) {
	c.found = append(c.found, Violation{promise, fmt.Sprintf(format, args...), at})
}

// heard books what was taken from r.
func (c *chanChecker) heard(r *ChanEnd) {
	for _, t := range r.takes {
		if t.end < 0 || t.end >= len(c.ends) || t.n < 1 || t.n > len(c.ends[t.end].values) || c.ends[t.end].Ch != r.Ch {
			c.wrong(ErrInvented, t.when, "%v took value %d of e%d, which is none of c%d", r, t.n, t.end, r.Ch)
			continue
		}
		c.takes[r.ID] = append(c.takes[r.ID], t)
	}
}

// doubles: what is sent on a proxy is taken at most once; at another node than the home
// once more where a reader was lost.
func (c *chanChecker) doubles(e *ChanEnd) {
	home := make(map[int]bool)
	for _, r := range c.ends {
		for _, t := range c.takes[r.ID] {
			if t.end != e.ID {
				continue
			}
			if k := c.taken[t.valueKey]; k > 1 && !c.readersLost(e.Ch) {
				c.wrong(ErrDoubled, t.when, "%v took value %d of %v, which was taken %d times", r, t.n, e, k)
				return
			}
			if r.Node == c.chans[e.Ch].Home {
				if home[t.n] {
					c.wrong(ErrDoubled, t.when, "value %d of %v was taken twice at its home", t.n, e)
					return
				}
				home[t.n] = true
			}
		}
	}
}

// readersLost says whether a node that read from a channel, or a link to it, was lost.
func (c *chanChecker) readersLost(ch int) bool {
	return c.chans[ch].readAway.set() && (len(c.linkEnds) > 0 || c.deaths() > 0)
}

func (h *Chans) deaths() (n int) {
	for _, l := range h.nodes {
		if l.died.set() {
			n++
		}
	}
	return n
}

// early: nothing is taken before it is sent.
func (c *chanChecker) early(r *ChanEnd) {
	for _, t := range c.takes[r.ID] {
		if !c.may(c.ends[t.end].values[t.n-1].begin, t.when) {
			c.wrong(ErrEarly, t.when, "%v took value %d of e%d", r, t.n, t.end)
		}
	}
}

// inOrder: r takes the values of e in their order; but for those that were given back to the
// home, by a reader elsewhere.
func (c *chanChecker) inOrder(e, r *ChanEnd) {
	last := 0
	for _, t := range c.takes[r.ID] {
		if t.end != e.ID {
			continue
		}
		if t.n <= last && (r.Node == c.chans[e.Ch].Home || !c.gaveBack(e.Ch, t.when)) {
			c.wrong(ErrReordered, t.when, "%v took value %d of %v behind %d", r, t.n, e, last)
			return
		}
		last = t.n
	}
}

// gaveBack says whether a reader elsewhere had left the channel before, or may have: one that
// nobody has kept is given what it has room for, until it is garbage.
func (c *chanChecker) gaveBack(ch int, at when) bool {
	if c.readersLost(ch) {
		return true
	}
	for _, r := range c.ends {
		away := r.Ch == ch && r.Dir == ToReceive && r.Node != c.chans[ch].Home
		if away && (c.may(r.let, at) || c.may(r.gone, at) || c.may(r.moved, at)) {
			return true
		}
	}
	for _, x := range c.passes {
		if x.Ch == ch && x.Dir == ToReceive && c.may(x.when, at) && (!x.kept || x.To < 0 && c.gaveBack(x.Over, at)) {
			return true // one that came in a value which was given back has been elsewhere before
		}
	}
	return false
}

// handed: what the one had sent on a channel who passed it on comes before what the other
// one sends who had it for the first time, where the way is straight.
func (c *chanChecker) handed(e *ChanEnd) {
	if e.behind == nil || !e.straight || len(c.linkEnds) > 0 || c.deaths() > 0 || c.chans[e.Ch].readAway.set() {
		return
	}
	by := c.ends[e.behind.end]
	for _, r := range c.ends {
		if r.Ch != e.Ch {
			continue
		}
		began := false
		for _, t := range c.takes[r.ID] {
			began = began || t.end == e.ID
			if began && t.end == by.ID && t.n <= e.behind.n {
				c.wrong(ErrReordered, t.when, "%v took value %d of %v, which had sent it before it passed the channel on, "+
					"behind what %v sent", r, t.n, by, e)
				return
			}
		}
	}
}

// honestEnd: a proxy ends for a reason.
func (c *chanChecker) honestEnd(e *ChanEnd) {
	if !e.done.set() || c.reason(e) {
		return
	}
	c.wrong(ErrDishonest, e.done, "%v is done (%v), and there is no reason", e, e.err)
}

func (c *chanChecker) reason(e *ChanEnd) bool {
	ch := c.chans[e.Ch]
	if c.may(ch.forsaken, e.done) || c.may(c.nodes[ch.Home].died, e.done) || c.may(c.nodes[e.Node].died, e.done) {
		return true
	}
	for _, x := range ch.closes {
		if c.may(x.when, e.done) {
			return true
		}
	}
	if by := c.ends[e.by.end]; c.may(by.let, e.done) || c.may(by.done, e.done) {
		return true // it was none any more when it was passed on
	}
	for _, o := range c.ends { // the same proxy may have been held before
		same := o.Ch == e.Ch && o.Node == e.Node && o.Dir == e.Dir
		if same && (c.may(o.let, e.done) || c.may(o.gone, e.done) || c.may(o.moved, e.done)) {
			return true
		}
	}
	for _, x := range c.passes {
		if x.Ch == e.Ch && x.Dir == ToReceive && e.Dir == ToReceive && x.To < 0 && c.may(x.when, e.done) {
			return true // who reads that channel elsewhere has been passed on what lay in it
		}
	}
	return c.cutOff(e, e.done.at)
}

// cutOff says whether a way between an end and its home was lost until then.
func (h *Chans) cutOff(e *ChanEnd, until time.Duration) bool {
	home := h.chans[e.Ch].Home
	for _, x := range h.linkEnds {
		if x.at <= until+h.Slack && (!e.straight || x.from == e.Node && x.to == home || x.from == home && x.to == e.Node) {
			return true
		}
	}
	for _, l := range h.nodes {
		if l.died.set() && l.died.at <= until+h.Slack && !e.straight {
			return true
		}
	}
	// Who passed it on has left, or died, before there was a way to its home.
	if e.by != nil && e.done.set() && e.err != nil && strings.Contains(e.err.Error(), "nor the node that passed it on") {
		l := h.nodes[h.ends[e.by.end].Node].died
		return l.set() && l.at <= e.done.at+h.Slack
	}
	return false
}

// Missing is a value that was accepted, not taken, and should have been.
func (h *Chans) Missing() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ends {
		ch := h.chans[e.Ch]
		if e.Dir != ToSend || ch.forsaken.set() || h.nodes[ch.Home].died.set() || h.nodes[e.Node].died.set() ||
			h.cutOff(e, h.now()) || len(ch.closes) > 1 || len(ch.closes) == 1 && ch.closes[0].end != e.ID {
			continue
		}
		spare := h.unwritten(ch)
		for i, v := range e.values {
			if !v.end.set() || e.let.before(v.end) || e.done.before(v.end) || h.taken[valueKey{e.ID, i + 1}] > 0 {
				continue
			}
			if !spare.claim(v.begin.at, h.Slack) {
				return fmt.Sprintf("value %d of %v was accepted, and not taken", i+1, e)
			}
		}
	}
	return ""
}

// unwritten is the values of a channel that may have been taken and not written down.
func (h *Chans) unwritten(c *Chan) (s spares) {
	for _, r := range h.ends {
		if n := h.nodes[r.Node]; r.Ch == c.ID && r.Dir == ToReceive && n.cut {
			s = append(s, n.died.at)
		}
	}
	slices.Sort(s)
	return s
}
