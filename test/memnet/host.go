package memnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	// firstPort is where ports that nobody asked for by number begin.
	firstPort, lastPort = 32768, 65535

	// A dial that hears nothing tries again after so long, then after twice that,
	// and so on, as Linux does, and gives up after dialLimit.
	dialRetry = time.Second
	dialLimit = 127 * time.Second
)

// Host is a machine on the network, with one address. All methods are safe for
// concurrent use.
type Host struct {
	net *Network
	ip  netip.Addr

	// Network.mu guards what follows.
	state     state
	listeners map[int]*listener
	packets   map[int]*packets
	port      int // the last one that was given to who did not ask for a number
}

type state int

const (
	alive    state = iota
	dead           // its program has ended
	vanished       // it is switched off
	replaced       // vanished, and there is a new one with its address
)

// off says whether nobody answers for the host's address.
func (h *Host) off() bool { return h.state == vanished }

// IP is the host's address.
func (h *Host) IP() string { return h.ip.String() }

// Listen takes connections and packets on one port number; port 0 is a free one.
// The host of addr is this host's, unspecified or empty; Addr of both always says
// this host's. A port in use: EADDRINUSE; another host: EADDRNOTAVAIL.
func (h *Host) Listen(addr string) (net.Listener, net.PacketConn, error) {
	ip, port, err := h.parse(addr)
	if err != nil {
		return nil, nil, failed("listen", nil, err)
	}
	at := net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.ip, port))
	if ip != h.ip && !ip.IsUnspecified() {
		return nil, nil, failed("listen", at, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.state == dead {
		return nil, nil, failed("listen", at, os.NewSyscallError("bind", syscall.ENETDOWN))
	}
	if at.Port == 0 {
		at.Port = h.freePort()
	}
	if at.Port == 0 || h.taken(at.Port) {
		return nil, nil, failed("listen", at, os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := newListener(h, at)
	s := newPackets(h, (*net.UDPAddr)(at))
	h.listeners[at.Port], h.packets[at.Port] = l, s
	return l, s, nil
}

func (h *Host) taken(port int) bool { return h.listeners[port] != nil || h.packets[port] != nil }

// freePort returns 0 if there is none.
func (h *Host) freePort() int {
	for range lastPort - firstPort + 1 {
		if h.port++; h.port < firstPort || h.port > lastPort {
			h.port = firstPort
		}
		if !h.taken(h.port) {
			return h.port
		}
	}
	return 0
}

// parse reads "ip:port"; no ip is the unspecified one. There are no names.
func (h *Host) parse(addr string) (netip.Addr, uint16, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.Addr{}, 0, &net.AddrError{Err: "not the number of a port", Addr: addr}
	}
	if host == "" {
		return netip.IPv6Unspecified(), uint16(port), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ip.Unmap(), uint16(port), nil
}

// Dial connects to whoever listens at addr, "ip:port", and takes a round trip for
// it. Nobody listens, or there is no host: ECONNREFUSED, after a round trip too.
// Nothing comes back: it blocks, trying again now and then, until ctx ends
// (ctx.Err()) or for 127 s (ETIMEDOUT). The host is dead: ENETDOWN.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	ip, port, err := h.parse(addr)
	if err != nil {
		return nil, failed("dial", nil, err)
	}
	to := netip.AddrPortFrom(ip, port)
	c, err := h.dial(ctx, to)
	if err != nil {
		return nil, failed("dial", net.TCPAddrFromAddrPort(to), err)
	}
	return c, nil
}

func (h *Host) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	giveUp := h.net.now() + dialLimit
	for retry := dialRetry; ; retry *= 2 {
		trip, err := h.knock(to)
		if err == nil {
			if err = h.pause(ctx, trip); err != nil {
				return nil, err
			}
			var c net.Conn
			if c, err = h.connect(to); err == nil {
				return c, nil
			}
		}
		if !errors.Is(err, errSilence) {
			return nil, err
		}
		left := giveUp - h.net.now()
		if left <= 0 {
			return nil, os.NewSyscallError("connect", syscall.ETIMEDOUT)
		}
		if err := h.pause(ctx, min(retry, left)); err != nil {
			return nil, err
		}
	}
}

// errSilence says that no answer came.
var errSilence = errors.New("silence")

// knock sends the first packet of a connection, and says how long it takes until
// the answer is there.
func (h *Host) knock(to netip.AddrPort) (trip time.Duration, err error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := h.reach(to.Addr()); err != nil {
		return 0, err
	}
	return n.delay(n.dice.Uint64) + n.delay(n.dice.Uint64), nil
}

// connect is what has happened when the answer is there.
func (h *Host) connect(to netip.AddrPort) (net.Conn, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := h.reach(to.Addr()); err != nil {
		return nil, err
	}
	var l *listener
	if host := n.hosts[to.Addr()]; host != nil {
		l = host.listeners[int(to.Port())]
	}
	if l == nil {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if len(l.queue) >= backlog {
		return nil, errSilence
	}
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.ip, uint16(h.freePort())))
	p := newPair(n, h, l.host, local, l.addr)
	l.queue = append(l.queue, &p.b)
	l.cond.Signal()
	return &p.a, nil
}

// reach says whether packets get to an address and back. Under Network.mu.
func (h *Host) reach(to netip.Addr) error {
	n := h.net
	if n.closed || h.state == dead {
		return os.NewSyscallError("connect", syscall.ENETDOWN)
	}
	host := n.hosts[to]
	if host == nil {
		host = &Host{ip: to} // nobody is there to listen, but the machine answers
	}
	if n.silent(h, host) || n.silent(host, h) {
		return errSilence
	}
	return nil
}

// pause lets time pass.
func (h *Host) pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-h.net.done:
		return os.NewSyscallError("connect", syscall.ENETDOWN)
	}
}

func failed(op string, at *net.TCPAddr, err error) error {
	e := &net.OpError{Op: op, Net: "tcp", Err: err}
	if at != nil {
		e.Addr = at
	}
	return e
}
