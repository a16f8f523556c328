package chanref

// carried are the channels of this node in a value that is on its way: with a receiver that may
// not have taken it, or with none, because that one has died and there is no other yet. The value
// will bring them to somebody, so they are not given up although nobody holds them.
type carried struct {
	first *ownChan
	more  []*ownChan
}

// carry notes that it is on its way with the channels that refs lead to. What
// is broadcast does not come back, and carries nothing.
func (s *Source[T]) carry(it item[T], refs []outRef) {
	if s.cfg.Broadcast {
		return
	}
	if _, again := s.carried[it.seq]; again {
		return
	}
	c := s.table.carry(refs)
	if c.first == nil {
		return
	}
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
		s.table.uncarry(c)
	}
}

func (t *Table) carry(refs []outRef) (c carried) {
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	for _, r := range refs {
		switch {
		case r.e == nil || r.e.proxy != nil:
			continue
		case c.first == nil:
			c.first = r.e.own
		default:
			c.more = append(c.more, r.e.own)
		}
		r.e.own.carried++
	}
	return c
}

func (t *Table) uncarry(c carried) {
	c.first.uncarry()
	for _, own := range c.more {
		own.uncarry()
	}
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
