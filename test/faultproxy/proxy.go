// Package faultproxy is for tests: a TCP proxy on real loopback sockets that
// stands between dialers and one listener, and hurts the connections that go
// through it when it is told to.
//
// Up is from who dialled to the target, down is the way back. While no fault
// is set the proxy passes everything on as it comes, ends and resets too.
package faultproxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// acceptPause is how long the proxy waits when accepting fails.
const acceptPause = 10 * time.Millisecond

// Proxy is a running proxy. All methods may be called at any time from any
// goroutine. The zero Proxy is of no use: see Listen.
type Proxy struct {
	listener *net.TCPListener
	faults   atomic.Pointer[faults] // replaced with mu held
	passed   [2]atomic.Int64        // bytes, by direction

	ctx    context.Context // ends at Close, with mu held
	cancel context.CancelFunc
	wg     sync.WaitGroup // grows from its own goroutines, or with mu held before ctx ends

	mu       sync.Mutex
	pairs    map[*pair]struct{} // the live ones
	joined   int
	refused  int
	vanished int
	changed  chan struct{}
}

// Listen starts a proxy on a free port of 127.0.0.1 that leads to target, a
// "host:port". Nothing needs to listen there yet.
func Listen(target string) (*Proxy, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, pairs: map[*pair]struct{}{}, changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.faults.Store(&faults{target: target, limits: noLimits, changed: make(chan struct{})})
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the "host:port" to dial instead of the target. It stays the same.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close stops listening, resets what is live and waits until nothing is left.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.listener.Close()
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		dialer, err := p.listener.AcceptTCP()
		switch {
		case err == nil:
			p.wg.Go(func() { p.serve(dialer) })
		case p.ctx.Err() != nil:
			return
		default: // out of descriptors, most likely
			select {
			case <-time.After(acceptPause):
			case <-p.ctx.Done():
			}
		}
	}
}

// serve has one connection from its beginning to its end.
func (p *Proxy) serve(dialer *net.TCPConn) {
	f := p.faults.Load()
	if f.refuse {
		p.turnAway(dialer)
		return
	}
	var d net.Dialer
	conn, err := d.DialContext(p.ctx, "tcp", f.target)
	if err != nil {
		p.turnAway(dialer)
		return
	}
	c, f, n := p.join(dialer, conn.(*net.TCPConn), f.target)
	if c == nil {
		p.turnAway(dialer, conn.(*net.TCPConn))
		return
	}
	c.run(f, n)
	p.mu.Lock()
	delete(p.pairs, c)
	p.tell()
	p.mu.Unlock()
	close(c.done)
}

// join counts a connection as live, unless it came too late: then it is nil.
// What was set until here holds for it.
func (p *Proxy) join(dialer, target *net.TCPConn, addr string) (*pair, *faults, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.faults.Load()
	if p.ctx.Err() != nil || f.refuse || f.target != addr {
		return nil, nil, 0
	}
	c := newPair(p, dialer, target)
	p.pairs[c] = struct{}{}
	p.joined++
	p.tell()
	return c, f, p.joined
}

// turnAway resets a connection that does not come to be, and counts it before.
func (p *Proxy) turnAway(ends ...*net.TCPConn) {
	p.mu.Lock()
	p.refused++
	p.tell()
	p.mu.Unlock()
	for _, end := range ends {
		reset(end)
	}
}

// tell says that a count has changed; mu is held.
func (p *Proxy) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}
