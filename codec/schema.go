package codec

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Hash names a schema: the first 16 bytes of the SHA-256 of its bytes.
type Hash [16]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Schema describes the bytes of one type: its shape and the names of its fields, but not
// its own name or package. Types of the same shape have equal schemas. To its users a
// Schema never changes; it may be used by any number of goroutines.
type Schema struct {
	hash  Hash
	bytes []byte
	root  *node
	text  string
	chans bool // Channels
	plain bool // Plain

	// What reading it inside an any takes, found once; and how much finding such things may
	// still cost for the peer that it came from, nil: any amount.
	plan   atomic.Pointer[dynamicPlan]
	budget *atomic.Int64
}

// Hash returns the schema's name.
func (s *Schema) Hash() Hash { return s.hash }

// Bytes returns the canonical form, at most MaxSchema bytes, for ParseSchema on the
// other side. The caller must not change it.
func (s *Schema) Bytes() []byte { return s.bytes }

// String describes the type for people, in at most about 200 bytes. A schema that came
// over the wire shows its shape, one made from a Go type also that type's name.
func (s *Schema) String() string { return s.text }

// Channels reports whether a value may hold a channel: one of its types is a channel, or any.
func (s *Schema) Channels() bool { return s.chans }

// Plain reports whether reading and writing a value is all done here: none of its types is any,
// a channel, or one that has functions of the program for it.
func (s *Schema) Plain() bool { return s.plain }

func hashOf(b []byte) Hash {
	sum := sha256.Sum256(b)
	return Hash(sum[:16])
}

// node is one type in a schema.
type node struct {
	kind   kind
	min    int    // least bytes of a value; 0 means that it has none at all
	length uint64 // kindArray
	name   string // kinds that are coded, kindNamed
	key    *node  // kindMap
	elem   *node  // kindList, kindArray, kindMap, kindPtr, kindNamed, kindSend, kindRecv
	fields []nodeField
	solid  []nodeField // those of fields that have bytes
}

type nodeField struct {
	name string
	node *node
}

// describe writes the shape of n until b holds maxText bytes, so that a recursive or
// exploding shape ends too.
func (n *node) describe(b *strings.Builder) { n.describeIn(b, nil) }

// describeIn does not describe again what n is within.
func (n *node) describeIn(b *strings.Builder, within []*node) {
	if b.Len() > maxText {
		return
	}
	switch n.kind {
	case kindAny:
		b.WriteString("any")
	case kindList:
		b.WriteString("[]")
		n.elem.describeIn(b, within)
	case kindArray:
		b.WriteString("[" + strconv.FormatUint(n.length, 10) + "]")
		n.elem.describeIn(b, within)
	case kindMap:
		b.WriteString("map[")
		n.key.describeIn(b, within)
		b.WriteString("]")
		n.elem.describeIn(b, within)
	case kindPtr:
		b.WriteString("*")
		n.elem.describeIn(b, within)
	case kindSend:
		b.WriteString("chan<- ")
		n.elem.describeIn(b, within)
	case kindRecv:
		b.WriteString("<-chan ")
		n.elem.describeIn(b, within)
	case kindBinary, kindText, kindFunc:
		b.WriteString(n.name)
	case kindNamed:
		b.WriteString(n.name)
		if n.elem.kind == kindStruct {
			n.elem.describeFields(b, within)
		}
	case kindStruct:
		b.WriteString("struct")
		n.describeFields(b, within)
	default:
		b.WriteString(basicTypes[n.kind].String())
	}
}

func (n *node) describeFields(b *strings.Builder, within []*node) {
	if slices.Contains(within, n) {
		b.WriteString("{...}")
		return
	}
	within = append(slices.Clip(within), n)
	b.WriteString("{")
	for i, f := range n.fields {
		if b.Len() > maxText {
			return
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.name + " ")
		f.node.describeIn(b, within)
	}
	b.WriteString("}")
}

// String is the shape for people, cut to maxText.
func (n *node) String() string {
	var b strings.Builder
	n.describe(&b)
	return cut(b.String())
}

// cut shortens s to about maxText bytes, between two runes.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	i := maxText - len("...")
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "..."
}
