//go:build linux

package e2e

import (
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
)

// Whether a fault is one: what is said to vanish does, and the rest does not. Neither is a matter
// of how long something takes: what counts is when values were sent, and when they were taken.

// The channels of bothWays, from a to b and from b to a.
const (
	there = "there"
	back  = "back"
)

// bothWays is pair, and values flow from b to a as well. Their receivers have so much room that no
// answer is needed for as long as a link goes on that hears nothing.
func bothWays(c *cluster) (a, b *host) {
	c.t.Helper()
	a, b = pair(c)
	for _, way := range []struct {
		channel  string
		from, to *host
	}{{there, a, b}, {back, b, a}} {
		room := receives(way.channel)
		room.Buffer = 1024
		way.from.do(sends(way.channel))
		way.to.do(room)
		c.flows(way.channel, 50, way.to)
	}
	return a, b
}

// came is how many values of a channel one host has sent behind one moment and another host has
// taken before a later one. c.mu is held.
func (c *cluster) came(channel string, from, to *host, after, before time.Time) (n int) {
	type value struct {
		end int64
		n   int
	}
	sent := make(map[value]bool)
	for _, line := range from.history {
		if line.Is == script.Sends && line.At > after.UnixNano() && from.ends[line.End].Channel == channel {
			sent[value{line.End, line.N}] = true
		}
	}
	for _, line := range to.history {
		if line.Is == script.Took && line.At < before.UnixNano() && sent[value{line.From, line.N}] {
			n++
		}
	}
	return n
}

// nothingCame looks back at what was to vanish between two moments: that is called when the second
// host has written later lines.
func (c *cluster) nothingCame(channel string, from, to *host, after, before time.Time) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.came(channel, from, to, after, before); n > 0 {
		c.t.Errorf("%d values came from %s to %s while nothing could", n, from.name, to.name)
	}
}

// mutedAt is when what a host says began to vanish, as it has written down itself: until that is read
// the kernel of who speaks to it may have sent all that goes without an answer, some ten segments.
// Without containers it is the moment that is given.
func (h *host) mutedAt(at time.Time) time.Time {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	for _, line := range h.history {
		if line.Is == script.Muted {
			at = time.Unix(0, line.At)
		}
	}
	return at
}
