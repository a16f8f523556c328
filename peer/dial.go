package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// redials bounds how often one attempt begins again because the connection that
// it was told to wait for has failed.
const redials = 3

// target is what concurrent callers of Link share an attempt for.
type target struct {
	addr string
	want NodeID
}

// attempt is one try at making a link, on a goroutine of the host. It ends early
// when nobody waits for it any more.
type attempt struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // guarded by Host.mu
	link    *Link
	err     error
}

// Link returns the link with node want: the one that is there, else one made by
// dialling addr. With want zero it is the node that answers at addr; if there is
// a link with that node already, it is returned. Concurrent calls share one
// attempt. There is no second one: when to try again is the caller's to decide.
//
// It blocks until the link is there, 5 s for connecting and 5 s for the
// handshake at most, or ctx ends. Errors: ErrSelf, *WrongNodeError,
// ErrKeyMismatch, *HandshakeError, those of net.Dial, of ctx, and ErrClosed.
func (h *Host) Link(ctx context.Context, addr string, want NodeID) (*Link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if want == h.id {
		return nil, ErrSelf
	}
	if l := h.linkTo(want); l != nil {
		return l.whenReady(ctx)
	}
	a := h.join(target{addr, want})
	if a == nil {
		return nil, ErrClosed
	}
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		h.mu.Lock()
		if a.waiting--; a.waiting == 0 {
			a.cancel()
		}
		h.mu.Unlock()
		return nil, ctx.Err()
	}
}

// linkTo is the live link with a node; nil if there is none.
func (h *Host) linkTo(id NodeID) *Link {
	var l *Link
	h.mu.Lock()
	if n := h.neighbours[id]; n != nil {
		l = n.link
	}
	h.mu.Unlock()
	if l != nil && !l.alive() {
		<-l.done // it is just being ended
		return nil
	}
	return l
}

// whenReady waits until the owner has been told of the link.
func (l *Link) whenReady(ctx context.Context) (*Link, error) {
	select {
	case <-l.ready:
		return l, nil
	case <-l.done:
		return nil, l.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join finds the attempt for t or begins it; nil when the host is closed.
func (h *Host) join(t target) *attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	// One that was given up is not joined: it only still has to notice.
	if a := h.attempts[t]; a != nil && a.waiting > 0 {
		a.waiting++
		return a
	}
	ctx, cancel := context.WithCancel(h.ctx)
	a := &attempt{done: make(chan struct{}), cancel: cancel, waiting: 1}
	h.attempts[t] = a
	h.wg.Go(func() {
		defer cancel()
		a.link, a.err = h.try(ctx, t)
		h.mu.Lock()
		if h.attempts[t] == a {
			delete(h.attempts, t)
		}
		h.mu.Unlock()
		close(a.done)
	})
	return a
}

// try is one attempt. Where two nodes dial each other, one connection gives way
// to the other, and the attempt waits for what that one brings; should it fail,
// the attempt begins again.
func (h *Host) try(ctx context.Context, t target) (*Link, error) {
	for n := 1; ; n++ {
		l, err := h.dialLink(ctx, t)
		if !errors.Is(err, errStale) {
			return l, err
		}
		if n == redials {
			return nil, &HandshakeError{Addr: t.addr, Err: err}
		}
	}
}

// dialLink dials and makes, or finds, one link.
func (h *Host) dialLink(ctx context.Context, t target) (*Link, error) {
	d, err := h.dial(ctx, t.addr, alpnLink)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = d.wire.Close() })
	defer stop()
	if err := d.is(h.id, t.want); err != nil {
		_ = d.wire.Close()
		return nil, err
	}
	if l := h.linkTo(d.id); l != nil {
		_ = d.wire.Close()
		return l.whenReady(ctx)
	}
	l, err := h.meet(h.carrier(d, t.addr))
	if l != nil {
		h.announce(l)
		return l, nil
	}
	if err != nil {
		_ = d.wire.Close()
	}
	if err == nil || errors.Is(err, errStale) {
		return h.other(ctx, d.id)
	}
	if err = h.reason(ctx, err); errors.Is(err, ErrClosed) || ctx.Err() != nil {
		return nil, err
	}
	return nil, &HandshakeError{Addr: t.addr, Err: err}
}

// other waits for the link with a node that another connection makes. errStale:
// no such connection is left.
func (h *Host) other(ctx context.Context, id NodeID) (*Link, error) {
	for {
		h.mu.Lock()
		n := h.neighbours[id]
		if n == nil || (n.link == nil && n.busy == 0) {
			h.mu.Unlock()
			return nil, errStale
		}
		l, changed := n.link, n.changed
		h.mu.Unlock()
		if l != nil {
			if l.alive() {
				return l.whenReady(ctx)
			}
			<-l.done // it is just being ended
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, h.reason(ctx, ctx.Err())
		}
	}
}

// dialled is a connection on which TLS is done.
type dialled struct {
	wire  *wire
	tls   *tls.Conn
	trust *trust
	proven
}

// is checks who answered.
func (d *dialled) is(self, want NodeID) error {
	switch {
	case d.id == self:
		return ErrSelf
	case !want.IsZero() && d.id != want:
		return &WrongNodeError{Want: want, Got: d.id}
	}
	return nil
}

// dial connects to addr and does TLS. The handshake's limit is running when it
// returns.
func (h *Host) dial(ctx context.Context, addr, alpn string) (*dialled, error) {
	limit := h.cfg.tune.handshake
	connect, cancel := context.WithTimeout(ctx, limit)
	conn, err := h.cfg.Network.Dial(connect, addr)
	cancel()
	if err != nil {
		return nil, h.reason(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	t := h.currentTrust()
	cfg := t.links
	if alpn == alpnGossip {
		cfg = t.gossip
	}
	w := newWire(conn, h.clock, &h.buffers)
	d := &dialled{wire: w, tls: tls.Client(w, cfg), trust: t}
	err = conn.SetDeadline(time.Now().Add(limit))
	if err == nil {
		err = d.tls.Handshake()
	}
	if err == nil {
		d.proven, err = t.identify(d.tls, true)
	}
	if err == nil && d.tls.ConnectionState().NegotiatedProtocol != alpn {
		err = protocolErrorf("the other side does not speak %s", alpn)
	}
	if err == nil {
		w.known.Store(true)
		return d, nil
	}
	_ = conn.Close()
	if err = h.reason(ctx, t.refusal(err)); errors.Is(err, ErrClosed) || ctx.Err() != nil {
		return nil, err
	}
	return nil, &HandshakeError{Addr: addr, Err: err}
}
