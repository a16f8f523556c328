//go:build linux

package e2e

import (
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
)

// A watch looks for the first line of its kind since a moment.
type watch struct {
	since int64
	hosts []*host
	is    func(script.Line) bool
	seen  map[*host]int // how many of its lines were looked at
	at    int64         // of the first one; 0: not found
}

// watch begins to look at what some hosts have written since then.
func (c *cluster) watch(since time.Time, hosts []*host, is func(script.Line) bool) *watch {
	return &watch{since: since.UnixNano(), hosts: hosts, is: is, seen: make(map[*host]int)}
}

// found says whether there is one. c.mu is held.
func (w *watch) found() bool {
	for _, h := range w.hosts {
		for _, line := range h.history[w.seen[h]:] {
			w.seen[h]++
			if line.At >= w.since && w.is(line) && (w.at == 0 || line.At < w.at) {
				w.at = line.At
			}
		}
	}
	return w.at > 0
}

// took is any value that arrives.
func took(l script.Line) bool { return l.Is == script.Took }

func joined(l script.Line) bool { return l.Is == script.Joined }

// said is a line of the log about a link, as script.LinkBroken.
func said(what string) func(script.Line) bool {
	return func(l script.Line) bool { return l.Is == script.Link && l.Text == what }
}

// since waits until the node that was started on a host has written a line, and keeps how long
// after the process had begun, or after another line of it, that was.
func (c *cluster) since(from string, what string, h *host, is func(script.Line) bool) {
	c.t.Helper()
	begin := c.watch(h.life.began, []*host{h}, func(l script.Line) bool { return l.Is == from })
	c.until(h.name+": "+from, begin.found)
	c.after(time.Unix(0, begin.at), what, []*host{h}, is)
}

// after waits for a line of some hosts, and keeps how long after a moment it came.
func (c *cluster) after(since time.Time, what string, hosts []*host, is func(script.Line) bool) time.Duration {
	c.t.Helper()
	w := c.watch(since, hosts, is)
	c.until(what, w.found)
	d := time.Duration(w.at - w.since)
	c.result.times[what] = append(c.result.times[what], d)
	return d
}
