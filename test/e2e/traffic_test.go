//go:build linux

package e2e

import (
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/history"
)

// pace is how often a sender sends while something is done to the network.
const pace = 5 * time.Millisecond

// sends is a steady sender of values of some hundred bytes.
func sends(channel string) script.Task {
	return script.Task{Do: script.Send, Channel: channel, Options: history.Options{Buffer: 16}, Every: pace, Size: 200}
}

// receives is a receiver whose channel stays open.
func receives(channel string) script.Task {
	return script.Task{Do: script.Receive, Channel: channel, Options: history.Options{Buffer: 16, KeepOpen: true}}
}

// do is how a node is started that does this.
func do(tasks ...script.Task) start { return start{tasks: tasks} }

// taken is how many values the receivers of a host have taken from a channel, "" any. c.mu
// is held.
func (h *host) taken(channel string) (n int) {
	for _, e := range h.ends {
		if e.Is == script.Receiver && (channel == "" || e.Channel == channel) {
			n += e.n
		}
	}
	return n
}

// mostOnTheWay is how many values can be between a sender and a receiver as above: two buffers
// and a window.
const mostOnTheWay = 16 + 16 + 16

// onTheWay is how many values one host has sent on a channel which the other has not taken. c.mu
// is held.
func onTheWay(channel string, from, to *host) (n int) {
	for _, e := range from.ends {
		if e.Is == script.Sender && e.Channel == channel {
			n += e.n
		}
	}
	return n - to.taken(channel)
}

// flows waits until some more values have arrived at each of some hosts.
func (c *cluster) flows(channel string, more int, hosts ...*host) {
	c.t.Helper()
	for _, h := range hosts {
		c.mu.Lock()
		goal := h.taken(channel) + more
		c.mu.Unlock()
		c.until("values of "+channel+" arrive at "+h.name, func() bool { return h.taken(channel) >= goal })
	}
}

// open is how many ends of one kind are not over, at hosts that live. c.mu is held.
func (c *cluster) open(kind string) (n int) {
	for _, h := range c.hosts {
		if h.life == nil || h.life.over || h.life.expected {
			continue
		}
		for _, e := range h.ends {
			if e.Is == kind && !e.over && e.life == h.life {
				n++
			}
		}
	}
	return n
}

// finish ends all in good order: what was sent is taken, all nodes leave. Then what has
// happened is judged.
func (c *cluster) finish() {
	c.t.Helper()
	c.tellAll(script.Task{Do: script.Go})
	c.tellAll(script.Task{Do: script.Finish})
	c.until("all senders end", func() bool { return c.open(script.Sender) == 0 })
	c.tellAll(script.Task{Do: script.Stop})
	c.until("all receivers end", func() bool { return c.open(script.Receiver) == 0 })
	for _, h := range c.hosts {
		if h.alive() {
			c.leave(h)
		}
	}
	v := c.judge()
	c.result.verdict, c.result.judged = v, true
	if len(v.wrong) > 0 {
		c.t.Errorf("%s", v.report)
	}
}
