package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// event is the small struct of W2: about 60 bytes when it is encoded.
type event struct {
	ID    int64
	Name  string
	Score float64
	Tags  []string
	At    int64
	OK    bool
}

// kind says how values of a type are numbered: from 0, and the last one bears
// -1-count, so that the receiver knows that it has all, in order.
type kind[T any] struct {
	make   func(n int64) T
	number func(v T) int64
	room   int64 // numbers there are; what comes after starts at 0 again
	every  int64 // the clock is read once in so many values
}

var ints = kind[int64]{
	make:   func(n int64) int64 { return n },
	number: func(v int64) int64 { return v },
	room:   math.MaxInt64,
	every:  64,
}

var tags = []string{"red", "blue"}

var events = kind[event]{
	make: func(n int64) event {
		return event{ID: n, Name: "a temperature of sensor 12", Score: 21.5, Tags: tags, At: 1700000000000000000, OK: true}
	},
	number: func(v event) int64 { return v.ID },
	room:   math.MaxInt64,
	every:  64,
}

// blocks are of size random bytes, made once; their first 8 are the number. There are as
// many as a megabyte holds, so that a block is not changed while somebody may have it.
func blocks(size int) kind[[]byte] {
	count := max(4, min(256, (1<<20)/size))
	all := make([][]byte, count)
	random := rand.NewChaCha8([32]byte{7})
	fill := func(n int64) []byte {
		b := make([]byte, size)
		_, _ = random.Read(b)
		binary.LittleEndian.PutUint64(b, uint64(n))
		return b
	}
	for i := range all {
		all[i] = fill(int64(i))
	}
	return kind[[]byte]{
		make: func(n int64) []byte {
			if n < 0 {
				return fill(n)
			}
			return all[n%int64(count)]
		},
		number: func(b []byte) int64 {
			if len(b) != size {
				return math.MinInt64
			}
			return int64(binary.LittleEndian.Uint64(b))
		},
		room:  int64(count),
		every: max(1, min(64, 4096/int64(size))),
	}
}

// appendEvent is the compact encoding by hand that every system has which takes bytes.
func appendEvent(b []byte, v *event) []byte {
	b = binary.AppendVarint(b, v.ID)
	b = appendString(b, v.Name)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Score))
	b = binary.AppendUvarint(b, uint64(len(v.Tags)))
	for _, t := range v.Tags {
		b = appendString(b, t)
	}
	b = binary.AppendVarint(b, v.At)
	if v.OK {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errShort = errors.New("an event ends too early")

// readEvent keeps nothing of b.
func readEvent(b []byte) (v event, err error) {
	r := reading{b: b}
	v.ID = r.varint()
	v.Name = r.string()
	if len(r.b) < 8 {
		return v, errShort
	}
	v.Score = math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		return v, fmt.Errorf("an event with %d tags", n)
	}
	v.Tags = make([]string, n)
	for i := range v.Tags {
		v.Tags[i] = r.string()
	}
	v.At = r.varint()
	if r.bad || len(r.b) != 1 {
		return v, errShort
	}
	v.OK = r.b[0] != 0
	return v, nil
}

type reading struct {
	b   []byte
	bad bool
}

func (r *reading) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *reading) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *reading) skip(n int) {
	if n <= 0 {
		r.bad = true
		return
	}
	r.b = r.b[n:]
}

func (r *reading) string() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
