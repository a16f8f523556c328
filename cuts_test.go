package netchan

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matveynator/netchan/test/faultproxy"
)

var cutFor = flag.Duration("netchan.cuts", time.Second, "for how long values flow over connections that are cut every 200 ms, and as long without cuts")

// cutNetwork is this machine's network, with a proxy before every listener.
type cutNetwork struct {
	mu      sync.Mutex
	proxies map[string]*faultproxy.Proxy
}

func (c *cutNetwork) Listen(addr string) (net.Listener, net.PacketConn, error) {
	for {
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		if udp, err := net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp, nil
		}
		_ = tcp.Close()
	}
}

func (c *cutNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	c.mu.Lock()
	p := c.proxies[addr]
	if p == nil {
		var err error
		if p, err = faultproxy.Listen(addr); err != nil {
			c.mu.Unlock()
			return nil, err
		}
		c.proxies[addr] = p
	}
	c.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, "tcp", p.Addr())
}

// each calls f for every proxy there is.
func (c *cutNetwork) each(f func(*faultproxy.Proxy)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.proxies {
		f(p)
	}
}

// cutNodes are two nodes that reach each other through proxies.
func cutNodes(t *testing.T) (a, b *Node, c *cutNetwork) {
	t.Helper()
	c = &cutNetwork{proxies: make(map[string]*faultproxy.Proxy)}
	t.Cleanup(func() { c.each((*faultproxy.Proxy).Close) })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cfg := Config{Key: GenerateKey(), Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), network: c}
	var nodes [2]*Node
	for i, name := range []string{"a", "b"} {
		cfg.Name = name
		n, err := Join(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		cfg.Seeds = []string{n.Addr()}
		nodes[i] = n
	}
	return nodes[0], nodes[1], c
}

// flow is one channel from a to b on which numbered values of given sizes go, as
// fast as they can; came counts those that came.
func flow(a, b *Node, name string, buffer int, sizes []int, stop <-chan struct{}, came *atomic.Int64) (received int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := NewSender[[]byte](a, name, Buffer(buffer))
	if err != nil {
		return 0, err
	}
	r, err := NewReceiver[[]byte](b, name, Buffer(buffer))
	if err != nil {
		return 0, err
	}
	if err := s.WaitReceivers(ctx, 1); err != nil {
		return 0, err
	}
	sent := make(chan int, 1)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case s.C <- numbered(n, sizes):
				continue
			case <-stop:
			}
			break
		}
		close(s.C)
		sent <- n
	}()
	for v := range r.C {
		if want := numbered(received, sizes); !bytes.Equal(v, want) {
			return received, fmt.Errorf("%s: value %d of %d bytes came, want number %d of %d bytes", name, numberOf(v), len(v), received, len(want))
		}
		received++
		came.Add(1)
	}
	if n := <-sent; n != received || r.Err() != nil {
		return received, fmt.Errorf("%s: %d sent, %d received, %w", name, n, received, r.Err())
	}
	if st := s.Stats(); st.Redelivered != 0 || st.Dropped != 0 {
		return received, fmt.Errorf("%s: %+v", name, st)
	}
	return received, nil
}

