package codec

import (
	"sync"

	"github.com/klauspost/compress/s2"
)

const (
	// MinCompress is the least number of bytes that is worth compressing.
	MinCompress = 1 << 10

	worthShare  = 8        // compressing pays when it saves an eighth
	maxLeave    = 16       // how many frames are left alone between two tries, at most
	large       = 32 << 10 // what has so many bytes is not left alone unseen
	sample      = 4 << 10  // so much of it is tried first
	keepScratch = 128 << 10
)

// A Compressor compresses what one stream sends, while that pays: bytes that don't shrink
// are left as they are, and so are those that come next, at first a few, then up to 16
// frames. Of what is large a sample is tried meanwhile. The zero Compressor is ready. It is used by one goroutine at a time.
//
// The format is that of a block of S2, an extension of Snappy
// (https://github.com/klauspost/compress/tree/master/s2). A block begins with the length
// of what it was made from.
type Compressor struct {
	small, large tries
}

// tries is how it went.
type tries struct {
	leave int // how many are still left alone
	next  int // how many are left alone after the next try that doesn't pay
}

// Compress compresses b where it lies, and returns the shorter slice; or b as it is.
func (c *Compressor) Compress(b []byte) (out []byte, compressed bool) {
	if len(b) < MinCompress {
		return b, false
	}
	t := &c.small
	if len(b) >= large {
		t = &c.large
	}
	if t.leave > 0 {
		t.leave--
		if t == &c.small || !pays(b[len(b)/2:][:sample]) {
			return b, false
		}
	}
	scratch, block := squeeze(b)
	if compressed = worth(block, b); compressed {
		b = b[:copy(b, block)]
		*t = tries{}
	} else {
		t.next = min(max(1, 2*t.next), maxLeave)
		t.leave = t.next
	}
	keep(scratch)
	return b, compressed
}

// pays says whether compressing b would.
func pays(b []byte) bool {
	scratch, block := squeeze(b)
	defer keep(scratch)
	return worth(block, b)
}

func worth(block, b []byte) bool { return len(block) <= len(b)-len(b)/worthShare }

// squeeze compresses b into a scratch that is to be kept.
func squeeze(b []byte) (scratch *[]byte, block []byte) {
	scratch = scratches.Get().(*[]byte)
	if most := s2.MaxEncodedLen(len(b)); cap(*scratch) < most {
		*scratch = make([]byte, most)
	}
	return scratch, s2.Encode((*scratch)[:cap(*scratch)], b)
}

func keep(scratch *[]byte) {
	if cap(*scratch) <= keepScratch {
		scratches.Put(scratch)
	}
}

var scratches = sync.Pool{New: func() any { return new([]byte) }}

// Decompress is the reverse of Compress. dst gives its memory, what it holds is
// overwritten. What block says its length is must not be more than most: nothing is
// allocated before that is clear. The error is a *CorruptError.
func Decompress(dst, block []byte, most int) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	switch {
	case err != nil:
		return nil, corrupt("compressed bytes without a length")
	case n > most:
		return nil, corrupt("%d bytes, compressed, where at most %d are allowed", n, most)
	}
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	out, err := s2.Decode(dst[:n], block)
	if err != nil {
		return nil, corrupt("%d bytes that can't be decompressed", len(block))
	}
	return out, nil
}
