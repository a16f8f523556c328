//go:build linux

package e2e

import (
	"slices"
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/history"
)

// Cases in which nothing goes wrong.

// join: five nodes are started at once, the last four with the first for a seed. All know
// all of each other.
func join(c *cluster) {
	hosts := c.start(make([]start, 5)...)
	c.knowEachOther(hosts)
	for _, h := range hosts[1:] {
		c.since(script.Began, "joined", patience, h, joined)
	}
	c.since(script.Joined, "all known", patience, hosts[4], func(l script.Line) bool { return len(l.Members) == 5 })
	left := time.Now()
	c.leave(hosts[0])
	c.after(left, "goodbye heard", prompt, hosts[4:], func(l script.Line) bool { return len(l.Members) == 4 })
	c.finish()
	c.inPeace()
}

// knowEachOther waits until each of some hosts sees all of them, and nobody else.
func (c *cluster) knowEachOther(hosts []*host) {
	c.t.Helper()
	c.until(names(hosts)+" know each other", func() bool { return c.whole(hosts) })
}

// whole says whether they do, as they live now. c.mu is held.
func (c *cluster) whole(hosts []*host) bool {
	var want []string
	for _, h := range hosts {
		want = append(want, h.life.id)
	}
	slices.Sort(want)
	return !slices.ContainsFunc(hosts, func(h *host) bool { return !slices.Equal(h.members, want) })
}

// transfer: as many values as go, between three nodes in a ring. Each sender closes behind the
// last of them: its close comes last.
func transfer(c *cluster) {
	const values = 10_000
	send := func(channel string) script.Task {
		return script.Task{Do: script.Send, Channel: channel, Options: history.Options{Buffer: 256}, Count: values, Size: 100, Peers: 1, Close: true}
	}
	receive := func(channel string) script.Task {
		return script.Task{Do: script.Receive, Channel: channel, Options: history.Options{Buffer: 256}}
	}
	hosts := c.start(do(send("x"), receive("z")), do(send("y"), receive("x")), do(send("z"), receive("y")))
	for _, h := range hosts {
		c.until(h.name+"'s channel is closed", func() bool { return h.is[script.Closed] == 1 })
		c.mu.Lock()
		if n := h.taken(""); n != values {
			c.t.Errorf("%s has taken %d values of %d", h.name, n, values)
		}
		c.mu.Unlock()
	}
	c.finish()
	c.inPeace()
	c.haveSent(values, hosts...)
}

// takes waits until a host has taken so many values of a channel in all.
func (c *cluster) takes(h *host, channel string, n int) {
	c.t.Helper()
	c.until("all values of "+channel+" arrive at "+h.name, func() bool { return h.taken(channel) >= n })
}

// chanInChan: requests with a channel for the answer, from two nodes to a third.
func chanInChan(c *cluster) {
	const requests = 500
	ask := script.Task{Do: script.Ask, Channel: "squares", Options: history.Options{Buffer: 4}, Count: requests}
	hosts := c.start(
		do(script.Task{Do: script.Answer, Channel: "squares", Options: history.Options{Buffer: 4, KeepOpen: true}}),
		do(ask), do(ask),
	)
	for _, h := range hosts[1:] {
		c.until(h.name+" has all answers", func() bool { return h.is[script.Answered] == requests })
	}
	c.answersAreRight()
	c.finish()
	c.inPeace()
}

// answersAreRight looks at all answers.
func (c *cluster) answersAreRight() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		for _, line := range h.history {
			if line.Is == script.Answered && (line.Bad || line.Err != "") {
				c.t.Errorf("%s: request %d was answered wrongly: %s", h.name, line.N, line.Err)
			}
		}
	}
}

