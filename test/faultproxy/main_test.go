package faultproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for: only one that fails comes near it.
const patience = 30 * time.Second

// silence is how long nothing may come where nothing should. A proxy that is
// broken needs a fraction of it.
const silence = 20 * time.Millisecond

// place is a listener behind a proxy.
type place struct {
	*Proxy
	listener net.Listener
}

func start(t testing.TB) place {
	t.Helper()
	l := listen(t)
	p, err := Listen(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return place{p, l}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	return l
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dialReset is who dials to be reset at once: a fast reset ends the dial.
func (p place) dialReset(t testing.TB) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil {
		hearReset(t, keep(t, conn, nil))
	}
}

// connect gives both sides of a connection that is live.
func (p place) connect(t testing.TB) (dialer, target *net.TCPConn) {
	t.Helper()
	n := p.Connections()
	conn, err := net.Dial("tcp", p.Addr())
	dialer = keep(t, conn, err)
	conn, err = p.listener.Accept()
	target = keep(t, conn, err)
	if err := p.WaitConnections(testContext(t), n+1); err != nil {
		t.Fatal(err)
	}
	return dialer, target
}

func keep(t testing.TB, conn net.Conn, err error) *net.TCPConn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

func say(t testing.TB, conn net.Conn, what string) {
	t.Helper()
	if _, err := conn.Write([]byte(what)); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("heard %q, %v; want %q", got[:n], err, want)
	}
}

// hearReset is what comes, up to a reset.
func hearReset(t testing.TB, conn net.Conn) []byte {
	t.Helper()
	got, err := io.ReadAll(conn)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after %d bytes: %v; want a reset", len(got), err)
	}
	return got
}

func hearEOF(t testing.TB, conn net.Conn, want string) {
	t.Helper()
	if got, err := io.ReadAll(conn); err != nil || string(got) != want {
		t.Fatalf("heard %q, %v; want %q and the end", got, err, want)
	}
}

// hearNothing is for a side to which nothing may come, not even an end.
func hearNothing(t testing.TB, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(silence))
	defer conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %d bytes, %v; want silence", n, err)
	}
}

// random is n bytes in which no two places look alike.
func random(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func same(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes arrived, or other ones than the %d that were said", len(got), len(want))
	}
}
