package codec

import "encoding/binary"

func appendUvarint(dst []byte, x uint64) []byte {
	if x < 0x80 {
		return append(dst, byte(x))
	}
	return binary.AppendUvarint(dst, x)
}

func appendVarint(dst []byte, x int64) []byte {
	return appendUvarint(dst, zigzag(x))
}

func zigzag(x int64) uint64 { return uint64(x)<<1 ^ uint64(x>>63) }

// uvarint reads a varint; ok is false if there is none, or none that fits 64 bits.
func uvarint(b []byte) (x uint64, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], true
	}
	return uvarintLong(b)
}

func uvarintLong(b []byte) (uint64, []byte, bool) {
	if len(b) > 1 && b[1] < 0x80 {
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, b[2:], true
	}
	x, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return x, b[n:], true
}

func unzigzag(x uint64) int64 { return int64(x>>1) ^ -int64(x&1) }

// insertLen puts the length of dst[at:], plus more, in front of it: who appends something
// whose length must come first does not know it before.
func insertLen(dst []byte, at, more int) []byte {
	n := len(dst) - at
	if n+more < 0x80 {
		dst = append(dst, 0)
		copy(dst[at+1:], dst[at:])
		dst[at] = byte(n + more)
		return dst
	}
	var head [binary.MaxVarintLen64]byte
	h := binary.PutUvarint(head[:], uint64(n+more))
	dst = append(dst, head[:h]...)
	copy(dst[at+h:], dst[at:at+n])
	copy(dst[at:], head[:h])
	return dst
}