// handoff: b is handed a channel of a by name, sends on it, and passes it on to c, which sends
// further values straight to a: also when b is killed. What b sent before comes first, also
// where a reads nothing until c has begun. c goes on until some more have come.
func handoff(c *cluster) {
	const early = 40 // buffers and a window hold 48
	hosts := c.start(
		do(script.Task{Do: script.Collect, Channel: "results", Options: history.Options{Buffer: 16}, Held: true}),
		do(script.Task{Do: script.Relay, Channel: "results", Count: early, Size: 100}),
		do(script.Task{Do: script.Pour, Channel: "results", Every: time.Millisecond, Size: 100}),
	)
	c.until("c sends", func() bool { return hosts[2].is[script.Sent] > 5 })
	hosts[0].do(script.Task{Do: script.Go})
	c.takes(hosts[0], "", early+100)
	c.kill(hosts[1])
	c.flows("", 500, hosts[0])
	hosts[2].do(script.Task{Do: script.Finish})
	c.until("the close arrives", func() bool { return hosts[0].is[script.Closed] > 0 })
	c.mu.Lock()
	taken := 0
	for _, line := range hosts[0].history {
		if line.Is != script.Took {
			continue
		}
		if taken++; (hosts[1].ends[line.From] != nil) != (taken <= early) {
			c.t.Errorf("value %d that a has taken is number %d of an end of the other node", taken, line.N)
		}
	}
	for _, h := range hosts[1:] {
		for _, e := range h.ends {
			if e.Text != hosts[0].name {
				c.t.Errorf("to %s the channel's home is %q", h.name, e.Text)
			}
		}
	}
	c.mu.Unlock()
	c.finish()
	c.haveTaken(early+hosts[2].is[script.Sent], hosts[0])
}

// fanIn: five nodes send to one. That one of them closes its channel ends nothing for the others.
func fanIn(c *cluster) {
	const each = 1000
	nodes := []start{do(script.Task{Do: script.Receive, Channel: "x", Options: history.Options{Buffer: 16}})}
	for range 5 {
		nodes = append(nodes, do(script.Task{Do: script.Send, Channel: "x", Options: history.Options{Buffer: 16}, Count: each, Size: 100, Peers: 1}))
	}
	nodes[1].tasks[0].Count = each / 10
	hosts := c.start(nodes...)
	c.until("the first has sent all", func() bool {
		return slices.ContainsFunc(hosts[1].history, func(l script.Line) bool { return l.Is == script.Sent && l.N == each/10 })
	})
	hosts[1].do(script.Task{Do: script.Finish})
	c.takes(hosts[0], "x", 4*each+each/10)
	c.finish()
	c.inPeace()
	c.haveSent(each/10, hosts[1])
	c.haveSent(each, hosts[2:]...)
	c.haveTaken(4*each+each/10, hosts[0])
}

// fanOut: one node sends to five, each value to one of them. All get some.
func fanOut(c *cluster) {
	const values = 5000
	nodes := []start{do(script.Task{Do: script.Send, Channel: "x", Options: history.Options{Buffer: 16}, Count: values, Size: 100, Peers: 5})}
	for range 5 {
		nodes = append(nodes, do(script.Task{Do: script.Receive, Channel: "x", Options: history.Options{Buffer: 16}, Every: time.Millisecond}))
	}
	hosts := c.start(nodes...)
	c.until("all values arrive", func() bool {
		n := 0
		for _, h := range hosts[1:] {
			n += h.taken("x")
		}
		return n >= values
	})
	c.mu.Lock()
	for _, h := range hosts[1:] {
		if n := h.taken("x"); n < values/10 { // equally slow ones; a fifth would be fair
			c.t.Errorf("%s has taken %d values of %d", h.name, n, values)
		}
	}
	c.mu.Unlock()
	c.finish()
	c.inPeace()
	c.haveSent(values, hosts[0])
	c.haveTaken(values, hosts[1:]...)
}

