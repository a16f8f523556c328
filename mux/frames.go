package mux

import (
	"encoding/binary"
	"math/bits"
)

// Frames are: type byte, uvarint length of the body, body.
//
// On a data stream, from the side that opened it:
const (
	frameOpen   = 1 // use, target, end, first, flags, hash, whole?, [schema], text
	frameSchema = 2 // schema
	frameData   = 3 // hash, flags, count, values
	frameBig    = 4 // hash, flags, size, total: a value of size bytes follows, in pieces of total bytes
	framePiece  = 5 // bytes
	frameClose  = 6 // clean?
	frameRefs   = 7 // references that the values of the next DATA or BIG refer to
)

// On the control stream, where use is always one that the side which hears it opened:
const (
	frameAccept    = 16 // use, limit, byte limit, flags
	frameRefuse    = 17 // use, code, text
	frameAck       = 18 // use, taken, limit, byte limit, drops
	frameStop      = 19 // use, code, text, up to, more?, runs not taken: with more, another STOP of the use follows
	frameDone      = 20 // use: its CLOSE has been read, nothing of it is left
	frameAttach    = 21 // target, end, name
	frameGoodbye   = 22 //
	frameGoodbyeOK = 23 // answer
)

// About channels, also on the control stream. SINGLE is from the side that opens its use. Their channels are those of the side that hears
// HOLD and RELEASE, and of the side that says HELD and GONE:
const (
	frameHold    = 24 // channel, direction, gated?, [node, end, number]
	frameHeld    = 25 // channel, direction, ok?
	frameRelease = 26 // number of entries; each: channel, direction, count
	frameGone    = 27 // number of entries; each: channel, direction
	frameSingle  = 28 // use, target ID, end, first, flags, hash, value: a whole use
	frameDeny    = 29 // sending end, receiving end, code, text: no use will come
)

const (
	// maxBody is the length of the longest frame's body: MaxFrame bytes of values with what is
	// in front of them, or an OPEN with a schema.
	maxBody = MaxFrame + 64
	// maxSchema is the longest schema that fits an OPEN.
	maxSchema = MaxFrame - 1024
	// controlBatch is how much is gathered for one write to the control stream, at most.
	controlBatch = MaxFrame
	// maxDropsPerFrame and maxRunsPerFrame keep control frames below maxBody.
	maxDropsPerFrame = 48
	maxRunsPerFrame  = 512
	// maxRefsPerFrame does so too, for RELEASE and GONE.
	maxRefsPerFrame = 512
	// maxReleased is the largest count of one entry of a RELEASE.
	maxReleased = 1 << 31
)

func uvarintLen(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }

// frameHead is the length of type and length for a body of n bytes.
func frameHead(n int) int { return 1 + uvarintLen(uint64(n)) }

const headGap = 4 // room for a type and a length below 2^21

// begin starts a frame of a body that is not known yet; finish ends it.
func begin(dst []byte, typ byte) []byte { return append(dst, typ, 0, 0, 0) }

func finish(dst []byte, start int) []byte {
	n := len(dst) - start - headGap
	k := binary.PutUvarint(dst[start+1:start+headGap], uint64(n))
	if 1+k < headGap {
		copy(dst[start+1+k:], dst[start+headGap:])
	}
	return dst[:start+1+k+n]
}

