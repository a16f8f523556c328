package mesh

import (
	"context"
	"time"
)

const (
	maxLost   = 32              // dead members that are looked for
	lostFirst = 3 * time.Second // what is only slow comes back by itself before
)

// lostMember is a member that died without a goodbye: perhaps only the network
// between us is broken.
type lostMember struct {
	since time.Time
	stop  context.CancelFunc
}

// lostLocked looks for a member until it is found, somebody else answers at
// its address, or too many others have been lost since.
func (m *Mesh) lostLocked(mb Member) {
	if m.closed || m.left {
		return
	}
	if old, ok := m.lost[mb.ID]; ok {
		old.stop()
	}
	if len(m.lost) >= maxLost {
		var oldest ID
		for id, l := range m.lost {
			if o := m.lost[oldest]; o.stop == nil || l.since.Before(o.since) {
				oldest = id
			}
		}
		m.foundLocked(oldest)
	}
	ctx, stop := context.WithCancel(m.ctx)
	m.lost[mb.ID] = lostMember{since: time.Now(), stop: stop}
	m.startLocked(func() { defer stop(); m.search(ctx, mb) })
}

// foundLocked ends the search for id, if there is one.
func (m *Mesh) foundLocked(id ID) {
	if l, ok := m.lost[id]; ok {
		l.stop()
		delete(m.lost, id)
	}
}

func (m *Mesh) search(ctx context.Context, mb Member) {
	b := backoff{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(b.next(lostFirst, seedLimit)):
		}
		if m.Alive(mb.ID) || ctx.Err() != nil {
			return
		}
		id, _ := m.try(ctx, mb.Addr)
		if ctx.Err() != nil {
			return
		}
		if id != (ID{}) { // itself again, or another life at its address
			m.mu.Lock()
			m.foundLocked(mb.ID)
			m.mu.Unlock()
			return
		}
	}
}
