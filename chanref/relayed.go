package chanref

import (
	"reflect"
	"sync"
	"sync/atomic"
)

// relayed joins the sink of a relay's proxy with the source that gives its values further: what
// that has taken out of the proxy counts as taken when who is behind the relay has taken it, and
// goes home when nobody is there any more. Values are numbered from 1 in the order of both.
type relayed struct {
	settled atomic.Uint64 // all numbers up to it are

	mu   sync.Mutex // guards what follows, which is known when the source has ended
	seq  uint64     // the last number that the source had
	left map[uint64]bool

	// The source's own, once it is retiring.
	why  error
	feed reflect.Value // which it keeps until its end
}

// held is how many of pushed values are not settled.
func (r *relayed) held(pushed uint64) uint64 { return pushed - min(pushed, r.settled.Load()) }

// isLeft says whether nobody has got a value.
func (r *relayed) isLeft(n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return n > r.seq || r.left[n]
}

// storeSettled says how far the source is.
func (s *Source[T]) storeSettled() {
	r := s.cfg.relay
	if r == nil {
		return
	}
	settled := s.seq
	if low, some := s.d.oldest(); some {
		settled = low - 1
	}
	r.settled.Store(settled)
}

// leave hands what nobody has got to the sink, at the end of a relay's source that nobody needs.
func (s *Source[T]) leave() {
	r := s.cfg.relay
	if r == nil || !s.retiring {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq, r.left = s.seq, make(map[uint64]bool)
	for _, it := range s.d.back {
		r.left[it.seq] = true
	}
	s.d.back = nil
	r.feed = reflect.Value{} // now its end may be found
}

// retire ends the source of a relay that nobody needs any more, when its streams have ended: by
// then it is known what was taken. Until then it keeps the relay's proxy.
func (s *Source[T]) retire(why error, feed reflect.Value) {
	s.call(func() {
		if !s.retiring {
			s.retiring, s.cfg.relay.why, s.cfg.relay.feed = true, why, feed
		}
	})
}
