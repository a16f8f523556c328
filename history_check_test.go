package netchan

import (
	"cmp"
	"fmt"
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
	*history
	fates [][]fate // by sender and number
	found []violation
}

// check returns the promises that the history breaks. final says that the program
// ended in peace: all that was accepted had the time to arrive.
func (h *history) check(final bool) []violation {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &checker{history: h, found: slices.Clone(h.wrong)}
	for _, s := range h.senders {
		c.fates = append(c.fates, make([]fate, len(s.values)))
	}
	for _, s := range h.strays {
		c.wrong(errInvented, s.when, "r%d took %s", s.receiver, s.text)
	}
	for _, r := range h.receivers {
		c.taken(r)
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
	slices.SortStableFunc(c.found, func(a, b violation) int { return a.seq - b.seq })
	return c.found
}

func (c *checker) wrong(promise error, at when, format string, args ...any) {
	c.found = append(c.found, violation{promise, fmt.Sprintf(format, args...), at})
}

// plain says that every value of s goes to exactly one program.
func (c *checker) plain(s *senderLog) bool {
	return !s.broadcast && !s.atMostOnce && !c.lossyReceivers(s)
}

func (c *checker) lossyReceivers(s *senderLog) bool {
	return s.lossy || slices.ContainsFunc(c.receivers, func(r *receiverLog) bool { return r.channel == s.channel && r.lossy })
}

// taken books what r took.
func (c *checker) taken(r *receiverLog) {
	for _, t := range r.takes {
		if t.n > len(c.fates[t.sender]) {
			c.wrong(errInvented, t.when, "%v took value %d of s%d, which was never sent", r, t.n, t.sender)
			continue
		}
		if c.senders[t.sender].values[t.n-1].begin.seq > t.seq {
			c.wrong(errEarly, t.when, "%v took value %d of s%d", r, t.n, t.sender)
		}
		f := &c.fates[t.sender][t.n-1]
		f.takes++
		if !f.seen.set() || t.at < f.seen.at {
			f.seen = t.when
		}
		// What lies in the C of a dead node can still be read by the test, not by the program.
		if dead := c.nodes[r.node].died; dead.set() && dead.at < t.at {
			continue
		}
		if !f.first.set() || t.at < f.first.at {
			f.first = t.when
		}
	}
}

// losses are the times at which a receiver, or the link to it, was lost to s.
func (c *checker) losses(s *senderLog, of func(*receiverLog) bool) (at []time.Duration) {
	own := c.nodes[s.node].died // which ends all its links
	for _, r := range c.receivers {
		if r.channel != s.channel || !of(r) {
			continue
		}
		if died := c.nodes[r.node].died; died.set() {
			at = append(at, died.at)
		}
		if own.set() && r.node != s.node {
			at = append(at, own.at)
		}
		for _, e := range c.ends {
			if e.from == s.node && e.to == r.node || e.from == r.node && e.to == s.node {
				at = append(at, e.at)
			}
		}
	}
	return at
}

func anyone(*receiverLog) bool { return true }

func (c *checker) doubled(s *senderLog) {
	twice, most := 0, s.stats.Redelivered
	if len(c.losses(s, anyone)) == 0 {
		most = 0
		if s.stats.Redelivered > 0 {
			c.wrong(errDishonest, s.ended, "%v says that it redelivered %d values, and lost no receiver", s, s.stats.Redelivered)
		}
	}
	if s.atMostOnce && s.stats.Redelivered > 0 {
		c.wrong(errDoubled, s.ended, "%v, which is AtMostOnce, redelivered %d values", s, s.stats.Redelivered)
	}
	if s.broadcast {
		for _, r := range c.receivers {
			c.doubledAt(s, r)
		}
		return
	}
	for i, f := range c.fates[s.id] {
		twice += max(0, f.takes-1)
		if f.takes > 1 && (uint64(twice) > most || s.atMostOnce) {
			c.wrong(errDoubled, f.seen, "value %d of %v was taken %d times; %d redelivered", i+1, s, f.takes, s.stats.Redelivered)
			return
		}
	}
}

// doubledAt looks for a value that one receiver took twice.
func (c *checker) doubledAt(s *senderLog, r *receiverLog) {
	seen := make(map[int]bool)
	for _, t := range r.takes {
		if t.sender == s.id && seen[t.n] {
			c.wrong(errDoubled, t.when, "%v took value %d of %v twice", r, t.n, s)
			return
		}
		if t.sender == s.id {
			seen[t.n] = true
		}
	}
}

// ordered looks for a value of s that r took behind a later one. Each time that
// something can have been given back may excuse one step back.
func (c *checker) ordered(s *senderLog, r *receiverLog) {
	var backs []time.Duration
	last := 0
	for _, t := range r.takes {
		if t.sender != s.id || t.n > len(s.values) || s.values[t.n-1].loose {
			continue
		}
		if t.n >= last { // the same again is doubled, not reordered
			last = t.n
			continue
		}
		if backs == nil {
			backs = c.givenBack(s)
		}
		if s.broadcast || len(backs) == 0 || backs[0] > t.at {
			c.wrong(errReordered, t.when, "%v took value %d of %v behind %d", r, t.n, s, last)
			return
		}
		backs, last = backs[1:], t.n
	}
}

// givenBack are the times at which values of s can have come back to it, sorted.
func (c *checker) givenBack(s *senderLog) []time.Duration {
	at := c.losses(s, anyone)
	for _, r := range c.receivers {
		if r.channel == s.channel && r.closing.set() {
			at = append(at, r.closing.at)
		}
	}
	slices.Sort(at)
	return at
}

// late says that the send of a value was over only after the sender, or its node,
// was told to end: it need not be delivered, only counted.
func (c *checker) late(s *senderLog, v sent) bool {
	died := c.nodes[s.node].died
	return s.detach.before(v.end) || died.before(v.end)
}

func (c *checker) lost(s *senderLog, final bool) {
	if c.nodes[s.node].died.set() || !final || s.broadcast {
		return // nothing survives its sender; of a broadcast see gaps
	}
	missing, first := 0, 0
	for i, v := range s.values {
		f := c.fates[s.id][i]
		if !v.end.set() || c.late(s, v) || f.first.set() {
			continue
		}
		if s.atMostOnce && f.seen.set() {
			continue // it stayed in the C of a receiver that was closed, to be read
		}
		if missing++; first == 0 {
			first = i + 1
		}
	}
	switch {
	case missing == 0:
	case c.plain(s):
		c.wrong(errLost, s.values[first-1].end, "value %d of %v, and %d more; %+v", first, s, missing-1, s.stats)
	case uint64(missing) > s.stats.Dropped:
		c.wrong(errLost, s.values[first-1].end, "value %d of %v, and %d more, only %d counted as dropped", first, s, missing-1, s.stats.Dropped)
	case !c.lossyReceivers(s) && len(c.losses(s, anyone)) == 0:
		c.wrong(errLost, s.values[first-1].end, "value %d of %v was dropped, and no receiver was lost", first, s)
	}
}

// gaps looks for values of a broadcast that r missed, between others that it took.
func (c *checker) gaps(s *senderLog, r *receiverLog) {
	if !s.broadcast || s.lossy || r.lossy || r.channel != s.channel {
		return
	}
	if len(c.losses(s, func(o *receiverLog) bool { return o == r })) > 0 {
		return
	}
	last := 0
	for _, t := range r.takes {
		if t.sender != s.id || t.n > len(s.values) || s.values[t.n-1].loose {
			continue
		}
		for n := last + 1; last > 0 && n < t.n; n++ {
			if v := s.values[n-1]; v.end.set() && !v.loose && !c.late(s, v) {
				c.wrong(errLost, t.when, "%v took value %d of %v behind %d: the broadcast value %d is missing", r, t.n, s, last, n)
				return
			}
		}
		last = max(last, t.n)
	}
}

// lossyRoom is what a lossy receiver lets a sender have on its way.
const lossyRoom = 1024

// overrun follows how many values of s are accepted and not taken.
func (c *checker) overrun(s *senderLog) {
	if s.broadcast && (c.lossyReceivers(s) || len(c.givenBack(s)) > 0) || s.atMostOnce {
		return // what was dropped makes room too
	}
	type change struct {
		when
		accepted, room int
	}
	var changes []change
	for _, r := range c.receivers {
		if r.channel == s.channel {
			room := r.buffer + max(1, r.buffer)
			if r.lossy {
				room += lossyRoom
			}
			changes = append(changes, change{r.born, 0, room})
		}
	}
	for i, v := range s.values {
		if v.loose || !v.end.set() || c.late(s, v) {
			continue
		}
		f := c.fates[s.id][i]
		if !f.first.set() && f.takes > 0 {
			continue // by a dead one
		}
		changes = append(changes, change{v.end, 1, 0})
		if f.first.set() {
			changes = append(changes, change{f.first, -1, 0})
		}
	}
	// At one time: first what makes room.
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.at, b.at), a.accepted-b.accepted, a.seq-b.seq)
	})
	ahead, room, most := 0, s.buffer, 0
	for _, ch := range changes {
		ahead += ch.accepted
		if s.broadcast {
			most = max(most, ch.room)
		} else {
			most += ch.room
		}
		if ahead > room+most && !c.lossyReceivers(s) {
			c.wrong(errOverrun, ch.when, "%d values of %v are on their way, its buffer and the receivers hold %d", ahead, s, room+most)
			return
		}
	}
}
