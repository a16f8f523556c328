package mesh

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/hashicorp/memberlist"
)

// sealer looks into memberlist's encrypted packets, for two things: that
// nothing reaches memberlist which it should not be given, and which pings are
// on their way, so that Close can answer them. It also makes some of its own.
type sealer struct{ ring *memberlist.Keyring }

const (
	nonceSize    = 12
	typePing     = 0
	typeAck      = 2
	typeCompound = 7
	typeUser     = 8
	typePacked   = 9
	typeNack     = 11
	typeCRC      = 12
	crcSize      = 5
)

func (s sealer) gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// open decrypts a packet.
func (s sealer) open(b []byte) ([]byte, bool) {
	return s.openWith(b, nil)
}

// openWith decrypts what was sealed together with some bytes in the clear.
func (s sealer) openWith(b, clear []byte) ([]byte, bool) {
	if len(b) <= sealOverhead || b[0] != sealVersion {
		return nil, false
	}
	for _, key := range s.ring.GetKeys() {
		g, err := s.gcm(key)
		if err != nil {
			continue
		}
		if plain, err := g.Open(nil, b[1:1+nonceSize], b[1+nonceSize:], clear); err == nil {
			return plain, true
		}
	}
	return nil, false
}

// fit tells whether a packet was made with one of our keys and holds only what
// memberlist of ours sends: nothing compressed, no message in a message in a
// message.
func (s sealer) fit(b []byte) bool {
	plain, ok := s.open(b)
	return ok && packetFits(plain)
}

func packetFits(b []byte) bool {
	if len(b) > crcSize && b[0] == typeCRC {
		b = b[crcSize:]
	}
	if len(b) == 0 {
		return false
	}
	if b[0] != typeCompound {
		return messageFits(b)
	}
	parts, ok := compound(b[1:])
	if !ok {
		return false
	}
	for _, p := range parts {
		if !messageFits(p) {
			return false
		}
	}
	return true
}

// messageFits tells whether b may be a single message.
func messageFits(b []byte) bool {
	return len(b) > 0 && (b[0] < typeCompound && b[0] != 6 || b[0] == typeUser || b[0] == typeNack)
}

// compound splits what memberlist puts together: a count, lengths, messages.
func compound(b []byte) ([][]byte, bool) {
	r := reader{b: b}
	n := int(r.byte())
	lengths := reader{b: r.bytes(2*n, 2*255)}
	if r.bad {
		return nil, false
	}
	parts := make([][]byte, 0, n)
	for range n {
		parts = append(parts, r.bytes(int(lengths.uint16()), maxPacket))
	}
	return parts, !r.bad && !lengths.bad
}

// pingNumber returns the sequence number of the ping that a packet of ours is.
func (s sealer) pingNumber(b []byte) (uint32, bool) {
	plain, ok := s.open(b)
	if !ok {
		return 0, false
	}
	return pingOf(plain)
}

func pingOf(plain []byte) (uint32, bool) {
	if len(plain) > crcSize && plain[0] == typeCRC {
		plain = plain[crcSize:]
	}
	if len(plain) > 0 && plain[0] == typeCompound {
		parts, ok := compound(plain[1:])
		if !ok || len(parts) == 0 {
			return 0, false
		}
		plain = parts[0] // what is put before a ping's own part is never there
	}
	if len(plain) == 0 || plain[0] != typePing {
		return 0, false
	}
	return sequence(plain[1:])
}

var seqNo = []byte("\xa5SeqNo")

// sequence finds the number in a message in MessagePack.
func sequence(b []byte) (uint32, bool) {
	i := bytes.Index(b, seqNo)
	if i < 0 {
		return 0, false
	}
	r := reader{b: b[i+len(seqNo):]}
	var n uint32
	switch t := r.byte(); {
	case t < 0x80:
		n = uint32(t)
	case t == 0xcc:
		n = uint32(r.byte())
	case t == 0xcd:
		n = uint32(r.uint16())
	case t == 0xce:
		n = r.uint32()
	default:
		return 0, false
	}
	return n, !r.bad
}

// ack makes the packet that answers a ping.
func (s sealer) ack(seq uint32) ([]byte, error) {
	plain := append([]byte{typeAck, 0x82}, seqNo...)
	plain = append(plain, 0xce)
	plain = binary.BigEndian.AppendUint32(plain, seq)
	plain = append(plain, "\xa7Payload\xc0"...)
	return s.seal(plain)
}

// sealStream makes a stream of memberlist that consists of one message.
func (s sealer) sealStream(plain []byte) ([]byte, error) {
	head := binary.BigEndian.AppendUint32([]byte{streamEncrypted}, uint32(len(plain)+sealOverhead))
	body, err := s.sealWith(plain, head)
	return append(head, body...), err
}

// seal encrypts a packet as memberlist does.
func (s sealer) seal(plain []byte) ([]byte, error) { return s.sealWith(plain, nil) }

func (s sealer) sealWith(plain, clear []byte) ([]byte, error) {
	g, err := s.gcm(s.ring.GetPrimaryKey())
	if err != nil {
		return nil, err
	}
	b := make([]byte, 1+nonceSize, len(plain)+sealOverhead)
	b[0] = sealVersion
	_, _ = rand.Read(b[1:])
	return g.Seal(b, b[1:], plain, clear), nil
}

// pingRing keeps the pings sent last.
type pingRing struct {
	sent [1024]struct {
		seq uint32
		at  time.Time
	}
	next int
}

// pingLife is longer than memberlist waits for any answer.
const pingLife = 20 * time.Second

func (r *pingRing) add(seq uint32, now time.Time) {
	e := &r.sent[r.next]
	e.seq, e.at = seq, now
	r.next = (r.next + 1) % len(r.sent)
}

// recent returns those that may still be waited for.
func (r *pingRing) recent(now time.Time) []uint32 {
	var out []uint32
	for _, e := range r.sent {
		if !e.at.IsZero() && now.Sub(e.at) < pingLife {
			out = append(out, e.seq)
		}
	}
	return out
}
