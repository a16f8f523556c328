package codec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// readProg reads one type of a schema into one Go type, as writeProg writes one.
type readProg struct {
	steps []readStep
}

type readStep struct {
	op   op
	from kind   // opConvert
	to   kind   // opConvert
	into string // opConvert: the local type, for errors
	off  uintptr
	sub  *readSub
	name string // ".Field", for errors
}

type readSub struct {
	typ  reflect.Type
	node *node  // opSkip
	code *coder // opCoder
	elem *readProg
	key  *readProg // opMap
	size uintptr   // of an element
	n    int       // opRaw, opArray: how many
	min  int       // least bytes of an element, or of a key with its value
	make maker     // opList
	pool *scratchPool

	checkKey bool // opMap: its keys hold anys, which may not be comparable
}

type pair struct {
	node *node
	typ  reflect.Type
}

// matcher finds out how to read a schema's types as Go types. A type inside itself finds
// its own program.
type matcher struct {
	known map[pair]*readProg
	cost  int
}

func (m *matcher) prog(n *node, t reflect.Type, path string) (*readProg, error) {
	key := pair{n, t}
	if g, ok := m.known[key]; ok {
		return g, nil
	}
	g := new(readProg)
	m.known[key] = g
	var err error
	g.steps, err = m.steps(nil, n, t, 0, "", path)
	return g, err
}

// steps adds to out how to read n as the part of a variable that lies at off and is of
// type t. path is where that is, for the error; name where it is within the program.
func (m *matcher) steps(out []readStep, n *node, t reflect.Type, off uintptr, name, path string) ([]readStep, error) {
	if m.cost++; m.cost > maxSteps {
		return nil, fmt.Errorf("%smatching them takes more than %d steps", path, maxSteps)
	}
	if n.kind == kindNamed {
		n = n.elem
	}
	s := readStep{off: off, name: name}
	no := func() ([]readStep, error) {
		if path == "" {
			return nil, fmt.Errorf("%v is not %s", n, describeType(t))
		}
		return nil, fmt.Errorf("%s: %v is not %s", path, n, typeName(t))
	}
	if sent, local := n.kind == kindPtr, t.Kind() == reflect.Pointer; sent || local {
		return m.pointers(out, s, n, t, path, sent, local)
	}
	if t == timeType || n.kind == kindTime {
		if t != timeType || n.kind != kindTime {
			return no()
		}
		s.op = opTime
		return append(out, s), nil
	}
	if code := coderOf(t); code != nil || n.kind.coded() {
		if code == nil || n.kind != code.kind || n.name != code.name {
			return nil, errWays(n, t, code, path)
		}
		s.op, s.sub = opCoder, &readSub{code: code}
		return append(out, s), nil
	}
	if to := basicKind(t.Kind()); to != 0 {
		if !m.basic(&s, n, to, t) {
			return no()
		}
		return append(out, s), nil
	}
	var err error
	switch t.Kind() {
	case reflect.Interface:
		if n.kind != kindAny {
			return no()
		}
		s.op = opAny
		if t.NumMethod() > 0 {
			s.op, s.sub = opIface, &readSub{typ: t}
		}
	case reflect.Struct:
		if n.kind != kindStruct {
			return no()
		}
		return m.fields(out, s, n, t, path)
	case reflect.Array:
		if n.kind != kindArray || n.length != uint64(t.Len()) {
			return no()
		}
		if t.Len() > 0 && isByte(t.Elem()) && n.elem.kind == basicKind(t.Elem().Kind()) {
			s.op, s.sub = opRaw, &readSub{n: t.Len()}
			break
		}
		s.op, s.sub = opArray, &readSub{size: t.Elem().Size(), n: t.Len()}
		if s.sub.elem, err = m.prog(n.elem, t.Elem(), path+"[]"); err != nil {
			return nil, err
		}
		if t.Len() == 0 || len(s.sub.elem.steps) == 0 {
			return out, nil
		}
	case reflect.Chan:
		if !n.kind.channel() {
			return no()
		}
		return m.channel(out, s, n, t, path)
	case reflect.Slice:
		return m.slice(out, s, n, t, path, no)
	case reflect.Map:
		if n.kind != kindMap {
			return no()
		}
		k, e := t.Key(), t.Elem()
		s.op, s.sub = opMap, &readSub{typ: t, min: n.key.min + n.elem.min, pool: newScratchPool(k, e), checkKey: holdsAny(k)}
		if s.sub.key, err = m.prog(n.key, k, path+"[key]"); err != nil {
			return nil, err
		}
		if s.sub.elem, err = m.prog(n.elem, e, path+"[]"); err != nil {
			return nil, err
		}
	}
	return append(out, s), nil
}

