package peer

// segmentSize is how much memory the kept buffer takes at a time. A segment is
// free again when all of it has been acknowledged.
const segmentSize = 256 << 10

// outbox is a link's written and kept bytes: what was appended, in records ready
// to be sent, until the peer has acknowledged it. One memory serves as queue,
// as what TLS reads from, and as what is kept. It is a plain data structure:
// no I/O, no lock of its own.
//
// Offsets count the stream's bytes, without record headers:
//
//	acked <= taken <= end,  written <= taken
//
// Memory is given back only below both acked and written: a peer that
// acknowledges what is still being written must not make us use it again. On a
// new connection taken goes back to where the peer stands: rewind.
type outbox struct {
	pool      *segmentPool
	maxSegs   int // bound on segments
	claims    int // segments that may be there beyond the first
	maxRecord int // longest payload of a record that the peer takes

	segs     []*segment // oldest first; the last one is being filled
	open     int        // where in the last segment the open record starts; -1: none is open
	openFrom uint64     // stream offset of the open record
	next     int        // index in segs of the first segment not wholly taken
	nextAt   int        // where in it the first byte not taken is

	end     uint64 // appended
	taken   uint64 // handed out to be written
	written uint64 // their write is over
	acked   uint64 // the peer has them
	sent    uint64 // taken at least once
	resent  uint64 // taken once more than that, or about to be
}

type segment struct {
	buf  []byte // cap is segmentSize, never grown
	from int    // where in it the first record starts; what is before is void
	end  uint64 // stream offset behind its last byte
}

func newOutbox(pool *segmentPool, maxSegs, maxRecord int) *outbox {
	return &outbox{pool: pool, maxSegs: maxSegs, maxRecord: maxRecord, open: -1}
}

// unsent is how many bytes wait to be taken.
func (o *outbox) unsent() int { return int(o.end - o.taken) }

// kept is how many bytes have been appended and not acknowledged.
func (o *outbox) kept() int { return int(o.end - o.acked) }

// fits reports whether n bytes can be appended within the bounds on memory. It
// claims what that takes, so the append must follow, or nothing.
func (o *outbox) fits(n int) bool {
	// A frame may be cut by the peer's largest record, which takes a header more.
	n += (n/o.maxRecord + 1) * recordHead
	if len(o.segs) > 0 {
		last := o.segs[len(o.segs)-1]
		n -= max(0, cap(last.buf)-len(last.buf)-recordHead)
	}
	for have := len(o.segs); n > 0; n -= segmentSize - recordHead {
		if have == o.maxSegs {
			return false
		}
		if have > o.claims {
			if !o.pool.claim() {
				return false
			}
			o.claims++
		}
		have++
	}
	return true
}

// append puts b behind what is there. The caller has asked fits.
func (o *outbox) append(b []byte) {
	for len(b) > 0 {
		if o.open < 0 {
			o.openRecord()
		}
		last := o.segs[len(o.segs)-1]
		n := min(len(b), cap(last.buf)-len(last.buf), o.maxRecord-(len(last.buf)-o.open-recordHead))
		if n == 0 {
			o.closeRecord()
			continue
		}
		last.buf = append(last.buf, b[:n]...)
		b = b[n:]
		o.end += uint64(n)
		last.end = o.end
	}
}

func (o *outbox) openRecord() {
	if n := len(o.segs); n == 0 || cap(o.segs[n-1].buf)-len(o.segs[n-1].buf) <= recordHead {
		if n > 0 && o.next == n-1 && o.nextAt == len(o.segs[n-1].buf) {
			o.next, o.nextAt = n, 0
		}
		o.segs = append(o.segs, o.pool.get())
	}
	last := o.segs[len(o.segs)-1]
	o.open, o.openFrom = len(last.buf), o.end
	last.buf = last.buf[:len(last.buf)+recordHead]
}

// closeRecord writes the open record's header. What the header says of bytes
// received is filled in when the record is taken.
func (o *outbox) closeRecord() {
	last := o.segs[len(o.segs)-1]
	record{kind: recordData, length: uint32(o.end - o.openFrom), start: o.openFrom}.put(last.buf[o.open:])
	o.open = -1
}

