package mux

import (
	"io"
	"sync"
)

// Pair returns two sessions joined in memory: what one opens the other serves, with the same
// frames as over a connection, but without yamux. Both have the handler h. It is for two
// ends of one node. The end of one ends the other.
func Pair(h Handler, cfg Config) (a, b *Session) {
	a, b = newSession(h, cfg), newSession(h, cfg)
	ta := &pairTransport{s: a, max: a.cfg.MaxStreams, accepts: make(chan *pipe), done: make(chan struct{})}
	tb := &pairTransport{s: b, max: b.cfg.MaxStreams, accepts: make(chan *pipe), done: make(chan struct{})}
	ta.peer, tb.peer = tb, ta
	ta.in, tb.in = newPipe(nil), newPipe(nil)
	a.tr, b.tr = ta, tb
	go a.run()
	go b.run()
	return a, b
}

// pairTransport is one side of a Pair.
type pairTransport struct {
	s       *Session
	peer    *pairTransport
	max     int
	in      *pipe      // the control stream's direction towards this side
	accepts chan *pipe // streams that the peer opened; somebody always waits for the next
	done    chan struct{}

	mu    sync.Mutex
	over  bool
	pipes map[*pipe]struct{} // opened by this side, not gone
}

func (t *pairTransport) control() (stream, error) {
	return &pairControl{in: t.in, out: t.peer.in}, nil
}

func (t *pairTransport) flush() {}

func (t *pairTransport) room() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pipes) < t.max
}

func (t *pairTransport) open() (stream, error) {
	p := newPipe(func(p *pipe) {
		t.mu.Lock()
		delete(t.pipes, p)
		t.mu.Unlock()
		t.s.streamGone()
	})
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return nil, ErrClosed
	}
	if t.pipes == nil {
		t.pipes = make(map[*pipe]struct{})
	}
	t.pipes[p] = struct{}{}
	t.mu.Unlock()
	select {
	case t.peer.accepts <- p:
		return p, nil
	case <-t.peer.done:
		return nil, ErrClosed
	}
}

func (t *pairTransport) accept() (stream, error) {
	select {
	case p := <-t.accepts:
		return &pipeEnd{p}, nil
	case <-t.done:
		return nil, ErrClosed
	}
}

func (t *pairTransport) close() {
	for _, x := range []*pairTransport{t, t.peer} {
		x.mu.Lock()
		first := !x.over
		x.over = true
		pipes := x.pipes
		x.pipes = nil
		x.mu.Unlock()
		if !first {
			continue
		}
		close(x.done)
		x.in.cut()
		for p := range pipes {
			p.cut()
		}
		x.s.end(ErrClosed)
	}
}

// A pipe is a stream in memory, seen from the side that writes. Nobody but the byte
// limits of its uses bounds it, up to pipeMax.
type pipe struct {
	mu     sync.Mutex
	change sync.Cond
	buf    []byte
	r      int
	closed bool // by the writer
	broken bool
	gone   func(*pipe)
}

// pipeMax is as far as a pipe's writer can be ahead of its reader. Only the control stream can
// get there.
const pipeMax = yamuxWindow

func newPipe(gone func(*pipe)) *pipe {
	p := &pipe{gone: gone}
	p.change.L = &p.mu
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buf)-p.r >= pipeMax && !p.broken {
		p.change.Wait()
	}
	if p.broken || p.closed {
		return 0, ErrClosed
	}
	if p.r > 0 && len(p.buf)+len(b) > cap(p.buf) {
		p.buf = p.buf[:copy(p.buf, p.buf[p.r:])]
		p.r = 0
	}
	p.buf = append(p.buf, b...)
	p.change.Signal()
	return len(b), nil
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.r == len(p.buf) && !p.closed && !p.broken {
		p.change.Wait()
	}
	if p.broken {
		return 0, ErrClosed
	}
	if p.r == len(p.buf) {
		return 0, io.EOF
	}
	n := copy(b, p.buf[p.r:])
	full := len(p.buf)-p.r >= pipeMax
	if p.r += n; p.r == len(p.buf) {
		p.r, p.buf = 0, p.buf[:0]
	}
	if full {
		p.change.Signal()
	}
	return n, nil
}

// Close is the writer's: the reader gets io.EOF after what is left.
func (p *pipe) Close() error {
	p.mu.Lock()
	p.closed = true
	p.change.Signal()
	p.mu.Unlock()
	return nil
}

func (p *pipe) cut() {
	p.mu.Lock()
	p.broken, p.buf, p.r = true, nil, 0
	p.change.Signal()
	p.mu.Unlock()
}

func (p *pipe) Shrink() {
	p.mu.Lock()
	if p.r == len(p.buf) {
		p.buf, p.r = nil, 0
	}
	p.mu.Unlock()
}

func (p *pipe) allow(uint64) {} // both sides are ours

// pipeEnd is a pipe seen from the side that reads.
type pipeEnd struct{ *pipe }

// Close: the stream is gone.
func (e *pipeEnd) Close() error {
	e.gone(e.pipe)
	return nil
}

// pairControl is the control stream: a pipe for each direction.
type pairControl struct{ in, out *pipe }

func (c *pairControl) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *pairControl) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *pairControl) Close() error                { return nil }
func (c *pairControl) Shrink()                     { c.in.Shrink() }
func (c *pairControl) allow(uint64)                {}