// errWays says that two types don't fit of which one, at least, encodes itself.
func errWays(n *node, t reflect.Type, code *coder, path string) error {
	sent, local := n.kind, kind(0)
	if code != nil {
		local = code.kind
	}
	if path != "" {
		path += ": "
	}
	return errors.New(strings.TrimSuffix(fmt.Sprintf("%s%v%s is not %v%s", path, n, sent.way(), typeName(t), local.way()), ","))
}

// way is how a type of kind k is encoded, for people.
func (k kind) way() string {
	switch k {
	case kindBinary:
		return ", as MarshalBinary gives it,"
	case kindText:
		return ", as MarshalText gives it,"
	case kindFunc:
		return ", as RegisterFunc has it,"
	}
	return ""
}

// pointers matches where one side has, or both sides have, a pointer.
func (m *matcher) pointers(out []readStep, s readStep, n *node, t reflect.Type, path string, sent, local bool) ([]readStep, error) {
	var err error
	switch {
	case sent && local:
		s.op, s.sub = opPtr, &readSub{typ: t.Elem(), size: t.Elem().Size()}
		s.sub.elem, err = m.prog(n.elem, t.Elem(), path)
	case sent:
		s.op, s.sub = opDeref, new(readSub)
		s.sub.elem, err = m.prog(n.elem, t, path)
	default:
		s.op, s.sub = opNew, &readSub{typ: t.Elem(), size: t.Elem().Size()}
		s.sub.elem, err = m.prog(n, t.Elem(), path)
	}
	if err != nil {
		return nil, err
	}
	return append(out, s), nil
}

// basic matches what is sent with a basic Go type.
func (m *matcher) basic(s *readStep, n *node, to kind, t reflect.Type) bool {
	from := n.kind
	number := func(k kind) bool { return k.signed() || k.unsigned() }
	float := func(k kind) bool { return k == kindFloat32 || k == kindFloat64 }
	complex := func(k kind) bool { return k == kindComplex64 || k == kindComplex128 }
	switch {
	case from == to,
		from.signed() && to.signed() && from.bits() == 64 && t.Size() == 8,
		from.unsigned() && to.unsigned() && from.bits() == 64 && t.Size() == 8:
		s.op, _ = basicOp(t.Kind(), t.Size())
	case number(from) && number(to), float(from) && float(to), complex(from) && complex(to):
		s.op, s.from, s.to, s.into = opConvert, from, fixedKind(to, t), t.String()
	case to == kindString && from == kindList && n.elem.kind == kindUint8:
		s.op = opBytesString
	default:
		return false
	}
	return true
}

// fixedKind is k with the size that int and uint have here.
func fixedKind(k kind, t reflect.Type) kind {
	switch {
	case k == kindInt && t.Size() == 4:
		return kindInt32
	case k == kindInt:
		return kindInt64
	case k == kindUint && t.Size() == 4:
		return kindUint32
	case k == kindUint:
		return kindUint64
	}
	return k
}

func (m *matcher) slice(out []readStep, s readStep, n *node, t reflect.Type, path string, no func() ([]readStep, error)) ([]readStep, error) {
	e := t.Elem()
	bytes := isByte(e)
	switch {
	case n.kind == kindString && bytes && e.Kind() == reflect.Uint8:
		s.op = opStringBytes
		return append(out, s), nil
	case n.kind != kindList:
		return no()
	case bytes && n.elem.kind == basicKind(e.Kind()):
		s.op = opBytes
		return append(out, s), nil
	}
	elem, err := m.prog(n.elem, e, path+"[]")
	if err != nil {
		return nil, err
	}
	s.op, s.sub = opList, &readSub{typ: t, size: e.Size(), min: n.elem.min, elem: elem, make: makerOf(e)}
	return append(out, s), nil
}

// fields matches two structs by the names of their fields.
func (m *matcher) fields(out []readStep, s readStep, n *node, t reflect.Type, path string) ([]readStep, error) {
	local, err := structFields(t, path)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]field, len(local))
	for _, f := range local {
		byName[f.name] = f
	}
	common := false
	for _, sent := range n.fields {
		f, ok := byName[sent.name]
		if !ok {
			if m.cost++; sent.node.min > 0 {
				out = append(out, readStep{op: opSkip, name: s.name + "." + sent.name, sub: &readSub{node: sent.node}})
			}
			continue
		}
		common = true
		where := sent.name
		if path != "" {
			where = path + "." + sent.name
		}
		if out, err = m.steps(out, sent.node, f.typ, s.off+f.off, s.name+"."+f.name, where); err != nil {
			return nil, err
		}
	}
	if !common && len(n.fields) > 0 && len(local) > 0 {
		if path != "" {
			path += ": "
		}
		return nil, fmt.Errorf("%sthe structs have no field in common", path)
	}
	return out, nil
}

// holdsAny reports whether a map key of type t may have an any in it.
func holdsAny(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return holdsAny(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsAny(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
