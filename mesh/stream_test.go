package mesh

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
)

// endless is a connection on which a whole stream comes, of the longest kind.
type endless struct {
	net.Conn
	left int
}

func newEndless() (*endless, []byte) {
	head := binary.BigEndian.AppendUint32([]byte{streamEncrypted}, maxStream)
	return &endless{left: maxStream}, append(head, sealVersion)
}

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), e.left)
	e.left -= n
	return n, nil
}

func (*endless) Close() error { return nil }

// What memberlist keeps of streams that have not ended is bounded for all together; and so is how many
// there are.
func TestStreamsAreBounded(t *testing.T) {
	tr := newTransport(t.Context(), Config{Network: nowhere{}}, nil)
	read := func(s *stream) error {
		_, err := io.Copy(io.Discard, struct{ io.Reader }{s})
		return err
	}
	var open []*stream
	for {
		conn, head := newEndless()
		s := tr.track(conn, head, true)
		open = append(open, s)
		if err := read(s); err != nil {
			if !errors.Is(err, errStreams) {
				t.Fatal(err)
			}
			break
		}
		if len(open) > maxStreamBytes/maxStream {
			t.Fatalf("%d streams of %d bytes were read", len(open), maxStream)
		}
	}
	if len(open) != maxStreamBytes/maxStream+1 {
		t.Errorf("%d streams had no room", len(open))
	}
	for _, s := range open {
		_ = s.Close()
		_ = s.Close()
	}
	if tr.held != 0 || tr.came != 0 {
		t.Fatalf("%d bytes of %d streams are still counted", tr.held, tr.came)
	}
	conn, head := newEndless()
	s := tr.track(conn, head, true)
	if err := read(s); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	_ = s.Close()
	if conn.left = 1; read(s) == nil {
		t.Error("a closed stream is read")
	}

	open = nil
	for range maxStreams {
		conn, head := newEndless()
		open = append(open, tr.track(conn, head, true))
	}
	if tr.track(nil, nil, true) != nil {
		t.Error("one stream more than there may be")
	}
	out := tr.track(&endless{}, nil, false)
	if out == nil {
		t.Fatal("none can be dialled")
	}
	for _, s := range append(open, out) {
		_ = s.Close()
	}
}

// nowhere is a network of which nothing is used.
type nowhere struct{ Network }

func (nowhere) Packets() net.PacketConn { return nil }
