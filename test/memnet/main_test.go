package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice = "10.0.0.1"
	bob   = "10.0.0.2"
	carol = "10.0.0.3"

	oneWay = time.Millisecond // of worlds
	soon   = 10 * time.Millisecond
)

// world is a network without jitter in a bubble: alice and bob, who listens.
type world struct {
	*testing.T
	*Network
	alice, bob *Host
	listener   net.Listener
	alices     net.PacketConn
	bobs       net.PacketConn
}

func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, Network: New(1)}
		w.SetLatency(oneWay, 0)
		w.alice, w.bob = w.Host(alice), w.Host(bob)
		w.listener, w.bobs = w.listen(w.bob, ":7000")
		_, w.alices = w.listen(w.alice, ":7000")
		f(w)
		w.Close()
		if n := w.Open(); n != 0 {
			t.Errorf("%d connections after Close", n)
		}
	})
}

func (w *world) listen(h *Host, addr string) (net.Listener, net.PacketConn) {
	w.Helper()
	l, s, err := h.Listen(addr)
	if err != nil {
		w.Fatal(err)
	}
	return l, s
}

// connect is a connection from alice to bob.
func (w *world) connect() (a, b net.Conn) {
	w.Helper()
	a, err := w.alice.Dial(w.Context(), bob+":7000")
	if err != nil {
		w.Fatal(err)
	}
	if b, err = w.listener.Accept(); err != nil {
		w.Fatal(err)
	}
	return a, b
}

func (w *world) write(c net.Conn, s string) {
	w.Helper()
	if n, err := io.WriteString(c, s); n != len(s) || err != nil {
		w.Fatalf("wrote %d bytes, %v", n, err)
	}
}

// read expects these bytes next, and soon.
func (w *world) read(c net.Conn, want string) {
	w.Helper()
	c.SetReadDeadline(time.Now().Add(soon))
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); string(b) != want {
		w.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
	c.SetReadDeadline(time.Time{})
}

// reads expects Read to fail with that error, soon.
func (w *world) reads(c net.Conn, want error) {
	w.Helper()
	c.SetReadDeadline(time.Now().Add(soon))
	if n, err := c.Read(make([]byte, 100)); n != 0 || !errors.Is(err, want) {
		w.Fatalf("read %d bytes, %v; want %v", n, err, want)
	}
	if !errors.Is(want, net.ErrClosed) {
		c.SetReadDeadline(time.Time{})
	}
}

func (w *world) writes(c net.Conn, want error) {
	w.Helper()
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, want) {
		w.Fatalf("wrote %d bytes, %v; want %v", n, err, want)
	}
}

// took expects f to take that long.
func (w *world) took(want time.Duration, f func()) {
	w.Helper()
	start := time.Now()
	f()
	if d := time.Since(start); d != want {
		w.Errorf("took %v, want %v", d, want)
	}
}

// dials expects a dial to fail with that error after that long.
func (w *world) dials(ctx context.Context, h *Host, addr string, want error, after time.Duration) {
	w.Helper()
	w.took(after, func() {
		if c, err := h.Dial(ctx, addr); c != nil || !errors.Is(err, want) {
			w.Errorf("dial of %s: %v, want %v", addr, err, want)
		}
	})
}

func pass(d time.Duration) { time.Sleep(d) }
