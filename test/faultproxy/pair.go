package faultproxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	upward = iota
	downward
)

const (
	bufferSize = 128 << 10 // for each direction of a connection

	// A slow connection gets its bytes in so many pieces a second, and may
	// catch up on so much time in which it got none.
	piecesPerSecond = 100
	catchUp         = time.Second / piecesPerSecond
)

// pair is one connection through the proxy: the one that was accepted and the
// one to the target.
type pair struct {
	proxy *Proxy
	ends  [2]*net.TCPConn // from where it goes up, from where it goes down
	done  chan struct{}   // closed when nothing is left of it

	end   sync.Once
	ended chan struct{} // closed when the ends are

	hang sync.Once
	hung chan struct{} // closed by hangUp

	// broken is which end has failed a write. A reset is told only once by the
	// system: when writing has taken the error, reading finds a plain end.
	broken [2]atomic.Bool
}

func newPair(p *Proxy, dialer, target *net.TCPConn) *pair {
	return &pair{
		proxy: p,
		ends:  [2]*net.TCPConn{upward: dialer, downward: target},
		done:  make(chan struct{}),
		ended: make(chan struct{}),
		hung:  make(chan struct{}),
	}
}

// run is the life of the nth pair.
func (c *pair) run(f *faults, n int) {
	var left [2]int64
	left[upward], left[downward] = f.limits(n)
	if left[upward] == 0 || left[downward] == 0 {
		c.reset()
		return
	}
	var ways sync.WaitGroup
	for dir := range c.ends {
		w := &way{pair: c, dir: dir, from: c.ends[dir], to: c.ends[1-dir], left: left[dir]}
		if f.delay > 0 {
			late := newLate(c, w.from, f.delay)
			ways.Go(late.read)
			w.from = late
		}
		ways.Go(w.carry)
	}
	ways.Wait()
	c.end.Do(func() {
		close(c.ended)
		c.ends[upward].Close()
		c.ends[downward].Close()
	})
}

// reset has both sides see an error.
func (c *pair) reset() {
	c.end.Do(func() {
		close(c.ended)
		reset(c.ends[upward])
		reset(c.ends[downward])
	})
}

// reset closes a connection with an RST.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // fails only on a connection that is closed
	conn.Close()
}

func (c *pair) hangUp() {
	c.hang.Do(func() {
		close(c.hung)
		for _, end := range c.ends {
			_ = end.CloseWrite() // fails when that end is gone, and needs to be told nothing
		}
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// over says whether nobody is to get anything from the pair any more.
func (c *pair) over() bool { return isClosed(c.ended) || isClosed(c.hung) }

// pause waits for d, for a change, or until the pair is over.
func (c *pair) pause(d <-chan time.Time, changed <-chan struct{}) {
	select {
	case <-d:
	case <-changed:
	case <-c.ended:
	case <-c.hung:
	}
}

// flowing waits while a direction is stalled, or until the pair is over. It
// returns what is set.
func (c *pair) flowing(dir int) *faults {
	for {
		f := c.proxy.faults.Load()
		if !f.stalled[dir] || c.over() {
			return f
		}
		c.pause(nil, f.changed)
	}
}

// way is one direction of a pair.
type way struct {
	pair *pair
	dir  int
	from io.Reader
	to   *net.TCPConn
	left int64     // how many bytes until the pair is reset, <0 for no end
	next time.Time // when a slow one may go on
}

// carry passes on what comes until an end.
func (w *way) carry() {
	buf := make([]byte, bufferSize)
	for {
		n, readErr := w.from.Read(buf)
		if err := w.pass(buf[:n]); err != nil {
			// The news of that travels the other way.
			w.pair.broken[1-w.dir].Store(true)
			w.pair.flowing(1 - w.dir)
			w.pair.reset()
			return
		}
		if readErr == nil {
			continue
		}
		w.pair.flowing(w.dir)
		switch {
		case !errors.Is(readErr, io.EOF) || w.pair.broken[w.dir].Load():
			w.pair.reset()
		case !w.pair.over():
			_ = w.to.CloseWrite() // fails when there is nobody left to tell
		}
		return
	}
}

// pass writes b as slowly and as finely as is set. When the pair is over, b
// vanishes.
func (w *way) pass(b []byte) error {
	for len(b) > 0 {
		f := w.pair.flowing(w.dir)
		if w.pair.over() {
			return nil
		}
		if wait := time.Until(w.next); f.rate > 0 && wait > 0 {
			w.pair.pause(time.After(wait), f.changed)
			continue
		}
		n, err := w.to.Write(b[:w.size(f, len(b))])
		b = b[n:]
		w.pair.proxy.passed[w.dir].Add(int64(n))
		if err != nil {
			if w.pair.over() {
				return nil
			}
			return err
		}
		if w.left > 0 {
			if w.left -= int64(n); w.left == 0 {
				w.pair.reset() // and so over
			}
		}
		if f.rate > 0 {
			w.spend(n, f.rate)
		}
	}
	return nil
}

// spend takes the time for n bytes.
func (w *way) spend(n, rate int) {
	if earliest := time.Now().Add(-catchUp); w.next.Before(earliest) {
		w.next = earliest
	}
	w.next = w.next.Add(time.Duration(n) * time.Second / time.Duration(rate))
}

// size is how many of n bytes go into the next write.
func (w *way) size(f *faults, n int) int {
	if f.slice > 0 {
		n = min(n, f.slice)
	}
	if f.rate > 0 {
		n = min(n, max(1, f.rate/piecesPerSecond))
	}
	if w.left >= 0 {
		n = int(min(int64(n), w.left))
	}
	return n
}
