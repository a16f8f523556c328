package chanref

// carried are the channels of this node in a value that is on its way: with a receiver that may
// not have taken it, or with none, because that one has died and there is no other yet. The value
// will bring them to somebody, so they are not given up although nobody holds them.
type carried struct {
	first *ownChan
	more  []*ownChan
}

// add has c have what refs counts.
func (c *carried) add(refs []outRef) {
	for _, r := range refs {
		switch {
		case !r.carried:
		case c.first == nil:
			c.first = r.e.own
		default:
			c.more = append(c.more, r.e.own)
		}
	}
}

// end: somebody has these channels, or never will.
func (c *carried) end() {
	if c.first == nil {
		return
	}
	c.first.uncarry()
	for _, own := range c.more {
		own.uncarry()
	}
}

// carry notes what the current value, it, carries from here on. It may have come back, and then it
// carried the same before; fewer are counted if a session has just been lost, and then it will
// come back again.
func (s *Source[T]) carry(it item[T]) {
	var c carried
	if c.add(s.refs); c.first == nil {
		return // of what is broadcast nothing comes back
	}
	if len(c.more) < len(s.carried[it.seq].more) {
		c.end()
		return
	}
	s.uncarry(it.seq)
	if s.carried == nil {
		s.carried = make(map[uint64]carried)
	}
	s.carried[it.seq] = c
}

// uncarry notes that a value carries nothing any more: it was taken, or will never be.
func (s *Source[T]) uncarry(seq uint64) {
	if len(s.carried) == 0 {
		return
	}
	if c, ok := s.carried[seq]; ok {
		delete(s.carried, seq)
		c.end()
	}
}

// takeBack takes back the references of the current value, which is not sent on o.
func (s *Source[T]) takeBack(o *outlet[T]) {
	s.table.unrefer(o.session, s.refs)
	var c carried
	c.add(s.refs)
	c.end()
}

// uncarry tells the program of the end that it was not told of while a value was on its way.
func (c *ownChan) uncarry() {
	c.t.refs.mu.Lock()
	c.carried--
	why := c.unheld
	if c.carried > 0 {
		why = nil
	}
	c.t.refs.mu.Unlock()
	if why != nil {
		c.left(why)
	}
}
