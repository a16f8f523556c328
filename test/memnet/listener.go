package memnet

import (
	"net"
	"sync"
	"time"
)

// backlog is how many connections wait for Accept; to more a listener is silent.
const backlog = 1024

// listener is guarded by Network.mu.
type listener struct {
	host   *Host
	addr   *net.TCPAddr
	cond   sync.Cond
	queue  []*conn
	closed bool
}

func newListener(h *Host, addr *net.TCPAddr) *listener {
	return &listener{host: h, addr: addr, cond: sync.Cond{L: &h.net.mu}}
}

// Accept blocks until there is a connection or the listener is closed.
func (l *listener) Accept() (net.Conn, error) {
	l.cond.L.Lock()
	defer l.cond.L.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, l.fail("accept")
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

// Close resets the connections that nobody has accepted.
func (l *listener) Close() error {
	l.cond.L.Lock()
	defer l.cond.L.Unlock()
	if l.closed {
		return l.fail("close")
	}
	l.shut()
	return nil
}

// shut is Close, under the lock.
func (l *listener) shut() {
	l.closed = true
	delete(l.host.listeners, l.addr.Port)
	for _, c := range l.queue {
		c.pair.lock(func(now time.Duration) {
			c.closed = true
			if !c.dead(now) {
				c.abort(now)
			}
			if c.peer.closed {
				delete(l.host.net.pairs, c.pair)
			}
		})
	}
	l.queue = nil
	l.cond.Broadcast()
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) fail(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
}
