package codec

import (
	"encoding/binary"
	"math"
)

// What is here reads many values of one basic type faster than step by step.

func readInts(to []int64, b []byte) ([]byte, error) {
	for i := range to {
		x, rest, ok := uvarint(b)
		if !ok {
			return nil, errShort()
		}
		to[i], b = unzigzag(x), rest
	}
	return b, nil
}

func readFloats(to []float64, b []byte) ([]byte, error) {
	if len(b)/8 < len(to) {
		return nil, errShort()
	}
	for i := range to {
		to[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return b[8*len(to):], nil
}

// shareBelow is up to how many bytes the strings of one slice share their memory: who
// keeps one keeps all, which must not matter.
const shareBelow = 256

// strings reads strings, in one allocation if they are short.
func (d *decoder) strings(to []string, b []byte) ([]byte, error) {
	all, err := d.shared(len(to), b)
	if err != nil {
		return nil, err
	}
	start := len(b)
	for i := range to {
		x, rest, ok := uvarint(b)
		if !ok || x > uint64(len(rest)) {
			return nil, errShort()
		}
		if all != "" {
			at := start - len(rest)
			to[i] = all[at : at+int(x)]
		} else {
			if err := d.take(int(x), 1); err != nil {
				return nil, err
			}
			to[i] = string(rest[:x])
		}
		b = rest[x:]
	}
	return b, nil
}

// shared copies the bytes in which the next n strings lie; "" if they share none.
func (d *decoder) shared(n int, b []byte) (string, error) {
	if n < 2 || n > shareBelow {
		return "", nil
	}
	left := b
	for range n {
		x, rest, ok := uvarint(left)
		if !ok || x > uint64(len(rest)) {
			return "", errShort()
		}
		if left = rest[x:]; len(b)-len(left) > shareBelow {
			return "", nil
		}
	}
	used := len(b) - len(left)
	if used == n { // all of them empty
		return "", nil
	}
	return string(b[:used]), d.take(used, 1)
}
