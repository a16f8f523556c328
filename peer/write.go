package peer

import "time"

const (
	// A flush holds at most so many bytes: what one flush takes is what everybody
	// else has to wait for.
	minFlush = 16 << 10
	maxFlush = 128 << 10

	// A full flush that takes longer than slowFlush makes the next ones half as
	// big, one that takes less than fastFlush twice as big.
	slowFlush = time.Millisecond
	fastFlush = 250 * time.Microsecond
)

// WriteFrame puts head and body behind what was written before, in one piece:
// nothing of another call comes between them. It returns when they are in the
// link's buffer, from where they are sent at once; both slices may be used
// again. It blocks only while there is no room: 4 MiB written and not
// acknowledged, or as much waiting as one flush takes. Together they may have
// 128 KiB. After the link's end it returns what Err says, and nothing is known
// about frames written before.
func (l *Link) WriteFrame(head, body []byte) error {
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
	l.work.Signal()
	return nil
}

// fits reports whether a frame of n bytes has room. A frame longer than a flush
// has it when nothing else waits.
func (l *Link) fits(n int) bool {
	waiting := l.out.unsent()
	return (waiting == 0 || waiting+n <= l.cap) && l.out.fits(n)
}

// flusher writes whatever has gathered when its last write is done, until the
// link ends.
func (l *Link) flusher() {
	var pieces [][]byte
	var ack [recordHead]byte
	for {
		var n int
		pieces, n = l.gathered(pieces[:0], ack[:])
		if len(pieces) == 0 {
			return
		}
		begin := l.host.clock.now()
		err := l.writeOut(pieces)
		end := l.host.clock.now()
		l.wrote.Store(int64(end))
		l.flushes.Add(1)
		clear(pieces)

		l.mu.Lock()
		l.out.wrote()
		if !l.fixed {
			l.cap = adapt(l.cap, n, end-begin)
		}
		if l.ticket != l.turn {
			l.room.Broadcast()
		}
		l.mu.Unlock()
		if err != nil {
			l.end(lost(l.info.ID, mismatch(err)))
			return
		}
	}
}

// gathered waits for something to write and takes it: n stream bytes in pieces,
// or an acknowledgement alone. No pieces: the link has ended.
func (l *Link) gathered(pieces [][]byte, ack []byte) (_ [][]byte, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil && l.out.unsent() == 0 && !l.ackDue {
		l.work.Wait()
	}
	if l.err != nil {
		return nil, 0
	}
	l.ackDue = false
	received := l.received.Load()
	if n = l.out.unsent(); n == 0 {
		record{kind: recordAck, start: l.out.taken, received: received}.put(ack)
		return append(pieces, ack), 0
	}
	pieces = l.out.take(pieces, received)
	if l.ticket != l.turn {
		l.room.Broadcast()
	}
	return pieces, n
}

// writeOut writes pieces with as few system calls as may be.
func (l *Link) writeOut(pieces [][]byte) error {
	l.wire.hold()
	var err error
	for _, p := range pieces {
		if _, err = l.tls.Write(p); err != nil {
			break
		}
	}
	if ferr := l.wire.flush(); err == nil {
		err = ferr
	}
	return err
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
