package mux

import (
	"io"
	"sync"
)

// A guardConn is the connection that yamux gets: it reads and writes only what the guard
// lets through, and whole frames only, in both directions. Data is written past yamux. (A half frame would leave one of
// yamux' mutexes held until the rest arrives.)
type guardConn struct {
	conn Conn
	fail func(error) // begins the end of the session; doesn't block
	gone func()      // a stream of ours is gone

	released chan struct{} // closed when yamux may hear of an error

	mu sync.Mutex // held for the guard only
	g  *guard

	// The reader's: buf[r:whole] is whole frames, buf[whole:w] not yet.
	buf         []byte
	r, whole, w int
	judged      bool  // the header at whole has been judged
	err         error // what comes after buf[r:whole]

	failed bool // yamux' writer's: nothing is written any more
	over   bool // guarded by mu: nobody waits for a window any more
	window sync.Cond
}

func newGuardConn(conn Conn, g *guard, fail func(error), gone func()) *guardConn {
	c := &guardConn{
		conn: conn, g: g, fail: fail, gone: gone,
		released: make(chan struct{}),
		buf:      make([]byte, yHeader+yamuxBody),
	}
	c.window.L = &c.mu
	return c
}

// Read gives yamux bytes of whole frames. An error ends the session, and is handed up
// when everybody who reads a stream has gone.
func (c *guardConn) Read(p []byte) (int, error) {
	for c.r == c.whole {
		if c.err != nil {
			c.fail(c.err)
			<-c.released
			return 0, c.err
		}
		c.more()
	}
	n := copy(p, c.buf[c.r:c.whole])
	c.r += n
	return n, nil
}

// more reads from the connection until another whole frame is there, or an error.
func (c *guardConn) more() {
	copy(c.buf, c.buf[c.whole:c.w])
	c.w -= c.whole
	c.r, c.whole = 0, 0
	for c.whole == 0 {
		n, err := c.conn.Read(c.buf[c.w:])
		c.w += n
		c.judge()
		if err != nil && c.err == nil {
			if err == io.EOF && c.whole < c.w {
				err = io.ErrUnexpectedEOF
			}
			c.err = err
		}
		if c.err != nil {
			return
		}
	}
}

// judge moves whole forward over frames that are there and right.
func (c *guardConn) judge() {
	gone := 0
	c.mu.Lock()
	for c.w-c.whole >= yHeader && c.err == nil {
		h := parseYHead(c.buf[c.whole:])
		if !c.judged {
			g, err := c.g.in(h)
			if err != nil {
				c.err = err
				break
			}
			if g {
				gone++
			}
			if h.stream == controlStream && h.typ == yWindow {
				c.window.Broadcast()
			}
			c.judged = true
		}
		if c.w-c.whole < yHeader+h.body() {
			break
		}
		c.whole += yHeader + h.body()
		c.judged = false
	}
	c.mu.Unlock()
	for range gone {
		c.gone()
	}
}

// Write takes a header from yamux: those without a body are its own. An error ends the session;
// yamux hears of that by Read, and until then writes to nobody.
func (c *guardConn) Write(p []byte) (int, error) {
	if c.failed {
		return len(p), nil
	}
	if err := c.write(p); err != nil {
		c.failed = true
		c.fail(err)
	}
	return len(p), nil
}

// release lets yamux know of the end.
func (c *guardConn) release() { close(c.released) }

func (c *guardConn) write(p []byte) error {
	if len(p) != yHeader || p[1] == yData {
		return bad("own header of %d bytes, or with a body", len(p))
	}
	c.mu.Lock()
	gone, err := c.g.out(parseYHead(p))
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if err := c.conn.WriteFrame(p, nil, false); err != nil {
		return err
	}
	if gone {
		c.gone()
	}
	return nil
}

// data writes a frame of data on an open stream. yamux does not know of it, and need not: on a
// data stream the byte limit is at most half of what its window is. On the control stream, which has
// no such limit, data waits for the window that the peer's yamux has given.
func (c *guardConn) data(stream uint32, body []byte) error {
	var head [yHeader]byte
	h := yHead{typ: yData, stream: stream, len: uint32(len(body))}
	h.put(head[:])
	c.mu.Lock()
	if stream == controlStream && c.g.window(stream) < len(body) {
		c.mu.Unlock()
		c.conn.Flush() // what waits there may be why the peer gives none
		c.mu.Lock()
		for !c.over && c.g.window(stream) < len(body) {
			c.window.Wait()
		}
	}
	_, err := c.g.out(h)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.conn.WriteFrame(head[:], body, true)
}

// Close closes the connection below.
func (c *guardConn) Close() error {
	err := c.conn.Close()
	c.mu.Lock()
	c.over = true
	c.window.Broadcast()
	c.mu.Unlock()
	return err
}

// room tells whether one more stream may be opened.
func (c *guardConn) room() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.g.ours < c.g.max
}

func (c *guardConn) allow(id uint32, upTo uint64) {
	c.mu.Lock()
	c.g.allow(id, upTo)
	c.mu.Unlock()
}