// take hands out what is not taken yet, whole records until there are limit
// bytes, as pieces to be written one after the other, with received in every
// record. Until wrote is called they stay as they are.
func (o *outbox) take(pieces [][]byte, limit int, received uint64) [][]byte {
	if o.taken == o.end {
		return pieces
	}
	if o.open >= 0 {
		o.closeRecord()
	}
	until := o.taken + uint64(limit)
	defer func() { o.sent = max(o.sent, o.taken) }()
	for {
		buf := o.segs[o.next].buf
		at := o.nextAt
		for at < len(buf) && o.taken < until {
			r := ownRecord(buf[at:])
			r.received = received
			r.put(buf[at:])
			at += recordHead + int(r.length)
			o.taken += uint64(r.length)
		}
		if at > o.nextAt {
			pieces = append(pieces, buf[o.nextAt:at:at])
		}
		o.nextAt = at
		// More may be appended to the last one.
		if at < len(buf) || o.next == len(o.segs)-1 {
			return pieces
		}
		o.next, o.nextAt = o.next+1, 0
	}
}

// ownRecord parses a header in our own memory.
func ownRecord(b []byte) record {
	r, err := parseRecord(b[:recordHead])
	if err != nil {
		panic("peer: " + err.Error())
	}
	return r
}

// rewind goes back to what the peer has acknowledged: what was taken beyond that
// will be taken again. No write may be going on. A record of which the peer has
// a part is cut, by a header right before the first byte that it lacks: nothing
// that it has is sent again, so a connection that breaks early still brings the
// stream forward.
func (o *outbox) rewind() {
	if o.taken == o.acked {
		return
	}
	if o.open >= 0 {
		o.closeRecord()
	}
	o.resent += o.taken - o.acked
	o.taken, o.written = o.acked, o.acked
	o.next = 0
	for o.segs[o.next].end <= o.acked {
		o.next++
	}
	s := o.segs[o.next]
	for {
		r := ownRecord(s.buf[s.from:])
		if skip := o.acked - r.start; skip < uint64(r.length) {
			s.from += int(skip)
			r.start, r.length = r.start+skip, r.length-uint32(skip)
			r.put(s.buf[s.from:])
			break
		}
		s.from += recordHead + int(r.length)
	}
	o.nextAt = s.from
}

// wrote says that the write of everything taken is over, well or not.
func (o *outbox) wrote() {
	o.written = o.taken
	o.free()
}

// ack takes the peer's word on how many bytes it has received.
func (o *outbox) ack(received uint64) error {
	if received < o.acked || received > o.taken {
		return protocolErrorf("%d bytes acknowledged, expected %d to %d", received, o.acked, o.taken)
	}
	if received > o.acked {
		o.acked = received
		o.free()
	}
	return nil
}

// free gives back the segments whose bytes are all acknowledged and no longer
// being written, and starts the last one again when nothing in it is needed.
func (o *outbox) free() {
	limit := min(o.acked, o.written)
	n := 0
	for n < len(o.segs)-1 && n < o.next && o.segs[n].end <= limit {
		o.pool.put(o.segs[n])
		n++
	}
	if n > 0 {
		rest := copy(o.segs, o.segs[n:])
		clear(o.segs[rest:])
		o.segs = o.segs[:rest]
		o.next -= n
	}
	o.unclaim(max(0, len(o.segs)-1))
	if len(o.segs) == 1 && limit == o.end {
		o.segs[0].buf, o.segs[0].from = o.segs[0].buf[:0], 0
		o.next, o.nextAt, o.open = 0, 0, -1
	}
}

// unclaim gives claims back, down to n.
func (o *outbox) unclaim(n int) {
	if o.claims > n {
		o.pool.release(o.claims - n)
		o.claims = n
	}
}

// drop gives everything up. No write may be going on, and none may follow.
func (o *outbox) drop() {
	o.unclaim(0)
	for _, s := range o.segs {
		o.pool.put(s)
	}
	o.segs = nil
}

// shrink gives all memory back if none of it is needed now.
func (o *outbox) shrink() {
	if len(o.segs) == 1 && len(o.segs[0].buf) == 0 {
		o.pool.put(o.segs[0])
		o.segs = nil
	}
}
