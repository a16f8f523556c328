package peer

import (
	"errors"
	"io"
)

// Read reads the next bytes of the stream, straight from the connection. It
// also takes in what the peer says about the link itself, so somebody should be
// reading as long as the link lives. One caller at a time. It waits while the
// link is broken. After the link has ended it returns what Err says.
func (l *Link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, l.Err()
	}
	for {
		n, err := l.readFrom(l.from, p)
		if n > 0 && l.count(l.from, n) {
			return n, nil
		}
		if err != nil {
			l.failed(l.from, err)
		}
		if l.from = l.carrier(); l.from == nil {
			return 0, l.Err()
		}
	}
}

// carrier waits for a connection. nil: the link has ended.
func (l *Link) carrier() *carrier {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.on == nil && l.err == nil {
		l.came.Wait()
	}
	return l.on
}

// count counts bytes that were read from a connection, if the link is still on it:
// if not, the peer will send them again, or has been told that it must.
func (l *Link) count(c *carrier, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on != c {
		return false
	}
	l.received += uint64(n)
	if l.received-l.asked >= ackEvery {
		l.asked = l.received
		l.ackDue = true
		l.work.Signal()
	}
	return true
}

// failed acts on an error of reading from a connection.
func (l *Link) failed(c *carrier, err error) {
	var broken protocolError
	switch {
	case errors.Is(err, errGoodbye):
		l.mu.Lock()
		l.told = true
		l.mu.Unlock()
		l.end(lost(l.info, err))
	case errors.As(err, &broken):
		l.end(lost(l.info, err))
	default:
		l.broke(c, c.trust.refusal(err))
	}
}

// readFrom reads stream bytes from a connection.
func (l *Link) readFrom(c *carrier, p []byte) (int, error) {
	for c.left == 0 {
		if err := l.readRecord(c); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(len(p), c.left)])
	if n == 0 {
		return 0, noEOF(err)
	}
	c.left -= n
	return n, nil
}

// readRecord reads one record's header and acts on it.
func (l *Link) readRecord(c *carrier) error {
	b, err := c.in.Peek(recordHead)
	if err != nil {
		if len(b) > 0 {
			err = noEOF(err)
		}
		return err
	}
	r, err := parseRecord(b)
	if err != nil {
		return err
	}
	if _, err := c.in.Discard(recordHead); err != nil {
		return err
	}
	skip, err := l.hear(c, r)
	if err != nil {
		return err
	}
	if r.kind == recordBye {
		return errGoodbye
	}
	if _, err := c.in.Discard(skip); err != nil {
		return noEOF(err)
	}
	c.left = int(r.length) - skip
	return nil
}

// hear takes in what a record's header says, if the link is still on its
// connection: what the peer has received, and where the record stands. The first
// records on a connection may begin with bytes that we have, so many to skip.
func (l *Link) hear(c *carrier, r record) (skip int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on != c {
		return 0, errReplaced
	}
	if skip, err = c.follow(r, l.received); err != nil {
		return 0, err
	}
	before := l.out.acked
	if err := l.out.ack(r.received); err != nil {
		return 0, err
	}
	if r.received > before && l.ticket != l.turn {
		l.room.Broadcast()
	}
	return skip, nil
}

// errGoodbye ends a link that the peer has ended: the clean end of its stream.
var errGoodbye error = goodbye{}

type goodbye struct{}

func (goodbye) Error() string { return "the other side has said goodbye" }
func (goodbye) Unwrap() error { return io.EOF }

// noEOF makes an end in the middle of something an unexpected one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
