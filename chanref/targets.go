package chanref

import "github.com/matveynator/netchan/mux"

// fewLanes are looked through; most sources have one.
const fewLanes = 8

// targets are the receivers to which a source with many streams has one. Whenever anything
// changes in the mesh each is asked for: a look at all streams for each would cost their square.
type targets struct {
	connected map[mux.Target]bool
	removed   uint64 // dispatch.removed when they were noted
}

// connected says whether there is a stream to t.
func (s *Source[T]) connected(t mux.Target) bool {
	if len(s.d.lanes) <= fewLanes {
		for _, l := range s.d.lanes {
			if l.o.target == t {
				return true
			}
		}
		return false
	}
	if s.targets == nil || s.targets.removed != s.d.removed {
		s.targets = &targets{make(map[mux.Target]bool, len(s.d.lanes)), s.d.removed}
		for _, l := range s.d.lanes {
			s.targets.connected[l.o.target] = true
		}
	}
	return s.targets.connected[t]
}

// connects notes that there is a stream to t now.
func (s *Source[T]) connects(t mux.Target) {
	if s.targets != nil {
		s.targets.connected[t] = true
	}
}
