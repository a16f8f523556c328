package netchan

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/matveynator/netchan/peer"
)

// counting is a network that counts what a node writes to it, in the payload of
// packets and of connections: what is under TLS, not what TCP and IP put around it.
type counting struct {
	peer.Network
	wrote *wrote
}

type wrote struct{ packets, packetBytes, dials, streamBytes atomic.Int64 }

// now is what was written so far.
func (s *wrote) now() written {
	return written{s.packets.Load(), s.packetBytes.Load(), s.dials.Load(), s.streamBytes.Load()}
}

type written struct{ packets, packetBytes, dials, streamBytes int64 }

func (w written) less(before written) written {
	return written{
		w.packets - before.packets, w.packetBytes - before.packetBytes,
		w.dials - before.dials, w.streamBytes - before.streamBytes,
	}
}

func (c counting) Listen(addr string) (net.Listener, net.PacketConn, error) {
	l, p, err := c.Network.Listen(addr)
	if err != nil {
		return nil, nil, err
	}
	return countingListener{l, c.wrote}, countingPackets{p, c.wrote}, nil
}

func (c counting) Dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := c.Network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.wrote.dials.Add(1)
	return countingConn{conn, c.wrote}, nil
}

type countingListener struct {
	net.Listener
	wrote *wrote
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{conn, l.wrote}, nil
}

type countingConn struct {
	net.Conn
	wrote *wrote
}

func (c countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wrote.streamBytes.Add(int64(n))
	return n, err
}

type countingPackets struct {
	net.PacketConn
	wrote *wrote
}

func (p countingPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	p.wrote.packets.Add(1)
	p.wrote.packetBytes.Add(int64(len(b)))
	return p.PacketConn.WriteTo(b, to)
}
