package chanref

import (
	"github.com/matveynator/netchan/mux"
)

// makeRoom pushes a value where nobody is waited for: the oldest goes, if
// it may, else the new one.
func (p *pusher[T]) makeRoom() bool {
	s := p.s
	for {
		s.mu.Lock()
		s.k.settle(s.k.pushed, uint64(len(s.c)))
		may := s.k.runs.len() > 0 && s.k.runs.front().u.lossy
		s.k.frozen = may
		s.mu.Unlock()
		if may {
			select {
			case v := <-s.c:
				s.dropOldest(v)
			default:
			}
			s.mu.Lock()
			s.k.frozen = false
			s.mu.Unlock()
		}
		select {
		case s.c <- p.v:
			return true
		default:
		}
		if !may && s.full() {
			s.counts.dropped.Add(1)
			p.skip(mux.CodeLossy, "the receiver's channel was full")
			return false
		}
	}
}

// dropOldest books v, which was taken out of the channel to make room, for the
// holder of push. The program may have taken some at the same time, so v need
// not be the oldest that was known to lie there; if its sender is waited for,
// it goes back to its place.
func (s *Sink[T]) dropOldest(v T) {
	s.mu.Lock()
	place, size := s.k.taken, uint64(len(s.vals))
	for place+1 < s.k.pushed && !s.bits.same(&s.vals[place%size], &v) {
		place++
	}
	s.k.frozen = false
	s.k.settle(s.k.pushed, s.k.pushed-place)
	s.k.frozen = true
	u := s.k.runs.front().u
	if u.lossy {
		u.drop(u.taken+1, mux.CodeLossy, "the receiver's channel was full")
	}
	s.mu.Unlock()
	if u.lossy {
		s.counts.dropped.Add(1)
		return
	}
	held := append([]T{v}, s.empty()...)
	for _, v := range held {
		s.c <- v // has room: it was there before
	}
}

func (s *Sink[T]) full() bool { return len(s.c) == cap(s.c) }
