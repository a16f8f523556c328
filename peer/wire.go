package peer

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// What is read from the socket at once: little until somebody fills it.
	wireReadSmall = 4 << 10
	wireRead      = 64 << 10

	// gatherSize is how many bytes of TLS records go to the socket in one call;
	// one TLS record more fits behind it.
	gatherSize  = 64 << 10
	gatherSlack = 17 << 10
)

// wire is the socket under TLS. crypto/tls asks for a system call per record of
// 16 KiB, each way; wire reads ahead, and while it gathers it keeps written
// records back until there are enough or flush is called. It also notes when
// something was last heard: raw bytes are the sign of life, whatever they mean.
type wire struct {
	net.Conn
	clock *clock
	pool  *bufferPool

	in   []byte // owned by the reader
	r, w int    // in[r:w] has not been handed up
	got  int    // bytes read before known was set

	spoken atomic.Bool // helloBytes have come
	known  atomic.Bool // the other side has proved that it holds the key

	waiting atomic.Bool  // a read is waiting for the socket
	heard   atomic.Int64 // when that read began, or the last one ended

	// mu is the turn of writing. TLS writes one record at a time, also those it
	// writes by itself; the flusher's own flush must come between two of them.
	mu     sync.Mutex
	gather *[]byte // nil: not gathering
	fail   error   // of a gathered write
}

func newWire(c net.Conn, clock *clock, pool *bufferPool) *wire {
	w := &wire{Conn: c, clock: clock, pool: pool}
	w.heard.Store(int64(clock.now()))
	return w
}

// Read is the reader's alone.
func (w *wire) Read(p []byte) (int, error) {
	if w.r == w.w {
		switch known := w.known.Load(); {
		case w.in == nil:
			w.in = make([]byte, wireReadSmall)
		case !known && w.got > handshakeBytes:
			return 0, errTalkative
		case known && w.w == len(w.in) && len(w.in) < wireRead:
			// The last read filled it: there is more than little.
			w.in = make([]byte, wireRead)
		}
		w.r, w.w = 0, 0
		n, err := w.read(w.in)
		if n == 0 {
			return 0, err
		}
		w.w = n
	}
	n := copy(p, w.in[w.r:w.w])
	w.r += n
	return n, nil
}

func (w *wire) read(p []byte) (int, error) {
	w.heard.Store(int64(w.clock.now()))
	w.waiting.Store(true)
	n, err := w.Conn.Read(p)
	w.heard.Store(int64(w.clock.now()))
	w.waiting.Store(false)
	if n > 0 && !w.known.Load() {
		if w.got += n; w.got >= helloBytes {
			w.spoken.Store(true)
		}
	}
	return n, err
}

// errTalkative ends a connection before the other side has proved who it is.
var errTalkative error = protocolErrorf("more than %d bytes before the handshake was done", handshakeBytes)

// silent is for how long a waiting read has heard nothing. While nobody reads,
// nothing can be said about the peer, and it is 0.
func (w *wire) silent(now time.Duration) time.Duration {
	// In this order: while waiting is true, heard is no older than that read.
	if !w.waiting.Load() {
		return 0
	}
	return max(0, now-time.Duration(w.heard.Load()))
}

// restart begins the count of silence again.
func (w *wire) restart(now time.Duration) { w.heard.Store(int64(now)) }

// Write passes p on, or gathers it.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gather == nil {
		return w.Conn.Write(p)
	}
	if w.fail != nil {
		return 0, w.fail
	}
	*w.gather = append(*w.gather, p...)
	if len(*w.gather) >= gatherSize {
		w.writeOut()
	}
	return len(p), w.fail
}

// hold begins gathering.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gather = w.pool.get()
}

// flush writes what was gathered and ends gathering.
func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail == nil && len(*w.gather) > 0 {
		w.writeOut()
	}
	w.pool.put(w.gather)
	w.gather = nil
	return w.fail
}

func (w *wire) writeOut() {
	_, w.fail = w.Conn.Write(*w.gather)
	*w.gather = (*w.gather)[:0]
}

// clock counts monotonic time from the start of a host.
type clock struct{ base time.Time }

func newClock() *clock { return &clock{base: time.Now()} }

func (c *clock) now() time.Duration { return time.Since(c.base) }
