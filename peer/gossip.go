package peer

import (
	"context"
	"io"
	"net"
	"time"
)

// DialGossip opens a connection for gossip to whoever answers at addr, and says
// who that is. The connection is the caller's. It blocks as Link does, and fails
// with the same errors, but for ErrSelf: the ID tells.
func (h *Host) DialGossip(ctx context.Context, addr string) (net.Conn, NodeID, error) {
	ctx, cancel := h.during(ctx)
	defer cancel()
	d, err := h.dial(ctx, addr, alpnGossip)
	if err != nil {
		return nil, NodeID{}, err
	}
	if d.id == h.id {
		return d.tls, d.id, nil // nobody welcomes himself: who dialled sees the ID
	}
	if err := h.welcomed(ctx, d); err != nil {
		_ = d.wire.Close()
		if ctx.Err() == nil {
			err = &HandshakeError{Addr: addr, Err: err}
		}
		return nil, NodeID{}, err
	}
	return d.tls, d.id, nil
}

// welcomed waits for the sign that we were let in.
func (h *Host) welcomed(ctx context.Context, d *dialled) error {
	stop := context.AfterFunc(ctx, func() { _ = d.wire.Close() })
	defer stop()
	var b [1]byte
	if _, err := io.ReadFull(d.tls, b[:]); err != nil {
		return h.reason(ctx, d.trust.refusal(err))
	}
	if b[0] != welcome {
		return protocolErrorf("gossip connection begins with %x", b)
	}
	return d.tls.SetDeadline(time.Time{})
}

// Probe connects to addr, does the TLS handshake, and checks that node want
// answers (zero: any); then it closes the connection. It blocks as Link does,
// and fails with the same errors.
func (h *Host) Probe(ctx context.Context, addr string, want NodeID) error {
	ctx, cancel := h.during(ctx)
	defer cancel()
	d, err := h.dial(ctx, addr, alpnLink)
	if err != nil {
		return err
	}
	_ = d.wire.Close()
	return d.is(h.id, want)
}

// during is ctx, ending also when the host closes.
func (h *Host) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
