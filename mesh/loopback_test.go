package mesh

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// loopback is a network over sockets of this machine: each connection begins
// with the ID of who answers.
type loopback struct {
	id    ID
	tcp   net.Listener
	udp   net.PacketConn
	conns chan net.Conn
	done  chan struct{}
}

func newLoopback(t *testing.T, id ID, host string) *loopback {
	t.Helper()
	l := &loopback{id: id, conns: make(chan net.Conn), done: make(chan struct{})}
	var err error
	for range 10 { // the port may be taken for packets
		if l.tcp, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			t.Skipf("no listener on %s: %v", host, err)
		}
		if l.udp, err = net.ListenPacket("udp", l.tcp.Addr().String()); err == nil {
			break
		}
		_ = l.tcp.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	go l.accept()
	t.Cleanup(l.close)
	return l
}

func (l *loopback) close() { _ = l.tcp.Close(); _ = l.udp.Close(); <-l.done }

func (l *loopback) accept() {
	defer close(l.done)
	for {
		c, err := l.tcp.Accept()
		if err != nil {
			return
		}
		if _, err := c.Write(l.id[:]); err != nil {
			_ = c.Close()
			continue
		}
		select {
		case l.conns <- c:
		case <-time.After(5 * time.Second):
			_ = c.Close()
		}
	}
}

func (l *loopback) addr() string { return l.tcp.Addr().String() }

func (l *loopback) DialGossip(ctx context.Context, addr string) (net.Conn, ID, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, ID{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var id ID
	if _, err := io.ReadFull(c, id[:]); err != nil {
		_ = c.Close()
		return nil, ID{}, err
	}
	return c, id, nil
}

func (l *loopback) GossipConns() <-chan net.Conn { return l.conns }
func (l *loopback) Packets() net.PacketConn      { return l.udp }

func (l *loopback) Probe(ctx context.Context, addr string, want ID) error {
	c, id, err := l.DialGossip(ctx, addr)
	if err != nil {
		return err
	}
	_ = c.Close()
	if id != want {
		return fmt.Errorf("%v answers", id)
	}
	return nil
}

func TestLoopback(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			var all []*Mesh
			seed := ""
			for i := byte(1); i <= 4; i++ {
				l := newLoopback(t, id(i), host)
				c := Config{ID: id(i), Addr: l.addr(), Keys: testKeys, Network: l, Logger: slog.New(slog.DiscardHandler)}
				if seed != "" {
					c.Seeds = []string{seed}
				}
				seed = l.addr()
				m, err := New(c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = m.Close() })
				m.Publish([]End{end(i, "jobs")})
				join(t, m)
				all = append(all, m)
			}
			has(t, 10*time.Second, "jobs", 4, all...)
			size(t, 10*time.Second, 4, all...)
			if _, err := netip.ParseAddrPort(all[0].Members()[2].Addr); err != nil {
				t.Error(err)
			}
			if err := all[3].Leave(t.Context()); err != nil {
				t.Error(err)
			}
			_ = all[3].Close()
			has(t, 10*time.Second, "jobs", 3, all[:3]...)
			for _, m := range all[:3] {
				_ = m.Close()
			}
			for limit := time.Now().Add(5 * time.Second); len(stacks()) > 0; {
				if time.Now().After(limit) {
					t.Fatalf("left after Close: %v", stacks())
				}
				runtime.Gosched()
			}
		})
	}
}

// What real sockets say of dead processes: who refuses is gone, and so is whose
// address somebody else has.
func TestLoopbackDeaths(t *testing.T) {
	const nodes = 5
	var all []*Mesh
	var nets []*loopback
	for i := byte(1); i <= nodes; i++ {
		l := newLoopback(t, id(i), "127.0.0.1")
		c := Config{ID: id(i), Addr: l.addr(), Keys: testKeys, Network: l, Logger: slog.New(slog.DiscardHandler)}
		if i > 1 {
			c.Seeds = []string{nets[0].addr()}
		}
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		join(t, m)
		all, nets = append(all, m), append(nets, l)
	}
	size(t, 30*time.Second, nodes, all...)
	for i, m := range all[1:] {
		_ = m.Close()
		nets[1+i].close()
	}
	begin := time.Now()
	all[0].Doubt(id(2))
	size(t, 30*time.Second, 1, all[0])
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("%d deaths known after %v", nodes-1, d)
	}
	for i := byte(2); i <= nodes; i++ {
		if !all[0].Dead(id(i)) {
			t.Errorf("%v is not dead", id(i))
		}
	}
}
