package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// memNet is a network in memory, for bubbles of virtual time.
type memNet struct {
	mu    sync.Mutex
	hosts map[string]*memHost
	side  map[string]int // of a partition; hosts on different sides hear nothing of each other
	deaf  map[string]bool
	apart map[[2]string]bool // from, to: nothing gets through
	deny  bool               // what does not get through is refused, as some firewalls do
	lossy bool               // no packet arrives, only streams do
	loss  float64            // of packets
	dials map[string]int     // to each address
	tape  *[]taped           // of all packets; nil: none
}

// taped is a packet that somebody has written down.
type taped struct {
	memPacket
	to string
}

// play sends packets once more.
func (n *memNet) play(tape []taped) {
	for _, p := range tape {
		n.mu.Lock()
		h := n.hosts[p.to]
		n.mu.Unlock()
		if h == nil {
			continue
		}
		select {
		case h.pc.in <- p.memPacket:
		default:
		}
	}
}

func newMemNet() *memNet {
	return &memNet{hosts: make(map[string]*memHost), side: make(map[string]int), deaf: make(map[string]bool), apart: make(map[[2]string]bool), dials: make(map[string]int)}
}

type memHost struct {
	net   *memNet
	id    ID
	addr  string
	conns chan net.Conn
	pc    *memPackets
}

// host makes a host; one that was at addr before is gone then, and its silence too.
func (n *memNet) host(addr string, id ID) *memHost {
	h := &memHost{net: n, id: id, addr: addr, conns: make(chan net.Conn, 256)}
	h.pc = &memPackets{host: h, in: make(chan memPacket, 4096), expired: make(chan struct{})}
	n.mu.Lock()
	n.hosts[addr] = h
	delete(n.deaf, addr)
	n.mu.Unlock()
	return h
}

// split puts addrs on a side of their own; heal brings all together.
func (n *memNet) split(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range addrs {
		n.side[a] = 1
	}
}

func (n *memNet) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.side)
	clear(n.apart)
}

// cut lets nothing through from one host to another.
func (n *memNet) cut(from, to byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apart[[2]string{at(from), at(to)}] = true
}

// change changes how the network is.
func (n *memNet) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// loses tells whether the next packet is lost.
func (n *memNet) loses() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lossy || rand.Float64() < n.loss
}

// silence makes a host hear nothing any more.
func (n *memNet) silence(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf[addr] = true
}

// unplug removes a host from the network.
func (n *memNet) unplug(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.hosts, addr)
}

// reach returns the host at addr; silent: nobody says that there is none.
func (n *memNet) reach(from, to string) (h *memHost, silent bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.side[from] != n.side[to] || n.deaf[to] || n.apart[[2]string{from, to}] {
		return nil, !n.deny
	}
	return n.hosts[to], false
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

func (h *memHost) DialGossip(ctx context.Context, addr string) (net.Conn, ID, error) {
	h.net.change(func() { h.net.dials[addr]++ })
	to, silent := h.net.reach(h.addr, addr)
	if silent {
		<-ctx.Done()
		return nil, ID{}, ctx.Err()
	}
	if to == nil {
		return nil, ID{}, errRefused
	}
	a, b := net.Pipe()
	select {
	case to.conns <- b:
		return a, to.id, nil
	case <-ctx.Done():
		return nil, ID{}, ctx.Err()
	}
}

func (h *memHost) GossipConns() <-chan net.Conn { return h.conns }
func (h *memHost) Packets() net.PacketConn      { return h.pc }

func (h *memHost) Probe(ctx context.Context, addr string, want ID) error {
	to, silent := h.net.reach(h.addr, addr)
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	if to == nil {
		return errRefused
	}
	if to.id != want {
		return fmt.Errorf("%v answers", to.id)
	}
	return nil
}

type memPacket struct {
	b    []byte
	from string
}

type memPackets struct {
	host *memHost
	in   chan memPacket

	mu      sync.Mutex
	expired chan struct{}
}

func (p *memPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	expired := p.expired
	p.mu.Unlock()
	select {
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	case m := <-p.in:
		a, err := net.ResolveUDPAddr("udp", m.from)
		return copy(b, m.b), a, err
	}
}

func (p *memPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	h, _ := p.host.net.reach(p.host.addr, to.String())
	if h == nil || p.host.net.loses() {
		return len(b), nil
	}
	packet := memPacket{append([]byte(nil), b...), p.host.addr}
	p.host.net.change(func() {
		if tape := p.host.net.tape; tape != nil {
			*tape = append(*tape, taped{packet, to.String()})
		}
	})
	select {
	case h.pc.in <- packet:
	default:
	}
	return len(b), nil
}

func (p *memPackets) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.expired:
		p.expired = make(chan struct{})
	default:
	}
	if !t.IsZero() {
		close(p.expired)
	}
	return nil
}

func (p *memPackets) Close() error                     { return nil }
func (p *memPackets) LocalAddr() net.Addr              { return nil }
func (p *memPackets) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *memPackets) SetWriteDeadline(time.Time) error { return nil }

var testKeys = [][]byte{[]byte("0123456789abcdef0123456789abcdef")}

func id(n byte) ID { return ID{0: n, 31: 1} }

func at(n byte) string { return fmt.Sprintf("10.0.0.%d:7000", n) }

// node starts number n of the network.
func (n *memNet) node(t *testing.T, num byte, seeds ...string) *Mesh {
	t.Helper()
	return n.nodeAs(t, id(num), at(num), seeds...)
}

func (n *memNet) nodeAs(t *testing.T, id ID, addr string, seeds ...string) *Mesh {
	t.Helper()
	m, err := New(Config{
		ID: id, Name: "n" + id.String()[:2], Addr: addr, Seeds: seeds, Keys: testKeys,
		Network: n.host(addr, id), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// join joins, and fails the test if that fails.
func join(t *testing.T, m *Mesh) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := m.Join(ctx); err != nil {
		t.Fatal(err)
	}
}

// until waits for something that Changed tells.
func until(t *testing.T, m *Mesh, within time.Duration, what string, ok func() bool) {
	t.Helper()
	limit := time.After(within)
	for {
		changed := m.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%s: not within %v; members %v; ends %d", what, within, m.Members(), len(m.Ends()))
		}
	}
}

// size waits until all of them know n members.
func size(t *testing.T, within time.Duration, n int, all ...*Mesh) {
	t.Helper()
	for _, m := range all {
		until(t, m, within, fmt.Sprintf("%d members", n), func() bool { return len(m.Members()) == n })
	}
}

func end(n byte, name string) End {
	return End{ID: [16]byte{n, 1}, Name: name, Receive: n%2 == 0, Type: [16]byte{n}, TypeText: "int"}
}

// has waits until all of them see n ends of that name.
func has(t *testing.T, within time.Duration, name string, n int, all ...*Mesh) {
	t.Helper()
	for _, m := range all {
		until(t, m, within, fmt.Sprintf("%d ends of %q", n, name), func() bool { return len(m.Lookup(name)) == n })
	}
}
