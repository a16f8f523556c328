package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"sync"
	"unsafe"
)

// anyPlan is what writing a type inside an any takes.
type anyPlan struct {
	head   []byte // what stands before the value
	hashed bool   // the head is a hash: a length follows it, and the reader must have the schema
	schema *Schema
	prog   *writeProg
	name   string
	boxes  *sync.Pool // of *reflect.Value
}

// newBoxes makes a pool of variables of type t, zero when they are in it: what is in an
// any can't be pointed to.
func newBoxes(t reflect.Type) *sync.Pool {
	return &sync.Pool{New: func() any {
		v := reflect.New(t).Elem()
		return &v
	}}
}

var anyPlans sync.Map // reflect.Type -> *anyPlan; as many as the program puts into anys

func anyPlanOf(t reflect.Type) (*anyPlan, error) {
	if a, ok := anyPlans.Load(t); ok {
		return a.(*anyPlan), nil
	}
	s, err := schemaOf(t, true)
	if err != nil {
		if _, ok := err.(*ValueError); !ok {
			err = &ValueError{Err: err}
		}
		return nil, err // not kept: the type may be registered later
	}
	c := writeCompiler{known: make(map[reflect.Type]*writeProg)}
	a := &anyPlan{schema: s, prog: c.prog(t), name: "(" + typeName(t) + ")", boxes: newBoxes(t)}
	switch h := s.Hash(); {
	case s.root.kind.basic():
		a.head = s.bytes
	case len(s.bytes) <= maxInline:
		a.head = append([]byte{tagInline, byte(len(s.bytes))}, s.bytes...)
	default:
		a.hashed = true
		a.head = append([]byte{tagHash}, h[:]...)
	}
	kept, _ := anyPlans.LoadOrStore(t, a)
	return kept.(*anyPlan), nil
}

// appendAny writes what an any holds and which type that is.
func appendAny(dst []byte, x any, c writeCtx) ([]byte, error) {
	switch v := x.(type) {
	case nil:
		return append(dst, tagNil), nil
	case bool:
		if v {
			return append(dst, byte(kindBool), 1), nil
		}
		return append(dst, byte(kindBool), 0), nil
	case int:
		return appendVarint(append(dst, byte(kindInt)), int64(v)), nil
	case int64:
		return appendVarint(append(dst, byte(kindInt64)), v), nil
	case uint64:
		return appendUvarint(append(dst, byte(kindUint64)), v), nil
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, byte(kindFloat64)), math.Float64bits(v)), nil
	case string:
		if len(v) > c.limit-len(dst) {
			return nil, errTooLong()
		}
		dst = appendUvarint(append(dst, byte(kindString)), uint64(len(v)))
		return append(dst, v...), nil
	}
	a, err := anyPlanOf(reflect.TypeOf(x))
	if err != nil {
		return nil, err
	}
	box := a.boxes.Get().(*reflect.Value)
	box.Set(reflect.ValueOf(x))
	dst, err = a.append(dst, box.Addr().UnsafePointer(), c)
	box.SetZero()
	a.boxes.Put(box)
	return dst, at(err, a.name)
}

func (a *anyPlan) append(dst []byte, p unsafe.Pointer, c writeCtx) ([]byte, error) {
	dst = append(dst, a.head...)
	if !a.hashed {
		return a.prog.append(dst, p, c)
	}
	if c.env != nil && c.env.Met != nil {
		c.env.Met(a.schema)
	}
	start := len(dst)
	dst, err := a.prog.append(dst, p, c)
	if err != nil {
		return nil, err
	}
	return insertLen(dst, start, 0), nil
}