// noise is what does not compress.
var noise = func() []byte {
	b := make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func numbered(n int, sizes []int) []byte {
	v := make([]byte, sizes[n%len(sizes)])
	copy(v, noise[n*7919%(1<<20):])
	binary.BigEndian.PutUint32(v, uint32(n))
	return v
}

func numberOf(v []byte) int { return int(binary.BigEndian.Uint32(v)) }

// The other things that can happen to a connection: values flow while each of them
// does, and arrive all the same.
func TestPromise2Faults(t *testing.T) {
	all := func(c *cutNetwork, f func(*faultproxy.Proxy)) func() { return func() { c.each(f) } }
	for name, run := range map[string]func(t *testing.T, a *Node, c *cutNetwork, more func(n int)){
		"in slices of one byte": func(t *testing.T, _ *Node, c *cutNetwork, more func(int)) {
			all(c, func(p *faultproxy.Proxy) { p.Slice(1) })()
			more(300)
		},
		"slow": func(t *testing.T, _ *Node, c *cutNetwork, more func(int)) {
			all(c, func(p *faultproxy.Proxy) { p.Rate(300 << 10) })()
			more(1000)
		},
		"late": func(t *testing.T, _ *Node, c *cutNetwork, more func(int)) {
			all(c, func(p *faultproxy.Proxy) { p.Delay(20 * time.Millisecond); p.Cut() })()
			more(1000)
		},
		"ended politely": func(t *testing.T, a *Node, c *cutNetwork, more func(int)) {
			for range 5 {
				more(1000)
				all(c, (*faultproxy.Proxy).HangUp)()
			}
			more(1000)
		},
		"half open": func(t *testing.T, a *Node, c *cutNetwork, more func(int)) {
			all(c, func(p *faultproxy.Proxy) { p.Stall(true, false) })()
			await(t, "the link to break", func() bool { return isBroken(a) })
			all(c, func(p *faultproxy.Proxy) { p.Stall(false, false) })()
			more(1000)
		},
		"dead, and nobody says so": func(t *testing.T, a *Node, c *cutNetwork, more func(int)) {
			all(c, func(p *faultproxy.Proxy) { p.Stall(true, true) })()
			await(t, "the link to break", func() bool { return isBroken(a) })
			all(c, func(p *faultproxy.Proxy) { p.Stall(false, false) })()
			more(1000)
		},
		"refused for a while": func(t *testing.T, a *Node, c *cutNetwork, more func(int)) {
			all(c, func(p *faultproxy.Proxy) { p.Refuse(true); p.Cut() })()
			await(t, "the link to break", func() bool { return isBroken(a) })
			all(c, func(p *faultproxy.Proxy) { p.Refuse(false) })()
			more(1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, network := cutNodes(t)
			stop, done := make(chan struct{}), make(chan error, 1)
			var came atomic.Int64
			go func() {
				_, err := flow(a, b, "values", 16, []int{8, 100, 17, 3000}, stop, &came)
				done <- err
			}()
			more := func(n int) {
				want := came.Load() + int64(n)
				await(t, "more values", func() bool { return came.Load() >= want })
			}
			more(100)
			run(t, a, network, more)
			close(stop)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A node can leave while another one can't be reached: it does not wait until that
// one is given up.
func TestShutdownWithABrokenLink(t *testing.T) {
	a, b, network := cutNodes(t)
	s, err := NewSender[int](a, "jobs")
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver[int](b, "jobs")
	if err != nil {
		t.Fatal(err)
	}
	go func() { s.C <- 1 }()
	<-r.C
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	network.each(func(p *faultproxy.Proxy) { p.Refuse(true); p.Cut() })
	await(t, "the link to break", func() bool { return isBroken(a) })
	start := time.Now()
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func isBroken(n *Node) bool {
	links := n.Stats().Links
	return len(links) == 1 && links[0].Broken
}

// await waits for what no event tells.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("waiting for %s in vain", what)
		}
	}
}

// Values flow as fast as they can while every connection is reset every 200 ms,
// and nothing is lost, doubled or reordered, and no error is seen. How many come
// is compared with what comes without cuts.
func TestPromise2ConnectionsAreCut(t *testing.T) {
	for _, c := range []struct {
		name     string
		channels int
		buffer   int
		sizes    []int
	}{
		{"one channel", 1, 1024, []int{8}},
		{"64 channels of mixed sizes", 64, 64, []int{8, 100, 17, 3000, 64 << 10, 40, 9000, 8}},
		{"values of 1 MiB", 1, 4, []int{1 << 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var counts [2]atomic.Int64
			var cuts uint64
			for i, cut := range []bool{false, true} {
				a, b, network := cutNodes(t)
				stop := make(chan struct{})
				results := make(chan error, c.channels)
				for ch := range c.channels {
					go func() {
						_, err := flow(a, b, fmt.Sprint(ch), c.buffer, c.sizes, stop, &counts[i])
						results <- err
					}()
				}
				if cut {
					network.each(func(p *faultproxy.Proxy) { t.Cleanup(p.CutEvery(200 * time.Millisecond)) })
				}
				time.AfterFunc(*cutFor, func() { close(stop) })
				for range c.channels {
					if err := <-results; err != nil {
						t.Error(err)
					}
				}
				for _, l := range a.Stats().Links {
					if cut {
						cuts = l.Breaks
					}
				}
			}
			t.Logf("%d values without cuts, %d with %d cuts: %.2f", counts[0].Load(), counts[1].Load(), cuts, float64(counts[1].Load())/float64(counts[0].Load()))
			if cuts == 0 {
				t.Error("nothing was cut")
			}
		})
	}
}
