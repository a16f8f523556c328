package mesh

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	leaveTime  = 500 * time.Millisecond // memberlist's goodbye, without pings
	leavePings = 8                      // members that are told directly
	pingRounds = 16
)

// Leave tells the others that this node is going, so that it vanishes for them
// at once. Close comes after it; nothing else is of use then. It returns when
// the goodbye has gone out, or ctx's error when ctx ends before, or ErrClosed.
// Calling it again does nothing.
func (m *Mesh) Leave(ctx context.Context) error {
	done := make(chan struct{})
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if m.left {
		m.mu.Unlock()
		return nil
	}
	m.left = true
	for id := range m.lost {
		m.foundLocked(id)
	}
	near := m.othersLocked(tellAtOnce)
	version := m.reg.announced.version + 1
	m.startLocked(func() { defer close(done); m.goodbye(near, version) })
	m.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// goodbye has memberlist send it. That would wait for some ticks of the
// gossip; pings, which take with them what is to be sent, make it quicker.
func (m *Mesh) goodbye(near []Member, version uint64) {
	gone := message{kind: msgGone, id: m.self.ID, version: version}
	m.broadcast(gone)
	m.send(gone, near)
	if len(near) > leavePings {
		near = near[:leavePings]
	}
	sent := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(sent)
		m.leaving <- struct{}{}
		defer func() { <-m.leaving }()
		m.mu.Lock()
		closed := m.closed
		m.mu.Unlock()
		if !closed {
			_ = m.ml.Leave(leaveTime) // an error means that nobody took it in time
		}
	})
	for _, mb := range near {
		wg.Go(func() { m.pingUntil(mb, sent) })
	}
	wg.Wait()
}

// pingUntil pings a member, which takes the gossip along, until sent is closed.
func (m *Mesh) pingUntil(mb Member, sent <-chan struct{}) {
	a, err := netip.ParseAddrPort(mb.Addr)
	if err != nil {
		return
	}
	for range pingRounds {
		select {
		case <-sent:
			return
		case <-m.ctx.Done():
			return
		default:
		}
		if _, err := m.ml.Ping(mb.ID.String(), net.UDPAddrFromAddrPort(a)); err != nil {
			return
		}
	}
}
