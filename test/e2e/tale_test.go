//go:build linux

package e2e

import (
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/history"
)

// The ends of TestJudge.
const (
	from  = 1 + iota // a's sender
	to               // b's receiver
	third            // c's receiver
	anew             // that of b's next life
)

// tale makes the lines of some hosts by hand, one line in 10 ms.
type tale struct {
	at    int64
	hosts map[string]*host
}

// say has a host write a line.
func (s *tale) say(name string, line script.Line) {
	s.at += int64(10 * time.Millisecond)
	h := s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	line.Node, line.At = name, s.at
	h.history = append(h.history, line)
}

// join has the node of a host join, with an end or none.
func (s *tale) join(name, id, kind string, end int64) {
	s.say(name, script.Line{Is: script.Began})
	s.say(name, script.Line{Is: script.Joined, ID: id})
	if kind != "" {
		s.say(name, script.Line{Is: kind, End: end, Channel: "x", Options: &history.Options{Buffer: 16, KeepOpen: kind == script.Receiver}})
	}
}

// sends has a's sender send n values.
func (s *tale) sends(n int) {
	for i := 1; i <= n; i++ {
		s.sendsMore(i)
	}
}

// sendsMore has it send the next ones.
func (s *tale) sendsMore(numbers ...int) {
	for _, n := range numbers {
		s.say("a", script.Line{Is: script.Sends, End: from, N: n})
		s.say("a", script.Line{Is: script.Sent, End: from, N: n})
	}
}

// takes has a receiver take some of them.
func (s *tale) takes(name string, end int64, numbers ...int) {
	for _, n := range numbers {
		s.say(name, script.Line{Is: script.Took, End: end, From: from, N: n})
	}
}

// kill ends a host's process.
func (s *tale) kill(name string) {
	s.at += int64(10 * time.Millisecond)
	s.hosts[name].killed = append(s.hosts[name].killed, time.Unix(0, s.at))
}

// flush has a's sender Flush.
func (s *tale) flush(err string) {
	s.say("a", script.Line{Is: script.Flushes, End: from})
	s.say("a", script.Line{Is: script.Flushed, End: from, Err: err})
}

// link has a write of its link with another node.
func (s *tale) link(text, id string) {
	s.say("a", script.Line{Is: script.Link, Text: text, Peer: id})
}

// ends has a's sender end, with these counters, and then a and some others leave.
func (s *tale) ends(stats history.Stats, others ...string) {
	s.say("a", script.Line{Is: script.ClosesC, End: from})
	s.say("a", script.Line{Is: script.Done, End: from, Err: script.Closed})
	s.say("a", script.Line{Is: script.Counts, End: from, Stats: &stats})
	for _, name := range append(others, "a") {
		s.leave(name, "")
	}
}

func (s *tale) leave(name, err string) {
	s.say(name, script.Line{Is: script.Leaves})
	s.say(name, script.Line{Is: script.Left, Err: err})
}

// newTale has three hosts, with a sender at a, and a receiver at b and c each.
func newTale() *tale {
	s := &tale{hosts: make(map[string]*host)}
	s.join("a", "01", script.Sender, from)
	s.join("b", "02", script.Receiver, to)
	s.join("c", "03", script.Receiver, third)
	return s
}

func (s *tale) judged(slack time.Duration) verdict {
	var lines []script.Line
	for _, h := range s.hosts {
		lines = append(lines, h.deaths()...)
	}
	return judged(lines, slack)
}
