package netchan

// What was said must be so: by counters, by Err, by calls that returned nil.

// honest looks at what s says of itself.
func (c *checker) honest(s *senderLog) {
	alive := !c.nodes[s.node].died.set()
	takes := 0
	for _, f := range c.fates[s.id] {
		takes += f.takes
	}
	if !s.lossy && s.stats.Acknowledged > uint64(takes) && !(s.broadcast || s.atMostOnce) {
		c.wrong(errDishonest, s.ended, "%v says that %d values were taken, %d were", s, s.stats.Acknowledged, takes)
	}
	if st := s.stats; !s.broadcast && st.Sent > st.Acknowledged+st.Dropped+st.InFlight+st.Waiting {
		c.wrong(errDishonest, s.ended, "the counters of %v don't add up: %+v", s, st)
	}
	if s.ended.set() && alive && (s.err != ErrClosed || !s.closed.set() && !s.detach.set()) {
		c.wrong(errDishonest, s.ended, "%v has ended with %v, and nobody ended it", s, s.err)
	}
}

// closedRight looks at why the C of r was closed.
func (c *checker) closedRight(r *receiverLog) {
	if !r.closed.set() || r.closing.before(r.closed) || c.nodes[r.node].died.before(r.closed) {
		return
	}
	if r.err != nil || r.keepOpen {
		c.wrong(errDishonest, r.closed, "the C of %v was closed with %v, and nobody closed it", r, r.err)
		return
	}
	told := false
	var early *senderLog
	for _, s := range c.senders {
		if s.channel != r.channel || !s.closed.set() || s.closed.at > r.closed.at {
			continue
		}
		if c.settled(s, r) {
			told = true
		} else {
			early = s
		}
	}
	switch {
	case told:
	case early != nil:
		c.wrong(errAfterClose, r.closed, "the C of %v was closed, and values of %v were taken later or never", r, early)
	default:
		c.wrong(errDishonest, r.closed, "the C of %v was closed, Err is nil, and no sender had closed", r)
	}
}

// settled says whether all that s had was taken before r was closed.
func (c *checker) settled(s *senderLog, r *receiverLog) bool {
	if !c.plain(s) || c.nodes[s.node].died.set() {
		return true
	}
	for i, v := range s.values {
		f := c.fates[s.id][i]
		if v.end.set() && !c.late(s, v) && (!f.first.set() || f.first.at > r.closed.at) {
			return false
		}
	}
	return true
}

// answered looks at calls that said that all was taken.
func (c *checker) answered(call call) {
	s := c.senders[call.sender]
	if call.err != nil || !c.plain(s) {
		return
	}
	for i, v := range s.values {
		f := c.fates[s.id][i]
		covered := call.n == i+1 || call.n == 0 && v.end.set() && v.end.seq < call.begin.seq && !c.late(s, v)
		if !covered || f.seen.set() && f.seen.at <= call.end.at {
			continue
		}
		if call.n > 0 {
			c.wrong(errDishonest, call.end, "Deliver of value %d of %v returned nil, and it was not taken by then", call.n, s)
		} else {
			c.wrong(errDishonest, call.end, "Flush of %v returned nil, and value %d was not taken by then", s, i+1)
		}
		return
	}
}
