package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

const (
	// listenTries is how often a free port is looked for whose number is free
	// for TCP and UDP.
	listenTries = 16

	// acceptPause is how long accepting rests after a failure, such as no file
	// descriptors left.
	acceptPause = 50 * time.Millisecond

	// A refused connection is read from for so long and so much, so that the
	// other side gets to read why before the connection is reset.
	lingerTime  = time.Second
	lingerBytes = 64 << 10

	// welcome is the one byte that a gossip connection begins with, so that who
	// dialled knows that it was let in.
	welcome = 0x4e
)

// machine is the network of this machine.
type machine struct{}

func (machine) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// Listen opens TCP and UDP on one port number.
func (machine) Listen(addr string) (net.Listener, net.PacketConn, error) {
	var last error
	for range listenTries {
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, fmt.Errorf("peer: %w", err)
		}
		host, asked, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("peer: %w", err), tcp.Close())
		}
		_, port, err := net.SplitHostPort(tcp.Addr().String())
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("peer: %w", err), tcp.Close())
		}
		udp, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
		if err == nil {
			return tcp, udp, nil
		}
		_ = tcp.Close()
		last = fmt.Errorf("peer: %w", err)
		if asked == port {
			break // asked for by number: another try won't find another port
		}
	}
	return nil, nil, last
}

// accept lets connections in, all that come: which of them have to go again, the
// door knows.
func (h *Host) accept() {
	for {
		c, err := h.tcp.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			h.noisy(slog.LevelWarn, "can't accept a connection", "err", err)
			select {
			case <-time.After(acceptPause):
			case <-h.ctx.Done():
				return
			}
			continue
		}
		g := &guest{wire: newWire(c, h.clock, &h.buffers), source: sourceOf(c.RemoteAddr())}
		if !h.letIn(g) || !h.spawn(func() { h.serve(g) }) {
			_ = c.Close()
			h.door.leave(g)
		}
	}
}

// letIn waits for a place for g; false when it gets none.
func (h *Host) letIn(g *guest) bool {
	for {
		e, out := h.door.enter(g, h.clock.now())
		if out != nil {
			_ = out.wire.Close()
		}
		if out != nil || e == turnedAway {
			h.noisy(slog.LevelWarn, "too many connections are in their handshake: one was closed", "from", g.source)
		}
		if e != comesLater {
			return e == comesIn
		}
		t := time.NewTimer(silentGrace)
		select {
		case <-h.door.freed:
		case <-t.C:
		case <-h.ctx.Done():
		}
		t.Stop()
		if h.ctx.Err() != nil {
			return false
		}
	}
}

// serve takes an accepted connection through its handshake.
func (h *Host) serve(g *guest) {
	conn := g.wire.Conn
	l, err := h.admit(g.wire)
	h.door.leave(g)
	if l != nil {
		h.announce(l)
		return
	}
	if err != nil && h.ctx.Err() == nil {
		h.refused.Add(1)
		level := slog.LevelDebug
		if other := (*VersionError)(nil); refused(err) || errors.As(err, &other) {
			level = slog.LevelWarn
		}
		h.noisy(level, "connection turned away", "from", conn.RemoteAddr(), "err", err)
	}
}

// admit is TLS, and then what the connection is for. It returns the new link if
// it became one; nil also when a link that was there goes on.
func (h *Host) admit(w *wire) (*Link, error) {
	conn := w.Conn
	stop := context.AfterFunc(h.ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(h.cfg.tune.handshake)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	t := h.currentTrust()
	tc := tls.Server(w, t.server)
	if err := tc.Handshake(); err != nil {
		if refused(err) {
			linger(conn)
		}
		_ = conn.Close()
		return nil, t.refusal(err)
	}
	protocol := tc.ConnectionState().NegotiatedProtocol
	who, err := t.identify(tc, false)
	if err != nil {
		if refused(err) {
			linger(conn)
		}
		_ = conn.Close()
		return nil, t.refusal(err)
	}
	w.known.Store(true)
	switch {
	case who.id == h.id:
		err = ErrSelf
	case protocol == alpnLink:
		var l *Link
		if l, err = h.meet(h.carrier(&dialled{wire: w, tls: tc, trust: t, proven: who}, "")); err == nil {
			return l, nil
		}
		if errors.Is(err, errStale) || hungUp(err) {
			err = nil // not needed, or given up by who dialled: nothing to tell
		}
	case protocol == alpnGossip:
		if err = h.handOver(tc); err == nil {
			return nil, nil
		}
	default:
		err = protocolErrorf("no protocol agreed on")
	}
	_ = conn.Close()
	return nil, err
}

// hungUp says that the other side has closed the connection, where that had something unread by a
// reset: a node that only wants to know who is there does so.
func hungUp(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &op) && !op.Timeout()
}

// handOver gives a gossip connection to whoever takes them.
func (h *Host) handOver(tc *tls.Conn) error {
	if _, err := tc.Write([]byte{welcome}); err != nil {
		return err
	}
	if err := tc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	t := time.NewTimer(h.cfg.tune.handshake)
	defer t.Stop()
	select {
	case h.gossip <- tc:
		return nil
	case <-t.C:
		return errors.New("peer: nobody takes gossip connections")
	case <-h.ctx.Done():
		return ErrClosed
	}
}

// linger lets the other side read the alert: closing a socket that holds unread
// data resets it, which can overtake what was written.
func linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(conn, lingerBytes))
}

func (h *Host) currentTrust() *trust {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trust
}
