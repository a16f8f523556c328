package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"time"
	"unsafe"
)

// decoder is the state of reading one value.
type decoder struct {
	owned int // so many bytes may be pointed into by what is read; 0: none
	env   *ReadEnv
	left  int // memory that may still be taken
	depth int
}

// take counts n pieces of size bytes against what is left.
func (d *decoder) take(n int, size uintptr) error {
	if size > 0 && uint64(n) > uint64(d.left)/uint64(size) {
		return errTooLong()
	}
	d.left -= n * int(size)
	return nil
}

// read reads one value from b into p, which is zero, and returns what follows. A
// ValueError may come from anywhere within the value.
func (d *decoder) read(g *readProg, b []byte, p unsafe.Pointer) ([]byte, error) {
	for i := range g.steps {
		s := &g.steps[i]
		q := unsafe.Add(p, s.off)
		switch s.op {
		case opBool:
			if len(b) == 0 || b[0] > 1 {
				return nil, errBool(b)
			}
			*(*bool)(q) = b[0] == 1
			b = b[1:]
		case opByte:
			if len(b) == 0 {
				return nil, errShort()
			}
			*(*byte)(q) = b[0]
			b = b[1:]
		case opInt64:
			if len(b) > 0 && b[0] < 0x80 { // uvarint, which the compiler doesn't inline
				*(*int64)(q) = unzigzag(uint64(b[0]))
				b = b[1:]
				continue
			}
			x, rest, ok := uvarintLong(b)
			if !ok {
				return nil, errShort()
			}
			b = rest
			*(*int64)(q) = unzigzag(x)
		case opUint64:
			x, rest, ok := uvarint(b)
			if !ok {
				return nil, errShort()
			}
			b = rest
			*(*uint64)(q) = x
		case opFloat32:
			if len(b) < 4 {
				return nil, errShort()
			}
			*(*float32)(q) = math.Float32frombits(binary.LittleEndian.Uint32(b))
			b = b[4:]
		case opFloat64:
			if len(b) < 8 {
				return nil, errShort()
			}
			*(*float64)(q) = math.Float64frombits(binary.LittleEndian.Uint64(b))
			b = b[8:]
		case opString:
			var x uint64
			var rest []byte
			var ok bool
			if len(b) > 0 && b[0] < 0x80 {
				x, rest = uint64(b[0]), b[1:]
			} else if x, rest, ok = uvarintLong(b); !ok {
				return nil, errShort()
			}
			if x > uint64(len(rest)) {
				return nil, errShort()
			}
			if d.left -= int(x); d.left < 0 {
				return nil, at(errTooLong(), s.name)
			}
			*(*string)(q) = string(rest[:x])
			b = rest[x:]
		default:
			var err error
			if b, err = d.step(s, b, q); err != nil {
				return nil, at(err, s.name)
			}
		}
	}
	return b, nil
}

func errBool(b []byte) error {
	if len(b) == 0 {
		return errShort()
	}
	return corrupt("bool with value %d", b[0])
}

// step does the less common steps, and those that lead into other programs.
func (d *decoder) step(s *readStep, b []byte, p unsafe.Pointer) ([]byte, error) {
	switch s.op {
	case opSkip:
		return skip(s.sub.node, b, d.depth)
	case opInt16, opInt32, opUint16, opUint32:
		return readSmall(s.op, b, p)
	case opConvert:
		return convert(s.from, s.to, s.into, b, p)
	case opComplex64:
		if len(b) < 8 {
			return nil, errShort()
		}
		*(*complex64)(p) = complex(math.Float32frombits(binary.LittleEndian.Uint32(b)), math.Float32frombits(binary.LittleEndian.Uint32(b[4:])))
		return b[8:], nil
	case opComplex128:
		if len(b) < 16 {
			return nil, errShort()
		}
		*(*complex128)(p) = complex(math.Float64frombits(binary.LittleEndian.Uint64(b)), math.Float64frombits(binary.LittleEndian.Uint64(b[8:])))
		return b[16:], nil
	case opRaw:
		if len(b) < s.sub.n {
			return nil, errShort()
		}
		copy(unsafe.Slice((*byte)(p), s.sub.n), b)
		return b[s.sub.n:], nil
	case opTime:
		return d.time(b, (*time.Time)(p))
	case opBytes, opBytesString, opStringBytes, opCoder:
		return d.bytes(s, b, p)
	case opArray:
		return d.elems(s.sub, s.sub.n, b, p)
	case opChan:
		return d.channel(s.sub.typ, b, p)
	}
	if s.op == opNew { // not nested where it was written
		return d.alloc(s.sub, b, p)
	}
	if (s.op == opPtr || s.op == opDeref) && len(b) > 0 && b[0] == 0 {
		return b[1:], nil // nil is no level of its own
	}
	if d.depth++; d.depth > MaxDepth {
		return nil, corrupt("value nested deeper than %d", MaxDepth)
	}
	b, err := d.nested(s, b, p)
	d.depth--
	return b, err
}

// nested does the steps that count against MaxDepth.
func (d *decoder) nested(s *readStep, b []byte, p unsafe.Pointer) ([]byte, error) {
	switch s.op {
	case opPtr, opDeref:
		if len(b) == 0 || b[0] > 1 {
			return nil, errBool(b)
		}
		if s.op == opDeref {
			return d.read(s.sub.elem, b[1:], p)
		}
		return d.alloc(s.sub, b[1:], p)
	case opList:
		return d.list(s.sub, b, p)
	case opMap:
		return d.mapping(s.sub, b, p)
	case opIface:
		return d.iface(s.sub.typ, b, p)
	default:
		return d.any(b, (*any)(p))
	}
}

