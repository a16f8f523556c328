package mux

// A recvState knows which frame may come when on a data stream. It does no I/O: bytes of
// one frame in, an event out.
type recvState struct {
	phase   recvPhase
	lastUse uint64
	left    uint64 // bytes of the large value that are still to come
}

type recvPhase uint8

const (
	betweenUses recvPhase = iota
	inUse
	afterRefs // its values must follow
	inValue   // between the pieces of a large value
)

// recvEvent is what a frame means. Slices are pieces of the frame's body.
type recvEvent struct {
	typ   byte
	open  Open   // OPEN
	whole bool   // OPEN: with its schema
	hash  ID     // DATA, BIG
	flags uint8  // DATA, BIG
	count int    // DATA
	size  uint64 // BIG: of the value
	total uint64 // BIG: of its pieces
	last  bool   // PIECE: the value is complete
	body  []byte // SCHEMA, REFS, DATA, PIECE
	clean bool   // CLOSE
}

func (r *recvState) frame(typ byte, body []byte) (ev recvEvent, err error) {
	ev.typ = typ
	switch {
	case typ == frameOpen && r.phase == betweenUses:
		ev.open, ev.whole, err = parseOpen(body)
		if err == nil && ev.open.Use <= r.lastUse {
			err = violation("data stream", "use %d after %d", ev.open.Use, r.lastUse)
		}
		if err == nil {
			r.phase, r.lastUse = inUse, ev.open.Use
		}
	case typ == frameSchema && r.phase == inUse:
		ev.body = body
		if len(body) == 0 || len(body) > MaxFrame {
			err = malformed(typ)
		}
	case typ == frameRefs && r.phase == inUse:
		ev.body = body
		if len(body) == 0 || len(body) > MaxFrame {
			return ev, malformed(typ)
		}
		r.phase = afterRefs
	case typ == frameData && (r.phase == inUse || r.phase == afterRefs):
		ev.hash, ev.flags, ev.count, ev.body, err = parseData(body)
		if err == nil {
			r.phase = inUse
		}
	case typ == frameBig && (r.phase == inUse || r.phase == afterRefs):
		ev.hash, ev.flags, ev.size, ev.total, err = parseBig(body)
		if err == nil {
			r.phase, r.left = inValue, ev.total
		}
	case typ == framePiece && r.phase == inValue:
		ev.body = body
		if len(body) == 0 || len(body) > MaxFrame || uint64(len(body)) > r.left {
			return ev, malformed(typ)
		}
		r.left -= uint64(len(body))
		if r.left == 0 {
			r.phase, ev.last = inUse, true
		}
	case typ == frameClose && r.phase != betweenUses:
		ev.clean, err = parseClose(body)
		if err == nil && ev.clean && r.phase != inUse {
			err = violation("data stream", "clean close within a value")
		}
		if err == nil {
			r.phase, r.left = betweenUses, 0
		}
	default:
		err = violation("data stream", "frame of type %d in phase %d", typ, r.phase)
	}
	return ev, err
}
