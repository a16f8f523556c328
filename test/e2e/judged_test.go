//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
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
		s.say("a", script.Line{Is: script.Sends, End: from, N: i})
		s.say("a", script.Line{Is: script.Sent, End: from, N: i})
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

// TestJudge has the judge look at lines made by hand: it names what is wrong, and finds nothing
// where all is well. What one of history's own tests has is not here again, but by what the
// lines are taken for.
func TestJudge(t *testing.T) {
	const slack = 100 * time.Millisecond
	three := history.Stats{Sent: 3, Acknowledged: 3}
	again := func(n uint64) history.Stats { return history.Stats{Sent: 3, Acknowledged: 3, Redelivered: n} }
	for _, c := range []struct {
		name string
		// make goes on where a has a sender, b and c a receiver each.
		make func(s *tale)
		want error
	}{
		{"all is well", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.flush("")
			s.ends(three, "b", "c")
		}, nil},
		{"a value lost", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 3)
			s.ends(history.Stats{Sent: 3, Acknowledged: 2, Dropped: 1}, "b", "c")
		}, history.ErrLost},
		{"the last one lost", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			s.ends(history.Stats{Sent: 3, Acknowledged: 2, Dropped: 1}, "b", "c")
		}, history.ErrLost},
		{"a value doubled", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3, 3)
			s.ends(three, "b", "c")
		}, history.ErrDoubled},
		{"a value doubled, counted, and all have left in good order", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.leave("b", "")
			s.link(script.Goodbye, "02")
			s.takes("c", third, 3)
			s.ends(again(1), "c")
		}, history.ErrDoubled},
		{"redelivered, and all have left in good order", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.leave("b", "")
			s.link(script.Goodbye, "02")
			s.ends(again(1), "c")
		}, history.ErrDishonest},
		{"redelivered to another, the link had ended", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.link(script.LinkEnded, "02")
			s.takes("c", third, 3)
			s.ends(again(1), "b", "c")
		}, nil},
		{"the same, uncounted", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.link(script.LinkEnded, "02")
			s.takes("c", third, 3)
			s.ends(three, "b", "c")
		}, history.ErrDoubled},
		{"redelivered to another, the first was killed", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.kill("b")
			s.takes("c", third, 3)
			s.ends(again(1), "c")
		}, nil},
		{"doubled at one that lives, while another was killed", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1)
			s.kill("b")
			s.takes("c", third, 2, 3, 3)
			s.ends(again(1), "c")
		}, history.ErrDoubled},
		{"reordered", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 3, 2)
			s.ends(three, "b", "c")
		}, history.ErrReordered},
		{"behind a later one, as it came back from one that was killed", func(s *tale) {
			s.sends(3)
			s.kill("b")
			s.takes("c", third, 1, 3, 2)
			s.ends(three, "c")
		}, nil},
		{"reordered long before one was killed", func(s *tale) {
			s.sends(3)
			s.takes("c", third, 1, 3, 2)
			s.at += int64(slack)
			s.takes("b", to)
			s.kill("b")
			s.hosts["b"].history = append(s.hosts["b"].history, script.Line{At: s.at, Node: "b", Is: script.Members})
			s.ends(three, "c")
		}, history.ErrReordered},
		{"a Flush that lies", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			s.flush("")
			s.at += int64(slack)
			s.takes("b", to, 3)
			s.ends(three, "b", "c")
		}, history.ErrDishonest},
		{"a Flush, and what was taken before is written down a little later", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			s.flush("")
			s.takes("b", to, 3)
			s.ends(three, "b", "c")
		}, nil},
		{"a Flush that fails", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.flush("no receiver")
			s.ends(three, "b", "c")
		}, history.ErrLate},
		{"one that was killed may have taken one that it did not write down", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			s.kill("b")
			s.flush("")
			s.ends(three, "c")
		}, nil},
		{"but not two", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1)
			s.kill("b")
			s.flush("")
			s.ends(three, "c")
		}, history.ErrLost},
		{"nor one of each sender", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			other := int64(anew)
			s.say("c", script.Line{Is: script.Sender, End: other, Channel: "x", Options: &history.Options{Buffer: 16}})
			s.say("c", script.Line{Is: script.Sends, End: other, N: 1})
			s.say("c", script.Line{Is: script.Sent, End: other, N: 1})
			s.kill("b")
			s.ends(three, "c")
		}, history.ErrLost},
		{"a sender that is killed takes with it what was not taken", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1)
			s.kill("a")
			s.leave("b", "")
			s.leave("c", "")
		}, nil},
		{"a node that says it has left something", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			s.leave("a", "1 value left")
			s.leave("b", "")
			s.leave("c", "")
		}, history.ErrLate},
		{"a node is started again under its name", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2)
			s.kill("b")
			s.join("b", "04", script.Receiver, anew)
			s.takes("b", anew, 2, 3)
			s.ends(again(1), "b", "c")
		}, nil},
		{"the next one does not excuse what that lost", func(s *tale) {
			s.sends(3)
			s.kill("b")
			s.join("b", "04", script.Receiver, anew)
			s.takes("b", anew, 1)
			s.ends(history.Stats{Sent: 3, Acknowledged: 1, Dropped: 2}, "b", "c")
		}, history.ErrLost},
		{"killed again and again, and each time it goes on for a moment", func(s *tale) {
			s.sends(6)
			s.takes("b", to, 1)
			s.kill("b")
			s.takes("b", to, 2)
			s.join("b", "04", script.Receiver, anew)
			s.takes("b", anew, 3)
			s.kill("b")
			s.at += 2 * int64(slack)
			s.takes("b", anew, 4, 5, 6)
			s.join("b", "05", "", 0)
			s.kill("b")
			s.ends(history.Stats{Sent: 6, Acknowledged: 6}, "c")
		}, nil},
		{"nor is what it says before it joins of the life before", func(s *tale) {
			s.leave("b", "")
			s.say("b", script.Line{Is: script.Began})
			s.say("b", script.Line{Is: script.Link, Text: script.LinkEnded, Peer: "01"})
			s.say("b", script.Line{Is: script.Joined, ID: "04"})
			s.say("b", script.Line{Is: script.Receiver, End: anew, Channel: "x", Options: &history.Options{}})
			s.sends(3)
			s.takes("b", anew, 1, 2, 3)
			s.ends(again(1), "b", "c")
		}, history.ErrDishonest},
		{"other bytes", func(s *tale) {
			s.sends(1)
			s.say("b", script.Line{Is: script.Took, End: to, From: from, N: 1, Bad: true})
			s.leave("a", "")
		}, history.ErrInvented},
		{"a value of nobody", func(s *tale) {
			s.say("b", script.Line{Is: script.Took, End: to, From: 99, N: 1})
			s.ends(history.Stats{}, "b", "c")
		}, history.ErrInvented},
		{"a sender ends that nobody ended", func(s *tale) {
			s.say("a", script.Line{Is: script.Done, End: from, Err: "the link was lost"})
			s.leave("a", "")
		}, history.ErrDishonest},
		{"a C is closed that is to stay open", func(s *tale) {
			s.say("b", script.Line{Is: script.Closed, End: to})
			s.ends(history.Stats{}, "b", "c")
		}, history.ErrDishonest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &tale{hosts: make(map[string]*host)}
			s.join("a", "01", script.Sender, from)
			s.join("b", "02", script.Receiver, to)
			s.join("c", "03", script.Receiver, third)
			c.make(s)
			var lines []script.Line
			for _, h := range s.hosts {
				lines = append(lines, h.deaths()...)
			}
			v := judged(lines, slack)
			report := fmt.Sprint(v.wrong, "\n", v.report)
			if c.want == nil && len(v.wrong) > 0 {
				t.Errorf("found: %s", report)
			}
			if c.want != nil && !slices.ContainsFunc(v.wrong, func(w history.Violation) bool { return errors.Is(w, c.want) }) {
				t.Errorf("did not find %q but %s", c.want, report)
			}
		})
	}
}
