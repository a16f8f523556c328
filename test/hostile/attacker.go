package hostile

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"

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

// An Attacker has a link with a node: it holds the key, and its connection is in order.
// It is used by one goroutine.
type Attacker struct {
	host   *peer.Host
	link   *peer.Link
	heard  chan struct{} // closed when nothing more is read
	stream uint32
	use    uint64
}

// NewAttacker makes a link with a node, whose ID is the higher one: the attacker opens the
// control stream, and data streams with odd numbers. ctx bounds the making; it fails when
// the node can't be reached. Close the attacker in the end.
func NewAttacker(ctx context.Context, node netchan.Member, key netchan.Key) (*Attacker, error) {
	for {
		host, err := peer.NewHost(peer.Config{Key: key, Name: "attacker", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		if host.ID().Compare(node.ID) > 0 {
			_ = host.Close()
			continue
		}
		link, err := host.Link(ctx, node.Addr, node.ID)
		if err != nil {
			_ = host.Close()
			return nil, err
		}
		a := &Attacker{host: host, link: link, heard: make(chan struct{}), stream: control}
		go func() { // it listens to nothing, but reads
			defer close(a.heard)
			_, _ = io.Copy(io.Discard, struct{ io.Reader }{link})
		}()
		a.head(yWindow, ySYN, control, 0)
		return a, nil
	}
}

// Done is closed when the link has ended.
func (a *Attacker) Done() <-chan struct{} { return a.link.Done() }

// Close ends the link, and leaves nothing of the attacker. Closing twice does nothing.
func (a *Attacker) Close() {
	_ = a.link.Close()
	<-a.heard
	_ = a.host.Close()
}

// head sends one of yamux' headers, and what follows it.
func (a *Attacker) head(typ, flags byte, stream, length uint32, body ...byte) {
	head := []byte{0, typ, 0, flags}
	head = binary.BigEndian.AppendUint32(head, stream)
	head = binary.BigEndian.AppendUint32(head, length)
	_ = a.link.WriteFrame(head, body, false) // a link that has ended is what it wants
}

// say sends data on a stream, in frames that yamux takes.
func (a *Attacker) say(stream uint32, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 32<<10)
		a.head(yData, 0, stream, uint32(n), b[:n]...)
		b = b[n:]
	}
}

// open opens a stream and a use of the end of that name on it.
func (a *Attacker) open(name string, schema *codec.Schema) (stream uint32) {
	a.stream += 2
	a.head(yWindow, ySYN, a.stream, 0)
	a.say(a.stream, a.openFrame(name, [16]byte{}, schema))
	return a.stream
}

func (a *Attacker) openFrame(name string, id [16]byte, schema *codec.Schema) []byte {
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

// schemaOf is the schema of a type that can travel.
func schemaOf[T any]() *codec.Schema {
	w, err := codec.NewWriter[T]()
	if err != nil {
		panic(err)
	}
	return w.Schema()
}
