package mux

import "io"

// A stream is one yamux stream, or its like in memory.
//
// Read has one caller, which owns the stream's goroutine; Write and Close are called by the
// session's writer only.
type stream interface {
	io.Reader
	Write(p []byte) (int, error)
	Close() error
	// Shrink frees the receive buffer if nothing is in it.
	Shrink()
	// allow lets the peer send on this stream up to that many bytes in all.
	allow(upTo uint64)
}

// A transport makes streams.
type transport interface {
	// control returns the stream that both sides use as the control stream; it is the
	// first call, before open and accept.
	control() (stream, error)
	// open opens a stream; it blocks for room in the connection only.
	open() (stream, error)
	// flush sends what was written.
	flush()
	// room tells whether one more stream may be opened now.
	room() bool
	// accept waits for a stream that the peer opens.
	accept() (stream, error)
	// close makes all of the above, and all calls of streams, return; it waits for
	// the transport's own goroutines.
	close()
}
