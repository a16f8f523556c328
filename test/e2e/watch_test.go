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

// tookSince is a value that arrives and was sent since a moment: others may have been there already.
func tookSince(since time.Time, from *host) func(script.Line) bool {
	first := make(map[int64]int) // number of those values, by sender
	seen := 0
	return func(l script.Line) bool {
		for ; seen < len(from.history); seen++ {
			s := from.history[seen]
			if s.Is == script.Sends && s.At >= since.UnixNano() && first[s.End] == 0 {
				first[s.End] = s.N
			}
		}
		return took(l) && first[l.From] > 0 && l.N >= first[l.From]
	}
}

// said is a line of the log about a link, as script.LinkBroken.
func said(what string) func(script.Line) bool {
	return func(l script.Line) bool { return l.Is == script.Link && l.Text == what }
}

// How soon something must be seen, at the latest. A link is broken when nothing was heard for 3 s,
// and one that comes back may have to wait 5 s for an attempt that began before, and a second for
// the next one; the rest is for a machine that is busy.
const (
	prompt = 12 * time.Second
	// gone is for a node whose address is no more, so that nobody refuses what is dialled there:
	// ResumeTimeout, and 5 s by who does not dial.
	gone = 50 * time.Second
)

// refused is how soon a link must be given up whose other node was killed: a process's address
// refuses, that of a container is gone.
func refused() time.Duration {
	if *inDocker {
		return gone
	}
	return prompt
}

// since waits until the node that was started on a host has written a line, and keeps how long
// after the process had begun, or after another line of it, that was.
func (c *cluster) since(from string, what string, limit time.Duration, h *host, is func(script.Line) bool) {
	c.t.Helper()
	begin := c.watch(h.life.began, []*host{h}, func(l script.Line) bool { return l.Is == from })
	c.until(h.name+": "+from, begin.found)
	c.after(time.Unix(0, begin.at), what, limit, []*host{h}, is)
}

// after waits for a line of some hosts, and keeps how long after a moment it came. The limit counts
// from the call: what was done at that moment has returned by then, and may have taken some seconds.
func (c *cluster) after(since time.Time, what string, limit time.Duration, hosts []*host, is func(script.Line) bool) {
	c.t.Helper()
	latest := time.Now().Add(limit)
	w := c.watch(since, hosts, is)
	c.until(what, w.found)
	d := time.Duration(w.at - w.since)
	c.result.times[what] = append(c.result.times[what], d)
	if over := time.Duration(w.at - latest.UnixNano()); over > 0 {
		c.t.Errorf("%s by %s: %v after it was done, which is %v too late", what, names(hosts), d, over)
	}
}

// resumed waits until what one host sends arrives at another one, since a fault was over.
func (c *cluster) resumed(since time.Time, from, to *host) {
	c.t.Helper()
	c.after(since, "resumed", prompt, []*host{to}, tookSince(since, from))
}

// noticed waits until each of some hosts has broken a link, as nothing is heard over it any more.
func (c *cluster) noticed(since time.Time, hosts ...*host) {
	c.t.Helper()
	for _, h := range hosts {
		c.after(since, "noticed", prompt, []*host{h}, said(script.LinkBroken))
	}
}
