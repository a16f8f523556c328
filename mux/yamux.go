package mux

import (
	"math"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// yamuxTransport is streams over yamux over a guarded connection.
type yamuxTransport struct {
	y      *yamux.Session
	g      *guardConn
	client bool

	mu      sync.Mutex                // guards what follows
	streams map[*yamuxStream]struct{} // that somebody reads, or may
	reading int                       // calls of Read under way
	closing bool
	idle    chan struct{} // closed when closing, and no Read is under way
}

func newYamux(s *Session, conn Conn, client bool) *yamuxTransport {
	g := newGuardConn(conn, newGuard(client, s.cfg.MaxStreams), s.end, s.streamGone)
	start := yamux.Server
	if client {
		start = yamux.Client
	}
	y, err := start(g, yamuxConfig(s))
	if err != nil {
		panic("mux: yamux refuses its configuration: " + err.Error())
	}
	return &yamuxTransport{
		y: y, g: g, client: client,
		streams: make(map[*yamuxStream]struct{}), idle: make(chan struct{}),
	}
}

// yamuxConfig: see the comments for why each value is what it is.
func yamuxConfig(s *Session) *yamux.Config {
	return &yamux.Config{
		// As many as there can be streams, at both sides: beyond it yamux would reset streams from its
		// receive loop, and OpenStream would block.
		AcceptBacklog: s.cfg.MaxStreams,
		// Whoever owns the connection knows whether it lives; the guard lets no ping pass.
		EnableKeepAlive:   false,
		KeepAliveInterval: time.Hour, // unused, but it may not be zero
		// A write that timed out might be delivered all the same. 0 would fire at once.
		ConnectionWriteTimeout: math.MaxInt64,
		MaxStreamWindowSize:    yamuxWindow,
		// Else one stream that is not accepted in time ends the session.
		StreamOpenTimeout: 0,
		// Else data that has arrived is thrown away after a while.
		StreamCloseTimeout: 0,
		Logger:             &yamuxLog{log: s.log},
	}
}

func (t *yamuxTransport) wrap(st *yamux.Stream, err error) (stream, error) {
	if err != nil {
		return nil, err
	}
	return &yamuxStream{Stream: st, t: t}, nil
}

func (t *yamuxTransport) control() (stream, error) {
	var st *yamux.Stream
	var err error
	if t.client {
		st, err = t.y.OpenStream()
	} else {
		st, err = t.y.AcceptStream()
	}
	if err == nil && st.StreamID() != controlStream {
		err = bad("stream %d instead of the control stream", st.StreamID())
	}
	return t.wrap(st, err)
}

func (t *yamuxTransport) open() (stream, error) { return t.wrap(t.y.OpenStream()) }

func (t *yamuxTransport) accept() (stream, error) { return t.wrap(t.y.AcceptStream()) }

// enter begins a Read of s; false when the session ends.
func (t *yamuxTransport) enter(s *yamuxStream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	t.streams[s] = struct{}{}
	t.reading++
	return true
}

func (t *yamuxTransport) leave() {
	t.mu.Lock()
	t.reading--
	last := t.closing && t.reading == 0
	t.mu.Unlock()
	if last {
		close(t.idle)
	}
}

func (t *yamuxTransport) forget(s *yamuxStream) {
	t.mu.Lock()
	delete(t.streams, s)
	t.mu.Unlock()
}

func (t *yamuxTransport) flush() { t.g.conn.Flush() }

func (t *yamuxTransport) room() bool { return t.g.room() }

// past is a deadline that is over.
var past = time.Unix(1, 0)

// close ends the readers of all streams before yamux hears of the end: a Read
// of yamux spins from the session's end until its own stream is closed, and
// thousands that do so together leave no time for the closing.
func (t *yamuxTransport) close() {
	_ = t.g.Close() // nothing comes or goes any more; yamux is not told
	t.mu.Lock()
	t.closing = true
	streams := t.streams
	t.streams = nil
	none := t.reading == 0
	t.mu.Unlock()
	for s := range streams {
		_ = s.Stream.SetReadDeadline(past)
	}
	if none {
		close(t.idle)
	}
	<-t.idle
	t.g.release()
	_ = t.y.Close()
}

// yamuxStream is a stream of yamux that can tell the guard how much may come on it.
type yamuxStream struct {
	*yamux.Stream
	t *yamuxTransport
}

// Read is yamux', but ends before the session does.
func (s *yamuxStream) Read(p []byte) (int, error) {
	if !s.t.enter(s) {
		return 0, ErrClosed
	}
	defer s.t.leave()
	return s.Stream.Read(p)
}

// Write goes past yamux' sending goroutine, which would take a hand-over and a copy: see
// guardConn.data.
func (s *yamuxStream) Write(p []byte) (int, error) {
	if err := s.t.g.data(s.StreamID(), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close is yamux'.
func (s *yamuxStream) Close() error {
	s.t.forget(s)
	return s.Stream.Close()
}

func (s *yamuxStream) allow(upTo uint64) { s.t.g.allow(s.StreamID(), upTo) }
