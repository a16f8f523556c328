package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// fate is what became of a value.
type fate struct {
	first when // when it was taken first, by a program that was alive; not set: never
	seen  when // the same, alive or not
	takes int
}

// checker is what check works with.
type checker struct {
	*History
	takes [][]take          // by receiver: of values that there are
	fates [][]fate          // by sender and number
	spare map[string]spares // by channel
	found []Violation
}

// Check returns the promises that the history breaks. final says that the program
// ended in peace: all that was accepted had the time to arrive.
func (h *History) Check(final bool) []Violation {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &checker{History: h, takes: make([][]take, len(h.receivers)), spare: make(map[string]spares), found: slices.Clone(h.wrong)}
	for _, s := range h.senders {
		c.fates = append(c.fates, make([]fate, len(s.values)))
	}
	for _, r := range h.receivers {
		c.taken(r)
		if c.spare[r.Channel] == nil {
			c.spare[r.Channel] = c.unwritten(r.Channel)
		}
	}
	for _, s := range h.senders {
		c.doubled(s)
		c.lost(s, final)
		c.overrun(s)
		c.honest(s)
		for _, r := range h.receivers {
			c.ordered(s, r)
			c.gaps(s, r)
		}
	}
	for _, r := range h.receivers {
		c.closedRight(r)
	}
	for _, call := range h.calls {
		c.answered(call)
	}
	slices.SortStableFunc(c.found, func(a, b Violation) int { return a.seq - b.seq })
	return c.found
}

func (c *checker) wrong(promise error, at when, format string, args ...any) {
	c.found = append(c.found, Violation{promise, fmt.Sprintf(format, args...), at})
}

// after says that something happened behind another thing, on another node.
func (c *checker) after(at, other time.Duration) bool { return at > other+c.Slack }

// plain says that every value of s goes to exactly one program.
func (c *checker) plain(s *Sender) bool {
	return !s.Broadcast && !s.AtMostOnce && !c.lossyReceivers(s)
}

func (c *checker) lossyReceivers(s *Sender) bool {
	return s.Lossy || slices.ContainsFunc(c.receivers, func(r *Receiver) bool { return r.Channel == s.Channel && r.Lossy })
}

// taken books what r took.
func (c *checker) taken(r *Receiver) {
	for _, t := range r.takes {
		if text := c.stray(r, t); text != "" {
			c.wrong(ErrInvented, t.when, "%v took value %d of s%d, %s", r, t.n, t.sender, text)
			continue
		}
		c.takes[r.ID] = append(c.takes[r.ID], t)
		if !c.may(c.senders[t.sender].values[t.n-1].begin, t.when) {
			c.wrong(ErrEarly, t.when, "%v took value %d of s%d", r, t.n, t.sender)
		}
		f := &c.fates[t.sender][t.n-1]
		f.takes++
		if !f.seen.set() || t.at < f.seen.at {
			f.seen = t.when
		}
		// What lies in the C of a dead node can still be read by the test, not by the program.
		if dead := c.nodes[r.Node].died; dead.set() && c.after(t.at, dead.at) {
			continue
		}
		if !f.first.set() || t.at < f.first.at {
			f.first = t.when
		}
	}
}

// stray is what is wrong with a value that nobody can have sent.
func (c *checker) stray(r *Receiver, t take) string {
	switch {
	case t.sender < 0 || t.sender >= len(c.senders) || t.n < 1:
		return "which there is not"
	case !t.intact:
		return "with other bytes"
	case c.senders[t.sender].Channel != r.Channel:
		return "which is of another channel"
	case t.n > len(c.fates[t.sender]):
		return "which was never sent"
	}
	return ""
}

// losses are the times at which a receiver, or the link to it, was lost to s.
func (c *checker) losses(s *Sender, of func(*Receiver) bool) (at []time.Duration) {
	own := c.nodes[s.Node].died // which ends all its links
	for _, r := range c.receivers {
		if r.Channel != s.Channel || !of(r) {
			continue
		}
		if died := c.nodes[r.Node].died; died.set() {
			at = append(at, died.at)
		}
		if own.set() && r.Node != s.Node {
			at = append(at, own.at)
		}
		for _, e := range c.linkEnds {
			if e.from == s.Node && e.to == r.Node || e.from == r.Node && e.to == s.Node {
				at = append(at, e.at)
			}
		}
	}
	return at
}

func anyone(*Receiver) bool { return true }

func (c *checker) doubled(s *Sender) {
	twice, most := 0, s.Stats.Redelivered
	if c.nodes[s.Node].cut {
		most = math.MaxUint64
	}
	if len(c.losses(s, anyone)) == 0 {
		most = 0
		if s.Stats.Redelivered > 0 {
			c.wrong(ErrDishonest, s.ended, "%v says that it redelivered %d values, and lost no receiver", s, s.Stats.Redelivered)
		}
	}
	if s.AtMostOnce && s.Stats.Redelivered > 0 {
		c.wrong(ErrDoubled, s.ended, "%v, which is AtMostOnce, redelivered %d values", s, s.Stats.Redelivered)
	}
	if s.Broadcast {
		for _, r := range c.receivers {
			c.doubledAt(s, r)
		}
		return
	}
	c.doubledInPeace(s)
	for i, f := range c.fates[s.ID] {
		twice += max(0, f.takes-1)
		if f.takes > 1 && (uint64(twice) > most || s.AtMostOnce) {
			c.wrong(ErrDoubled, f.seen, "value %d of %v was taken %d times; %d redelivered", i+1, s, f.takes, s.Stats.Redelivered)
			return
		}
	}
}

