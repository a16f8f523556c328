package chanref

import (
	"github.com/matveynator/netchan/mux"
)

// makeRoom pushes a value where nobody is waited for: the oldest goes. Where
// values lie in the channel whose senders are waited for, the new one goes: the
// program takes values at the same time, so nobody can say which one would be
// taken out, and one put back might come behind its successor.
func (p *pusher[T]) makeRoom() bool {
	s := p.s
	for {
		s.mu.Lock()
		s.k.settle(s.k.pushed, s.held())
		may := s.k.lossy()
		s.k.frozen = may
		s.mu.Unlock()
		if may {
			if v, ok, _ := p.c.tryRecv(); ok {
				s.dropOldest(v)
			}
			s.mu.Lock()
			s.k.frozen = false
			s.mu.Unlock()
		}
		if p.c.trySend(&p.v) {
			return true
		}
		if !may && p.c.len() == p.c.cap() {
			s.counts.dropped.Add(1)
			p.skip(mux.CodeLossy, "the receiver's channel was full")
			return false
		}
	}
}

// dropOldest books v, which was taken out of the channel to make room, for the
// holder of push. The program may have taken some at the same time, so v need
// not be the oldest that was known to lie there.
func (s *Sink[T]) dropOldest(v T) {
	s.mu.Lock()
	place, size := s.k.taken, uint64(len(s.vals))
	for place+1 < s.k.pushed && !s.same(&s.vals[place%size], &v) {
		place++
	}
	s.k.frozen = false
	s.k.settle(s.k.pushed, s.k.pushed-place)
	s.k.frozen = true
	u := s.k.runs.front().u
	u.drop(u.taken+1, mux.CodeLossy, "the receiver's channel was full")
	s.mu.Unlock()
	s.counts.dropped.Add(1)
}
