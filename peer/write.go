package peer

import (
	"io"
	"time"
)

const (
	// A flush holds at most so many bytes: what one flush takes is what everybody
	// else has to wait for.
	minFlush = 16 << 10
	maxFlush = 128 << 10

	// So much is not kept back for more.
	flushSoon = 16 << 10

	// A full flush that takes longer than slowFlush makes the next ones half as
	// big, one that takes less than fastFlush twice as big.
	slowFlush = time.Millisecond
	fastFlush = 250 * time.Microsecond
)

// WriteFrame puts head and body behind what was written before, in one piece:
// nothing of another call comes between them. It returns when they are in the
// link's buffer, from where they are sent at once; both slices may be used
// again. It blocks only while there is no room: 4 MiB written and not
// acknowledged, or less where the host's other links have too much of it, or as
// much waiting as one flush takes; so also when the link is broken for long.
// Together they may have 128 KiB. After the link's end it returns what Err says,
// and nothing is known about frames written before. With more, a little may wait for Flush.
func (l *Link) WriteFrame(head, body []byte, more bool) error {
	n := len(head) + len(body)
	if n > maxFrame {
		return errFrameSize
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Writers take turns, so that a big frame finds room among small ones. The
	// room is waited for before the first byte.
	if l.ticket != l.turn || !l.fits(n) {
		mine := l.ticket
		l.ticket++
		l.work.Signal() // something may wait for a Flush
		for l.err == nil && (l.turn != mine || !l.fits(n)) {
			l.room.Wait()
		}
		l.turn++
		if l.ticket != l.turn {
			l.room.Broadcast()
		}
	}
	if l.err != nil {
		return l.err
	}
	l.out.append(head)
	l.out.append(body)
	if !more || l.out.unsent() >= flushSoon {
		l.work.Signal()
	}
	return nil
}

// Flush sends what was written, on the caller's goroutine if nobody is about to: that saves the time
// until another one runs.
func (l *Link) Flush() {
	l.mu.Lock()
	if l.writing || l.rewind || l.on == nil || l.err != nil || l.out.unsent() == 0 {
		l.mu.Unlock() // the flusher goes on, or has nothing to write to
		return
	}
	n, c := l.take()
	l.mu.Unlock()
	l.writeOut(n, c)
}

// fits reports whether a frame of n bytes has room. A frame longer than a flush
// has it when nothing else waits.
func (l *Link) fits(n int) bool {
	waiting := l.out.unsent()
	return (waiting == 0 || waiting+n <= l.cap) && l.out.fits(n)
}

// flusher writes whatever has gathered when its last write is done, to whatever
// connection there is, until the link ends. Then it says goodbye.
func (l *Link) flusher() {
	for {
		n, c := l.gathered()
		if c == nil {
			l.farewell()
			l.mu.Lock()
			l.out.drop()
			l.mu.Unlock()
			return
		}
		l.writeOut(n, c)
	}
}

// writeOut writes what was taken, n stream bytes, to c. l.writing is set.
func (l *Link) writeOut(n int, c *carrier) {
	begin := l.host.clock.now()
	err := c.writeOut(l.pieces)
	end := l.host.clock.now()
	l.wrote.Store(int64(end))
	l.flushes.Add(1)
	clear(l.pieces)

	l.mu.Lock()
	l.writing = false
	l.out.wrote()
	if !l.fixed {
		l.cap = adapt(l.cap, n, end-begin)
	}
	if l.ticket != l.turn {
		l.room.Broadcast()
	}
	if l.err != nil || l.due() {
		l.work.Signal()
	}
	l.mu.Unlock()
	if err != nil {
		l.broke(c, c.trust.refusal(err))
	}
}

// due reports whether there is something to write, and a connection to write it to.
func (l *Link) due() bool { return l.on != nil && (l.out.unsent() > 0 || l.ackDue || l.rewind) }

// gathered waits for something to write and takes it. nil: the link has ended.
func (l *Link) gathered() (n int, c *carrier) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing || l.err == nil && !l.due() {
		l.work.Wait()
	}
	if l.err != nil {
		return 0, nil
	}
	return l.take()
}

// take takes what is to be written as l.pieces: n stream bytes, or an acknowledgement alone,
// for connection c. It belongs to the caller until writeOut has written it.
func (l *Link) take() (n int, c *carrier) {
	l.writing = true
	if l.rewind {
		l.out.rewind()
		l.rewind = false
	}
	l.ackDue = false
	before := l.out.taken
	if l.out.unsent() == 0 {
		record{kind: recordAck, start: before, received: l.received}.put(l.ack[:])
		l.pieces = append(l.pieces[:0], l.ack[:])
		return 0, l.on
	}
	l.pieces = l.out.take(l.pieces[:0], l.cap, l.received)
	if l.ticket != l.turn {
		l.room.Broadcast()
	}
	return int(l.out.taken - before), l.on
}

// goodbyeLimit is how long the end of a link may take to be told.
const goodbyeLimit = 250 * time.Millisecond

// farewell tells the peer that the link has ended, and closes its connection.
func (l *Link) farewell() {
	l.mu.Lock()
	c, told := l.last, l.told
	if l.rewind { // nothing has been written to this connection yet
		l.out.rewind()
	}
	bye := record{kind: recordBye, start: l.out.taken, received: l.received}
	l.mu.Unlock()
	if c == nil {
		return
	}
	defer func() { _ = c.wire.Close() }()
	if told || c.wire.SetDeadline(time.Now().Add(goodbyeLimit)) != nil {
		return
	}
	b := make([]byte, recordHead)
	bye.put(b)
	if _, err := c.tls.Write(b); err != nil {
		return
	}
	// A socket that is closed while something is unread is reset, and a reset
	// can overtake what was written: let the peer close first. TLS is passed by: a
	// reader that still waits in it holds its lock.
	half, ok := c.wire.Conn.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.wire.Conn)
	}
}

// adapt is the next flush cap after a flush of n bytes that took so long.
func adapt(limit, n int, took time.Duration) int {
	if n < limit/4*3 {
		return limit // not a full one: it says nothing about the connection
	}
	switch {
	case took > slowFlush:
		return max(minFlush, limit/2)
	case took < fastFlush:
		return min(maxFlush, limit*2)
	}
	return limit
}
