//go:build linux

package e2e

import (
	"math"
	"strings"

	"github.com/matveynator/netchan/test/e2e/script"
)

// What is looked at when all is over, besides what history.Check says.

// exactlyOnce: no link was given up, no value was sent again to another.
func (c *cluster) exactlyOnce() {
	c.t.Helper()
	if v := c.result.verdict; v.lost+v.doubled+v.redelivered+v.dropped > 0 {
		c.t.Errorf("%d values were lost, %d doubled, %d redelivered, %d dropped", v.lost, v.doubled, v.redelivered, v.dropped)
	}
}

// silence is what a link breaks of over which nothing came for too long.
const silence = "nothing heard"

// inPeace is exactlyOnce where nothing was done to nodes and network: then no link ends but by a
// goodbye, and none breaks, unless the machine is so busy that a node says nothing for 3 s: that is
// right, and then it comes back. When nodes leave, all has been taken; a goodbye may be missed then
// by one that gets no time to hear it.
func (c *cluster) inPeace() {
	c.t.Helper()
	c.exactlyOnce()
	c.mu.Lock()
	defer c.mu.Unlock()
	leaves := int64(math.MaxInt64)
	for _, h := range c.hosts {
		for _, line := range h.history {
			if line.Is == script.Leaves {
				leaves = min(leaves, line.At)
			}
		}
	}
	for _, h := range c.hosts {
		for _, line := range h.history {
			busy := line.Text == script.LinkBroken && strings.Contains(line.Err, silence)
			lost := line.Is == script.Link && (line.Text == script.LinkBroken || line.Text == script.LinkEnded)
			if lost && !busy && line.At < leaves {
				c.t.Errorf("%s: %s without a fault: %s", h.name, line.Text, line.Err)
			}
		}
	}
}

// haveSent looks at what the senders of some hosts say, each of which has sent so many values.
func (c *cluster) haveSent(each int, hosts ...*host) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hosts {
		n := uint64(0)
		for _, line := range h.history {
			if line.Is == script.Counts {
				n += line.Stats.Sent
			}
		}
		if n != uint64(each) || h.is[script.Sent] != each {
			c.t.Errorf("%s counts %d values that were sent, and has sent %d of %d", h.name, n, h.is[script.Sent], each)
		}
	}
}

// haveTaken looks at how many values some hosts have taken in all: when all is over none may have
// come besides.
func (c *cluster) haveTaken(want int, hosts ...*host) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, h := range hosts {
		n += h.taken("")
	}
	if n != want {
		c.t.Errorf("%s have taken %d values, and not %d", names(hosts), n, want)
	}
}
