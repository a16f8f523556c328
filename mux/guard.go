package mux

import "encoding/binary"

// The yamux wire format, version 0: header of 12 bytes (version, type, flags, stream, length),
// and a body of length bytes after a data header.
const (
	yHeader = 12

	yData   = 0
	yWindow = 1

	ySYN = 1
	yACK = 2
	yFIN = 4

	yamuxInitial = 256 << 10 // a stream's window until more is given
	yamuxWindow  = 4 << 20   // and the most that is ever given
	yamuxBody    = 64 << 10  // longest body; we write at most half of it at a time

	controlStream = 1 // the client's first

	// closeSlack is what may follow on a stream beyond its byte limit: a CLOSE.
	closeSlack = 16
)

type yHead struct {
	version, typ uint8
	flags        uint16
	stream, len  uint32
}

func parseYHead(b []byte) yHead {
	return yHead{b[0], b[1], binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
}

func (h yHead) put(b []byte) {
	b[0], b[1] = h.version, h.typ
	binary.BigEndian.PutUint16(b[2:], h.flags)
	binary.BigEndian.PutUint32(b[4:], h.stream)
	binary.BigEndian.PutUint32(b[8:], h.len)
}

// body is how many bytes follow the header.
func (h yHead) body() int {
	if h.typ == yData {
		return int(h.len)
	}
	return 0
}

// A guard watches the headers of a yamux session in both directions and knows what may come
// when. It lets through only what yamux takes without sending anything from its
// receive loop, without an unbounded goroutine, buffer or table, and without losing its
// own count. It does no I/O.
type guard struct {
	client  bool
	max     int // streams that each side may have open
	streams map[uint32]*guarded
	lastIn  uint32 // highest stream that the peer has opened
	ours    int    // streams that we opened and that are not gone
	theirs  int
}

// guarded is what the guard knows of one stream. It is forgotten when both sides have
// closed it.
type guarded struct {
	acked, finIn, finOut bool
	recv, send           int64  // windows of yamux
	arrived, allowed     uint64 // bytes of the peer on this stream, and how many may come
}

func newGuard(client bool, maxStreams int) *guard {
	return &guard{client: client, max: maxStreams, streams: make(map[uint32]*guarded)}
}

// mine tells whether a stream of that number is opened by this side.
func (g *guard) mine(id uint32) bool { return (id%2 == 1) == g.client }

func bad(format string, args ...any) error { return violation("stream header", format, args...) }

// in judges a header from the peer, before its body is there. gone: a stream of ours ended.
func (g *guard) in(h yHead) (gone bool, err error) {
	if h.version != 0 || h.typ > yWindow {
		return false, bad("version %d, type %d", h.version, h.typ)
	}
	if h.typ == yWindow && h.flags == ySYN {
		return false, g.inOpen(h)
	}
	s := g.streams[h.stream]
	if s == nil || s.finIn {
		return false, bad("type %d, flags %d for stream %d, which is not open", h.typ, h.flags, h.stream)
	}
	if h.typ == yData {
		return false, g.inData(h, s)
	}
	if s.send += int64(h.len); s.send > yamuxWindow {
		return false, bad("window of stream %d too large", h.stream)
	}
	switch {
	case h.flags == 0 && h.len > 0:
	case h.flags == yACK && g.mine(h.stream) && !s.acked:
		s.acked = true
	case h.flags == yFIN && h.len == 0 && h.stream != controlStream:
		// Who opened a stream closes it first, and it was answered before that.
		if g.mine(h.stream) && (!s.finOut || !s.acked) {
			return false, bad("stream %d closed by who didn't open it", h.stream)
		}
		s.finIn = true
		return g.forget(h.stream, s), nil
	default:
		return false, bad("flags %d, length %d for stream %d", h.flags, h.len, h.stream)
	}
	return false, nil
}

func (g *guard) inOpen(h yHead) error {
	switch {
	case g.mine(h.stream) || h.stream == 0:
		return bad("stream %d opened by the wrong side", h.stream)
	case h.stream <= g.lastIn:
		return bad("stream %d opened after %d", h.stream, g.lastIn)
	case g.theirs >= g.max:
		return bad("more than %d streams", g.max)
	case h.len > yamuxWindow-yamuxInitial:
		return bad("window of stream %d too large", h.stream)
	}
	g.lastIn = h.stream
	g.theirs++
	g.streams[h.stream] = &guarded{
		recv: yamuxInitial, send: yamuxInitial + int64(h.len), allowed: g.first(h.stream),
	}
	return nil
}

// first is how many bytes may come on a stream before anything was said about it.
func (g *guard) first(id uint32) uint64 {
	switch {
	case id == controlStream:
		return 1<<64 - 1 - closeSlack
	case g.mine(id):
		return 0 // data streams are one-way
	}
	return firstWindow
}

func (g *guard) inData(h yHead, s *guarded) error {
	switch {
	case h.flags != 0 || h.len == 0:
		return bad("data with flags %d, length %d", h.flags, h.len)
	case h.len > yamuxBody:
		return bad("%d bytes in one frame", h.len)
	case g.mine(h.stream) && h.stream != controlStream:
		return bad("data on stream %d, which is not the peer's", h.stream)
	}
	s.recv -= int64(h.len)
	s.arrived += uint64(h.len)
	if s.recv < 0 || s.arrived > s.allowed+closeSlack {
		return bad("stream %d beyond its window", h.stream)
	}
	return nil
}

// out notes a header that this side is about to send. An error means that yamux does what it
// never should, and nothing may be sent.
func (g *guard) out(h yHead) (gone bool, err error) {
	if h.version != 0 || h.typ > yWindow {
		return false, bad("own header of type %d, length %d", h.typ, h.len)
	}
	if h.typ == yWindow && h.flags == ySYN {
		g.ours++
		g.streams[h.stream] = &guarded{
			recv: yamuxInitial + int64(h.len), send: yamuxInitial, allowed: g.first(h.stream),
		}
		return false, nil
	}
	s := g.streams[h.stream]
	if s == nil || s.finOut {
		return false, bad("own header of type %d, flags %d for stream %d, which is not open", h.typ, h.flags, h.stream)
	}
	switch {
	case h.typ == yData && h.flags == 0 && h.len <= yamuxBody:
		if s.send -= int64(h.len); s.send < 0 {
			return false, bad("own data beyond the window of stream %d", h.stream)
		}
	case h.typ == yWindow && h.flags&^yACK == 0:
		s.recv += int64(h.len)
	case h.typ == yWindow && h.flags == yFIN:
		s.finOut = true
		return g.forget(h.stream, s), nil
	default:
		return false, bad("own header of type %d, flags %d, length %d", h.typ, h.flags, h.len)
	}
	return false, nil
}

// window is how much more may be sent on a stream.
func (g *guard) window(id uint32) int {
	if s := g.streams[id]; s != nil {
		return int(s.send)
	}
	return 0
}

// forget forgets a stream that both sides have closed.
func (g *guard) forget(id uint32, s *guarded) (ours bool) {
	if !s.finIn || !s.finOut {
		return false
	}
	delete(g.streams, id)
	if g.mine(id) {
		g.ours--
		return true
	}
	g.theirs--
	return false
}

// allow sets how many bytes the peer may send on one of its streams, in all.
func (g *guard) allow(id uint32, upTo uint64) {
	if s := g.streams[id]; s != nil {
		s.allowed = upTo
	}
}