// doubledInPeace looks for a value that was taken twice by receivers that were not lost to s:
// then it was not given back to be sent again, whatever else was.
func (c *checker) doubledInPeace(s *Sender) {
	seen := make(map[int]bool)
	for _, r := range c.receivers {
		if r.Channel != s.Channel || len(c.losses(s, func(o *Receiver) bool { return o == r })) > 0 {
			continue
		}
		for _, t := range c.takes[r.ID] {
			if t.sender != s.ID {
				continue
			}
			if seen[t.n] {
				c.wrong(ErrDoubled, t.when, "%v took value %d of %v, which was taken already, and no receiver was lost that had it", r, t.n, s)
				return
			}
			seen[t.n] = true
		}
	}
}

// doubledAt looks for a value that one receiver took twice.
func (c *checker) doubledAt(s *Sender, r *Receiver) {
	seen := make(map[int]bool)
	for _, t := range c.takes[r.ID] {
		if t.sender == s.ID && seen[t.n] {
			c.wrong(ErrDoubled, t.when, "%v took value %d of %v twice", r, t.n, s)
			return
		}
		if t.sender == s.ID {
			seen[t.n] = true
		}
	}
}

// late says that the send of a value was over only after the sender, or its node,
// was told to end: it need not be delivered, only counted.
func (c *checker) late(s *Sender, v sent) bool {
	died := c.nodes[s.Node].died
	return s.detach.before(v.end) || died.before(v.end)
}

func (c *checker) lost(s *Sender, final bool) {
	if c.nodes[s.Node].died.set() || !final || s.Broadcast {
		return // nothing survives its sender; of a broadcast see gaps
	}
	var missing []int
	for i, v := range s.values {
		f := c.fates[s.ID][i]
		if !v.end.set() || c.late(s, v) || f.first.set() {
			continue
		}
		if s.AtMostOnce && f.seen.set() {
			continue // it stayed in the C of a receiver that was closed, to be read
		}
		missing = append(missing, i+1)
	}
	dropped := 0
	if !c.plain(s) {
		dropped = int(s.Stats.Dropped)
	}
	spare := c.spare[s.Channel]
	left := len(missing)
	missing = slices.DeleteFunc(missing, func(n int) bool {
		if left <= dropped || !spare.claim(s.values[n-1].begin.at, c.Slack) {
			return false
		}
		left--
		return true
	})
	c.spare[s.Channel] = spare
	if len(missing) == 0 {
		return
	}
	first := missing[0]
	switch {
	case c.plain(s):
		c.wrong(ErrLost, s.values[first-1].end, "value %d of %v, and %d more; %+v", first, s, left-1, s.Stats)
	case left > dropped:
		c.wrong(ErrLost, s.values[first-1].end, "value %d of %v, and %d more, only %d counted as dropped", first, s, left-1, dropped)
	case !c.lossyReceivers(s) && len(c.losses(s, anyone)) == 0:
		c.wrong(ErrLost, s.values[first-1].end, "value %d of %v was dropped, and no receiver was lost", first, s)
	}
}

// gaps looks for values of a broadcast that r missed, between others that it took.
func (c *checker) gaps(s *Sender, r *Receiver) {
	if !s.Broadcast || s.Lossy || r.Lossy || r.Channel != s.Channel {
		return
	}
	if len(c.losses(s, func(o *Receiver) bool { return o == r })) > 0 {
		return
	}
	last := 0
	for _, t := range c.takes[r.ID] {
		if t.sender != s.ID || s.values[t.n-1].loose {
			continue
		}
		for n := last + 1; last > 0 && n < t.n; n++ {
			if v := s.values[n-1]; v.end.set() && !v.loose && !c.late(s, v) {
				c.wrong(ErrLost, t.when, "%v took value %d of %v behind %d: the broadcast value %d is missing", r, t.n, s, last, n)
				return
			}
		}
		last = max(last, t.n)
	}
}

// lossyRoom is what a lossy receiver lets a sender have on its way.
const lossyRoom = 1024

// overrun follows how many values of s are accepted and not taken.
func (c *checker) overrun(s *Sender) {
	if s.Broadcast && (c.lossyReceivers(s) || len(c.givenBack(s)) > 0) || s.AtMostOnce {
		return // what was dropped makes room too
	}
	type change struct {
		when
		accepted, room int
	}
	var changes []change
	makesRoom := func(w when) when { return when{w.seq, w.at - c.Slack} } // that may have been known before
	for _, r := range c.receivers {
		if r.Channel == s.Channel {
			room := r.Buffer + max(1, r.Buffer)
			if r.Lossy {
				room += lossyRoom
			}
			changes = append(changes, change{makesRoom(r.born), 0, room})
		}
	}
	for i, v := range s.values {
		if v.loose || !v.end.set() || c.late(s, v) {
			continue
		}
		f := c.fates[s.ID][i]
		if !f.first.set() && f.takes > 0 {
			continue // by a dead one
		}
		changes = append(changes, change{v.end, 1, 0})
		if f.first.set() {
			changes = append(changes, change{makesRoom(f.first), -1, 0})
		}
	}
	// At one time: first what makes room.
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.at, b.at), a.accepted-b.accepted, a.seq-b.seq)
	})
	ahead, room, most := 0, s.Buffer+c.mayMiss(s), 0
	for _, ch := range changes {
		ahead += ch.accepted
		if s.Broadcast {
			most = max(most, ch.room)
		} else {
			most += ch.room
		}
		if ahead > room+most && !c.lossyReceivers(s) {
			c.wrong(ErrOverrun, ch.when, "%d values of %v are on their way, its buffer and the receivers hold %d", ahead, s, room+most)
			return
		}
	}
}
