package mux

import (
	"math"
	"time"

	"github.com/hashicorp/yamux"
)

// yamuxTransport is streams over yamux over a guarded connection.
type yamuxTransport struct {
	y      *yamux.Session
	g      *guardConn
	client bool
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
	return &yamuxTransport{y: y, g: g, client: client}
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
	return &yamuxStream{Stream: st, g: t.g}, nil
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

func (t *yamuxTransport) room() bool { return t.g.room() }

func (t *yamuxTransport) close() {
	// The connection first, and yamux only when its receive loop has ended: else readers of
	// streams would spin until then.
	_ = t.g.Close()
	select {
	case <-t.g.readEnd:
	case <-t.y.CloseChan():
	}
	_ = t.y.Close()
}

// yamuxStream is a stream of yamux that can tell the guard how much may come on it.
type yamuxStream struct {
	*yamux.Stream
	g *guardConn
}

func (s *yamuxStream) allow(upTo uint64) { s.g.allow(s.StreamID(), upTo) }
