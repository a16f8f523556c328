package faultproxy

import (
	"io"
	"time"
)

// At most 4 MiB of a direction are on their way.
const (
	lateChunk  = 16 << 10
	lateChunks = 256
)

// late is one end of a pair, read later than things were said.
type late struct {
	pair  *pair
	conn  io.Reader
	delay time.Duration
	heard chan heard
	now   heard // what is being read
}

// heard is something that was said, or the last word.
type heard struct {
	bytes []byte
	err   error
	due   time.Time
}

func newLate(c *pair, conn io.Reader, delay time.Duration) *late {
	return &late{pair: c, conn: conn, delay: delay, heard: make(chan heard, lateChunks)}
}

// read listens until the last word.
func (l *late) read() {
	buf := make([]byte, lateChunk)
	for {
		n, err := l.conn.Read(buf)
		h := heard{bytes: append([]byte(nil), buf[:n]...), err: err, due: time.Now().Add(l.delay)}
		select {
		case l.heard <- h:
		case <-l.pair.ended:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read is for one reader, which stops at the first error.
func (l *late) Read(b []byte) (int, error) {
	if len(l.now.bytes) == 0 {
		select {
		case l.now = <-l.heard:
		case <-l.pair.ended:
			return 0, io.ErrClosedPipe
		}
		l.pair.pause(time.After(time.Until(l.now.due)), nil)
	}
	n := copy(b, l.now.bytes)
	l.now.bytes = l.now.bytes[n:]
	if len(l.now.bytes) > 0 {
		return n, nil
	}
	return n, l.now.err
}
