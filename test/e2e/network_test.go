//go:build linux

package e2e

import (
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
)

// Cases in which the network goes away while values flow from a to b.

// unplugged is longer than a link goes on that hears nothing, 3 s.
const unplugged = 4 * time.Second

// pair starts a and b and, where the network can be hurt between two alone, one beside them
// that a sends to as well.
func pair(c *cluster) (a, b *host) {
	c.t.Helper()
	if *inDocker {
		hosts := c.start(do(sends("x"), sends("y")), do(receives("x")), do(receives("y")))
		c.beside = hosts[2]
	} else {
		c.start(do(sends("x")), do(receives("x")))
	}
	c.flows("x", 50, c.hosts[1])
	return c.hosts[0], c.hosts[1]
}

// goesOn waits until values have flowed beside what is wrong.
func (c *cluster) goesOn() {
	c.t.Helper()
	if c.beside != nil {
		c.flows("y", 200, c.beside)
	}
}

// all is a, b, and who is beside them.
func (c *cluster) all(hosts ...*host) []*host {
	if c.beside != nil {
		hosts = append(hosts, c.beside)
	}
	return hosts
}

// cut: b's network is taken away for 4 s, three times. Both notice; nothing is lost or doubled.
func cut(c *cluster) {
	a, b := pair(c)
	times := 3
	if !*inDocker {
		times = 1
	}
	for range times {
		at := c.unplug(b)
		silent := time.Now()
		c.noticed(at, a, b)
		c.goesOn()
		c.last(unplugged - time.Since(at))
		over := time.Now()
		at = c.plug(b)
		c.resumed(at, a, b)
		c.flows("x", 200, b)
		c.nothingCame("x", a, b, silent, over)
	}
	c.finish()
	c.exactlyOnce()
}

// blackhole10: what a and b say to each other vanishes, for 10 s. It is noticed, and goes on
// as if nothing had been.
func blackhole10(c *cluster) {
	a, b := bothWays(c)
	c.blackhole(a, b, 10*time.Second)
	c.flows("x", 500, b)
	c.finish()
	c.exactlyOnce()
}

// blackhole60: the same for 60 s, twice ResumeTimeout: the link is given up; values flow again
// afterwards. What b may have taken is sent again, and counted.
func blackhole60(c *cluster) {
	a, b := bothWays(c)
	c.blackhole(a, b, time.Minute)
	c.flows("x", 500, b)
	c.finish()
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.watch(time.Time{}, []*host{a}, said(script.LinkEnded)); !w.found() {
		c.t.Error("a has not given the link up")
	}
}

// blackhole has all vanish between two nodes for some time.
func (c *cluster) blackhole(a, b *host, d time.Duration) {
	c.t.Helper()
	one, other := []*host{a}, []*host{b}
	at := c.split(one, other)
	silent := time.Now()
	c.noticed(at, a, b)
	c.goesOn()
	c.last(d - time.Since(at))
	over := time.Now()
	at = c.join(one, other)
	c.resumed(at, a, b)
	c.flows(there, 50, b)
	c.flows(back, 50, a)
	c.nothingCame(there, a, b, silent, over)
	c.nothingCame(back, b, a, silent, over)
}

// oneWay: only what b says vanishes, for 6 s; then only what a says. What the other one says comes,
// as much as goes without an answer.
func oneWay(c *cluster) {
	a, b := bothWays(c)
	deaf, mute, toDeaf, toMute := a, b, back, there
	for range 2 {
		at := c.silence([]*host{mute}, []*host{deaf})
		silent := time.Now()
		c.noticed(at, deaf)
		c.goesOn()
		c.last(6*time.Second - time.Since(at))
		began := mute.mutedAt(silent)
		c.within(prompt, mute.name+" hears "+deaf.name, func() bool {
			return c.came(toMute, deaf, mute, began, time.Now()) > 0
		})
		over := time.Now()
		at = c.heal([]*host{mute}, []*host{deaf})
		c.resumed(at, a, b)
		c.flows("x", 200, b)
		c.flows(toDeaf, 50, deaf)
		c.nothingCame(toDeaf, mute, deaf, silent, over)
		deaf, mute, toDeaf, toMute = mute, deaf, toMute, toDeaf
	}
	c.finish()
	c.exactlyOnce()
}

// flap: b's network comes and goes, ten times. Values arrive whenever it is there for long
// enough.
func flap(c *cluster) {
	a, b := pair(c)
	var gaps [][2]time.Time
	for range 10 {
		at := c.unplug(b)
		silent := time.Now()
		c.last(500*time.Millisecond - time.Since(at))
		gaps = append(gaps, [2]time.Time{silent, time.Now()})
		at = c.plug(b)
		c.last(time.Second - time.Since(at))
	}
	at := c.note("the network stays")
	c.resumed(at, a, b)
	c.flows("x", 500, b)
	for _, g := range gaps {
		c.nothingCame("x", a, b, g[0], g[1])
	}
	c.finish()
	c.exactlyOnce()
}

// healed is how soon a mesh is one again, at the latest.
const healed = time.Minute

// partition: five nodes are cut apart, two and three, for 20 s, with a ResumeTimeout of 5 s.
// Both halves go on working inside; then they become one mesh again, and what waited for the
// other half arrives.
func partition(c *cluster) {
	const resumeTimeout = 5 * time.Second
	node := func(tasks ...script.Task) start { return start{tasks: tasks, resumeTimeout: resumeTimeout} }
	hosts := c.start(
		node(sends("left"), sends("across")),
		node(receives("left")),
		node(sends("right")),
		node(receives("right")),
		node(receives("across")),
	)
	c.flows("", 50, hosts[1], hosts[3], hosts[4])
	left, right := hosts[:2], hosts[2:]
	at := c.split(left, right)
	c.after(at, "half seen", gone, left, func(l script.Line) bool { return len(l.Members) == 2 })
	c.after(at, "half seen", gone, right, func(l script.Line) bool { return len(l.Members) == 3 })
	c.flows("left", 500, hosts[1])
	c.flows("right", 500, hosts[3])
	c.last(20*time.Second - time.Since(at))
	at = c.join(left, right)
	c.within(healed, "all know each other again", func() bool { return c.whole(hosts) })
	c.after(at, "one again", healed, hosts[:1], func(l script.Line) bool { return len(l.Members) == 5 })
	c.resumed(at, hosts[0], hosts[4])
	c.flows("across", 500, hosts[4])
	c.finish()
}
