package chanref

import "github.com/matveynator/netchan/mux"

// The source's side of single values: see single.go. A lone source sends a value so that has no
// other beside it, and is short; with the next it opens a stream, if the one before is not taken yet.

// alone sends p as a single value, if it may be one.
func (o *outlet[T]) alone(p *parcel) bool {
	s := o.src
	if !s.cfg.lone || o.out != nil || !s.plain || p.Count != 1 || o.kept.len() != 1 || p.Len() > mux.MaxSingle {
		return false
	}
	open := s.open()
	open.Target, open.First = o.target, o.handed+1
	one := o.session.Single(open, p.Values(), o)
	if one == nil {
		return false
	}
	o.one, o.prepared = one, false
	return true
}

// stream opens o's stream, for a lone source that needs one.
func (o *outlet[T]) stream() {
	open := o.src.open()
	open.Target, open.First = o.target, o.handed+1
	o.prepared, o.out = false, o.session.Prepare(open, o)
}

// resting says whether all that o waits for is the answer to a single value.
func (o *outlet[T]) resting() bool {
	return o.out == nil && o.one != nil && o.kept.len() == 1 && o.left() && !o.dirty
}

// settles acts on a for a source whose goroutine is away: it need not come for that.
func (o *outlet[T]) settles(a mux.Ack) bool {
	s := o.src
	if !s.cfg.lone {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.napping || s.ended || o.gone || o.told.listed || len(s.calls) > 0 || o.out != nil ||
		len(a.Drops) > 0 || a.Taken > o.sent || s.holes > 0 {
		return false
	}
	if s.d.ack(&o.lane, a) != nil { // it can't be: see above
		return false
	}
	if o.live = true; o.kept.len() == 0 {
		s.base = o.sent
		s.d.remove(&o.lane)
		o.leave()
	}
	s.storeCounts()
	return true
}

// end ends what o has of its session. clean: with the word that the channel is closed.
func (o *outlet[T]) end(clean bool) {
	if o.out == nil && clean {
		o.stream()
	}
	if o.out != nil {
		o.out.Close(clean)
	}
	if o.one != nil {
		o.one.Close(false)
	}
	o.leave()
}
