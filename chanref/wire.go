package chanref

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/matveynator/netchan/mux"
)

// A Node is where channels live, as others know it.
type Node struct {
	ID   [32]byte
	Name string // for people
	Addr string // where it can be dialled; empty: nowhere
}

// refKind says where the channel of a reference lives, to who reads it.
type refKind uint8

const (
	refMine  refKind = 1 + iota // at the node that sends the reference
	refYours                    // at the node that reads it
	refOther                    // at a third one
	refGone                     // nowhere any more
)

// wireRef is a reference to a channel as it travels.
type wireRef struct {
	kind refKind
	dir  mux.Direction
	id   mux.ID // of the channel, at the node that sends the reference; of refYours, at the other
	size uint64 // the channel's capacity

	// Of refOther: id is that of a relay at the node that sends the reference.
	home     Node
	homeID   mux.ID
	straight bool   // the home may be dialled
	gated    bool   // what end has sent up to number comes first
	end      mux.ID // of the node that sends the reference
	number   uint64
}

const (
	maxNodeText = 255 // bytes of a node's name or address in a reference
	maxTable    = 960 // references before one frame; as many as fit, but for those of one byte

	flagStraight = 1
	flagGated    = 2
)

func (r *wireRef) append(b []byte) []byte {
	b = append(b, byte(r.kind)<<4|byte(r.dir))
	switch r.kind {
	case refMine:
		b = append(b, r.id[:]...)
		return binary.AppendUvarint(b, r.size)
	case refYours:
		return append(b, r.id[:]...)
	case refOther:
		b = append(b, r.id[:]...)
		b = binary.AppendUvarint(b, r.size)
		b = append(b, r.home.ID[:]...)
		b = appendText(b, r.home.Name)
		b = appendText(b, r.home.Addr)
		b = append(b, r.homeID[:]...)
		var flags byte
		if r.straight {
			flags |= flagStraight
		}
		if !r.gated {
			return append(b, flags)
		}
		b = append(b, flags|flagGated)
		b = append(b, r.end[:]...)
		return binary.AppendUvarint(b, r.number)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), maxNodeText)]
	return append(append(b, byte(len(s))), s...)
}

var errBadRef = errors.New("a reference that can't be read")

// parseRefs reads a table of references.
func parseRefs(b []byte) (refs []wireRef, err error) {
	for len(b) > 0 {
		var r wireRef
		if len(refs) == maxTable {
			return nil, fmt.Errorf("more than %d references before one frame of values", maxTable)
		}
		if b, err = r.parse(b); err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// parse reads one reference, and returns what follows it.
func (r *wireRef) parse(b []byte) ([]byte, error) {
	p := refParser{b: b}
	head := p.byte()
	r.kind, r.dir = refKind(head>>4), mux.Direction(head&15)
	if r.dir != mux.ToSend && r.dir != mux.ToReceive {
		return nil, errBadRef
	}
	switch r.kind {
	case refMine:
		p.take(r.id[:])
		r.size = p.uvarint()
	case refYours:
		p.take(r.id[:])
	case refOther:
		p.take(r.id[:])
		r.size = p.uvarint()
		p.take(r.home.ID[:])
		r.home.Name, r.home.Addr = p.text(), p.text()
		p.take(r.homeID[:])
		flags := p.byte()
		r.straight, r.gated = flags&flagStraight != 0, flags&flagGated != 0
		if flags&^(flagStraight|flagGated) != 0 {
			return nil, errBadRef
		}
		if r.gated {
			p.take(r.end[:])
			r.number = p.uvarint()
		}
	case refGone:
	default:
		return nil, errBadRef
	}
	if p.bad {
		return nil, errBadRef
	}
	return p.b, nil
}

// refParser reads pieces; the first that is not there makes it bad.
type refParser struct {
	b   []byte
	bad bool
}

func (p *refParser) take(to []byte) {
	if len(p.b) < len(to) {
		p.bad, p.b = true, nil
		return
	}
	p.b = p.b[copy(to, p.b):]
}

func (p *refParser) byte() byte {
	var b [1]byte
	p.take(b[:])
	return b[0]
}

func (p *refParser) uvarint() uint64 {
	x, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return x
}

func (p *refParser) text() string {
	b := make([]byte, p.byte())
	p.take(b)
	return string(b)
}
