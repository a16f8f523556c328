package memnet

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	maxPacket = 65507 // of UDP on IPv4

	// maxQueued is how many packets wait for ReadFrom; more are lost.
	maxQueued = 1024
)

// packets is a packet socket.
type packets struct {
	host *Host
	addr *net.UDPAddr

	// mu guards what follows. It may be taken under Network.mu.
	mu              sync.Mutex
	queue           []packet // by the time they arrive
	readers         waiting
	readBy, writeBy time.Duration // deadlines
	closed          bool
}

type packet struct {
	at   time.Duration
	from *net.UDPAddr
	ip   netip.Addr // of from
	data []byte
}

func newPackets(h *Host, addr *net.UDPAddr) *packets {
	s := &packets{host: h, addr: addr, readBy: never, writeBy: never}
	s.readers.init(h.net, &s.mu)
	return s
}

// ReadFrom blocks until there is a packet, the deadline, or Close. What of the
// packet does not fit into p is lost.
func (s *packets) ReadFrom(p []byte) (int, net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		now := s.host.net.now()
		next := never
		if len(s.queue) > 0 {
			next = s.queue[0].at
		}
		switch {
		case s.closed:
			return 0, nil, s.fail("read", net.ErrClosed)
		case s.readBy <= now:
			return 0, nil, s.fail("read", os.ErrDeadlineExceeded)
		case next <= now:
			m := s.queue[0]
			s.queue[0] = packet{}
			s.queue = s.queue[1:]
			return copy(p, m.data), m.from, nil
		}
		s.readers.wait(min(s.readBy, next))
	}
}

// WriteTo sends a packet. It does not block and does not tell whether anybody
// gets it; one longer than UDP allows is an error, EMSGSIZE.
func (s *packets) WriteTo(p []byte, to net.Addr) (int, error) {
	dst, err := addrPort(to)
	if err != nil {
		return 0, s.fail("write", err)
	}
	n := s.host.net
	s.mu.Lock()
	switch {
	case s.closed:
		err = net.ErrClosed
	case s.writeBy <= n.now():
		err = os.ErrDeadlineExceeded
	case len(p) > maxPacket:
		err = os.NewSyscallError("sendto", syscall.EMSGSIZE)
	}
	s.mu.Unlock()
	if err != nil {
		return 0, s.fail("write", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[dst.Addr()]
	if h == nil || n.silent(s.host, h) || n.loss > 0 && n.dice.Float64() < n.loss {
		return len(p), nil
	}
	if r := h.packets[int(dst.Port())]; r != nil {
		at := n.now() + n.delay(n.dice.Uint64)
		r.deliver(packet{at, s.addr, s.host.ip, slices.Clone(p)})
	}
	return len(p), nil
}

func (s *packets) deliver(m packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxQueued {
		return
	}
	i := len(s.queue)
	for i > 0 && s.queue[i-1].at > m.at {
		i--
	}
	s.queue = slices.Insert(s.queue, i, m)
	s.readers.wakeAt(s.queue[0].at)
}

// lose loses the packets from ip that have not arrived.
func (s *packets) lose(ip netip.Addr) {
	s.remove(func(m packet) bool { return m.ip == ip })
}

// loseAll loses all packets that have not arrived.
func (s *packets) loseAll() {
	s.remove(func(packet) bool { return true })
}

func (s *packets) remove(lost func(packet) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.host.net.now()
	s.queue = slices.DeleteFunc(s.queue, func(m packet) bool { return m.at > now && lost(m) })
}

// Close is told to who waits in ReadFrom.
func (s *packets) Close() error {
	n := s.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if !s.shut() {
		return s.fail("close", net.ErrClosed)
	}
	return nil
}

// shut is Close, under Network.mu. It reports whether the socket was open.
func (s *packets) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed, s.queue = true, nil
	s.readers.wake()
	s.readers.stop()
	delete(s.host.packets, s.addr.Port)
	return true
}

func (s *packets) LocalAddr() net.Addr { return s.addr }

func (s *packets) SetDeadline(t time.Time) error      { return s.setDeadline(t, true, true) }
func (s *packets) SetReadDeadline(t time.Time) error  { return s.setDeadline(t, true, false) }
func (s *packets) SetWriteDeadline(t time.Time) error { return s.setDeadline(t, false, true) }

func (s *packets) setDeadline(t time.Time, read, write bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.fail("set", net.ErrClosed)
	}
	at := s.host.net.at(t)
	if read {
		s.readBy = at
		s.readers.wake()
	}
	if write {
		s.writeBy = at
	}
	return nil
}

func (s *packets) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: s.addr, Err: err}
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	if u, ok := a.(*net.UDPAddr); ok {
		p := u.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return p, &net.AddrError{Err: err.Error(), Addr: a.String()}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
}
