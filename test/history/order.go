package history

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A giveBack is one time at which what a receiver had not taken can have come back to a sender:
// the node of the receiver ended, or the link with it, or the receiver was closed. Who takes such
// a value may have taken a later one before.
type giveBack struct {
	from  time.Duration // when that was
	until time.Duration // what was sent later was not given to that receiver any more
}

// forever is until of what the sender's node learns of at a time that is not known.
const forever = time.Duration(math.MaxInt64)

// givenBack are all of them, those first that hold for the least values.
func (c *checker) givenBack(s *Sender) []giveBack {
	var all []giveBack
	for _, r := range c.receivers {
		if r.Channel != s.Channel {
			continue
		}
		all = append(all, c.lostWith(s, r)...)
		if r.closing.set() {
			all = append(all, giveBack{r.closing.at, forever})
		}
	}
	slices.SortFunc(all, func(a, b giveBack) int {
		return cmp.Or(cmp.Compare(a.until, b.until), cmp.Compare(a.from, b.from))
	})
	return all
}

// lostWith are those of one receiver that was lost to s. The death of its node, and the end of the
// link for that reason, are one: until the second, values may be given to it.
func (c *checker) lostWith(s *Sender, r *Receiver) (all []giveBack) {
	died, own := c.nodes[r.Node].died, c.nodes[s.Node].died // the second ends all its links
	if died.set() {
		g := giveBack{died.at, forever}
		if c.nodes[r.Node].cut {
			g.until = died.at
		}
		all = append(all, g)
	}
	if own.set() && r.Node != s.Node {
		all = append(all, giveBack{own.at, forever})
	}
	told := !died.set() // the end of the link for that reason is among them
	for _, e := range c.linkEnds {
		switch {
		case e.from == r.Node && e.to == s.Node && !c.Both:
			all = append(all, giveBack{e.at, forever})
		case e.from != s.Node || e.to != r.Node:
		case !told && !c.after(died.at, e.at):
			told = true
			all[0] = giveBack{min(died.at, e.at), e.at}
		default:
			all = append(all, giveBack{e.at, e.at})
		}
	}
	return all
}

// ordered looks for a value of s that r took behind a later one. Each time that something can have
// been given back may excuse one step back, of a value that was sent before.
func (c *checker) ordered(s *Sender, r *Receiver) {
	var backs []giveBack
	last := 0
	for _, t := range c.takes[r.ID] {
		if t.sender != s.ID || s.values[t.n-1].loose {
			continue
		}
		if t.n >= last { // the same again is doubled, not reordered
			last = t.n
			continue
		}
		if backs == nil {
			backs = c.givenBack(s)
		}
		begin := s.values[t.n-1].begin.at
		i := slices.IndexFunc(backs, func(g giveBack) bool {
			return !c.after(g.from, t.at) && (g.until == forever || !c.after(begin, g.until))
		})
		if s.Broadcast || i < 0 {
			c.wrong(ErrReordered, t.when, "%v took value %d of %v behind %d", r, t.n, s, last)
			return
		}
		backs, last = slices.Delete(backs, i, i+1), t.n
	}
}
