package history

import (
	"slices"
	"time"
)

// spares are values of a channel that may have been taken and not written down, one for each
// receiver whose node was killed: when that was, in order. Such a receiver can have taken only
// what was sent before; also what had waited since before it was there.
type spares []time.Duration

// claim takes one for a value whose send began then, if there is one: that which the fewest other
// values could have.
func (s *spares) claim(begin, slack time.Duration) bool {
	i := slices.IndexFunc(*s, func(died time.Duration) bool { return begin <= died+slack })
	if i < 0 {
		return false
	}
	*s = slices.Delete(*s, i, i+1)
	return true
}

// unwritten is the spares of a channel, before any of them is claimed.
func (c *checker) unwritten(channel string) spares {
	s := spares{}
	for _, r := range c.receivers {
		if n := c.nodes[r.Node]; r.Channel == channel && n.cut && !r.closed.set() {
			s = append(s, n.died.at)
		}
	}
	slices.Sort(s)
	return s
}

// mayMiss is how many values of s may have been taken and not written down.
func (c *checker) mayMiss(s *Sender) (n int) {
	spare := c.unwritten(s.Channel)
	for i, f := range c.fates[s.ID] {
		if !f.seen.set() && spare.claim(s.values[i].begin.at, c.Slack) {
			n++
		}
	}
	return n
}
