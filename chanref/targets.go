package chanref

import "github.com/matveynator/netchan/mux"

// fewLanes are looked through; most sources have one.
const fewLanes = 8

// targets are the receivers to which a source with many streams has one. Whenever anything
// changes in the mesh each is asked for: a look at all streams for each would cost their square.
type targets struct {
	connected map[mux.Target]bool
	over      map[*mux.Session]int // how many there are
	removed   uint64               // dispatch.removed when they were noted
}

// connected says whether there is a stream to t.
func (s *Source[T]) connected(t mux.Target) bool {
	if at := s.many(); at != nil {
		return at.connected[t]
	}
	for _, l := range s.d.lanes {
		if l.o.target == t {
			return true
		}
	}
	return false
}

// streamsOver counts the streams over a session.
func (s *Source[T]) streamsOver(session *mux.Session) (n int) {
	if at := s.many(); at != nil {
		return at.over[session]
	}
	for _, l := range s.d.lanes {
		if l.o.session == session {
			n++
		}
	}
	return n
}

// many are the targets of a source that has more than fewLanes, as they are now; else nil.
func (s *Source[T]) many() *targets {
	if len(s.d.lanes) <= fewLanes {
		return nil
	}
	if s.targets == nil || s.targets.removed != s.d.removed {
		s.targets = &targets{make(map[mux.Target]bool, len(s.d.lanes)), make(map[*mux.Session]int), s.d.removed}
		for _, l := range s.d.lanes {
			s.connects(l.o.session, l.o.target)
		}
	}
	return s.targets
}

// connects notes that there is a stream to t now.
func (s *Source[T]) connects(session *mux.Session, t mux.Target) {
	if s.targets != nil {
		s.targets.connected[t] = true
		s.targets.over[session]++
	}
}