// alloc reads into a new variable and makes p point to it.
func (d *decoder) alloc(sub *readSub, b []byte, p unsafe.Pointer) ([]byte, error) {
	if err := d.take(1, sub.size); err != nil {
		return nil, err
	}
	to := reflect.New(sub.typ).UnsafePointer()
	*(*unsafe.Pointer)(p) = to
	return d.read(sub.elem, b, to)
}

// bytes reads what is a length and so many bytes.
func (d *decoder) bytes(s *readStep, b []byte, p unsafe.Pointer) ([]byte, error) {
	x, rest, ok := uvarint(b)
	if !ok {
		return nil, errShort()
	}
	if s.op != opStringBytes {
		if x == 0 {
			return rest, nil
		}
		x--
	}
	if x > uint64(len(rest)) {
		return nil, errShort()
	}
	if err := d.take(int(x), 1); err != nil {
		return nil, err
	}
	b, rest = rest[:x:x], rest[x:]
	switch s.op {
	case opCoder:
		return rest, s.sub.code.parse(b, p)
	case opBytesString:
		*(*string)(p) = string(b)
	case opBytes:
		if 2*len(b) > d.owned && d.owned > 0 {
			*(*[]byte)(p) = b
			break
		}
		fallthrough
	default:
		*(*[]byte)(p) = append(make([]byte, 0, len(b)), b...)
	}
	return rest, nil
}

// elems reads n values into variables that lie one after another.
func (d *decoder) elems(sub *readSub, n int, b []byte, p unsafe.Pointer) ([]byte, error) {
	if n == 0 { // p may point to nothing
		return b, nil
	}
	if len(sub.elem.steps) == 1 {
		switch op := sub.elem.steps[0].op; { // a struct of one field may be larger than that
		case op == opString && sub.size == unsafe.Sizeof(""):
			return d.strings(unsafe.Slice((*string)(p), n), b)
		case op == opInt64 && sub.size == 8:
			return readInts(unsafe.Slice((*int64)(p), n), b)
		case op == opFloat64 && sub.size == 8:
			return readFloats(unsafe.Slice((*float64)(p), n), b)
		}
	}
	var err error
	for i := range n {
		if b, err = d.read(sub.elem, b, unsafe.Add(p, uintptr(i)*sub.size)); err != nil {
			return nil, at(err, index(i))
		}
	}
	return b, nil
}

// count reads the length of a slice or map, and checks it against the bytes that are
// there: min is the least size of an element. isNil: there is no slice or map at all.
func count(b []byte, min int) (n int, isNil bool, rest []byte, err error) {
	x, rest, ok := uvarint(b)
	switch {
	case !ok:
		return 0, false, nil, errShort()
	case x == 0:
		return 0, true, rest, nil
	}
	x--
	if min == 0 && x > maxZeroWidth || min > 0 && x > uint64(len(rest)/min) {
		return 0, false, nil, corrupt("%d elements announced, %d bytes are there", x, len(rest))
	}
	return int(x), false, rest, nil
}

func (d *decoder) list(sub *readSub, b []byte, p unsafe.Pointer) ([]byte, error) {
	n, isNil, b, err := count(b, sub.min)
	if err != nil || isNil {
		return b, err
	}
	size := sub.size
	if sub.min == 0 {
		size++ // so that what costs the sender nothing is bounded
	}
	if err := d.take(n, size); err != nil {
		return nil, err
	}
	sub.make(sub.typ, p, n)
	if len(sub.elem.steps) == 0 {
		return b, nil
	}
	return d.elems(sub, n, b, (*sliceHeader)(p).data)
}

func (d *decoder) mapping(sub *readSub, b []byte, p unsafe.Pointer) ([]byte, error) {
	n, isNil, b, err := count(b, sub.min)
	if err != nil || isNil {
		return b, err
	}
	cost := mapCost(n, sub.typ.Key().Size(), sub.typ.Elem().Size())
	if cost > uint64(d.left) {
		return nil, errTooLong()
	}
	d.left -= int(cost)
	if n > 1 && len(sub.key.steps) == 0 {
		return nil, errKeys()
	}
	m := reflect.MakeMapWithSize(sub.typ, n)
	reflect.NewAt(sub.typ, p).Elem().Set(m)
	x := sub.pool.get()
	defer sub.pool.put(x)
	key, elem := x.key.Addr().UnsafePointer(), x.elem.Addr().UnsafePointer()
	for range n {
		x.key.SetZero()
		x.elem.SetZero()
		if b, err = d.read(sub.key, b, key); err != nil {
			return nil, at(err, "[key]")
		}
		if sub.checkKey && !x.key.Comparable() {
			return nil, &ValueError{Path: "[key]", Why: "holds what can't be the key of a map"}
		}
		if b, err = d.read(sub.elem, b, elem); err != nil {
			return nil, at(err, keyText(x.key))
		}
		m.SetMapIndex(x.key, x.elem)
	}
	if m.Len() != n {
		return nil, errKeys()
	}
	return b, nil
}

func errKeys() error {
	return &ValueError{Why: "keys of the map that were different are equal here"}
}
