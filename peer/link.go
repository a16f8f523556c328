package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Link joins this node with another one: a stream of bytes each way, over one
// TLS connection at a time. When that breaks, or nothing is heard over it for
// 3 s, both sides dial, and the stream goes on at the very byte where it
// stopped: who reads and writes notices nothing but the time that this takes.
//
// A link ends when either side closes it, when it has been broken for as long as
// Config.ResumeTimeout allows, when the peer breaks the protocol, and while it is
// broken also as soon as it is known that it can't come back. All methods but
// Read are safe for concurrent use.
type Link struct {
	host   *Host
	entry  *neighbour
	info   Info
	lower  bool
	id     linkID
	addr   string        // where to dial it; empty: nowhere
	resume time.Duration // how long it may be broken

	ready chan struct{} // closed when the owner has been told of the link
	done  chan struct{} // closed when the link has ended
	wg    sync.WaitGroup

	// The reader's.
	from  *carrier // what it reads from, which may no longer be what the link is on
	asked uint64   // received when an acknowledgement was last asked for

	wrote   atomic.Int64 // when the last write ended
	flushes atomic.Uint64

	// mu guards what follows. It is never held during I/O.
	mu     sync.Mutex
	work   *sync.Cond // the flusher's
	room   *sync.Cond // writers'
	came   *sync.Cond // the reader's, for a connection
	out    *outbox
	cap    int    // at most so many bytes wait for the next flush
	fixed  bool   // cap is not adapted
	ticket uint64 // writers' turns: the next to be given out,
	turn   uint64 // and the one whose turn it is
	ackDue bool

	writing bool             // somebody writes: what follows is his
	pieces  [][]byte         // what he writes,
	ack     [recordHead]byte // if it is an acknowledgement this

	on       *carrier // what the link goes over; nil: it is broken, or has ended
	last     *carrier // when it has ended: what it went over then, for the goodbye
	number   uint64   // of the answer that on is, or will be, there by
	rewind   bool     // on is new: the flusher has to go back to where the peer stands
	received uint64   // stream bytes handed up by Read
	breaks   uint64
	brokenAt time.Duration
	loud     bool               // that break is told to people
	noise    limiter            // on breaks that are
	lift     context.CancelFunc // ends the redialling
	parting  bool               // the peer is leaving: a break is the end
	told     bool               // the peer has said goodbye
	err      error              // why the link has ended; nil: it lives
}

// Info is who is at the other end of a link. ID and Identity are proved; Name and
// Addr are what the peer says, Addr empty if it can't be dialled. Identity is that of
// its certificate (Config.TLS): the SPIFFE ID, else the first DNS name, else the
// subject's common name; it is empty where certificates are issued under the key.
type Info struct {
	ID       NodeID
	Name     string
	Addr     string
	Identity string
}

// LinkStats counts a link's bytes, without records' headers and TLS.
type LinkStats struct {
	Sent         uint64 // handed to a connection, each byte counted once
	Resent       uint64 // of these, handed to another connection again
	Acknowledged uint64 // of these, received by the peer
	Received     uint64 // handed up by Read
	Kept         int    // bytes written and not acknowledged yet
	Flushes      uint64 // writes to a connection
	Breaks       uint64 // how often a connection broke
	Broken       bool   // there is none just now
}

func newLink(h *Host, c *carrier, id linkID, number uint64, peer *hello) *Link {
	l := &Link{
		host:   h,
		entry:  c.entry,
		info:   Info{ID: c.peer, Name: peer.name, Addr: peer.addr, Identity: c.who.identity},
		lower:  c.entry.slot.lower,
		id:     id,
		addr:   c.dialled,
		resume: min(h.cfg.ResumeTimeout, peer.resume),
		from:   c,
		on:     c,
		number: number,
		lift:   func() {},
		ready:  make(chan struct{}),
		done:   make(chan struct{}),
		out:    newOutbox(&h.segments, h.cfg.tune.segments, int(min(peer.maxRecord, maxRecord))),
		cap:    maxFlush,
	}
	if l.addr == "" {
		l.addr = peer.addr
	}
	if !l.lower {
		l.resume += h.cfg.tune.higher
	}
	if f := h.cfg.tune.flushCap; f != 0 {
		l.cap, l.fixed = f, true
	}
	l.work, l.room, l.came = sync.NewCond(&l.mu), sync.NewCond(&l.mu), sync.NewCond(&l.mu)
	l.wrote.Store(int64(h.clock.now()))
	return l
}

// Remote is who is at the other end.
func (l *Link) Remote() Info { return l.info }

// Lower reports whether this node has the lower ID of the two, which the two
// sides see the opposite way: for roles that must differ.
func (l *Link) Lower() bool { return l.lower }

// Done is closed when the link has ended.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err says why the link has ended: ErrClosed after a Close on this side, else a
// *LostError. It is nil until then.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Broken reports whether the link has no connection just now, and is waited for.
func (l *Link) Broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on == nil && l.err == nil
}

// current is the connection that the link is on; nil: none.
func (l *Link) current() *carrier {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

// Stats returns the link's counters so far.
func (l *Link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LinkStats{
		Sent:         l.out.sent,
		Resent:       l.out.resent,
		Acknowledged: l.out.acked,
		Received:     l.received,
		Kept:         l.out.kept(),
		Flushes:      l.flushes.Load(),
		Breaks:       l.breaks,
		Broken:       l.on == nil && l.err == nil,
	}
}

// Close ends the link at once, and tells the peer if that takes no longer than
// 250 ms; what was written and has not left is gone. The error is always nil. It
// waits for the link's own goroutines, not for a Read, which it interrupts.
func (l *Link) Close() error {
	l.end(ErrClosed)
	<-l.done
	l.wg.Wait()
	return nil
}

// end ends the link, once; later reasons are ignored. It does not wait.
func (l *Link) end(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	if l.on == nil {
		l.host.broken.Add(-1)
	}
	l.last, l.on = l.on, nil
	last, lift := l.last, l.lift
	l.work.Broadcast()
	l.room.Broadcast()
	l.came.Broadcast()
	l.mu.Unlock()
	lift()
	if last != nil {
		// A read and a write that are going on must come to their end.
		_ = last.wire.SetDeadline(time.Now().Add(goodbyeLimit))
	}
	// Whoever sees Done can count on a new link being made when it asks for one.
	l.host.unlink(l)
	close(l.done)
	l.host.logEnd(l, err)
}

// start lets the flusher run. It reports false when the host is closing.
func (l *Link) start() bool {
	c := l.from
	if err := c.wire.SetDeadline(time.Time{}); err != nil {
		l.broke(c, err)
	}
	l.wg.Add(1)
	if !l.host.spawn(func() { defer l.wg.Done(); l.flusher() }) {
		l.wg.Done()
		l.end(ErrClosed)
		l.farewell()
		return false
	}
	return true
}

// alive reports whether the link has not ended.
func (l *Link) alive() bool { return l.Err() == nil }
