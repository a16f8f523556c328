//go:build linux

package e2e

import (
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
)

// What can be done to a cluster. Each returns when it was begun.

// kill ends a node's process at once.
func (c *cluster) kill(h *host) time.Time {
	c.t.Helper()
	h.expect()
	at := c.note("kill %s", h.name)
	h.killed = append(h.killed, at)
	c.on.signal(h, kill)
	_ = h.over()
	return at
}

// leave has a node end in good order.
func (c *cluster) leave(h *host) {
	c.t.Helper()
	h.expect()
	c.note("%s leaves", h.name)
	h.do(script.Task{Do: script.Leave})
	c.hasLeft(h)
}

// hasLeft waits until a node has ended, which it must in good order: it says so, and its Shutdown
// returned, before the process ends.
func (c *cluster) hasLeft(h *host) {
	c.t.Helper()
	if err := h.over(); err != nil {
		c.t.Errorf("%s: %v", h.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.is[script.Left] == 0 {
		c.t.Errorf("%s has ended, and did not say that it left", h.name)
	}
}

// terminate is leave by a signal, as engines and init systems do it.
func (c *cluster) terminate(h *host) {
	c.t.Helper()
	h.expect()
	c.note("%s is told to terminate", h.name)
	c.on.signal(h, term)
	c.hasLeft(h)
}

// pause stops a node's process: its kernel still acknowledges what comes.
func (c *cluster) pause(h *host) time.Time {
	at := c.note("pause %s", h.name)
	c.on.signal(h, pause)
	return at
}

func (c *cluster) resume(h *host) time.Time {
	at := c.note("resume %s", h.name)
	c.on.signal(h, resume)
	return at
}

func (c *cluster) unplug(h *host) time.Time {
	at := c.note("unplug %s", h.name)
	c.on.unplug(h)
	return at
}

// plug gives a host its network back. It returns when it had it.
func (c *cluster) plug(h *host) time.Time {
	c.on.plug(h)
	return c.note("%s is plugged in", h.name)
}

// silence has all vanish that goes from one group of hosts to another. It returns when it does,
// and what it returns is when it began.
func (c *cluster) silence(from, to []*host) time.Time {
	c.t.Helper()
	at := c.note("silence from %s to %s", names(from), names(to))
	c.told(script.Muted, from, len(to), func() {
		for _, a := range from {
			for _, b := range to {
				c.on.mute(a, b)
			}
		}
	})
	return at
}

// heal undoes silence.
func (c *cluster) heal(from, to []*host) time.Time {
	c.t.Helper()
	at := c.note("no silence from %s to %s", names(from), names(to))
	c.told(script.Unmuted, from, len(to), func() {
		for _, a := range from {
			for _, b := range to {
				c.on.unmute(a, b)
			}
		}
	})
	return at
}

// told does what tells each of some hosts the same so many times, and waits until they have all
// done it. Without containers it is not they that are told.
func (c *cluster) told(what string, hosts []*host, times int, tell func()) {
	c.t.Helper()
	before := make(map[*host]int)
	c.mu.Lock()
	for _, h := range hosts {
		before[h] = h.is[what]
	}
	c.mu.Unlock()
	tell()
	for _, h := range hosts {
		c.until(h.name+" is "+what, func() bool { return !*inDocker || h.is[what] == before[h]+times })
	}
}

// split is silence both ways.
func (c *cluster) split(a, b []*host) time.Time {
	at := c.silence(a, b)
	c.silence(b, a)
	return at
}

func (c *cluster) join(a, b []*host) time.Time {
	at := c.heal(a, b)
	c.heal(b, a)
	return at
}

func names(hosts []*host) (s string) {
	for _, h := range hosts {
		s += h.name
	}
	return s
}

// last lets a fault last: nothing but time ends it.
func (c *cluster) last(d time.Duration) {
	<-time.After(d)
}
