package hostile

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/peer"
)

// Types and flags of yamux' headers, and of the frames inside (docs/protocol.md).
const (
	yData, yWindow, yPing, yGoAway = 0, 1, 2, 3
	ySYN, yFIN, yRST               = 1, 4, 8

	frameOpen, frameData, frameBig, frameClose, frameRefs = 1, 3, 4, 6, 7
	frameAck, frameStop, frameAttach, frameHold           = 18, 19, 21, 24
	frameHeld, frameRelease, frameSingle                  = 25, 26, 28

	control     = 1        // the control stream
	firstWindow = 18 << 10 // bytes that may come on a stream before anything is said about it
	maxStreams  = 16384
)

// An attacker has a link with a node: it holds the key, and its connection is in order.
type attacker struct {
	t      testing.TB
	host   *peer.Host
	link   *peer.Link
	stream uint32
	use    uint64
}

// attack makes a link with node, whose ID is the higher one: the attacker opens the
// control stream, and data streams with odd numbers.
func attack(t testing.TB, node *netchan.Node, key netchan.Key) *attacker {
	t.Helper()
	for {
		host, err := peer.NewHost(peer.Config{Key: key, Name: "attacker", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = host.Close() })
		if host.ID().Compare(peer.NodeID(node.Self().ID)) > 0 {
			continue
		}
		link, err := host.Link(t.Context(), node.Addr(), peer.NodeID(node.Self().ID))
		if err != nil {
			t.Fatal(err)
		}
		a := &attacker{t: t, host: host, link: link, stream: control}
		heard := make(chan struct{})
		go func() { // it listens to nothing, but reads
			defer close(heard)
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{link})
		}()
		t.Cleanup(func() { _ = link.Close(); <-heard })
		a.head(yWindow, ySYN, control, 0)
		return a
	}
}

// ends waits until the link has ended.
func (a *attacker) ends() {
	a.t.Helper()
	select {
	case <-a.link.Done():
	case <-time.After(patience):
		a.t.Fatal("the link goes on")
	}
}

// head sends one of yamux' headers, and what follows it.
func (a *attacker) head(typ, flags byte, stream, length uint32, body ...byte) {
	head := []byte{0, typ, 0, flags}
	head = binary.BigEndian.AppendUint32(head, stream)
	head = binary.BigEndian.AppendUint32(head, length)
	_ = a.link.WriteFrame(head, body, false) // a link that has ended is what it wants
}

// say sends data on a stream, in frames that yamux takes.
func (a *attacker) say(stream uint32, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 32<<10)
		a.head(yData, 0, stream, uint32(n), b[:n]...)
		b = b[n:]
	}
}

// open opens a stream and a use of the end of that name on it.
func (a *attacker) open(name string, schema *codec.Schema) (stream uint32) {
	a.stream += 2
	a.head(yWindow, ySYN, a.stream, 0)
	a.say(a.stream, a.openFrame(name, [16]byte{}, schema))
	return a.stream
}

func (a *attacker) openFrame(name string, id [16]byte, schema *codec.Schema) []byte {
	a.use++
	hash := schema.Hash()
	b := binary.AppendUvarint(nil, a.use)
	b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	b = append(b, id[:]...)
	b = append(b, random(16)...) // the sending end
	b = append(b, 1, 0)          // its first number, and flags
	b = append(append(b, hash[:]...), 1)
	b = append(binary.AppendUvarint(b, uint64(len(schema.Bytes()))), schema.Bytes()...)
	return frame(frameOpen, append(b, 0)) // no text
}

// dataFrame is a DATA with count values.
func dataFrame(schema *codec.Schema, count uint64, values []byte) []byte {
	hash := schema.Hash()
	b := binary.AppendUvarint(append(hash[:], 0), count)
	return frame(frameData, append(b, values...))
}

func frame(typ byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{typ}, uint64(len(body))), body...)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func schemaOf[T any](t testing.TB) *codec.Schema {
	t.Helper()
	w, err := codec.NewWriter[T]()
	if err != nil {
		t.Fatal(err)
	}
	return w.Schema()
}

// stranger connects to a node without anything to show.
func stranger(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
