package codec

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// The form of a schema: its types one after another, the first one the root, in the
// order in which they are first mentioned (breadth first). A type is its kind and, by kind:
//
//	list, pointer, channel  number of the element
//	array                   length, number of the element
//	map                     numbers of key and value
//	struct                  number of fields, for each its name and the number of its type
//	binary, text, func      name
//	named                   name, number of the type
//
// Numbers and lengths are varints, names have their length in front. There is no count
// of types: the form ends when every type that was mentioned has come.

// ParseSchema reads what Schema.Bytes gave, on whatever machine: b is not trusted. It
// keeps no reference to b. The error is a *CorruptError.
func ParseSchema(b []byte) (*Schema, error) {
	if len(b) > MaxSchema {
		return nil, corrupt("schema of %d bytes, at most %d are allowed", len(b), MaxSchema)
	}
	b = bytes.Clone(b)
	p := parser{rest: b}
	p.mention()
	for i := 0; i < len(p.nodes); i++ {
		if err := p.node(p.nodes[i]); err != nil {
			return nil, err
		}
	}
	if len(p.rest) > 0 {
		return nil, corrupt("schema with %d bytes too many", len(p.rest))
	}
	m := measure{height: make(map[*node]int, len(p.nodes))}
	chans, plain := false, true
	for _, n := range p.nodes {
		if err := m.node(n); err != nil {
			return nil, err
		}
		chans = chans || n.kind == kindAny || n.kind.channel()
		plain = plain && !n.kind.coded()
	}
	root := p.nodes[0]
	return &Schema{hash: hashOf(b), bytes: b, root: root, text: root.String(), chans: chans, plain: plain && !chans}, nil
}

type parser struct {
	rest  []byte
	nodes []*node
}

// mention adds a type that is yet to come.
func (p *parser) mention() *node {
	n := new(node)
	p.nodes = append(p.nodes, n)
	return n
}

func (p *parser) number() (uint64, error) {
	x, rest, ok := uvarint(p.rest)
	if !ok {
		return 0, corrupt("schema ends too early")
	}
	p.rest = rest
	return x, nil
}

// ref reads the number of a type: one that is known, or the next new one.
func (p *parser) ref() (*node, error) {
	x, err := p.number()
	switch {
	case err != nil:
		return nil, err
	case x < uint64(len(p.nodes)):
		return p.nodes[x], nil
	case x > uint64(len(p.nodes)):
		return nil, corrupt("schema mentions type %d before %d", x, len(p.nodes))
	case x >= maxTypes:
		return nil, corrupt("schema of more than %d types", maxTypes)
	}
	return p.mention(), nil
}

func (p *parser) name() (string, error) {
	n, err := p.number()
	if err != nil {
		return "", err
	}
	if n > uint64(len(p.rest)) {
		return "", corrupt("schema ends too early")
	}
	if n > MaxName || !validName(p.rest[:n]) {
		return "", corrupt("schema has a name that is empty, too long, or not printable")
	}
	s := string(p.rest[:n])
	p.rest = p.rest[n:]
	return s, nil
}

// validName keeps what would be trouble in a log out of schemas.
func validName(b []byte) bool {
	if len(b) == 0 || len(b) > MaxName || !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func (p *parser) node(n *node) (err error) {
	if len(p.rest) == 0 {
		return corrupt("schema ends too early")
	}
	n.kind = kind(p.rest[0])
	p.rest = p.rest[1:]
	switch n.kind {
	case kindList, kindPtr, kindSend, kindRecv:
		n.elem, err = p.ref()
	case kindArray:
		if n.length, err = p.number(); err == nil {
			n.elem, err = p.ref()
		}
	case kindMap:
		if n.key, err = p.ref(); err == nil {
			n.elem, err = p.ref()
		}
	case kindStruct:
		err = p.fields(n)
	case kindBinary, kindText, kindFunc:
		n.name, err = p.name()
	case kindNamed:
		if n.name, err = p.name(); err == nil {
			n.elem, err = p.ref()
		}
	default:
		if !n.kind.basic() && n.kind != kindAny {
			err = corrupt("schema with unknown kind %d", n.kind)
		}
	}
	return err
}

func (p *parser) fields(n *node) error {
	count, err := p.number()
	if err != nil {
		return err
	}
	if count > uint64(len(p.rest))/3 { // a name of one byte, its length, a number
		return corrupt("schema ends too early")
	}
	n.fields = make([]nodeField, 0, count)
	seen := make(map[string]bool, count)
	for range count {
		var f nodeField
		if f.name, err = p.name(); err != nil {
			return err
		}
		if seen[f.name] {
			return corrupt("schema has two fields %q in one struct", f.name)
		}
		seen[f.name] = true
		if f.node, err = p.ref(); err != nil {
			return err
		}
		n.fields = append(n.fields, f)
	}
	return nil
}

// measure finds the least size of every type, and refuses a type that holds itself by
// value, nests too deep by value, or is a pointer to nothing but itself.
type measure struct {
	height map[*node]int // 0 while a node is being measured
}

func (m *measure) node(n *node) error {
	if h, ok := m.height[n]; ok {
		if h == 0 {
			return corrupt("schema of a type that contains itself")
		}
		return nil
	}
	m.height[n] = 0
	h, size := 0, 0
	add := func(c *node, times uint64) error {
		if err := m.node(c); err != nil {
			return err
		}
		h = max(h, m.height[c])
		if c.min > 0 && times > uint64(maxLeast-size)/uint64(c.min) {
			size = maxLeast
		} else {
			size += c.min * int(times%(maxLeast+1))
		}
		return nil
	}
	switch n.kind {
	case kindStruct:
		for _, f := range n.fields {
			if err := add(f.node, 1); err != nil {
				return err
			}
		}
		n.solid = n.fields
		if hollow := func(f nodeField) bool { return f.node.min == 0 }; slices.ContainsFunc(n.fields, hollow) {
			n.solid = slices.DeleteFunc(slices.Clone(n.fields), hollow)
		}
	case kindArray:
		if err := add(n.elem, n.length); err != nil {
			return err
		}
	case kindNamed:
		if n.elem.kind == kindNamed {
			return corrupt("schema with a name for a name")
		}
		if err := add(n.elem, 1); err != nil {
			return err
		}
	case kindPtr:
		for c, i := n.elem, 0; c.kind == kindPtr; c, i = c.elem, i+1 {
			if i+2 > MaxDepth {
				return corrupt("schema of more than %d pointers in a row", MaxDepth)
			}
		}
		size = 1
	default:
		size = n.kind.minSize()
	}
	if h++; h > MaxDepth {
		return corrupt("schema of a type nested deeper than %d", MaxDepth)
	}
	m.height[n], n.min = h, size
	return nil
}