// broadcast: one node sends to four, every value to each.
func broadcast(c *cluster) {
	const values = 1000
	nodes := []start{do(script.Task{Do: script.Send, Channel: "x", Options: history.Options{Buffer: 16, Broadcast: true}, Count: values, Size: 100, Peers: 4})}
	for range 4 {
		nodes = append(nodes, do(script.Task{Do: script.Receive, Channel: "x", Options: history.Options{Buffer: 16}}))
	}
	hosts := c.start(nodes...)
	for _, h := range hosts[1:] {
		c.takes(h, "x", values)
	}
	c.finish()
	c.inPeace()
	c.haveSent(values, hosts[0])
	for _, h := range hosts[1:] {
		c.haveTaken(values, h)
	}
}

// slowReader: one receiver takes 20 values a second, and then none at all; others at the same
// node, and at a third one, take as many as come. Their channels do not wait for the slow one, and
// on that no more is on its way than buffers and window hold.
func slowReader(c *cluster) {
	const values = 5000
	hosts := c.start(
		do(
			script.Task{Do: script.Send, Channel: "slow", Options: history.Options{Buffer: 16}, Size: 100, Peers: 1},
			script.Task{Do: script.Send, Channel: "fast", Options: history.Options{Buffer: 16}, Count: values, Size: 100, Peers: 1},
			script.Task{Do: script.Send, Channel: "elsewhere", Options: history.Options{Buffer: 16}, Count: values, Size: 100, Peers: 1},
		),
		do(
			script.Task{Do: script.Receive, Channel: "slow", Options: history.Options{Buffer: 16, KeepOpen: true}, Every: 50 * time.Millisecond},
			receives("fast"),
		),
		do(receives("elsewhere")),
	)
	c.takes(hosts[1], "fast", values)
	c.takes(hosts[2], "elsewhere", values)
	c.flows("slow", 20, hosts[1])
	hosts[1].do(script.Task{Do: script.Hold, Channel: "slow"})
	ahead := func() int { return onTheWay("slow", hosts[0], hosts[1]) }
	c.until("the slow channel is full", func() bool { return ahead() >= mostOnTheWay })
	hosts[0].do(sends("later"))
	hosts[1].do(receives("later"))
	c.flows("later", 100, hosts[1])
	c.mu.Lock()
	if n := ahead(); n != mostOnTheWay {
		c.t.Errorf("%d values of the slow channel are on their way, and %d at most", n, mostOnTheWay)
	}
	c.mu.Unlock()
	c.finish()
	c.inPeace()
}

// manyChannels: 500 channels from one node to two others, some values on each.
func manyChannels(c *cluster) {
	const channels, each = 250, 20
	send := func(channel string) script.Task {
		return script.Task{Do: script.Send, Channel: channel, Ends: channels, Options: history.Options{Buffer: 4}, Count: each, Size: 50, Peers: 1}
	}
	receive := func(channel string) script.Task {
		return script.Task{Do: script.Receive, Channel: channel, Ends: channels, Options: history.Options{Buffer: 4}}
	}
	hosts := c.start(do(send("x"), send("y")), do(receive("x")), do(receive("y")))
	for _, h := range hosts[1:] {
		c.takes(h, "", channels*each)
	}
	c.finish()
	c.inPeace()
	c.haveSent(2*channels*each, hosts[0])
	for _, h := range hosts[1:] {
		c.haveTaken(channels*each, h)
	}
}

// bigValue: values of up to 15 MiB, from one node to two others.
func bigValue(c *cluster) {
	var out, in []script.Task
	for _, size := range []struct {
		channel string
		bytes   int
	}{{"64 KiB", 64 << 10}, {"1 MiB", 1 << 20}, {"15 MiB", 15 << 20}} {
		out = append(out, script.Task{Do: script.Send, Channel: size.channel, Count: 6, Size: size.bytes, Peers: 2})
		in = append(in, script.Task{Do: script.Receive, Channel: size.channel})
	}
	hosts := c.start(do(out...), do(in...), do(in...))
	c.until("all values arrive", func() bool { return hosts[1].taken("")+hosts[2].taken("") >= 3*6 })
	c.finish()
	c.inPeace()
	c.haveSent(3*6, hosts[0])
	c.haveTaken(3*6, hosts[1:]...)
}
