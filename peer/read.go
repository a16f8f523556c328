package peer

import (
	"io"
)

// Read reads the next bytes of the stream, straight from the connection. It
// also takes in what the peer says about the link itself, so somebody should be
// reading as long as the link lives. One caller at a time. After the link has
// ended it returns what Err says.
func (l *Link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, l.Err()
	}
	for l.left == 0 {
		if err := l.readRecord(); err != nil {
			return 0, l.broken(err)
		}
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	if n == 0 {
		return 0, l.broken(noEOF(err))
	}
	l.left -= n
	got := l.received.Add(uint64(n))
	if got-l.asked >= ackEvery {
		l.asked = got
		l.nudge()
	}
	return n, nil
}

// readRecord reads one record's header and acts on it.
func (l *Link) readRecord() error {
	b, err := l.in.Peek(recordHead)
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
	if err := r.follows(l.received.Load()); err != nil {
		return err
	}
	if _, err := l.in.Discard(recordHead); err != nil {
		return err
	}
	l.left = int(r.length)
	return l.acknowledge(r.received)
}

// acknowledge takes the peer's word on what it has received.
func (l *Link) acknowledge(received uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.out.acked
	if err := l.out.ack(received); err != nil {
		return err
	}
	if received > before && l.ticket != l.turn {
		l.room.Broadcast()
	}
	return nil
}

// nudge has the flusher say how much was received.
func (l *Link) nudge() {
	l.mu.Lock()
	l.ackDue = true
	l.work.Signal()
	l.mu.Unlock()
}

// broken ends the link because reading failed, and returns what Read returns.
func (l *Link) broken(err error) error {
	l.end(lost(l.info.ID, mismatch(err)))
	return l.Err()
}

// noEOF makes an end in the middle of something an unexpected one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
