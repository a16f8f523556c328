package mesh

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"
)

// A gossip stream that begins with requestMark is ours, not memberlist's. It
// carries requests, each answered before the next:
//
//	mark | kind | 2 length | body
//
//	list      body: ID            answer: 1 there (1) or not (0); if there: 8 version, 4 length, list
//	all       body: nothing       answer: 4 count, then each: ID, 8 version, 4 length, list
//	dial back body: ID, address   answer: 1 reached (1) or not (0), 2 length, why not
const (
	requestMark = 0x4E

	askForList = 1
	askForAll  = 2
	askToDial  = 3

	requestHead = 4
	maxAddr     = 300 // bytes of an address
	maxWhy      = 500 // bytes of a reason
)

const (
	requestIdle = 5 * time.Second  // a request, once begun or awaited, must come
	answerTime  = 10 * time.Second // an answer must be taken
)

var errRequest = errors.New("malformed request")
var errAnswer = errors.New("malformed answer")

type request struct {
	kind byte
	id   ID
	addr string
}

func (q request) encode() []byte {
	b := []byte{requestMark, q.kind, 0, 0}
	if q.kind != askForAll {
		b = append(b, q.id[:]...)
	}
	b = append(b, q.addr...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-requestHead))
	return b
}

// readRequest reads what follows the mark.
func readRequest(r io.Reader) (request, error) {
	var head [requestHead - 1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return request{}, err
	}
	n := int(binary.BigEndian.Uint16(head[1:]))
	if n > len(ID{})+maxAddr {
		return request{}, errRequest
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return request{}, err
	}
	q := request{kind: head[0]}
	rd := reader{b: body}
	switch q.kind {
	case askForList:
		rd.copy(q.id[:])
	case askForAll:
	case askToDial:
		rd.copy(q.id[:])
		q.addr = string(rd.bytes(len(rd.b), maxAddr))
		if q.addr == "" {
			return request{}, errRequest
		}
	default:
		return request{}, errRequest
	}
	if rd.bad || len(rd.b) != 0 {
		return request{}, errRequest
	}
	return q, nil
}

func appendList(b []byte, l *list) []byte {
	b = binary.BigEndian.AppendUint64(b, l.version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.body)))
	return append(b, l.body...)
}

// readList reads a version and a list.
func readList(r io.Reader) (*list, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[8:])
	if n > MaxListBytes {
		return nil, errAnswer
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows as bytes come
	if err != nil {
		return nil, err
	}
	if len(body) != int(n) {
		return nil, io.ErrUnexpectedEOF
	}
	return parseList(binary.BigEndian.Uint64(head[:8]), body)
}

// readListAnswer returns nil if the one asked does not have the list.
func readListAnswer(r io.Reader) (*list, error) {
	var there [1]byte
	if _, err := io.ReadFull(r, there[:]); err != nil {
		return nil, err
	}
	switch there[0] {
	case 0:
		return nil, nil
	case 1:
		return readList(r)
	}
	return nil, errAnswer
}

// readAllAnswer gives each list to take, as it comes.
func readAllAnswer(r io.Reader, maxLists, maxBytes int, take func(ID, *list)) error {
	var count [4]byte
	if _, err := io.ReadFull(r, count[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(count[:])
	if int64(n) > int64(maxLists) {
		return errAnswer
	}
	for range n {
		var id ID
		if _, err := io.ReadFull(r, id[:]); err != nil {
			return err
		}
		l, err := readList(r)
		if err != nil {
			return err
		}
		if maxBytes -= len(l.body); maxBytes < 0 {
			return errAnswer
		}
		take(id, l)
	}
	return nil
}

func appendDialAnswer(b []byte, err error) []byte {
	if err == nil {
		return append(b, 1, 0, 0)
	}
	why := cut(err.Error(), maxWhy)
	b = binary.BigEndian.AppendUint16(append(b, 0), uint16(len(why)))
	return append(b, why...)
}

// readDialAnswer tells whether we were reached, and if not why.
func readDialAnswer(r io.Reader) (reached bool, why string, err error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, "", err
	}
	n := binary.BigEndian.Uint16(head[1:])
	if head[0] > 1 || n > maxWhy || head[0] == 1 && n > 0 {
		return false, "", errAnswer
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return false, "", err
	}
	if !utf8.Valid(text) {
		return false, "", errAnswer
	}
	return head[0] == 1, string(text), nil
}

// ask connects to a member, sends q and lets answer read what comes.
func (m *Mesh) ask(ctx context.Context, to Member, q request, answer func(io.Reader) error) error {
	conn, id, err := m.cfg.Network.DialGossip(ctx, to.Addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was promised to be written
	if id != to.ID {
		return fmt.Errorf("%v answers at %s, not %v", id, to.Addr, to.ID)
	}
	return askOn(ctx, conn, q, answer)
}

// askOn sends q on a connection and lets answer read what comes, until ctx ends.
func askOn(ctx context.Context, conn net.Conn, q request, answer func(io.Reader) error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := conn.Write(q.encode())
	if err == nil {
		err = answer(conn)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// askList asks a member for the list of id; nil if it has none.
func (m *Mesh) askList(ctx context.Context, from Member, id ID) (*list, error) {
	var l *list
	err := m.ask(ctx, from, request{kind: askForList, id: id}, func(r io.Reader) (err error) {
		l, err = readListAnswer(r)
		return err
	})
	return l, err
}
