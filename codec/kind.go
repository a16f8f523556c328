package codec

import "reflect"

// kind says what a node of a schema is. The numbers are part of the wire format; 0, 1
// and 2 are left free for the tags of an any.
type kind uint8

const (
	kindBool       kind = 3
	kindInt        kind = 4
	kindInt8       kind = 5
	kindInt16      kind = 6
	kindInt32      kind = 7
	kindInt64      kind = 8
	kindUint       kind = 9
	kindUint8      kind = 10
	kindUint16     kind = 11
	kindUint32     kind = 12
	kindUint64     kind = 13
	kindFloat32    kind = 14
	kindFloat64    kind = 15
	kindComplex64  kind = 16
	kindComplex128 kind = 17
	kindString     kind = 18
	kindTime       kind = 19 // time.Time
	kindAny        kind = 20
	kindList       kind = 21 // one child: the element
	kindArray      kind = 22 // a length and one child
	kindMap        kind = 23 // two children: key and value
	kindPtr        kind = 24 // one child
	kindStruct     kind = 25 // named children
	kindBinary     kind = 26 // a type with AppendBinary or MarshalBinary, by its Go name
	kindText       kind = 27 // a type with AppendText or MarshalText, by its Go name
	kindFunc       kind = 28 // a type with functions given to RegisterFunc, by its Go name
	kindNamed      kind = 29 // a registered type inside an any: its name and one child
	kindSend       kind = 30 // a channel that the reader may send on; one child: the element
	kindRecv       kind = 31 // a channel that the reader may receive from; one child
)

// The first byte of an any; every other first byte is a basic kind.
const (
	tagNil    = 0
	tagHash   = 1
	tagInline = 2
)

// basicTypes are the types that an any may hold without a word about them but their kind.
var basicTypes = [...]reflect.Type{
	kindBool:       reflect.TypeFor[bool](),
	kindInt:        reflect.TypeFor[int](),
	kindInt8:       reflect.TypeFor[int8](),
	kindInt16:      reflect.TypeFor[int16](),
	kindInt32:      reflect.TypeFor[int32](),
	kindInt64:      reflect.TypeFor[int64](),
	kindUint:       reflect.TypeFor[uint](),
	kindUint8:      reflect.TypeFor[uint8](),
	kindUint16:     reflect.TypeFor[uint16](),
	kindUint32:     reflect.TypeFor[uint32](),
	kindUint64:     reflect.TypeFor[uint64](),
	kindFloat32:    reflect.TypeFor[float32](),
	kindFloat64:    reflect.TypeFor[float64](),
	kindComplex64:  reflect.TypeFor[complex64](),
	kindComplex128: reflect.TypeFor[complex128](),
	kindString:     reflect.TypeFor[string](),
	kindTime:       timeType,
}

var anyType = reflect.TypeFor[any]()

// basic reports whether k stands alone: no name, no children, and not any.
func (k kind) basic() bool { return k >= kindBool && k <= kindTime }

// coded reports whether k is a type that encodes itself.
func (k kind) coded() bool { return k >= kindBinary && k <= kindFunc }

// signed and unsigned report whether k is such an integer.
func (k kind) signed() bool   { return k >= kindInt && k <= kindInt64 }
func (k kind) unsigned() bool { return k >= kindUint && k <= kindUint64 }

// kindOf is the kind of a type that is basic, or 0.
func kindOf(t reflect.Type) kind {
	if t == timeType {
		return kindTime
	}
	return basicKind(t.Kind())
}

// basicKind is the kind of a Go kind that is basic, or 0.
func basicKind(k reflect.Kind) kind {
	switch k {
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInt + kind(k-reflect.Int)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return kindUint + kind(k-reflect.Uint)
	case reflect.Float32:
		return kindFloat32
	case reflect.Float64:
		return kindFloat64
	case reflect.Complex64:
		return kindComplex64
	case reflect.Complex128:
		return kindComplex128
	case reflect.String:
		return kindString
	}
	return 0
}

// minSize is the least number of bytes that a value of a kind without children takes.
func (k kind) minSize() int {
	switch k {
	case kindTime:
		return 3
	case kindFloat32:
		return 4
	case kindFloat64, kindComplex64:
		return 8
	case kindComplex128:
		return 16
	}
	return 1
}
