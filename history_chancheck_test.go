package netchan

import (
	"fmt"
	"strings"
	"time"
)

// chanChecker is what check works with.
type chanChecker struct {
	*chanHistory
	found []violation
}

// checkChans returns the promises that a history with channels in values breaks.
func (h *chanHistory) checkChans(final bool) []violation {
	c := &chanChecker{chanHistory: h, found: h.check(final)}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ends {
		c.doubles(e)
		c.early(e)
		c.honestEnd(e)
		c.handed(e)
		for _, r := range h.ends {
			if r.ch == e.ch {
				c.inOrder(e, r)
			}
		}
	}
	return c.found
}

func (c *chanChecker) wrong(promise error, at when, format string, args ...any) {
	c.found = append(c.found, violation{promise, fmt.Sprintf(format, args...), at})
}

// doubles: what is sent on a proxy is taken at most once; at another node than the home
// once more where a reader was lost.
func (c *chanChecker) doubles(e *chanEnd) {
	home := make(map[int]bool)
	for _, r := range c.chanHistory.ends {
		for _, t := range r.takes {
			if t.end != e.id {
				continue
			}
			if k := c.taken[t.letterKey]; k > 1 && !c.readersLost(e.ch) {
				c.wrong(errDoubled, t.when, "%v took value %d of %v, which was taken %d times", r, t.n, e, k)
				return
			}
			if r.life == c.chans[e.ch].home {
				if home[t.n] {
					c.wrong(errDoubled, t.when, "value %d of %v was taken twice at its home", t.n, e)
					return
				}
				home[t.n] = true
			}
		}
	}
}

// readersLost says whether a node that read from a channel, or a link to it, was lost.
func (c *chanChecker) readersLost(ch int) bool {
	return c.chans[ch].readAway.set() && (len(c.history.ends) > 0 || c.deaths() > 0)
}

func (h *chanHistory) deaths() (n int) {
	for _, l := range h.nodes {
		if l.died.set() {
			n++
		}
	}
	return n
}

// early: nothing is taken before it is sent.
func (c *chanChecker) early(r *chanEnd) {
	for _, t := range r.takes {
		if c.chanHistory.ends[t.end].values[t.n-1].begin.seq > t.seq {
			c.wrong(errEarly, t.when, "%v took value %d of e%d", r, t.n, t.end)
		}
	}
}

// inOrder: r takes the values of e in their order; but for those that were given back to the
// home, by a reader elsewhere.
func (c *chanChecker) inOrder(e, r *chanEnd) {
	last := 0
	for _, t := range r.takes {
		if t.end != e.id {
			continue
		}
		if t.n <= last && (r.life == c.chans[e.ch].home || !c.gaveBack(e.ch, t.when)) {
			c.wrong(errReordered, t.when, "%v took value %d of %v behind %d", r, t.n, e, last)
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
	for _, r := range c.chanHistory.ends {
		if r.ch == ch && r.dir == toReceive && r.life != c.chans[ch].home && (r.let.before(at) || r.gone.before(at) || r.moved.before(at)) {
			return true
		}
	}
	for _, x := range c.passes {
		if x.ch == ch && x.dir == toReceive && x.before(at) && (!x.kept || x.slot < 0 && c.gaveBack(x.over, at)) {
			return true // one that came in a value which was given back has been elsewhere before
		}
	}
	return false
}

// handed: what the one had sent on a channel who passed it on comes before what the other
// one sends who had it for the first time, where the way is straight.
func (c *chanChecker) handed(e *chanEnd) {
	if e.behind == nil || !e.straight || len(c.history.ends) > 0 || c.deaths() > 0 || c.chans[e.ch].readAway.set() {
		return
	}
	by := c.chanHistory.ends[e.behind.end]
	for _, r := range c.chanHistory.ends {
		if r.ch != e.ch {
			continue
		}
		began := false
		for _, t := range r.takes {
			began = began || t.end == e.id
			if began && t.end == by.id && t.n <= e.behind.n {
				c.wrong(errReordered, t.when, "%v took value %d of %v, which had sent it before it passed the channel on, behind what %v sent", r, t.n, by, e)
				return
			}
		}
	}
}

// honestEnd: a proxy ends for a reason.
func (c *chanChecker) honestEnd(e *chanEnd) {
	if !e.done.set() || c.reason(e) {
		return
	}
	c.wrong(errDishonest, e.done, "%v is done (%v), and there is no reason", e, e.err)
}

func (c *chanChecker) reason(e *chanEnd) bool {
	ch := c.chans[e.ch]
	if ch.forsaken.before(e.done) || c.nodes[ch.home].died.before(e.done) || c.nodes[e.life].died.before(e.done) {
		return true
	}
	for _, x := range ch.closes {
		if x.before(e.done) {
			return true
		}
	}
	if by := c.chanHistory.ends[e.by.end]; by.let.before(e.done) || by.done.before(e.done) {
		return true // it was none any more when it was passed on
	}
	for _, o := range c.chanHistory.ends { // the same proxy may have been held before
		if o.ch == e.ch && o.life == e.life && o.dir == e.dir && (o.let.before(e.done) || o.gone.before(e.done) || o.moved.before(e.done)) {
			return true
		}
	}
	for _, x := range c.passes {
		if x.ch == e.ch && x.dir == toReceive && e.dir == toReceive && x.slot < 0 && x.before(e.done) {
			return true // who reads that channel elsewhere has been passed on what lay in it
		}
	}
	return c.cutOff(e, e.done.at)
}

// cutOff says whether a way between an end and its home was lost until then.
func (h *chanHistory) cutOff(e *chanEnd, until time.Duration) bool {
	home := h.chans[e.ch].home
	for _, x := range h.history.ends {
		if x.at <= until && (!e.straight || x.from == e.life && x.to == home || x.from == home && x.to == e.life) {
			return true
		}
	}
	for _, l := range h.nodes {
		if l.died.set() && l.died.at <= until && !e.straight {
			return true
		}
	}
	// Who passed it on has left, or died, before there was a way to its home.
	if e.by != nil && e.done.set() && e.err != nil && strings.Contains(e.err.Error(), "nor the node that passed it on") {
		l := h.nodes[h.ends[e.by.end].life].died
		return l.set() && l.at <= e.done.at
	}
	return false
}

// missing is a value that was accepted, not taken, and should have been.
func (h *chanHistory) missing() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ends {
		ch := h.chans[e.ch]
		if e.dir != toSend || ch.forsaken.set() || h.nodes[ch.home].died.set() || h.nodes[e.life].died.set() ||
			h.cutOff(e, h.now()) || len(ch.closes) > 1 || len(ch.closes) == 1 && ch.closes[0].end != e.id {
			continue
		}
		for i, v := range e.values {
			if !v.end.set() || e.let.before(v.end) || e.done.before(v.end) || h.taken[letterKey{e.id, i + 1}] > 0 {
				continue
			}
			return fmt.Sprintf("value %d of %v was accepted, and not taken", i+1, e)
		}
	}
	return ""
}
