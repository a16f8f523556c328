package chanref

import (
	"bytes"
	"errors"

	"github.com/matveynator/netchan/mux"
)

// A channel that brings one answer needs no stream: its value comes as a single one, see
// mux.Session.Single. This file is the sink's side of that; alone.go is the source's.

// Single brings one value to the channel that it is for. It is false when that would have to
// wait, and may not.
func (t *Table) Single(in *mux.In, value []byte, wait bool) bool {
	sink, found := t.sinkOf(in)
	switch {
	case sink != nil:
		return sink.single(in, value, wait)
	case !found:
		in.Refuse(mux.CodeNoSuch, "no such receiving end")
		t.strange(in.Session(), in.Open().Target)
	}
	return true
}

// errFull: there is no room for a value that may not wait.
var errFull = errors.New("the channel is full")

func (s *Sink[T]) single(in *mux.In, value []byte, wait bool) bool {
	open, own := in.Open(), s.writer.Schema()
	same := own.Hash() == open.Hash && bytes.Equal(own.Bytes(), open.Schema)
	reader := s.own
	switch {
	case !wait && (!same || reader == nil || !own.Plain() || s.cfg.export != nil && s.cfg.export.gated(in)):
		return false
	case wait:
		if reader = s.readerFor(in); reader == nil {
			return true
		}
	}
	u := s.admit(in)
	if u == nil {
		in.Refuse(mux.CodeClosed, "the receiving end was closed")
		return true
	}
	err := s.bringSingle(u, reader, value, wait)
	switch {
	case err == nil:
		s.mu.Lock()
		u.busy = false
		told := u.told == u.next-1
		s.mu.Unlock()
		if !told {
			s.ackBy(u, true, (*mux.In).AckSoon) // that it has arrived, if no more
		}
		s.settled(u)
	case !wait && (err == errFull || err == errCollected):
		return false
	case err == errUserClosed:
		s.conclude(err)
	case err == errCollected:
		select {
		case <-s.ending.Done():
		case <-in.Done():
		}
		fallthrough
	default:
		s.leave(u, false)
	}
	return true
}

// bringSingle pushes a single value; where it may not wait, and would have to, the error is errFull.
func (s *Sink[T]) bringSingle(u *use, reader decoder[T], value []byte, wait bool) error {
	if !s.mayBring(u, 1) {
		return s.protocol(u, errors.New("a value more than allowed"))
	}
	if wait && s.cfg.export != nil && !s.cfg.export.enter(u.in) {
		return errGone
	}
	p := pusher[T]{s: s, u: u, reader: reader, body: value, hasty: !wait}
	if err := p.read(); err != nil {
		return err
	}
	if !wait {
		select {
		case s.push <- struct{}{}:
		default:
			return errFull
		}
	} else if !s.lock(u) {
		return errGone
	}
	defer s.unlock()
	return p.push(1)
}

// settled ends a single value's use once all of it is taken, and that was said.
func (s *Sink[T]) settled(u *use) {
	s.mu.Lock()
	if !u.single || u.busy || u.taken < u.next-1 || u.told < u.taken || len(u.drops) > 0 || s.uses.get(u.end) != u || s.ended {
		s.mu.Unlock()
		return
	}
	in := u.in
	s.depart(u)
	s.mu.Unlock()
	in.Leave()
	s.left(false)
}

// forget ends the uses of single values that came over a session which has ended, or holds the
// channel no more.
func (s *Sink[T]) forget(session *mux.Session) {
	all := make(map[*use]*mux.In)
	s.mu.Lock()
	for u := range s.uses.all() {
		if u.single && u.in.Session() == session {
			all[u] = u.in
		}
	}
	s.mu.Unlock()
	for u, in := range all {
		in.Leave() // who still brings it waits no more
		s.leave(u, false)
	}
}
