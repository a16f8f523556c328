package chanref

// burst gives out what the channel holds, where that is simple: one receiver, plain values, and
// nobody waits for one of them. It does what pump does for each value, and little else; what is not simple
// is left to that. It says whether it has given any.
func (s *Source[T]) burst() (some bool) {
	if len(s.d.lanes) != 1 || !s.plain || s.cfg.Broadcast || s.c == nil || s.closed || s.stopping ||
		len(s.d.back)+len(s.deliveries)+len(s.flushes) > 0 {
		return false
	}
	l := s.d.lanes[0]
	if !l.room() {
		return false
	}
	o := l.o
	var p *parcel
	for l.sent < l.limit && !o.blocked && !s.pending.Load() {
		v, got, closed := s.c.tryRecv()
		if !got {
			s.closed = closed
			break
		}
		some = true
		s.fromC++
		s.seq++
		s.current = v
		if p == nil {
			p = o.filling()
		}
		if p.Count == 0 && o.large > maxBatch {
			p.Room(o.large)
		}
		before := p.Len()
		encoded, err := s.writer.Append(p.B, &s.current, &s.env)
		if err != nil {
			s.dropUnsendable(item[T]{v: v, seq: s.seq}, err)
			break
		}
		o.large = len(encoded) - len(p.B)
		if p.Count > 0 && before+o.large > maxBatch { // whole values only
			next := o.start()
			next.B = append(next.B, encoded[len(p.B):]...)
			p = next
		} else {
			p.B = encoded
		}
		p.Count++
		o.queued += o.large
		l.sent++
		l.kept.push(item[T]{v: v, seq: s.seq})
		if o.queued >= maxBatch {
			s.given(l)
			p = nil // it may have left
		}
	}
	if some {
		s.given(l)
	}
	return some
}

// given has what a burst has gathered handed over.
func (s *Source[T]) given(l *lane[T]) {
	s.d.clock++
	l.used = s.d.clock
	s.cfg.use()
	l.o.grown()
}
