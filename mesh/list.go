package mesh

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// A digest stands for the contents of a list: SHA-256 of its encoding, cut.
type digest [16]byte

// maxVersion is the highest version a list may have. A node's own numbers
// never come near it; its owner can always go above a made-up one.
const maxVersion = 1 << 62

// A list is what one node has, at one version. It never changes once made.
type list struct {
	version uint64
	digest  digest
	ends    []End  // in the order of compareEnds, each once
	body    []byte // the encoding of ends
}

func compareEnds(a, b End) int {
	if c := bytes.Compare(a.ID[:], b.ID[:]); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if a.Receive != b.Receive {
		if a.Receive {
			return 1
		}
		return -1
	}
	if c := bytes.Compare(a.Type[:], b.Type[:]); c != 0 {
		return c
	}
	return strings.Compare(a.TypeText, b.TypeText)
}

// newList takes ends over, which are in order and each there once.
func newList(version uint64, ends []End) *list {
	l := &list{version: version, ends: ends, body: appendEnds(nil, ends)}
	sum := sha256.Sum256(l.body)
	copy(l.digest[:], sum[:])
	return l
}

var emptyDigest = newList(0, nil).digest

// tidy copies ends, puts them in order, drops doubles and what can't be named,
// and stops at the limits. dropped counts what the mesh will not hear of.
func tidy(ends []End) (out []End, dropped int) {
	out = make([]End, 0, len(ends))
	for _, e := range ends {
		if e.Name == "" || len(e.Name) > MaxName {
			dropped++
			continue
		}
		e.TypeText = cut(e.TypeText, MaxTypeText)
		out = append(out, e)
	}
	slices.SortFunc(out, compareEnds)
	out = slices.Compact(out)
	size := countSize
	for i, e := range out {
		size += endSize(e)
		if i == MaxEnds || size > MaxListBytes {
			return out[:i:i], dropped + len(out) - i
		}
	}
	return out, dropped
}

// On the wire a list of ends is a count of four bytes and, for each end:
//
//	16 ID | 1 direction (1: receive) | 16 type | 2 length | name | 2 length | type's text
const (
	countSize  = 4
	minEndSize = 16 + 1 + 16 + 2 + 1 + 2
)

func endSize(e End) int { return minEndSize - 1 + len(e.Name) + len(e.TypeText) }

func appendEnds(b []byte, ends []End) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(ends)))
	for _, e := range ends {
		b = append(b, e.ID[:]...)
		if e.Receive {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
		b = append(b, e.Type[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.Name)))
		b = append(b, e.Name...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.TypeText)))
		b = append(b, e.TypeText...)
	}
	return b
}

var errList = errors.New("malformed list of ends")

// parseEnds reads a whole encoding and nothing after it.
func parseEnds(b []byte) ([]End, error) {
	if len(b) > MaxListBytes {
		return nil, errList
	}
	r := reader{b: b}
	n := r.uint32()
	if r.bad || n > MaxEnds || int(n) > len(r.b)/minEndSize {
		return nil, errList
	}
	ends := make([]End, 0, n)
	for range n {
		var e End
		r.copy(e.ID[:])
		switch r.byte() {
		case 0:
		case 1:
			e.Receive = true
		default:
			return nil, errList
		}
		r.copy(e.Type[:])
		e.Name = string(r.bytes(int(r.uint16()), MaxName))
		e.TypeText = string(r.bytes(int(r.uint16()), MaxTypeText))
		if r.bad || e.Name == "" || !utf8.ValidString(e.TypeText) {
			return nil, errList
		}
		if len(ends) > 0 && compareEnds(ends[len(ends)-1], e) >= 0 {
			return nil, errList
		}
		ends = append(ends, e)
	}
	if len(r.b) != 0 {
		return nil, errList
	}
	return ends, nil
}

// parseList reads the body of a list that is said to have this version.
func parseList(version uint64, body []byte) (*list, error) {
	if version > maxVersion {
		return nil, errList
	}
	ends, err := parseEnds(body)
	if err != nil {
		return nil, err
	}
	return newList(version, ends), nil
}

// A delta leads from one version of a list to another.
type delta struct {
	from    uint64
	removed []uint16 // indexes into the older list, rising
	added   []End
}

// between returns what leads from one list to the next.
func between(from, to *list) delta {
	d := delta{from: from.version}
	i, j := 0, 0
	for i < len(from.ends) || j < len(to.ends) {
		c := 0
		switch {
		case i == len(from.ends):
			c = 1
		case j == len(to.ends):
			c = -1
		default:
			c = compareEnds(from.ends[i], to.ends[j])
		}
		switch {
		case c < 0:
			d.removed = append(d.removed, uint16(i))
			i++
		case c > 0:
			d.added = append(d.added, to.ends[j])
			j++
		default:
			i++
			j++
		}
	}
	return d
}

// apply returns the list that d makes of from.
func (d delta) apply(from *list, version uint64) (*list, error) {
	ends := make([]End, 0, len(from.ends)+len(d.added))
	next := 0
	for i, e := range from.ends {
		if next < len(d.removed) && int(d.removed[next]) == i {
			next++
			continue
		}
		ends = append(ends, e)
	}
	if next != len(d.removed) {
		return nil, errList
	}
	ends = append(ends, d.added...)
	slices.SortFunc(ends, compareEnds)
	size := countSize
	for i, e := range ends {
		size += endSize(e)
		if i > 0 && compareEnds(ends[i-1], e) == 0 {
			return nil, errList
		}
	}
	if len(ends) > MaxEnds || size > MaxListBytes {
		return nil, errList
	}
	return newList(version, ends), nil
}

// compareMembers is the order of Members: by name, then by ID.
func compareMembers(a, b Member) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), bytes.Compare(a.ID[:], b.ID[:]))
}
