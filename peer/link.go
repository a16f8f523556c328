package peer

import (
	"bufio"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"
)

// Link joins this node with another one: a stream of bytes each way, over one
// TLS connection. It ends when that connection breaks, when nothing is heard
// for 3 s, when either side closes it, or when the peer's key is no longer
// accepted. All methods but Read are safe for concurrent use.
type Link struct {
	host  *Host
	entry *neighbour
	info  Info
	lower bool
	id    linkID
	num   uint64 // of the connection, unique in the host
	ca    caKey  // what the peer's certificate was issued under

	wire *wire
	tls  *tls.Conn
	in   *bufio.Reader

	ready chan struct{} // closed when the owner has been told of the link
	done  chan struct{} // closed when the link has ended
	wg    sync.WaitGroup

	// The reader's.
	left  int    // bytes of the current record not handed up yet
	asked uint64 // received when an acknowledgement was last asked for

	received atomic.Uint64 // stream bytes handed up by Read
	wrote    atomic.Int64  // when the last write ended
	flushes  atomic.Uint64

	// mu guards what follows. It is never held during I/O.
	mu     sync.Mutex
	work   *sync.Cond // the flusher's
	room   *sync.Cond // writers'
	out    *outbox
	cap    int    // at most so many bytes wait for the next flush
	fixed  bool   // cap is not adapted
	ticket uint64 // writers' turns: the next to be given out,
	turn   uint64 // and the one whose turn it is
	ackDue bool
	err    error // why the link has ended; nil: it lives
}

// Info is who is at the other end of a link. ID is proved; Name and Addr are
// what the peer says, Addr empty if it can't be dialled.
type Info struct {
	ID   NodeID
	Name string
	Addr string
}

// LinkStats counts a link's bytes, without records' headers and TLS.
type LinkStats struct {
	Sent         uint64 // handed to the connection
	Acknowledged uint64 // of these, received by the peer
	Received     uint64 // handed up by Read
	Kept         int    // bytes written and not acknowledged yet
	Flushes      uint64 // writes to the connection
}

func newLink(h *Host, c *carrier, id linkID, peer *hello) *Link {
	l := &Link{
		host:  h,
		entry: c.entry,
		info:  Info{ID: c.peer, Name: peer.name, Addr: peer.addr},
		lower: c.entry.slot.lower,
		id:    id,
		num:   c.num,
		ca:    c.ca,
		wire:  c.wire,
		tls:   c.tls,
		in:    c.in,
		ready: make(chan struct{}),
		done:  make(chan struct{}),
		out:   newOutbox(&h.segments, h.cfg.tune.segments, int(min(peer.maxRecord, maxRecord))),
		cap:   maxFlush,
	}
	if f := h.cfg.tune.flushCap; f != 0 {
		l.cap, l.fixed = f, true
	}
	l.work, l.room = sync.NewCond(&l.mu), sync.NewCond(&l.mu)
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

// Err says why the link has ended: ErrClosed after a Close on this side, else an
// error that matches ErrPeerLost. It is nil until then.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stats returns the link's counters so far.
func (l *Link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LinkStats{
		Sent:         l.out.taken,
		Acknowledged: l.out.acked,
		Received:     l.received.Load(),
		Kept:         l.out.kept(),
		Flushes:      l.flushes.Load(),
	}
}

// Close ends the link at once; what was written and has not left is gone. The
// error is always nil. It waits for the link's own goroutine, not for a Read,
// which it interrupts.
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
	l.work.Broadcast()
	l.room.Broadcast()
	l.mu.Unlock()
	// Whoever sees Done can count on a new link being made when it asks for one.
	l.host.unlink(l)
	_ = l.wire.Close()
	close(l.done)
	l.host.logEnd(l, err)
}

// start lets the flusher run. It reports false when the host is closing.
func (l *Link) start() bool {
	if err := l.wire.SetDeadline(time.Time{}); err != nil {
		l.end(lost(l.info.ID, err))
	}
	l.wg.Add(1)
	if !l.host.spawn(func() { defer l.wg.Done(); l.flusher() }) {
		l.wg.Done()
		l.end(ErrClosed)
		return false
	}
	return true
}

// alive reports whether the link has not ended.
func (l *Link) alive() bool { return l.Err() == nil }
