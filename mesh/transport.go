package mesh

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	maxPacket  = 64 << 10              // what one read of the packet socket can bring
	packetRest = 10 * time.Millisecond // after a failed read
)

// transport is what memberlist sends and receives with.
type transport struct {
	ctx     context.Context // ends with the mesh
	network Network
	packet  net.PacketConn
	addr    string
	sealer  sealer
	packets chan *memberlist.Packet
	streams chan net.Conn
	started bool           // there is a memberlist that takes packets
	wg      sync.WaitGroup // the reader
	conns   sync.WaitGroup // connections that memberlist has not closed

	mu     sync.Mutex
	closed bool
	open   map[*stream]struct{}
	came   int                 // of these, not dialled here
	held   int                 // bytes that were read of these
	lent   map[string]net.Conn // by memberlist's name of who is at its other end
	pings  pingRing
}

func newTransport(ctx context.Context, cfg Config, ring *memberlist.Keyring) *transport {
	return &transport{
		ctx: ctx, network: cfg.Network, packet: cfg.Network.Packets(), addr: cfg.Addr,
		sealer:  sealer{ring},
		packets: make(chan *memberlist.Packet),
		streams: make(chan net.Conn),
		open:    make(map[*stream]struct{}),
		lent:    make(map[string]net.Conn),
	}
}

// start begins to read packets.
func (t *transport) start() {
	t.started = true
	_ = t.packet.SetReadDeadline(time.Time{})
	t.wg.Go(t.readPackets)
}

// FinalAdvertiseAddr returns the address that the configuration names.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	a, err := netip.ParseAddrPort(t.addr)
	if err != nil {
		return nil, 0, err
	}
	return net.IP(a.Addr().AsSlice()), int(a.Port()), nil
}

// WriteTo sends a packet.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress sends a packet.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	if seq, ok := t.sealer.pingNumber(b); ok {
		t.mu.Lock()
		t.pings.add(seq, now)
		t.mu.Unlock()
	}
	if t.isClosed() { // looked at after the ping was noted, see Shutdown
		return time.Time{}, ErrClosed
	}
	if _, err := t.packet.WriteTo(b, net.UDPAddrFromAddrPort(to)); err != nil {
		if op, ok := err.(*net.OpError); ok {
			return time.Time{}, op // memberlist knows this one type, unwrapped
		}
		// Any other error would make memberlist skip the node instead of
		// suspecting it; a packet that is lost is what it can cope with.
		if t.isClosed() {
			return time.Time{}, ErrClosed
		}
	}
	return now, nil
}

func (t *transport) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// PacketCh delivers the packets that came.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh delivers the connections that came.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// readPackets hands packets to memberlist until the transport is shut down.
func (t *transport) readPackets() {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := t.packet.ReadFrom(buf)
		if t.ctx.Err() != nil {
			return
		}
		if err != nil {
			// An error that lasts must not make us spin.
			select {
			case <-t.ctx.Done():
				return
			case <-time.After(packetRest):
			}
			continue
		}
		now := time.Now()
		if !t.sealer.fit(buf[:n]) {
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: now}
		select {
		case t.packets <- p:
		case <-t.ctx.Done():
			return
		}
	}
}

// DialTimeout connects to whoever answers at addr.
func (t *transport) DialTimeout(addr string, d time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, d)
}

// DialAddressTimeout connects to the named node and no other.
func (t *transport) DialAddressTimeout(a memberlist.Address, d time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, d)
	defer cancel()
	if conn := t.borrow(a.Name); conn != nil {
		if s := t.track(conn, nil, false); s != nil {
			return s, nil
		}
		return nil, ErrClosed // who lent it closes it
	}
	conn, id, err := t.network.DialGossip(ctx, a.Addr)
	if err != nil {
		return nil, err
	}
	if a.Name != "" && a.Name != id.String() {
		_ = conn.Close()
		return nil, fmt.Errorf("mesh: %v answers at %s, not %s", id, a.Addr, a.Name)
	}
	s := t.track(conn, nil, false)
	if s == nil {
		_ = conn.Close()
		return nil, ErrClosed
	}
	return s, nil
}

// lend has the next dial of the named node use a connection to it that is there.
func (t *transport) lend(name string, conn net.Conn) {
	t.mu.Lock()
	t.lent[name] = conn
	t.mu.Unlock()
}

func (t *transport) borrow(name string) net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn := t.lent[name]
	delete(t.lent, name)
	return conn
}

// takeBack ends what lend did, if nobody has dialled.
func (t *transport) takeBack(name string, conn net.Conn) {
	t.mu.Lock()
	if t.lent[name] == conn {
		delete(t.lent, name)
	}
	t.mu.Unlock()
}

// deliver gives memberlist a connection that came; head is what was read of it.
func (t *transport) deliver(conn net.Conn, head []byte) {
	s := t.track(conn, head, true)
	if s == nil {
		_ = conn.Close()
		return
	}
	select {
	case t.streams <- s:
	case <-t.ctx.Done():
		_ = s.Close()
	}
}

// track is nil when there are too many, or the transport is closed.
func (t *transport) track(conn net.Conn, head []byte, came bool) *stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || came && t.came >= maxStreams {
		return nil
	}
	s := &stream{Conn: conn, t: t, head: head, came: came}
	t.open[s] = struct{}{}
	if came {
		t.came++
	}
	t.conns.Add(1)
	return s
}

// Shutdown makes memberlist let go of everything: its connections end, and its
// probes, which would wait for seconds for an answer, get one. The context of
// the mesh has ended before. It returns when memberlist has let go.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	open := make([]*stream, 0, len(t.open))
	for s := range t.open {
		open = append(open, s)
	}
	t.mu.Unlock()
	for _, s := range open {
		_ = s.Conn.Close()
	}
	if t.started {
		_ = t.packet.SetReadDeadline(time.Unix(1, 0))
		t.wg.Wait()
		t.answerPings()
	}
	t.conns.Wait()
	return nil
}

// answerPings answers, in their targets' stead, the pings that are waited for.
func (t *transport) answerPings() {
	// memberlist takes one packet at a time: when it has taken this one, what
	// it did for the one before has been done, and is in the ring.
	t.inject(0)
	t.mu.Lock()
	pings := t.pings.recent(time.Now())
	t.mu.Unlock()
	for _, seq := range pings {
		t.inject(seq)
	}
}

func (t *transport) inject(seq uint32) {
	if b, err := t.sealer.ack(seq); err == nil {
		t.packets <- &memberlist.Packet{Buf: b, From: &net.UDPAddr{}, Timestamp: time.Now()}
	}
}
