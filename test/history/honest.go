package history

// What was said must be so: by counters, by Err, by calls that returned nil.

// honest looks at what s says of itself.
func (c *checker) honest(s *Sender) {
	alive := !c.nodes[s.Node].died.set()
	takes := c.mayMiss(s)
	for _, f := range c.fates[s.ID] {
		takes += f.takes
	}
	if !s.Lossy && s.Stats.Acknowledged > uint64(takes) && !(s.Broadcast || s.AtMostOnce) {
		c.wrong(ErrDishonest, s.ended, "%v says that %d values were taken, %d were", s, s.Stats.Acknowledged, takes)
	}
	if st := s.Stats; !s.Broadcast && st.Sent > st.Acknowledged+st.Dropped+st.InFlight+st.Waiting {
		c.wrong(ErrDishonest, s.ended, "the counters of %v don't add up: %+v", s, st)
	}
	if s.ended.set() && alive && (s.err != c.closed || !s.closed.set() && !s.detach.set()) {
		c.wrong(ErrDishonest, s.ended, "%v has ended with %v, and nobody ended it", s, s.err)
	}
}

// closedRight looks at why the C of r was closed.
func (c *checker) closedRight(r *Receiver) {
	if !r.closed.set() || r.closing.before(r.closed) || c.may(c.nodes[r.Node].died, r.closed) {
		return
	}
	if r.err != nil || r.KeepOpen {
		c.wrong(ErrDishonest, r.closed, "the C of %v was closed with %v, and nobody closed it", r, r.err)
		return
	}
	if s := c.goesOn(r); s != nil {
		c.wrong(ErrAfterClose, r.closed, "the C of %v was closed, and %v, of which it has taken values, had not ended", r, s)
		return
	}
	told := false
	var early *Sender
	for _, s := range c.senders {
		if s.Channel != r.Channel || !s.closed.set() || c.after(s.closed.at, r.closed.at) {
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
		c.wrong(ErrAfterClose, r.closed, "the C of %v was closed, and values of %v were taken later or never", r, early)
	default:
		c.wrong(ErrDishonest, r.closed, "the C of %v was closed, Err is nil, and no sender had closed", r)
	}
}

// goesOn is a sender that r knew, which had not ended when the C of r was closed.
func (c *checker) goesOn(r *Receiver) *Sender {
	for _, t := range c.takes[r.ID] {
		s := c.senders[t.sender]
		ended := c.may(s.closed, r.closed) || c.may(s.detach, r.closed) || c.may(s.ended, r.closed)
		if !ended && len(c.losses(s, func(o *Receiver) bool { return o == r })) == 0 && !c.nodes[s.Node].died.set() {
			return s
		}
	}
	return nil
}

// settled says whether all that s had was taken before r was closed.
func (c *checker) settled(s *Sender, r *Receiver) bool {
	if !c.plain(s) || c.nodes[s.Node].died.set() {
		return true
	}
	spare := c.unwritten(s.Channel)
	for i, v := range s.values {
		f := c.fates[s.ID][i]
		switch {
		case !v.end.set() || c.late(s, v) || f.first.set() && !c.after(f.first.at, r.closed.at):
		case !f.seen.set() && spare.claim(v.begin.at, c.Slack):
		default:
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
	spare := c.unwritten(s.Channel)
	for i, v := range s.values {
		f := c.fates[s.ID][i]
		covered := call.n == i+1 || call.n == 0 && v.end.set() && v.end.seq < call.begin.seq && !c.late(s, v)
		if !covered || f.seen.set() && !c.after(f.seen.at, call.end.at) {
			continue
		}
		if !f.seen.set() && spare.claim(v.begin.at, c.Slack) {
			continue
		}
		if call.n > 0 {
			c.wrong(ErrDishonest, call.end, "Deliver of value %d of %v returned nil, and it was not taken by then", call.n, s)
		} else {
			c.wrong(ErrDishonest, call.end, "Flush of %v returned nil, and value %d was not taken by then", s, i+1)
		}
		return
	}
}
