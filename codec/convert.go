package codec

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// number is an integer of any kind, or a float.
type number struct {
	neg bool   // i holds it
	i   int64  //
	u   uint64 // else
}

// bits is the size of an integer kind; int and uint count as large.
func (k kind) bits() uint {
	switch k {
	case kindInt8, kindUint8:
		return 8
	case kindInt16, kindUint16:
		return 16
	case kindInt32, kindUint32:
		return 32
	}
	return 64
}

// readInt reads an integer as it is written for kind from.
func readInt(from kind, b []byte) (x number, rest []byte, err error) {
	var signed int64
	switch {
	case from == kindInt8 || from == kindUint8:
		if len(b) == 0 {
			return x, nil, errShort()
		}
		if from == kindUint8 {
			return number{u: uint64(b[0])}, b[1:], nil
		}
		signed, rest = int64(int8(b[0])), b[1:]
	default:
		u, r, ok := uvarint(b)
		if !ok {
			return x, nil, errShort()
		}
		if from.unsigned() {
			return number{u: u}, r, nil
		}
		signed, rest = unzigzag(u), r
	}
	if signed < 0 {
		return number{neg: true, i: signed}, rest, nil
	}
	return number{u: uint64(signed)}, rest, nil
}

// storeInt stores x at p, or says that it doesn't fit the type called name.
func storeInt(x number, to kind, name string, p unsafe.Pointer) error {
	bits := to.bits()
	fits := x.u <= math.MaxUint64>>(64-bits)
	if to.signed() {
		fits = x.u <= math.MaxInt64>>(64-bits)
		if x.neg {
			fits = x.i >= math.MinInt64>>(64-bits)
		}
	} else if x.neg {
		fits = false
	}
	if !fits {
		if x.neg {
			return errDoesNotFit(x.i, name)
		}
		return errDoesNotFit(x.u, name)
	}
	v := x.u
	if x.neg {
		v = uint64(x.i)
	}
	switch bits {
	case 8:
		*(*uint8)(p) = uint8(v)
	case 16:
		*(*uint16)(p) = uint16(v)
	case 32:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
	return nil
}

// readSmall reads an integer whose kind is the same at both ends, but whose varint
// could hold more.
func readSmall(o op, b []byte, p unsafe.Pointer) ([]byte, error) {
	k := sameKind[o]
	x, rest, err := readInt(k, b)
	if err != nil {
		return nil, err
	}
	return rest, storeInt(x, k, basicTypes[k].String(), p)
}

var sameKind = [...]kind{opInt16: kindInt16, opInt32: kindInt32, opUint16: kindUint16, opUint32: kindUint32}

// convert reads a number of one kind into another of the same family, of the type called
// name.
func convert(from, to kind, name string, b []byte, p unsafe.Pointer) ([]byte, error) {
	if from.signed() || from.unsigned() {
		x, rest, err := readInt(from, b)
		if err != nil {
			return nil, err
		}
		return rest, storeInt(x, to, name, p)
	}
	if len(b) < from.minSize() {
		return nil, errShort()
	}
	rest := b[from.minSize():]
	var re, im float64
	switch from {
	case kindFloat32, kindComplex64:
		re = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		if from == kindComplex64 {
			im = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4:])))
		}
	default:
		re = math.Float64frombits(binary.LittleEndian.Uint64(b))
		if from == kindComplex128 {
			im = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
		}
	}
	switch to {
	case kindFloat64:
		*(*float64)(p) = re
	case kindComplex128:
		*(*complex128)(p) = complex(re, im)
	case kindFloat32:
		if overflows(re) {
			return nil, errDoesNotFit(re, name)
		}
		*(*float32)(p) = float32(re)
	default:
		if overflows(re) || overflows(im) {
			return nil, errDoesNotFit(complex(re, im), name)
		}
		*(*complex64)(p) = complex(float32(re), float32(im))
	}
	return rest, nil
}

// overflows reports whether the finite f would become infinite as a float32.
func overflows(f float64) bool {
	return !math.IsInf(f, 0) && math.IsInf(float64(float32(f)), 0)
}
