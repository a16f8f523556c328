package mux

import (
	"encoding/binary"
	"io"
	"sync"
)

// A frameReader cuts frames out of a stream. At rest it holds 128 bytes; a frame that
// doesn't fit takes a pooled buffer until the next call.
type frameReader struct {
	src  io.Reader
	r, w int
	held *[]byte
	buf  [128]byte
}

var bufPool = sync.Pool{New: func() any {
	b := make([]byte, maxBody)
	return &b
}}

// next returns the next frame; body is valid until the next call. size is the frame's
// length with its head. The error is io.EOF only between frames.
func (f *frameReader) next() (typ byte, body []byte, size int, err error) {
	f.release()
	n, head, err := f.head()
	if err != nil {
		return 0, nil, 0, err
	}
	typ = f.buf[f.r]
	f.r += head
	size = head + n
	if f.w-f.r >= n {
		body = f.buf[f.r : f.r+n : f.r+n]
		f.r += n
		return typ, body, size, nil
	}
	if n <= len(f.buf) { // it fits once what came before it is moved away
		f.compact()
		if err := f.fill(n); err != nil {
			return 0, nil, 0, err
		}
		body = f.buf[f.r : f.r+n : f.r+n]
		f.r += n
		return typ, body, size, nil
	}
	f.held = bufPool.Get().(*[]byte)
	body = (*f.held)[:n]
	have := copy(body, f.buf[f.r:f.w])
	f.r, f.w = 0, 0
	if _, err := io.ReadFull(f.src, body[have:]); err != nil {
		return 0, nil, 0, cutOff(err)
	}
	return typ, body, size, nil
}

// head makes sure that type and length of the next frame are there.
func (f *frameReader) head() (n, head int, err error) {
	for {
		if f.w-f.r >= 2 {
			l, k := binary.Uvarint(f.buf[f.r+1 : min(f.w, f.r+headGap)])
			if k > 0 {
				if l > maxBody {
					return 0, 0, violation("frame", "%d bytes long", l)
				}
				return int(l), 1 + k, nil
			}
			if f.w-f.r >= headGap {
				return 0, 0, violation("frame", "length too long")
			}
		}
		before := f.w - f.r
		f.compact()
		if err := f.fill(before + 1); err != nil {
			if before == 0 && err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return 0, 0, err
		}
	}
}

func (f *frameReader) compact() {
	copy(f.buf[:], f.buf[f.r:f.w])
	f.w -= f.r
	f.r = 0
}

// fill reads until n bytes are there.
func (f *frameReader) fill(n int) error {
	for f.w-f.r < n {
		k, err := f.src.Read(f.buf[f.w:])
		f.w += k
		if err != nil && f.w-f.r < n {
			return cutOff(err)
		}
	}
	return nil
}

// release gives the pooled buffer back.
func (f *frameReader) release() {
	if f.held != nil {
		bufPool.Put(f.held)
		f.held = nil
	}
}

func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