func appendText(dst []byte, s string) []byte {
	if len(s) > MaxText {
		s = s[:MaxText]
	}
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendTarget(dst []byte, t Target) []byte {
	dst = appendText(dst, t.Name)
	return append(dst, t.ID[:]...)
}

// appendOpen appends an OPEN frame; whole: with the schema itself.
func appendOpen(dst []byte, o *Open, whole bool) []byte {
	start := len(dst)
	dst = begin(dst, frameOpen)
	dst = binary.AppendUvarint(dst, o.Use)
	dst = appendTarget(dst, o.Target)
	dst = append(dst, o.End[:]...)
	dst = binary.AppendUvarint(dst, o.First)
	dst = append(dst, o.Flags)
	dst = append(dst, o.Hash[:]...)
	dst = appendBool(dst, whole)
	if whole {
		dst = binary.AppendUvarint(dst, uint64(len(o.Schema)))
		dst = append(dst, o.Schema...)
	}
	dst = appendText(dst, o.Text)
	return finish(dst, start)
}

func appendSchema(dst, schema []byte) []byte {
	dst = append(dst, frameSchema)
	dst = binary.AppendUvarint(dst, uint64(len(schema)))
	return append(dst, schema...)
}

func appendRefs(dst, refs []byte) []byte {
	dst = append(dst, frameRefs)
	dst = binary.AppendUvarint(dst, uint64(len(refs)))
	return append(dst, refs...)
}

func appendClose(dst []byte, clean bool) []byte {
	return appendBool(append(dst, frameClose, 1), clean)
}

func appendAccept(dst []byte, use, bytes uint64, a Accept) []byte {
	start := len(dst)
	dst = begin(dst, frameAccept)
	dst = binary.AppendUvarint(dst, use)
	dst = binary.AppendUvarint(dst, a.Limit)
	dst = binary.AppendUvarint(dst, bytes)
	dst = append(dst, a.Flags)
	return finish(dst, start)
}

func appendRefuse(dst []byte, use uint64, r Refuse) []byte {
	start := len(dst)
	dst = begin(dst, frameRefuse)
	dst = binary.AppendUvarint(dst, use)
	dst = append(dst, byte(r.Code))
	dst = appendText(dst, r.Text)
	return finish(dst, start)
}

// appendAck appends one ACK; at most maxDropsPerFrame drops.
func appendAck(dst []byte, use, bytes uint64, a Ack) []byte {
	start := len(dst)
	dst = begin(dst, frameAck)
	dst = binary.AppendUvarint(dst, use)
	dst = binary.AppendUvarint(dst, a.Taken)
	dst = binary.AppendUvarint(dst, a.Limit)
	dst = binary.AppendUvarint(dst, bytes)
	dst = binary.AppendUvarint(dst, uint64(len(a.Drops)))
	for _, d := range a.Drops {
		dst = binary.AppendUvarint(dst, d.First)
		dst = binary.AppendUvarint(dst, d.Count)
		dst = append(dst, byte(d.Code))
		dst = appendText(dst, d.Text)
	}
	return finish(dst, start)
}

// appendStop appends one STOP; at most maxRunsPerFrame runs.
func appendStop(dst []byte, use uint64, st Stop, more bool) []byte {
	start := len(dst)
	dst = begin(dst, frameStop)
	dst = binary.AppendUvarint(dst, use)
	dst = append(dst, byte(st.Code))
	dst = appendText(dst, st.Text)
	dst = binary.AppendUvarint(dst, st.UpTo)
	dst = appendBool(dst, more)
	dst = binary.AppendUvarint(dst, uint64(len(st.NotTaken)))
	for _, r := range st.NotTaken {
		dst = binary.AppendUvarint(dst, r.First)
		dst = binary.AppendUvarint(dst, r.Count)
	}
	return finish(dst, start)
}

func appendDone(dst []byte, use uint64) []byte {
	start := len(dst)
	dst = begin(dst, frameDone)
	dst = binary.AppendUvarint(dst, use)
	return finish(dst, start)
}

func appendAttach(dst []byte, a *Attach) []byte {
	start := len(dst)
	dst = begin(dst, frameAttach)
	dst = appendTarget(dst, a.Target)
	dst = append(dst, a.End[:]...)
	dst = appendText(dst, a.Name)
	return finish(dst, start)
}

func appendDeny(dst []byte, d *Deny) []byte {
	start := len(dst)
	dst = begin(dst, frameDeny)
	dst = append(dst, d.From[:]...)
	dst = append(dst, d.End[:]...)
	dst = append(dst, byte(d.Code))
	dst = appendText(dst, d.Text)
	return finish(dst, start)
}

func appendEmpty(dst []byte, typ byte) []byte { return append(dst, typ, 0) }
