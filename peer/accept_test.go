package peer

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

// crowded is a network whose listener can't accept for want of file descriptors.
type crowded struct {
	Network
	full  atomic.Bool
	tries atomic.Int64
}

func (c *crowded) Listen(addr string) (net.Listener, net.PacketConn, error) {
	l, p, err := c.Network.Listen(addr)
	return &crowdedListener{Listener: l, c: c}, p, err
}

type crowdedListener struct {
	net.Listener
	c    *crowded
	mu   sync.Mutex
	held net.Conn // the kernel's, until there is a descriptor for it
}

func (l *crowdedListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.c.tries.Add(1)
	if l.held == nil {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.held = conn
	}
	if l.c.full.Load() {
		return nil, fmt.Errorf("accept: %w", syscall.EMFILE)
	}
	conn := l.held
	l.held = nil
	return conn, nil
}

// A process without file descriptors neither spins nor gives up: what came meanwhile is let in
// as soon as there are some.
func TestNoDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(1)
		key, links := GenerateKey(), make(chan *Link, 1)
		c := &crowded{Network: n.Host(hereIP)}
		c.full.Store(true)
		h := testHost(t, key, func(cfg *Config) { cfg.Listen, cfg.Network = hereIP+":1", c }, collect(links))
		other := testHost(t, key, func(cfg *Config) { cfg.Listen, cfg.Network = thereIP+":1", n.Host(thereIP) })
		const outage = 4 * time.Second
		go func() {
			<-time.After(outage)
			c.full.Store(false)
		}()
		begin := time.Now()
		l, err := other.Link(t.Context(), h.Addr(), h.ID())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < outage || took > outage+time.Second {
			t.Errorf("let in after %v", took)
		}
		if n := c.tries.Load(); n > int64(outage/acceptPause)+10 {
			t.Errorf("tried %d times in %v", n, outage)
		}
		drain(t, l)
		drain(t, receive(t, links))
		_ = h.Close()
		_ = other.Close()
		n.Close()
		synctest.Wait()
	})
}
