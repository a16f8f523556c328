package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"
)

// writeProg writes one type: its steps in order. Structs inside structs are flattened
// into one program; slices, maps and pointers have a program for what they hold.
type writeProg struct {
	steps []writeStep
}

type writeStep struct {
	op   op
	off  uintptr
	sub  *writeSub
	name string // ".Field", for errors
}

type writeSub struct {
	typ  reflect.Type
	code *coder // opCoder
	elem *writeProg
	key  *writeProg   // opMap
	size uintptr      // of an element
	n    int          // opRaw, opArray: how many
	pool *scratchPool // opMap
}

// writeCtx goes down by value, so that writing needs no memory of its own.
type writeCtx struct {
	env   *WriteEnv
	limit int // where dst must not reach beyond
	depth int
}

// writeCompiler makes programs; a type inside itself finds its own.
type writeCompiler struct {
	known map[reflect.Type]*writeProg
}

// prog is the program of t, for which schemaOf has found no objection.
func (c *writeCompiler) prog(t reflect.Type) *writeProg {
	if g, ok := c.known[t]; ok {
		return g
	}
	g := new(writeProg)
	c.known[t] = g
	g.steps = c.steps(nil, t, 0, "")
	return g
}

func (c *writeCompiler) steps(out []writeStep, t reflect.Type, off uintptr, name string) []writeStep {
	s := writeStep{off: off, name: name}
	if t == timeType {
		s.op = opTime
		return append(out, s)
	}
	if code := useCoder(t); code != nil {
		s.op, s.sub = opCoder, &writeSub{code: code}
		return append(out, s)
	}
	if op, ok := basicOp(t.Kind(), t.Size()); ok {
		s.op = op
		return append(out, s)
	}
	switch t.Kind() {
	case reflect.Struct:
		fields, err := structFields(t, "")
		if err != nil {
			panic(err) // schemaOf has been here
		}
		markEmbedded(t)
		for _, f := range fields {
			out = c.steps(out, f.typ, off+f.off, name+"."+f.name)
		}
		return out
	case reflect.Interface:
		s.op = opAny
		if t.NumMethod() > 0 {
			s.op, s.sub = opIface, &writeSub{typ: t}
		}
	case reflect.Array:
		elem := c.prog(t.Elem())
		if t.Len() == 0 || len(elem.steps) == 0 {
			return out
		}
		s.op, s.sub = opArray, &writeSub{size: t.Elem().Size(), n: t.Len(), elem: elem}
		if isByte(t.Elem()) {
			s.op = opRaw
		}
	case reflect.Slice:
		s.op, s.sub = opList, &writeSub{size: t.Elem().Size(), elem: c.prog(t.Elem())}
		if isByte(t.Elem()) {
			s.op = opBytes
		}
	case reflect.Map:
		s.op, s.sub = opMap, &writeSub{typ: t, key: c.prog(t.Key()), elem: c.prog(t.Elem()), pool: newScratchPool(t.Key(), t.Elem())}
	case reflect.Pointer:
		s.op, s.sub = opPtr, &writeSub{elem: c.prog(t.Elem())}
	case reflect.Chan:
		c.prog(t.Elem()) // the schema says how elements are encoded: that is settled now
		s.op, s.sub = opChan, &writeSub{typ: plainChan(t)}
	}
	return append(out, s)
}

// append writes the value at p.
func (g *writeProg) append(dst []byte, p unsafe.Pointer, c writeCtx) ([]byte, error) {
	for i := range g.steps {
		s := &g.steps[i]
		q := unsafe.Add(p, s.off)
		switch s.op {
		case opBool:
			var b byte
			if *(*bool)(q) {
				b = 1
			}
			dst = append(dst, b)
		case opByte:
			dst = append(dst, *(*byte)(q))
		case opInt16:
			dst = appendVarint(dst, int64(*(*int16)(q)))
		case opInt32:
			dst = appendVarint(dst, int64(*(*int32)(q)))
		case opInt64:
			dst = appendVarint(dst, *(*int64)(q))
		case opUint16:
			dst = appendUvarint(dst, uint64(*(*uint16)(q)))
		case opUint32:
			dst = appendUvarint(dst, uint64(*(*uint32)(q)))
		case opUint64:
			dst = appendUvarint(dst, *(*uint64)(q))
		case opFloat32:
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(*(*float32)(q)))
		case opFloat64:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(*(*float64)(q)))
		case opComplex64:
			v := *(*complex64)(q)
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(real(v)))
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(imag(v)))
		case opComplex128:
			v := *(*complex128)(q)
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(real(v)))
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(imag(v)))
		case opString:
			v := *(*string)(q)
			if len(v) > c.limit-len(dst) {
				return nil, at(errTooLong(), s.name)
			}
			dst = appendUvarint(dst, uint64(len(v)))
			dst = append(dst, v...)
		case opTime:
			var err error
			if dst, err = appendTime(dst, *(*time.Time)(q)); err != nil {
				return nil, at(err, s.name)
			}
		case opRaw:
			dst = append(dst, unsafe.Slice((*byte)(q), s.sub.n)...)
		case opBytes:
			v := *(*[]byte)(q)
			if v == nil {
				dst = append(dst, 0)
				continue
			}
			if len(v) > c.limit-len(dst) {
				return nil, at(errTooLong(), s.name)
			}
			if c.depth >= MaxDepth {
				return nil, at(errTooDeep(), s.name)
			}
			dst = appendUvarint(dst, uint64(len(v))+1)
			dst = append(dst, v...)
		default:
			var err error
			if dst, err = s.append(dst, q, c); err != nil {
				return nil, at(err, s.name)
			}
		}
	}
	return dst, nil
}

