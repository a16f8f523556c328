package mesh

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
)

// memberlist's streams begin with a type, a length and a version of the
// encryption. One without contents makes it panic, so it never sees one.
const (
	streamEncrypted = 10
	sealVersion     = 1 // of memberlist's encryption: AES-GCM without padding
	sealOverhead    = 1 + 12 + 16
	streamHead      = 1 + 4 + 1
	maxStream       = 20 << 20

	// maxStreams is how many streams that came memberlist has at once, and maxStreamBytes how
	// much of all its streams: it keeps what it reads of one until the last byte is there. Nobody
	// waits for room, whom there is none for tries again.
	maxStreams     = 1024
	maxStreamBytes = 128 << 20
)

var (
	errStream  = errors.New("malformed gossip stream")
	errStreams = errors.New("gossip streams take too much")
)

// stream is a connection in memberlist's hands.
type stream struct {
	net.Conn
	t    *transport
	once sync.Once

	came    bool   // it was not dialled here
	got     int    // bytes that were read; guarded by t.mu
	head    []byte // was read already
	start   [streamHead]byte
	started int // bytes of start that have been read
}

// Read reads what comes, as long as it begins as it must.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	var err error
	if len(s.head) > 0 {
		n = copy(p, s.head)
		s.head = s.head[n:]
	} else if n, err = s.Conn.Read(p); n == 0 {
		return 0, err
	}
	if !s.t.holds(s, n) {
		return 0, errStreams
	}
	if s.started < streamHead {
		s.started += copy(s.start[s.started:], p[:n])
		if !streamFits(s.start[:s.started]) {
			return 0, errStream
		}
	}
	return n, err
}

// streamFits tells whether a stream may begin so; b may be incomplete.
func streamFits(b []byte) bool {
	if len(b) > 0 && b[0] != streamEncrypted {
		return false
	}
	if len(b) >= 5 {
		if n := binary.BigEndian.Uint32(b[1:5]); n <= sealOverhead || n > maxStream {
			return false
		}
	}
	return len(b) < streamHead || b[5] == sealVersion
}

// Close closes the connection; memberlist does so with every one, once or more.
func (s *stream) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() {
		s.t.mu.Lock()
		delete(s.t.open, s)
		s.t.held -= s.got
		if s.came {
			s.t.came--
		}
		s.t.mu.Unlock()
		s.t.conns.Done()
	})
	return err
}

// holds counts n bytes more that were read of s. It is false when that is too much, of all.
func (t *transport) holds(s *stream, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, open := t.open[s]; !open {
		return false
	}
	s.got += n
	t.held += n
	return t.held <= maxStreamBytes
}
