package mux

import (
	"encoding/binary"
	"sync"
)

const (
	// batchRoom is kept in front of a batch's values for the frame's header, so that
	// header and values leave in one write without a copy.
	batchRoom = 32
	// batchStart is how large a new batch's buffer is: ten thousand channels with one
	// each shall not cost a frame each.
	batchStart = 128
)

// A Batch is encoded values on their way to one Out. It has one owner at a time: the
// caller, and from Out.Send to Feedback.Written the session. Use NewBatch.
type Batch struct {
	// B holds room for a header, then the values: append to it. Only appending
	// and cutting back what was appended is allowed.
	B []byte
	// Count is how many values were appended, at least 1 when it is sent. A batch of
	// more than MaxFrame bytes must hold exactly one.
	Count int
	// Flags are opaque, for the layers above.
	Flags uint8
	// Size is how many bytes the values had before the layer above compressed them; 0
	// where it has not. A value of more than MaxFrame bytes keeps its own frames
	// however short it has become: the other side must know what it will take.
	Size int
	// Refs are encoded references that the values refer to; at most MaxFrame bytes. They
	// leave in a frame of their own before the values.
	Refs []byte

	hash     [16]byte
	refsSent bool
}

// NewBatch returns an empty batch for values of the schema with this hash.
func NewBatch(hash [16]byte) *Batch {
	return &Batch{B: make([]byte, batchRoom, batchStart), hash: hash}
}

// Values returns the values' bytes. What makes them shorter calls Shorten.
func (b *Batch) Values() []byte { return b.B[batchRoom:] }

// Shorten says that the first n bytes of Values now stand for all of them.
func (b *Batch) Shorten(n int) {
	b.Size = b.Len()
	b.B = b.B[:batchRoom+n]
}

// Len returns how many bytes of values the batch holds.
func (b *Batch) Len() int { return len(b.B) - batchRoom }

// RefsSent tells whether Refs left. It counts once the batch has come back: where the Out
// died, references may have left without the values, or nothing at all.
func (b *Batch) RefsSent() bool { return b.refsSent }

// Reset empties the batch for the next values. A buffer that a single large value
// made larger than a frame is given up, and one that references did.
func (b *Batch) Reset() {
	if cap(b.Refs) > 2*MaxFrame {
		b.Refs = nil
	}
	b.Refs, b.refsSent = b.Refs[:0], false
	if cap(b.B) > 4*MaxFrame {
		if large := b.B; cap(large) <= maxKeptBuffer {
			largeBuffers.Put(&large)
		}
		b.B = make([]byte, batchRoom, batchStart)
	}
	b.B = b.B[:batchRoom]
	b.Count, b.Flags, b.Size = 0, 0, 0
}

// For makes an empty batch one for values of another schema.
func (b *Batch) For(hash [16]byte) { b.hash = hash }

// Room has an empty batch hold n bytes of values without growing, if such a buffer is at hand: for
// streams of large values.
func (b *Batch) Room(n int) {
	if cap(b.B) >= batchRoom+n || b.Count > 0 {
		return
	}
	if buf, _ := largeBuffers.Get().(*[]byte); buf != nil && cap(*buf) >= batchRoom+n {
		b.B = (*buf)[:batchRoom]
		return
	}
	b.B = make([]byte, batchRoom, batchRoom+n)
}

// largeBuffers are those that batches do not keep.
var largeBuffers sync.Pool

// maxKeptBuffer is how large they are at most.
const maxKeptBuffer = 1 << 20

// refsDue tells whether Refs have to leave before the values.
func (b *Batch) refsDue() bool { return len(b.Refs) > 0 && !b.refsSent }

// big tells whether the batch needs BIG and PIECE frames.
func (b *Batch) big() bool { return b.size() > MaxFrame }

// size returns how many bytes the values have when they are read.
func (b *Batch) size() int { return max(b.Size, b.Len()) }

// dataHead puts the header of a DATA frame in front of the values and returns the frame.
func (b *Batch) dataHead() []byte {
	var h [batchRoom]byte
	body := append(h[:0], b.hash[:]...)
	body = append(body, b.Flags)
	body = binary.AppendUvarint(body, uint64(b.Count))
	return b.prepend(batchRoom, frameData, body, b.Len())
}

// bigHead returns a BIG frame in the room in front of the value.
func (b *Batch) bigHead() []byte {
	var h [batchRoom]byte
	body := append(h[:0], b.hash[:]...)
	body = append(body, b.Flags)
	body = binary.AppendUvarint(body, uint64(b.size()))
	body = binary.AppendUvarint(body, uint64(b.Len()))
	f := b.prepend(batchRoom, frameBig, body, 0)
	return f[:len(f)-b.Len()]
}

// piece returns the PIECE frame of the value's bytes from off on. Its header overwrites
// bytes before off: they have left already.
func (b *Batch) piece(off int) []byte {
	n := min(b.Len()-off, MaxFrame)
	at := batchRoom + off
	return b.prepend(at, framePiece, nil, n)[:frameHead(n)+n]
}

// prepend puts a frame's head (type, length, and the body's beginning) right before
// b.B[at:], and returns what follows from there on. rest is how many bytes of the
// frame follow the beginning.
func (b *Batch) prepend(at int, typ byte, begin []byte, rest int) []byte {
	var h [batchRoom]byte
	head := append(h[:0], typ)
	head = binary.AppendUvarint(head, uint64(len(begin)+rest))
	head = append(head, begin...)
	start := at - len(head)
	copy(b.B[start:], head)
	return b.B[start:]
}

// wire returns the length of the batch's next frame: off bytes of a large value have
// left, or -1 if its BIG has not.
func (b *Batch) wire(off int) int {
	switch {
	case !b.big():
		n := 17 + uvarintLen(uint64(b.Count)) + b.Len()
		return frameHead(n) + n
	case off < 0:
		n := 17 + uvarintLen(uint64(b.size())) + uvarintLen(uint64(b.Len()))
		return frameHead(n) + n
	default:
		n := min(b.Len()-off, MaxFrame)
		return frameHead(n) + n
	}
}