// append does the steps that lead into other programs.
func (s *writeStep) append(dst []byte, p unsafe.Pointer, c writeCtx) ([]byte, error) {
	switch s.op {
	case opCoder:
		return s.sub.code.write(dst, p)
	case opArray:
		return appendElems(dst, p, s.sub.n, s.sub, c)
	case opChan:
		return appendChan(dst, p, s.sub.typ, c.env)
	case opPtr:
		if *(*unsafe.Pointer)(p) == nil {
			return append(dst, 0), nil
		}
	}
	if c.depth++; c.depth > MaxDepth {
		return nil, errTooDeep()
	}
	if len(dst) > c.limit { // each of these takes a byte at least, so this ends what is shared without end
		return nil, errTooLong()
	}
	switch s.op {
	case opPtr:
		return s.sub.elem.append(append(dst, 1), *(*unsafe.Pointer)(p), c)
	case opList:
		v := (*sliceHeader)(p)
		if v.data == nil {
			return append(dst, 0), nil
		}
		if len(s.sub.elem.steps) == 0 && v.len > maxZeroWidth {
			return nil, &ValueError{Why: fmt.Sprintf("%d elements without content, at most %d are allowed", v.len, maxZeroWidth), Err: ErrTooLarge}
		}
		return appendElems(appendUvarint(dst, uint64(v.len)+1), v.data, v.len, s.sub, c)
	case opMap:
		return appendMap(dst, p, s.sub, c)
	case opIface:
		return appendAny(dst, reflect.NewAt(s.sub.typ, p).Elem().Interface(), c)
	default:
		return appendAny(dst, *(*any)(p), c)
	}
}

// sliceHeader is how a slice lies in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// appendElems writes n values that lie one after another.
func appendElems(dst []byte, p unsafe.Pointer, n int, sub *writeSub, c writeCtx) ([]byte, error) {
	if len(sub.elem.steps) == 0 || n == 0 { // p may point to nothing
		return dst, nil
	}
	if len(sub.elem.steps) == 1 {
		switch op := sub.elem.steps[0].op; { // a struct of one field may be larger than that
		case op == opString && sub.size == unsafe.Sizeof(""):
			for i, v := range unsafe.Slice((*string)(p), n) {
				if len(v) > c.limit-len(dst) {
					return nil, at(errTooLong(), index(i))
				}
				dst = append(appendUvarint(dst, uint64(len(v))), v...)
			}
			return dst, nil
		case op == opInt64 && sub.size == 8:
			for _, v := range unsafe.Slice((*int64)(p), n) {
				dst = appendVarint(dst, v)
			}
			return dst, nil
		case op == opFloat64 && sub.size == 8:
			for _, v := range unsafe.Slice((*float64)(p), n) {
				dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
			}
			return dst, nil
		}
	}
	var err error
	for i := range n {
		if len(dst) > c.limit {
			return nil, at(errTooLong(), index(i))
		}
		if dst, err = sub.elem.append(dst, unsafe.Add(p, uintptr(i)*sub.size), c); err != nil {
			return nil, at(err, index(i))
		}
	}
	return dst, nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// scratch holds one key and one value of a map, which can't be pointed to where they are.
type scratch struct {
	key, elem reflect.Value
	iter      reflect.MapIter
}

// scratchPool lends scratches of one map type.
type scratchPool struct {
	pool sync.Pool
}

func newScratchPool(key, elem reflect.Type) *scratchPool {
	s := new(scratchPool)
	s.pool.New = func() any {
		return &scratch{key: reflect.New(key).Elem(), elem: reflect.New(elem).Elem()}
	}
	return s
}

func (s *scratchPool) get() *scratch { return s.pool.Get().(*scratch) }

// put takes x back, rid of what it holds.
func (s *scratchPool) put(x *scratch) {
	x.key.SetZero()
	x.elem.SetZero()
	x.iter.Reset(reflect.Value{})
	s.pool.Put(x)
}

// keyText shows a key in a path, if it is short.
func keyText(key reflect.Value) string {
	switch k := basicKind(key.Kind()); {
	case k == kindString && key.Len() <= 40:
		return "[" + strconv.Quote(key.String()) + "]"
	case k.signed():
		return "[" + strconv.FormatInt(key.Int(), 10) + "]"
	case k.unsigned():
		return "[" + strconv.FormatUint(key.Uint(), 10) + "]"
	}
	return "[]"
}

func appendMap(dst []byte, p unsafe.Pointer, sub *writeSub, c writeCtx) ([]byte, error) {
	m := reflect.NewAt(sub.typ, p).Elem()
	if m.IsNil() {
		return append(dst, 0), nil
	}
	n := m.Len()
	dst = appendUvarint(dst, uint64(n)+1)
	x := sub.pool.get()
	defer sub.pool.put(x)
	key, elem := x.key.Addr().UnsafePointer(), x.elem.Addr().UnsafePointer()
	var err error
	x.iter.Reset(m)
	for x.iter.Next() {
		n--
		x.key.SetIterKey(&x.iter)
		x.elem.SetIterValue(&x.iter)
		if len(dst) > c.limit {
			return nil, errTooLong()
		}
		if dst, err = sub.key.append(dst, key, c); err != nil {
			return nil, at(err, "[key]")
		}
		if dst, err = sub.elem.append(dst, elem, c); err != nil {
			return nil, at(err, keyText(x.key))
		}
	}
	if n != 0 {
		return nil, &ValueError{Why: "map was changed while it was encoded"}
	}
	return dst, nil
}
