package mesh

import (
	"encoding/binary"
	"errors"
)

// A reader takes values off a byte slice. Once something is missing it is bad
// and yields zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n, limit int) []byte {
	if r.bad || n < 0 || n > limit || n > len(r.b) {
		r.bad = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) copy(dst []byte) { copy(dst, r.bytes(len(dst), len(dst))) }

func (r *reader) byte() byte {
	var b [1]byte
	r.copy(b[:])
	return b[0]
}

func (r *reader) uint16() uint16 {
	var b [2]byte
	r.copy(b[:])
	return binary.BigEndian.Uint16(b[:])
}

func (r *reader) uint32() uint32 {
	var b [4]byte
	r.copy(b[:])
	return binary.BigEndian.Uint32(b[:])
}

func (r *reader) uint64() uint64 {
	var b [8]byte
	r.copy(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// A message is what one node tells others by gossip about one node's list.
type message struct {
	kind    byte
	id      ID
	version uint64
	digest  digest // of the list at version
	list    *list  // full
	delta   delta  // change
}

// Kinds of messages. All begin with the kind, the node's ID and the version.
const (
	msgFull   = 1 // list
	msgChange = 2 // digest, version before, 2 count, 2 each removed, added ends
	msgNote   = 3 // digest
	msgGone   = 4 // nothing: the node says goodbye, its list is empty
)

// maxMessage is how large a message by gossip may be; longer lists are
// announced by digest, and fetched.
const maxMessage = 1000

var errMessage = errors.New("malformed gossip message")

func (m message) encode() []byte {
	b := append(make([]byte, 0, 256), m.kind)
	b = append(b, m.id[:]...)
	b = binary.BigEndian.AppendUint64(b, m.version)
	switch m.kind {
	case msgFull:
		b = append(b, m.list.body...)
	case msgChange:
		b = append(b, m.digest[:]...)
		b = binary.BigEndian.AppendUint64(b, m.delta.from)
		b = binary.BigEndian.AppendUint16(b, uint16(len(m.delta.removed)))
		for _, i := range m.delta.removed {
			b = binary.BigEndian.AppendUint16(b, i)
		}
		b = appendEnds(b, m.delta.added)
	case msgNote:
		b = append(b, m.digest[:]...)
	}
	return b
}

func parseMessage(b []byte) (message, error) {
	if len(b) > maxMessage {
		return message{}, errMessage
	}
	r := reader{b: b}
	m := message{kind: r.byte()}
	r.copy(m.id[:])
	m.version = r.uint64()
	if r.bad || m.version > maxVersion {
		return message{}, errMessage
	}
	var err error
	switch m.kind {
	case msgFull:
		if m.list, err = parseList(m.version, r.b); err != nil {
			return message{}, err
		}
		m.digest = m.list.digest
		return m, nil
	case msgChange:
		r.copy(m.digest[:])
		m.delta.from = r.uint64()
		n := int(r.uint16())
		if r.bad || n > len(r.b)/2 || m.delta.from >= m.version {
			return message{}, errMessage
		}
		for i := range n {
			v := r.uint16()
			if i > 0 && v <= m.delta.removed[i-1] {
				return message{}, errMessage
			}
			m.delta.removed = append(m.delta.removed, v)
		}
		if m.delta.added, err = parseEnds(r.b); err != nil {
			return message{}, err
		}
		return m, nil
	case msgNote:
		r.copy(m.digest[:])
	case msgGone:
		m.digest = emptyDigest
	default:
		return message{}, errMessage
	}
	if r.bad || len(r.b) != 0 {
		return message{}, errMessage
	}
	return m, nil
}

// announce returns the smallest message that tells all there is to tell:
// the list, or what has changed in it, or that there is something to fetch.
func announce(id ID, before, l *list) message {
	m := message{kind: msgFull, id: id, version: l.version, digest: l.digest, list: l}
	if 1+len(id)+8+len(l.body) <= maxMessage {
		return m
	}
	if before != nil && before.version < l.version {
		d := between(before, l)
		c := message{kind: msgChange, id: id, version: l.version, digest: l.digest, delta: d}
		if len(d.removed) < maxMessage/2 && len(c.encode()) <= maxMessage {
			return c
		}
	}
	m.kind = msgNote
	return m
}

// A tuple says which version of its list a node has.
type tuple struct {
	id      ID
	version uint64
	digest  digest
}

// A push/pull carries a format byte, 1, and tuples of 56 bytes.
const (
	stateFormat = 1
	tupleSize   = len(ID{}) + 8 + len(digest{})
	maxTuples   = 1 << 16 // far more than there are members
)

var errState = errors.New("malformed registry state")

func appendTuple(b []byte, t tuple) []byte {
	b = append(b, t.id[:]...)
	b = binary.BigEndian.AppendUint64(b, t.version)
	return append(b, t.digest[:]...)
}

func parseState(b []byte, limit int) ([]tuple, error) {
	if len(b) < 1 || b[0] != stateFormat || (len(b)-1)%tupleSize != 0 || (len(b)-1)/tupleSize > limit {
		return nil, errState
	}
	r := reader{b: b[1:]}
	out := make([]tuple, 0, len(r.b)/tupleSize)
	for len(r.b) > 0 {
		var t tuple
		r.copy(t.id[:])
		t.version = r.uint64()
		r.copy(t.digest[:])
		if t.version > maxVersion {
			return nil, errState
		}
		out = append(out, t)
	}
	return out, nil
}
