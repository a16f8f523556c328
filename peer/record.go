package peer

import "encoding/binary"

// A connection carries records, each way, after the handshake. All numbers are
// big endian.
//
//	type u8 | length u32 of the payload | start u64 | received u64 | payload
//
// start is the stream offset of the payload's first byte, received the number
// of stream bytes that the sender of the record has received. ACK and BYE have no
// payload; their start is the offset of the next DATA. ACK acknowledges, and is
// the heartbeat. BYE is the last record: its sender has ended the link.
const (
	recordHead = 1 + 4 + 8 + 8

	recordData = 1
	recordAck  = 2
	recordBye  = 3

	// maxRecord is the longest payload that we take.
	maxRecord = 256 << 10
)

type record struct {
	kind     byte
	length   uint32
	start    uint64
	received uint64
}

// put writes the header into b, which has recordHead bytes.
func (r record) put(b []byte) {
	_ = b[recordHead-1]
	b[0] = r.kind
	binary.BigEndian.PutUint32(b[1:], r.length)
	binary.BigEndian.PutUint64(b[5:], r.start)
	binary.BigEndian.PutUint64(b[13:], r.received)
}

// parseRecord reads a header and checks what can be checked without knowing
// where the stream is.
func parseRecord(b []byte) (record, error) {
	if len(b) != recordHead {
		return record{}, protocolErrorf("record header of %d bytes", len(b))
	}
	r := record{
		kind:     b[0],
		length:   binary.BigEndian.Uint32(b[1:]),
		start:    binary.BigEndian.Uint64(b[5:]),
		received: binary.BigEndian.Uint64(b[13:]),
	}
	switch r.kind {
	case recordData:
		if r.length == 0 || r.length > maxRecord {
			return record{}, protocolErrorf("DATA of %d bytes", r.length)
		}
	case recordAck, recordBye:
		if r.length != 0 {
			return record{}, protocolErrorf("record of type %d with %d bytes", r.kind, r.length)
		}
	default:
		return record{}, protocolErrorf("record of type %d", r.kind)
	}
	return r, nil
}

// follows checks that r comes next on a connection, where the last record ended
// at next, or is the first of it, and how many of its bytes are known already to
// who has received so many. The first one may begin with such bytes, and may hold
// no others; a gap is never right.
func (r record) follows(next uint64, first bool, received uint64) (known int, err error) {
	if (!first && r.start != next) || r.start > received {
		return 0, protocolErrorf("record starts at %d, want %d", r.start, max(next, received))
	}
	return int(min(received-r.start, uint64(r.length))), nil
}
