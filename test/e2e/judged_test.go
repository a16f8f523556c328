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

// TestLost counts what is lost: of what was sent before b was killed it may have taken one value
// that it did not write down, and none of what was sent later.
func TestLost(t *testing.T) {
	const slack = 100 * time.Millisecond
	for _, c := range []struct {
		later time.Duration
		lost  int
	}{{0, 0}, {2 * slack, 1}} {
		s := newTale()
		s.sends(3)
		s.takes("b", to, 1, 2, 3)
		s.kill("b")
		s.at += int64(c.later)
		s.sendsMore(4, 5, 6)
		s.takes("c", third, 4, 6)
		s.ends(history.Stats{Sent: 6, Acknowledged: 6}, "c")
		if v := s.judged(slack); v.lost != c.lost {
			t.Errorf("value 5 was sent %v after b was killed: %d are lost, want %d", c.later, v.lost, c.lost)
		}
	}
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
		{"nor one that was sent later", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.kill("b")
			s.at += 1000 * int64(slack)
			s.sendsMore(4, 5, 6)
			s.takes("c", third, 4, 6)
			s.ends(history.Stats{Sent: 6, Acknowledged: 5, Dropped: 1}, "c")
		}, history.ErrLost},
		{"nor may one come behind a later one that was sent later", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.kill("b")
			s.at += 1000 * int64(slack)
			s.sendsMore(4, 5, 6)
			s.takes("c", third, 4, 6, 5)
			s.ends(history.Stats{Sent: 6, Acknowledged: 6}, "c")
		}, history.ErrReordered},
		{"but one that was sent until the link was given up may", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.kill("b")
			s.at += 1000 * int64(slack)
			s.sendsMore(4, 5, 6)
			s.link(script.LinkEnded, "02")
			s.takes("c", third, 4, 6, 5)
			s.ends(history.Stats{Sent: 6, Acknowledged: 6}, "c")
		}, nil},
		{"a node that ends without a word, and was not killed", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.ends(three, "c")
		}, history.ErrLate},
		{"the same, in its first life of two", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.join("b", "04", script.Receiver, anew)
			s.kill("b")
			s.ends(three, "c")
		}, history.ErrLate},
		{"the same, in its second", func(s *tale) {
			s.sends(3)
			s.takes("b", to, 1, 2, 3)
			s.kill("b")
			s.join("b", "04", script.Receiver, anew)
			s.ends(three, "c")
		}, history.ErrLate},
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
			s := newTale()
			c.make(s)
			v := s.judged(slack)
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
