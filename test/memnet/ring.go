package memnet

// ringSmall is what a ring begins with.
const ringSmall = 4 << 10

// ring is a buffer of bytes, first in, first out, that grows as needed.
type ring struct {
	buf   []byte
	at, n int // buf[at:at+n], around the end, is what it holds
}

// write appends p.
func (r *ring) write(p []byte) {
	if r.n+len(p) > len(r.buf) {
		size := max(ringSmall, len(r.buf))
		for size < r.n+len(p) {
			size *= 2
		}
		grown := make([]byte, size)
		r.copyTo(grown[:r.n])
		r.buf, r.at = grown, 0
	}
	end := r.at + r.n
	if end >= len(r.buf) {
		end -= len(r.buf)
	}
	k := copy(r.buf[end:], p)
	copy(r.buf, p[k:])
	r.n += len(p)
}

// read fills p, which must not be longer than what there is.
func (r *ring) read(p []byte) {
	r.copyTo(p)
	if r.at += len(p); r.at >= len(r.buf) {
		r.at -= len(r.buf)
	}
	if r.n -= len(p); r.n == 0 {
		r.at = 0
	}
}

func (r *ring) copyTo(p []byte) {
	k := copy(p, r.buf[r.at:])
	copy(p[k:], r.buf)
}

// truncate keeps the first n bytes.
func (r *ring) truncate(n int) {
	if r.n = n; n == 0 {
		*r = ring{}
	}
}
