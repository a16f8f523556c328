//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
)

// Cases in which processes are stopped, end, and come back.

// paused: b is stopped for 10 s while its kernel goes on acknowledging. a notices, keeps no
// more than the window, and goes on with c meanwhile. Then all goes on.
func paused(c *cluster) {
	hosts := c.start(do(sends("x"), sends("y")), do(receives("x")), do(receives("y")))
	a, b, beside := hosts[0], hosts[1], hosts[2]
	c.flows("", 50, b, beside)
	c.slack += 10 * time.Second // b may have taken a value and not written it down
	at := c.pause(b)
	c.noticed(at, a)
	c.flows("y", 500, beside)
	c.last(10*time.Second - time.Since(at))
	c.mu.Lock()
	if n := onTheWay("x", a, b); n > mostOnTheWay+1 { // b may have taken one and not written it down
		c.t.Errorf("%d values are on their way to b, which is stopped, and %d at most", n, mostOnTheWay)
	}
	c.mu.Unlock()
	at = c.resume(b)
	c.resumed(at, a, b)
	c.flows("x", 200, b)
	c.finish()
	c.exactlyOnce()
}

// killReceiver: of two receivers one is killed. Everything that it had not taken goes to the
// other one.
func killReceiver(c *cluster) {
	fast, slow := sends("x"), receives("x")
	fast.Every, slow.Every = 0, time.Millisecond // so that buffers and windows are full
	hosts := c.start(do(fast), do(slow), do(slow))
	c.flows("x", 50, hosts[1:]...)
	at := c.kill(hosts[1])
	c.after(at, "noticed", refused(), hosts[:1], said(script.LinkEnded))
	c.flows("x", 500, hosts[2])
	c.finish()
}

// killSender: of two senders one is killed. What has arrived of it is without a gap; the other one
// goes on; one that takes its place is heard.
func killSender(c *cluster) {
	hosts := c.start(do(receives("x")), do(sends("x")), do(sends("x")))
	c.flows("x", 100, hosts[0])
	at := c.kill(hosts[1])
	c.after(at, "noticed", refused(), hosts[:1], said(script.LinkEnded))
	c.flows("x", 200, hosts[0])
	next := c.start(start{seeds: hosts[:1], tasks: []script.Task{sends("x")}})[0]
	c.until("the next one's values arrive", func() bool {
		for _, e := range next.ends {
			return e.n > 100
		}
		return false
	})
	c.finish()
	c.mu.Lock()
	defer c.mu.Unlock()
	last := 0
	for _, line := range hosts[0].history {
		if line.Is == script.Took && hosts[1].ends[line.From] != nil {
			if line.N != last+1 {
				c.t.Errorf("of the one that was killed value %d was taken behind %d", line.N, last)
			}
			last = line.N
		}
	}
}

// restart: b is started again under its name and address, once told to terminate and once
// killed. Values flow to the new one; nothing of the old one's is lost.
func restart(c *cluster) {
	a, b := pair(c)
	for _, end := range []func(*host){c.terminate, func(h *host) { c.kill(h) }} {
		end(b)
		c.begin(b, start{seeds: []*host{a}, tasks: []script.Task{receives("x")}})
		c.since(script.Began, "joined", patience, b, joined)
		c.since(script.Joined, "resumed", prompt, b, took)
		c.flows("x", 200, b)
		c.knowEachOther(c.all(a, b))
	}
	c.finish()
}

// rolling: five nodes that send to each other are replaced one by one by those of a later version
// of the program, in which the value's fields have moved and changed. Nothing is lost or doubled.
func rolling(c *cluster) {
	tasks := []script.Task{sends("x"), receives("x")}
	hosts := c.start(do(tasks...), do(tasks...), do(tasks...), do(tasks...), do(tasks...))
	c.flows("x", 50, hosts...)
	for i, h := range hosts {
		c.terminate(h)
		c.begin(h, start{seeds: []*host{hosts[(i+1)%len(hosts)]}, later: true, tasks: tasks})
		c.flows("x", 50, hosts...)
	}
	c.knowEachOther(hosts)
	c.finish()
	c.exactlyOnce()
}

// seedGone: the seed of all is killed. The others go on, and a new node joins by another one.
func seedGone(c *cluster) {
	hosts := c.start(do(), do(sends("x")), do(receives("x")))
	c.flows("x", 50, hosts[2])
	at := c.kill(hosts[0])
	c.after(at, "noticed", gone, hosts[1:2], func(l script.Line) bool { return l.Is == script.Members && len(l.Members) == 2 })
	c.flows("x", 200, hosts[2])
	next := c.start(start{seeds: []*host{hosts[0], hosts[1]}, tasks: []script.Task{receives("x")}})
	c.since(script.Began, "joined", patience, next[0], joined)
	c.flows("x", 50, next[0])
	c.knowEachOther(append(next, hosts[1:]...))
	c.finish()
}

// wrongKey: a node with another key does not get in, and is told why; the others go on.
func wrongKey(c *cluster) {
	c.stranger(netchan.GenerateKey().Secret(), netchan.ErrKeyMismatch.Error())
}

// noKey: neither does one without any, which has its own or none at all.
func noKey(c *cluster) { c.stranger("-", "key") }

// inside is a channel of which no stranger may hear. Its name occurs in no other text.
const inside = "periwinkle"

// stranger has a node try to join.
func (c *cluster) stranger(key, why string) {
	a, b := pair(c)
	a.do(sends(inside))
	b.do(receives(inside))
	c.flows(inside, 50, b)
	stranger := c.host("stranger")
	c.begin(stranger, start{key: key, seeds: []*host{a}, tasks: []script.Task{receives(inside)}})
	stranger.expect()
	if err := stranger.over(); err == nil {
		c.t.Error("the stranger has ended without an error")
	}
	c.since(script.Began, "refused", patience, stranger, func(l script.Line) bool {
		return l.Is == script.Failed && strings.Contains(l.Err, why)
	})
	c.mu.Lock()
	for _, line := range stranger.history {
		heard := strings.Contains(line.Text+line.Err, inside) || line.Channel == inside
		if heard || line.Is == script.Joined || line.Is == script.Members || line.Is == script.Link {
			c.t.Errorf("the stranger has learnt %+v", line)
		}
	}
	c.mu.Unlock()
	c.flows(inside, 100, b)
	c.flows("x", 100, b)
	c.knowEachOther(c.all(a, b))
	c.finish()
	c.exactlyOnce()
}

// churnTime is how long nodes come and go.
const churnTime = 2 * time.Minute

// churn: three nodes stay; others come, send and receive, and leave or are killed.
func churn(c *cluster) {
	tasks := []script.Task{sends("x"), receives("x")}
	hosts := c.start(do(tasks...), do(tasks...), do(tasks...))
	d := churnTime
	if testing.Short() {
		d = 20 * time.Second
	}
	guest := c.host("guest")
	other := c.host("other")
	for began := time.Now(); time.Since(began) < d; {
		for _, g := range []*host{guest, other} {
			if g.alive() {
				if c.random.IntN(2) == 0 {
					c.kill(g)
				} else {
					c.terminate(g)
				}
			}
			c.begin(g, start{seeds: hosts, tasks: []script.Task{sends("x"), receives("x")}})
			c.flows("x", 20+c.random.IntN(100), g)
		}
		c.flows("x", 20, hosts...)
	}
	c.kill(guest)
	c.leave(other)
	c.knowEachOther(hosts)
	c.flows("x", 200, hosts...)
	c.finish()
}
