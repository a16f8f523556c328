package peer

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"
	"unicode"
	"unicode/utf8"
)

// The handshake on a new connection, after TLS: both sides send a HELLO at
// once; then the node with the lower ID sends an answer. All numbers are big
// endian.
//
//	HELLO   "NCH1" | length u16 of all that follows | version u16 | features u64 |
//	        node ID [32] | hello number u64 | link held [16] | link offered [16] |
//	        bytes received u64 | resume timeout u32 (ms) | largest record u32 |
//	        name: length u8, bytes | address: length u8, bytes
//	answer  kind u8 | link [16] | number u64 | bytes received u64
const (
	helloMagic   = "NCH1"
	helloVersion = 1

	helloHead  = len(helloMagic) + 2
	helloFixed = 2 + 8 + 32 + 8 + 16 + 16 + 8 + 4 + 4
	maxHello   = 1 << 10 // with its head

	maxName = 255 // bytes of a node's name, and of its address

	answerSize = 1 + 16 + 8 + 8

	// minRecord is the least that a node may announce as its largest record.
	minRecord = 16 << 10
)

// linkID names a link: 16 random bytes, chosen by the node with the lower ID.
// Zero: none.
type linkID [16]byte

// hello is what each side says first.
type hello struct {
	features  uint64        // bits; none is defined yet, unknown ones are ignored
	node      NodeID        // must be the one that TLS proved
	number    uint64        // rises with every HELLO of this node's life; never 0
	held      linkID        // the link that the sender has with the other node
	offered   linkID        // from the lower ID, holding none: what a new link will be named
	received  uint64        // bytes received on the link held
	resume    time.Duration // how long the sender waits for a broken link
	maxRecord uint32        // the longest record payload that the sender takes
	name      string        // for people
	addr      string        // where the sender says it can be dialled; may be empty
}

func (h *hello) append(b []byte) []byte {
	start := len(b)
	b = append(b, helloMagic...)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, helloVersion)
	b = binary.BigEndian.AppendUint64(b, h.features)
	b = append(b, h.node[:]...)
	b = binary.BigEndian.AppendUint64(b, h.number)
	b = append(b, h.held[:]...)
	b = append(b, h.offered[:]...)
	b = binary.BigEndian.AppendUint64(b, h.received)
	b = binary.BigEndian.AppendUint32(b, uint32(min(h.resume.Milliseconds(), math.MaxUint32)))
	b = binary.BigEndian.AppendUint32(b, h.maxRecord)
	b = append(b, byte(len(h.name)))
	b = append(b, h.name...)
	b = append(b, byte(len(h.addr)))
	b = append(b, h.addr...)
	binary.BigEndian.PutUint16(b[start+len(helloMagic):], uint16(len(b)-start-helloHead))
	return b
}

// readHello reads and checks one HELLO. It takes no more from r than that.
func readHello(r io.Reader) (hello, error) {
	var buf [maxHello]byte
	head := buf[:helloHead]
	if _, err := io.ReadFull(r, head); err != nil {
		return hello{}, err
	}
	if string(head[:len(helloMagic)]) != helloMagic {
		return hello{}, protocolErrorf("HELLO starts with %x", head[:len(helloMagic)])
	}
	n := int(binary.BigEndian.Uint16(head[len(helloMagic):]))
	if n < 2 || n > maxHello-helloHead {
		return hello{}, protocolErrorf("HELLO of %d bytes", n)
	}
	body := buf[helloHead : helloHead+n]
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return hello{}, err
	}
	return parseHello(body)
}

// parseHello reads the part of a HELLO that its length counts.
func parseHello(b []byte) (hello, error) {
	var h hello
	// The version first: what follows it may have another form.
	if len(b) >= 2 {
		if v := binary.BigEndian.Uint16(b); v != helloVersion {
			return h, &VersionError{Ours: helloVersion, Theirs: v}
		}
	}
	if len(b) < helloFixed+2 || len(b) > maxHello-helloHead {
		return h, protocolErrorf("HELLO of %d bytes", len(b))
	}
	b = b[2:]
	h.features, b = takeUint64(b)
	h.node, b = NodeID(b[:32]), b[32:]
	h.number, b = takeUint64(b)
	h.held, b = linkID(b[:16]), b[16:]
	h.offered, b = linkID(b[:16]), b[16:]
	h.received, b = takeUint64(b)
	h.resume, b = time.Duration(binary.BigEndian.Uint32(b))*time.Millisecond, b[4:]
	h.maxRecord, b = binary.BigEndian.Uint32(b), b[4:]
	if h.number == 0 || h.maxRecord < minRecord {
		return hello{}, protocolErrorf("HELLO number %d, largest record %d", h.number, h.maxRecord)
	}
	var ok bool
	if h.name, b, ok = takeText(b); !ok {
		return hello{}, protocolError("bad name in HELLO")
	}
	if h.addr, b, ok = takeText(b); !ok {
		return hello{}, protocolError("bad address in HELLO")
	}
	if len(b) != 0 {
		return hello{}, protocolErrorf("%d bytes too many in HELLO", len(b))
	}
	return h, nil
}

func takeUint64(b []byte) (uint64, []byte) { return binary.BigEndian.Uint64(b), b[8:] }

func takeText(b []byte) (s string, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return "", nil, false
	}
	s, rest = string(b[1:1+int(b[0])]), b[1+int(b[0]):]
	return s, rest, checkText(s) == nil
}

// checkText says what makes s unfit to be a name or address.
func checkText(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("%d bytes, at most %d are allowed", len(s), maxName)
	}
	return checkPrintable(s)
}

func checkPrintable(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%q holds a character that can't be printed", s)
		}
	}
	return nil
}

// answerKind is what the node with the lower ID decides about a connection.
type answerKind uint8

const (
	answerResume answerKind = iota + 1 // the link held goes on here; sent back by the higher ID as confirmation
	answerNew                          // a new link; likewise
	answerGone                         // the link that you hold is no more: end it and say HELLO again here
	answerStale                        // another connection makes, or has made, the link
)

// answer is that decision, and its confirmation. number is, in RESUME and NEW from
// the lower ID, a number of the same kind as HELLO's; in the confirmation, the
// number of the last HELLO that the higher ID has sent to anybody. received is,
// in RESUME both ways, where the stream goes on: no byte of a former connection
// counts any more when it is told.
type answer struct {
	kind     answerKind
	link     linkID
	number   uint64
	received uint64
}

func (a *answer) encode() []byte {
	b := append(make([]byte, 0, answerSize), byte(a.kind))
	b = append(b, a.link[:]...)
	b = binary.BigEndian.AppendUint64(b, a.number)
	return binary.BigEndian.AppendUint64(b, a.received)
}

// readAnswer reads and checks one answer. It takes no more from r than that.
func readAnswer(r io.Reader) (answer, error) {
	var b [answerSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return answer{}, err
	}
	return parseAnswer(b)
}

func parseAnswer(b [answerSize]byte) (answer, error) {
	a := answer{kind: answerKind(b[0]), link: linkID(b[1:17])}
	a.number = binary.BigEndian.Uint64(b[17:])
	a.received = binary.BigEndian.Uint64(b[25:])
	var ok bool
	named, numbered, counted := a.link != linkID{}, a.number != 0, a.received != 0
	switch a.kind {
	case answerResume:
		ok = named && numbered
	case answerNew:
		ok = named && numbered && !counted
	case answerGone:
		ok = named && !numbered && !counted
	case answerStale:
		ok = !named && !numbered && !counted
	}
	if !ok {
		return answer{}, protocolErrorf("bad answer %x", b[:])
	}
	return a, nil
}
