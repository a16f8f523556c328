package mesh

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// memberlist has no call that says of a member that it is dead. What it takes
// is a message of another member, which names the incarnation that is meant:
// one that lives answers with a higher one, and is alive again. So we send such
// a message to ourselves; memberlist hands it on to all. The incarnation stands
// in the state that members exchange, so we ask for that like any of them.

const (
	typeSuspect  = 3
	typeDead     = 5
	typePushPull = 6

	accuseTimeout = 5 * time.Second
	accusePacket  = 1300 // bytes
)

// Of what memberlist thinks of a member.
const (
	stateAlive   = 0
	stateSuspect = 1
)

// standing is what memberlist thinks of a member.
type standing struct {
	incarnation uint32
	state       uint64
}

// accuse tells memberlist who is gone, and who is quiet: it suspects those, as
// if it had pinged them itself, and buries them if nobody hears of them soon.
// Some members are told directly: by gossip alone one of nine would often not
// hear of a death at all.
func (m *Mesh) accuse(found map[ID]verdict) {
	ctx, cancel := context.WithTimeout(m.ctx, accuseTimeout)
	defer cancel()
	all, err := m.standings(ctx)
	if err != nil {
		m.log.Debug("netchan: gossip does not tell its state", "err", err)
		return
	}
	var said [][]byte
	for id, v := range found {
		s, ok := all[id]
		switch {
		case !ok || s.state != stateAlive && s.state != stateSuspect:
		case v == gone:
			said = append(said, accusation(typeDead, s.incarnation, id, m.self.ID))
		case s.state == stateAlive:
			said = append(said, accusation(typeSuspect, s.incarnation, id, m.self.ID))
		}
	}
	for _, a := range said {
		m.transport.say(a)
	}
	if len(said) == 0 {
		return
	}
	b, err := m.transport.sealer.seal(pack(said))
	if err != nil {
		return
	}
	m.mu.Lock()
	near := m.othersLocked(tellAtOnce)
	m.mu.Unlock()
	for _, mb := range near {
		_, _ = m.transport.WriteTo(b, mb.Addr) // packets may get lost
	}
}

// pack puts as many messages together as fit into a packet, the way memberlist
// does.
func pack(messages [][]byte) []byte {
	size := 0
	for i, p := range messages {
		if size += 2 + len(p); size > accusePacket || i == 255 {
			messages = messages[:i]
			break
		}
	}
	b := []byte{typeCompound, byte(len(messages))}
	for _, p := range messages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
	}
	return append(b, bytes.Join(messages, nil)...)
}

// accusation is a message of memberlist that says that one member holds
// another to be dead, or suspects it.
func accusation(kind byte, incarnation uint32, of, by ID) []byte {
	b := append([]byte{kind, 0x83}, "\xabIncarnation\xce"...)
	b = binary.BigEndian.AppendUint32(b, incarnation)
	name := func(key string, id ID) {
		s := id.String()
		b = append(b, key...)
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(len(s)))
		b = append(b, s...)
	}
	name("\xa4Node", of)
	name("\xa4From", by)
	return b
}

// say gives memberlist a message as if it had come as a packet.
func (t *transport) say(plain []byte) {
	b, err := t.sealer.seal(plain)
	if err != nil {
		return
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: b, From: &net.UDPAddr{}, Timestamp: time.Now()}:
	case <-t.ctx.Done():
	}
}

// standings asks memberlist what it thinks of each member.
func (m *Mesh) standings(ctx context.Context) (map[ID]standing, error) {
	conn, theirs := net.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close() //nolint:errcheck // only what was read counts
	m.transport.deliver(theirs, nil)
	ask := []byte{typePushPull, 0x83}
	ask = append(ask, "\xa5Nodes\x00\xacUserStateLen\x00\xa4Join\xc2"...)
	b, err := m.transport.sealer.sealStream(ask)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(b); err != nil {
		return nil, err
	}
	var head [streamHead - 1]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if !streamFits(head[:]) {
		return nil, errStream
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	plain, ok := m.transport.sealer.openWith(body, head[:])
	if !ok {
		return nil, errStream
	}
	return parseStandings(plain)
}

var errStandings = errors.New("malformed state of gossip")

// parseStandings reads what memberlist tells: a header, and for each member
// what it knows of it. What comes after that is not looked at.
func parseStandings(b []byte) (map[ID]standing, error) {
	r := reader{b: b}
	if r.byte() != typePushPull {
		return nil, errStandings
	}
	nodes := uint64(0)
	r.packedMap(func(key string, n uint64, _ []byte) {
		if key == "Nodes" {
			nodes = n
		}
	})
	out := make(map[ID]standing)
	for range nodes {
		var name []byte
		var s standing
		r.packedMap(func(key string, n uint64, b []byte) {
			switch key {
			case "Name":
				name = b
			case "Incarnation":
				s.incarnation = uint32(n)
			case "State":
				s.state = n
			}
		})
		if r.bad {
			return nil, errStandings
		}
		var id ID
		if len(name) == hex.EncodedLen(len(id)) {
			if _, err := hex.Decode(id[:], name); err == nil {
				out[id] = s
			}
		}
	}
	if r.bad {
		return nil, errStandings
	}
	return out, nil
}

// packedMap reads a map of MessagePack whose values are numbers or bytes.
func (r *reader) packedMap(take func(key string, n uint64, b []byte)) {
	t := r.byte()
	if t&0xf0 != 0x80 {
		r.bad = true
	}
	for range t & 0x0f {
		_, key := r.packed()
		n, b := r.packed()
		if r.bad {
			return
		}
		take(string(key), n, b)
	}
}

// packed reads a number, or bytes.
func (r *reader) packed() (n uint64, b []byte) {
	switch t := r.byte(); {
	case t < 0x80:
		return uint64(t), nil
	case t >= 0xa0 && t < 0xc0:
		return 0, r.bytes(int(t&0x1f), maxStream)
	case t == 0xc0, t == 0xc2, t == 0xc3: // nil, false, true
		return uint64(t & 1), nil
	case t == 0xcc, t == 0xd0: // without a sign, and with one that is never used
		return uint64(r.byte()), nil
	case t == 0xcd, t == 0xd1:
		return uint64(r.uint16()), nil
	case t == 0xce, t == 0xd2:
		return uint64(r.uint32()), nil
	case t == 0xcf, t == 0xd3:
		return r.uint64(), nil
	case t == 0xc4, t == 0xd9:
		return 0, r.bytes(int(r.byte()), maxStream)
	case t == 0xc5, t == 0xda:
		return 0, r.bytes(int(r.uint16()), maxStream)
	case t == 0xc6, t == 0xdb:
		return 0, r.bytes(int(r.uint32()), maxStream)
	}
	r.bad = true
	return 0, nil
}
