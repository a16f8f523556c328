package codec

import "reflect"

// op is what one step of a plan does. Those below opProg are one basic value, written
// and read the same way at both ends.
type op uint8

const (
	opBool    op = iota
	opByte       // int8, uint8
	opInt16      // zig-zag varints
	opInt32      //
	opInt64      //
	opUint16     // varints
	opUint32     //
	opUint64     //
	opFloat32    //
	opFloat64    //
	opComplex64
	opComplex128
	opString
	opTime
	opProg // from here on, ops of more than one value

	opRaw   // an array of bytes
	opBytes // a slice of bytes
	opList  // any other slice
	opArray // any other array
	opMap   //
	opPtr   //
	opAny   //
	opIface // any other interface
	opCoder // a type that encodes itself
	opChan  //

	// Only when reading:
	opSkip        // what was sent has no place here
	opConvert     // a number of another kind
	opBytesString // string from bytes
	opStringBytes // bytes from a string
	opDeref       // T from *T
	opNew         // *T from T
)

// basicOp is the op of a basic kind where the Go kind has the same size on this machine.
func basicOp(k reflect.Kind, size uintptr) (op, bool) {
	switch k {
	case reflect.Bool:
		return opBool, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return [...]op{1: opByte, 2: opInt16, 4: opInt32, 8: opInt64}[size], true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return [...]op{1: opByte, 2: opUint16, 4: opUint32, 8: opUint64}[size], true
	case reflect.Float32:
		return opFloat32, true
	case reflect.Float64:
		return opFloat64, true
	case reflect.Complex64:
		return opComplex64, true
	case reflect.Complex128:
		return opComplex128, true
	case reflect.String:
		return opString, true
	}
	return 0, false
}

// isByte reports whether t travels as one byte without looking at it.
func isByte(t reflect.Type) bool {
	return (t.Kind() == reflect.Uint8 || t.Kind() == reflect.Int8) && !isWhole(t)
}
