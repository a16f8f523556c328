package mesh

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	maxLost   = 32              // dead members that are looked for
	lostFirst = 3 * time.Second // what is only slow comes back by itself before
)

// lostMember is a member that died without a goodbye: perhaps only the network
// between us is broken.
type lostMember struct {
	stop    context.CancelFunc
	refused bool // nobody listens at its address: no broken network hides it
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
		m.foundLocked(m.leastLostLocked())
	}
	ctx, stop := context.WithCancel(m.ctx)
	m.lost[mb.ID] = lostMember{stop: stop}
	m.startLocked(func() { defer stop(); m.search(ctx, mb) })
}

// leastLostLocked returns who is given up when there are too many: one that no
// broken network hides, else any. Chance makes it another one at each node, so
// that all together still look for all.
func (m *Mesh) leastLostLocked() (least ID) {
	ids := make([]ID, 0, len(m.lost))
	for id, l := range m.lost {
		if l.refused {
			return id
		}
		ids = append(ids, id)
	}
	return ids[rand.N(len(ids))]
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
		id, r := m.try(ctx, mb.Addr)
		if ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		no := refused(r.err)
		if l, ok := m.lost[mb.ID]; ok {
			l.refused = no
			m.lost[mb.ID] = l
		}
		found := id != (ID{}) // itself again, or another life at its address
		if found {
			m.foundLocked(mb.ID)
		}
		// What it had is kept for when it is back. It hardly ever is when its process is not there,
		// and then its list is fetched as that of any newcomer.
		if (no || found) && !m.aliveLocked(mb.ID) {
			m.reg.drop(mb.ID)
		}
		m.mu.Unlock()
		if found {
			return
		}
	}
}
