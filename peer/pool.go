package peer

import (
	"sync"
	"sync/atomic"
)

// segmentPool lends out the memory of kept buffers. It is shared by the links of
// a host and safe for concurrent use. Each link may have one segment in any
// case; those beyond are claimed, and there is a bound on these.
type segmentPool struct {
	p       sync.Pool
	limit   int64
	claimed atomic.Int64
}

// claim asks for one more segment than a link's own; false: there are none left.
func (s *segmentPool) claim() bool {
	if s.claimed.Add(1) > s.limit {
		s.claimed.Add(-1)
		return false
	}
	return true
}

// release gives claims back.
func (s *segmentPool) release(n int) { s.claimed.Add(int64(-n)) }

func (s *segmentPool) get() *segment {
	if g, ok := s.p.Get().(*segment); ok {
		return g
	}
	return &segment{buf: make([]byte, 0, segmentSize)}
}

func (s *segmentPool) put(g *segment) {
	g.buf, g.from, g.end = g.buf[:0], 0, 0
	s.p.Put(g)
}

// bufferPool lends out the memory in which a flush is gathered.
type bufferPool struct{ p sync.Pool }

func (b *bufferPool) get() *[]byte {
	if g, ok := b.p.Get().(*[]byte); ok {
		return g
	}
	g := make([]byte, 0, gatherSize+gatherSlack)
	return &g
}

func (b *bufferPool) put(g *[]byte) {
	*g = (*g)[:0]
	b.p.Put(g)
}
