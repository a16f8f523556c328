package chanref

import (
	"time"

	"github.com/matveynator/netchan/mux"
)

// over says whether nothing is left to do: all was given out and settled, or
// the source was ended from outside.
func (s *Source[T]) over() bool {
	if s.retiring && s.aborted == nil && len(s.d.lanes) == 0 {
		s.aborted = s.cfg.relay.why
	}
	if s.aborted != nil {
		return true
	}
	if s.shutting && s.fromC >= s.stopAt {
		s.closed = true
	}
	if s.closed {
		// After close nothing can come behind what C held.
		for _, d := range s.deliveries {
			d.after = 0
		}
	} else if !s.stopping || s.fromC < s.stopAt {
		return false
	}
	if len(s.d.back) > 0 || len(s.deliveries) > 0 || s.awaited() {
		return false
	}
	if !s.closed && s.c != nil { // the program may have closed the channel before it detached
		if _, got, closed := s.c.tryRecv(); got {
			s.late()
		} else {
			s.closed = closed
		}
	}
	return !s.closed || s.toldAll()
}

// awaited says whether a value is with a receiver that is waited for, and not
// settled, or has not left for one that is not.
func (s *Source[T]) awaited() bool {
	for _, l := range s.d.lanes {
		if l.held != nil || l.kept.len() > 0 && (s.d.waitsFor(l) || !l.o.left()) {
			return true
		}
	}
	return false
}

// lingerTime is how long a closed source waits for receivers that it knows of
// and has no stream to yet, so that they hear of the close.
const lingerTime = 2 * time.Second

// toldAll says whether every receiver that is known has a stream by which the
// close will be told, or has had its time.
func (s *Source[T]) toldAll() bool {
	if s.linger {
		return true
	}
	if s.cfg.lone && len(s.d.lanes) == 0 {
		return false // the close is told over a stream that is asked for
	}
	s.mu.Lock()
	missing := s.cfg.Knows && s.known == nil
	for t := range s.known {
		if s.refused[t] == nil && !s.connected(t) {
			missing = true
		}
	}
	s.mu.Unlock()
	for _, l := range s.d.lanes {
		missing = missing || !l.live
	}
	if missing && s.lingerT == nil {
		s.lingerT = time.AfterFunc(lingerTime, func() { s.call(func() { s.linger = true }) })
	}
	return !missing
}

// end tells every stream, resolves every call, and hands the channel over to
// be emptied: a send on it completes, and is counted as dropped.
func (s *Source[T]) end() {
	if s.lingerT != nil {
		s.lingerT.Stop()
	}
	err, clean := s.aborted, s.aborted == nil && s.closed
	if err == nil {
		err = ErrClosed
	}
	if clean && s.cfg.why != nil && s.cfg.why() != nil {
		err, clean = s.cfg.why(), false
	}
	if s.aborted == nil && s.closed && !s.cfg.hidden && !s.cfg.lone {
		s.table.farewells.add(s.cfg.Name, s.open()) // first: from here on Connect says no
	}
	s.mu.Lock()
	s.ended = true
	calls, told := s.calls, s.told
	s.calls, s.told = nil, nil
	for _, ask := range s.asks {
		ask <- 0 // nothing of ours is still to come
	}
	s.asks = nil
	s.mu.Unlock()
	for _, o := range told {
		o.take()
	}
	for _, f := range calls {
		f() // what they ask for is answered below
	}
	gone, dropped := mux.Drop{Code: mux.CodeShutdown, Text: err.Error()}, s.d.dropped
	inFlight := 0 // with receivers that are not waited for, at a clean end
	if s.aborted == nil {
		inFlight = s.d.inFlight()
	}
	for len(s.d.lanes) > 0 {
		o := s.d.lanes[0].o
		if s.aborted == nil {
			s.d.remove(&o.lane) // all is settled, or on its way to one that is not waited for
		} else {
			s.d.lose(&o.lane, o.handed+1, gone)
		}
		o.takeBackRefs()
		s.toldClose = clean
		o.end(clean)
	}
	s.leave()
	for _, it := range s.d.back {
		s.d.settle(nil, it.seq, &gone)
	}
	s.d.back = nil
	for _, d := range s.deliveries {
		d.finish(err)
	}
	for _, d := range s.waiting {
		d.finish(err)
	}
	for _, f := range s.flushes {
		if s.aborted == nil {
			f.finish(f.drop) // all was delivered; f came while it ended
		}
		f.finish(err)
	}
	for _, w := range s.waits {
		w.finish(err)
	}
	s.table.removeSource(s)
	s.storeCounts()
	s.counts.inFlight.Store(uint64(inFlight))
	s.ending.end(err)
	if s.c != nil {
		weak := s.c.weakly()
		s.grip, s.c = weak, nil // the program's alone from here on
		if (!s.closed || s.shutting) && !s.cfg.borrowed {
			s.table.drains.add(&drained{of: s})
		}
	}
	if lost := int(s.d.dropped-dropped) + len(s.deliveries); lost > 0 {
		say := s.cfg.Logger.Warn
		if s.cfg.Name == refName {
			say = func(msg string, args ...any) { s.counts.warn(s.cfg.Logger, msg, args...) }
		}
		say("netchan: values dropped when a sender ended", "channel", label(s.cfg.Name), "values", lost, "reason", err)
	}
	if s.cfg.lone {
		s.cfg.of.over()
	} else if s.cfg.Ended != nil {
		s.cfg.Ended()
	}
}

// look takes what was sent after the end. A channel with a buffer is looked at without taking
// first, which is cheaper, and does not show that it was closed.
func (s *Source[T]) look(again bool) (took int, over bool) {
	if again && s.buffered {
		held := s.grip.held
		if s.cfg.lone {
			held = s.cfg.of.glance
		}
		if n, ok := held(); n == 0 {
			return 0, !ok
		}
	}
	c := s.grip.conduit()
	if c == nil {
		return 0, true
	}
	s.buffered = c.cap() > 0
	for took < drainBurst {
		_, got, closed := c.tryRecv()
		if !got {
			return took, closed
		}
		took++
		s.late()
	}
	return took, false
}

// late counts a value that was sent after the end.
func (s *Source[T]) late() {
	s.counts.late()
	s.cfg.dropped(1)
	s.counts.warn(s.cfg.Logger, "netchan: value dropped, it was sent on a sender that has ended", "channel", label(s.cfg.Name))
}

// Close takes no more than the channel holds now; that is still delivered, and
// then the source ends without telling receivers that the channel is closed.
func (s *Source[T]) Close() { s.call(s.stopHere) }

// stopHere has no more be taken than the channel holds now.
func (s *Source[T]) stopHere() {
	if !s.stopping {
		s.stopping, s.stopAt = true, s.fromC+s.held()
	}
}

// Abort ends the source at once. What is on its way is dropped and counted.
func (s *Source[T]) Abort(err error) {
	s.callBriefly(func() {
		if s.aborted == nil {
			s.aborted = err
		}
	})
}

// Done is closed when the source has ended.
func (s *Source[T]) Done() <-chan struct{} { return s.ending.Done() }

// Err is nil until Done is closed, then why: ErrClosed after a clean end.
func (s *Source[T]) Err() error { return s.ending.Err() }
