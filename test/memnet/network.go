package memnet

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// What a new Network begins with, see SetLatency.
	defaultLatency = time.Millisecond
	defaultJitter  = 200 * time.Microsecond
)

// Network joins hosts. All methods are safe for concurrent use, none blocks, and
// what they did has happened when they return.
type Network struct {
	start           time.Time
	latency, jitter atomic.Int64
	done            chan struct{}

	// mu guards what follows and the ports and listeners of all hosts. A
	// connection's lock may be taken under it, never the other way round.
	mu     sync.Mutex
	closed bool
	dice   *rand.Rand
	loss   float64
	hosts  map[netip.Addr]*Host
	pairs  map[*pair]struct{} // connections that are not closed at both ends
	mute   map[way]bool
	cut    map[way]int // see CutAfter
}

// way is a direction between two hosts.
type way struct{ from, to netip.Addr }

// New makes a network on which everything takes between 1 and 1.2 ms and no
// packet is lost.
func New(seed uint64) *Network {
	n := &Network{
		start: time.Now(),
		done:  make(chan struct{}),
		dice:  rand.New(rand.NewPCG(seed, 0)),
		hosts: make(map[netip.Addr]*Host),
		pairs: make(map[*pair]struct{}),
		mute:  make(map[way]bool),
		cut:   make(map[way]int),
	}
	n.SetLatency(defaultLatency, defaultJitter)
	return n
}

// SetLatency sets how long what is sent from now on takes one way: base, and up
// to jitter more, each time another part of it. Packets may overtake each other
// then; what a connection carries keeps its order.
func (n *Network) SetLatency(base, jitter time.Duration) {
	n.latency.Store(int64(base))
	n.jitter.Store(int64(jitter))
}

// SetLoss sets the probability with which a packet is lost, 0 to 1. Connections
// lose nothing.
func (n *Network) SetLoss(probability float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = probability
}

// Host makes the host at ip, which must be the text of an IP address. If there
// was one it is a thing of the past: it dies as by Kill, and connections to one
// that had vanished are reset as soon as something is sent on them.
func (n *Network) Host(ip string) *Host {
	addr := parseIP(ip)
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &Host{net: n, ip: addr, listeners: make(map[int]*listener), packets: make(map[int]*packets)}
	old := n.hosts[addr]
	n.hosts[addr] = h
	if n.closed {
		h.state = dead
	}
	if old == nil {
		return h
	}
	switch old.state {
	case alive:
		n.kill(old)
	case vanished:
		old.state = replaced
		for p := range n.pairs {
			p.lock(func(now time.Duration) {
				for _, c := range p.ends() {
					if c.host == old {
						c.in.leave(now)
					}
				}
				n.direct(p, now)
			})
		}
	}
	return h
}

// Open is how many connections are not closed at both ends.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pairs)
}

// Close ends everything: all hosts die, and whoever waits is told.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.closed = true
	close(n.done)
	for _, h := range n.hosts {
		n.kill(h)
	}
	for p := range n.pairs { // those of hosts that were replaced are left
		p.lock(p.cut)
		delete(n.pairs, p)
	}
}

// now is the time since the network was made, which is how it counts.
func (n *Network) now() time.Duration { return time.Since(n.start) }

// at is t as now counts; the zero time is never.
func (n *Network) at(t time.Time) time.Duration {
	if t.IsZero() {
		return never
	}
	return t.Sub(n.start)
}

// delay is how long something takes one way.
func (n *Network) delay(random func() uint64) time.Duration {
	d := n.latency.Load()
	if j := n.jitter.Load(); j > 0 {
		d += int64(random() % uint64(j))
	}
	return time.Duration(d)
}

func (n *Network) forget(p *pair) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pairs, p)
}

func parseIP(ip string) netip.Addr { return netip.MustParseAddr(ip).Unmap() }
