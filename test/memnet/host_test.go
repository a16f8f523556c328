package memnet

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestListen(t *testing.T) {
	bubble(t, func(w *world) {
		l, s := w.listen(w.bob, "0.0.0.0:0")
		other, _ := w.listen(w.bob, ":0")
		port := l.Addr().(*net.TCPAddr).Port
		if port == 0 || s.LocalAddr().(*net.UDPAddr).Port != port || l.Addr().(*net.TCPAddr).IP.String() != bob {
			t.Errorf("%v and %v", l.Addr(), s.LocalAddr())
		}
		if other.Addr().(*net.TCPAddr).Port == port {
			t.Errorf("two listeners on port %d", port)
		}
	})
}

func TestListenRefuses(t *testing.T) {
	bubble(t, func(w *world) {
		for addr, want := range map[string]error{
			":7000":         syscall.EADDRINUSE,
			bob + ":7000":   syscall.EADDRINUSE,
			alice + ":7001": syscall.EADDRNOTAVAIL,
		} {
			if _, _, err := w.bob.Listen(addr); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", addr, err, want)
			}
		}
		for _, addr := range []string{"", "7000", "bob:7000", ":http", ":70000", ":-1"} {
			if _, _, err := w.bob.Listen(addr); err == nil {
				t.Errorf("%q: no error", addr)
			}
			if _, err := w.bob.Dial(w.Context(), addr); err == nil {
				t.Errorf("dial of %q: no error", addr)
			}
		}
		// The port is free when both are closed.
		w.listener.Close()
		if _, _, err := w.bob.Listen(":7000"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error(err)
		}
		w.bobs.Close()
		w.listen(w.bob, bob+":7000")
		if err := w.listener.Close(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		w.connectTo(w.bob, bob+":7000") // to itself
	})
}

func (w *world) connectTo(h *Host, addr string) net.Conn {
	w.Helper()
	c, err := h.Dial(w.Context(), addr)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func TestDialRefused(t *testing.T) {
	bubble(t, func(w *world) {
		w.dials(w.Context(), w.alice, bob+":7001", syscall.ECONNREFUSED, 2*oneWay)
		w.dials(w.Context(), w.alice, carol+":7000", syscall.ECONNREFUSED, 2*oneWay)
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		w.dials(ctx, w.alice, bob+":7000", context.Canceled, 0)
		c := w.connectTo(w.alice, bob+":7000")
		ended := make(chan error)
		w.listener.Close() // nobody has accepted it
		w.reads(c, syscall.ECONNRESET)
		w.dials(w.Context(), w.alice, bob+":7000", syscall.ECONNREFUSED, 2*oneWay)
		l, _ := w.listen(w.bob, ":7001")
		go func() { _, err := l.Accept(); ended <- err }()
		synctest.Wait()
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		c.Close()
		if n := w.Open(); n != 0 {
			t.Errorf("%d connections open", n)
		}
	})
}

// More than the backlog have to wait for Accept.
func TestBacklog(t *testing.T) {
	bubble(t, func(w *world) {
		for range backlog {
			w.connectTo(w.alice, bob+":7000")
		}
		go func() { pass(time.Second / 2); w.listener.Accept() }()
		w.took(time.Second+4*oneWay, func() { w.connectTo(w.alice, bob+":7000") })
	})
}

func TestClosedNetwork(t *testing.T) {
	bubble(t, func(w *world) {
		w.connect()
		w.Close()
		w.Close()
		for _, h := range []*Host{w.alice, w.Host(bob)} {
			if _, _, err := h.Listen(":0"); !errors.Is(err, syscall.ENETDOWN) {
				t.Error(err)
			}
			w.dials(w.Context(), h, bob+":7000", syscall.ENETDOWN, 0)
		}
	})
}
