package memnet

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pair is a connection: two ends, and a flow each way.
type pair struct {
	net  *Network
	mu   sync.Mutex // guards all of it; nothing waits while it is held
	a, b conn       // a dialled
	ab   flow
	ba   flow
}

// conn is one end of a connection. What others give up or reset is told with
// ECONNRESET, after which nothing more can be read, as when a reset overtakes what
// came before it.
type conn struct {
	pair            *pair
	host            *Host
	peer            *conn
	in, out         *flow
	local, remote   *net.TCPAddr
	readers         waiting
	writers         waiting
	writing         bool          // somebody's Write is under way
	readBy, writeBy time.Duration // deadlines
	resetAt         time.Duration // when a reset reaches this end
	closed          bool
}

// newPair makes a connection. Under Network.mu.
func newPair(n *Network, from, to *Host, local, remote *net.TCPAddr) *pair {
	p := &pair{net: n}
	p.a = conn{host: from, local: local, remote: remote, peer: &p.b, in: &p.ba, out: &p.ab}
	p.b = conn{host: to, local: remote, remote: local, peer: &p.a, in: &p.ab, out: &p.ba}
	for _, c := range p.ends() {
		c.pair = p
		c.readBy, c.writeBy, c.resetAt = never, never, never
		c.readers.init(n, &p.mu)
		c.writers.init(n, &p.mu)
		f := c.out
		f.net, f.from, f.to, f.left = n, c, c.peer, -1
		f.dice = *rand.NewPCG(n.dice.Uint64(), 0)
	}
	n.pairs[p] = struct{}{}
	p.lock(func(now time.Duration) {
		n.direct(p, now)
		for _, f := range p.flows() {
			if bytes, set := n.cut[f.way()]; set {
				f.cutAfter(now, bytes)
			}
		}
	})
	return p
}

func (p *pair) ends() [2]*conn  { return [...]*conn{&p.a, &p.b} }
func (p *pair) flows() [2]*flow { return [...]*flow{&p.ab, &p.ba} }

func (p *pair) lock(f func(now time.Duration)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.net.now())
}

// cut resets both ends at once. Under mu.
func (p *pair) cut(now time.Duration) {
	for _, c := range p.ends() {
		c.in.drop()
		c.reset(now, now)
	}
}

// reset has a reset reach this end at a time. Under mu, as all that is not of
// net.Conn.
func (c *conn) reset(now, at time.Duration) {
	if at >= c.resetAt {
		return
	}
	c.resetAt = at
	if at <= now {
		c.release()
	} else {
		c.readers.wakeAt(at)
		c.writers.wakeAt(at)
	}
}

// release lets everybody go who waits here; nobody will wait any more.
func (c *conn) release() {
	for _, w := range []*waiting{&c.readers, &c.writers} {
		w.wake()
		w.stop()
	}
}

// dead says whether the connection has been reset, as far as this end knows.
func (c *conn) dead(now time.Duration) bool {
	return c.resetAt <= now || c.in.ending == endReset && c.in.endAt <= now
}

// abort gives the connection up: the other end gets a reset, if anything gets
// there, and nobody reads here any more.
func (c *conn) abort(now time.Duration) {
	if c.out.silent {
		c.out.recall()
	} else {
		c.peer.reset(now, c.out.stamp(now))
	}
	c.in.leave(now)
}

// Read blocks until there is something, the end (io.EOF), the deadline
// (os.ErrDeadlineExceeded), Close (net.ErrClosed) or a reset (ECONNRESET).
func (c *conn) Read(p []byte) (int, error) {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	for {
		now := c.pair.net.now()
		switch {
		case c.closed:
			return 0, c.fail("read", net.ErrClosed)
		case len(p) == 0:
			return 0, nil
		case c.readBy <= now:
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case c.resetAt <= now:
			return 0, c.fail("read", os.NewSyscallError("read", syscall.ECONNRESET))
		}
		c.in.advance(now)
		if n := c.in.get(p); n > 0 {
			return n, nil
		}
		switch c.in.ended(now) {
		case endClean:
			return 0, io.EOF
		case endReset:
			return 0, c.fail("read", os.NewSyscallError("read", syscall.ECONNRESET))
		}
		c.readers.wait(min(c.readBy, c.resetAt, c.in.next()))
	}
}

// Write blocks until all of p has found room, or as Read does. After CloseWrite
// it fails with EPIPE.
func (c *conn) Write(p []byte) (written int, err error) {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	turn := false
	for {
		now := c.pair.net.now()
		switch {
		case c.closed:
			err = net.ErrClosed
		case c.writeBy <= now:
			err = os.ErrDeadlineExceeded
		case c.dead(now):
			err = os.NewSyscallError("write", syscall.ECONNRESET)
		case c.out.ending == endClean:
			err = os.NewSyscallError("write", syscall.EPIPE)
		}
		if err != nil {
			err = c.fail("write", err)
			break
		}
		if turn || !c.writing {
			turn, c.writing = true, true
			n := min(len(p)-written, c.out.room())
			c.out.put(now, p[written:written+n])
			if written += n; written == len(p) {
				break
			}
		}
		until := min(c.writeBy, c.resetAt)
		if c.in.ending == endReset {
			until = min(until, c.in.endAt)
		}
		c.writers.wait(until)
	}
	if turn {
		c.writing = false
		c.writers.wake()
	}
	return written, err
}

// CloseWrite tells the other end that nothing more comes, after what was written.
func (c *conn) CloseWrite() error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	now := c.pair.net.now()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	if c.dead(now) {
		return c.fail("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	c.out.end(now, endClean)
	return nil
}

// Close does not wait. What was written still goes to the other end, and then the
// end; if something has come that was not read, a reset goes there instead.
func (c *conn) Close() error {
	c.pair.mu.Lock()
	if c.closed {
		c.pair.mu.Unlock()
		return c.fail("close", net.ErrClosed)
	}
	now := c.pair.net.now()
	if !c.dead(now) {
		if c.in.advance(now); c.in.arrived > 0 {
			c.abort(now)
		} else {
			c.out.end(now, endClean)
			c.in.leave(now)
		}
	}
	c.closed = true
	c.release()
	both := c.peer.closed
	if both {
		c.in.drop()
		c.out.drop()
	}
	c.pair.mu.Unlock()
	if both {
		c.pair.net.forget(c.pair)
	}
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error      { return c.setDeadline(t, true, true) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(t, true, false) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, false, true) }

func (c *conn) setDeadline(t time.Time, read, write bool) error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	at := c.pair.net.at(t)
	if read {
		c.readBy = at
		c.readers.wake()
	}
	if write {
		c.writeBy = at
		c.writers.wake()
	}
	return nil
}

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
