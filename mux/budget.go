package mux

import "sync"

// A budget is bytes that are shared out, first come, first served.
type budget struct {
	mu      sync.Mutex
	free    int64
	waiting []*claim
}

type claim struct {
	n  int64
	ok chan struct{}
}

// take waits for n bytes; false: done came first. n must not be more than the whole.
func (b *budget) take(n int64, done <-chan struct{}) bool {
	b.mu.Lock()
	if len(b.waiting) == 0 && b.free >= n {
		b.free -= n
		b.mu.Unlock()
		return true
	}
	c := &claim{n: n, ok: make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	select {
	case <-c.ok:
		return true
	case <-done:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.serve()
			return false
		}
	}
	b.free += n // granted meanwhile: given back
	b.serve()
	return false
}

// tryTake takes n bytes if they are there and nobody waits.
func (b *budget) tryTake(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || b.free < n {
		return false
	}
	b.free -= n
	return true
}

// give gives n bytes back.
func (b *budget) give(n int64) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	b.free += n
	b.serve()
	b.mu.Unlock()
}

func (b *budget) serve() {
	for len(b.waiting) > 0 && b.waiting[0].n <= b.free {
		c := b.waiting[0]
		b.waiting[0] = nil
		b.waiting = b.waiting[1:]
		b.free -= c.n
		close(c.ok)
	}
}
