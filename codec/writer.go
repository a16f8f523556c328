package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"sync"
	"unsafe"
)

// Writer turns values of type T into bytes. It is made by NewWriter, holds nothing of
// what it wrote, and may be used by any number of goroutines.
type Writer[T any] struct {
	typ  reflect.Type
	plan *writePlan
	op   op // what to do for a T that is one basic value, else opProg
}

// WriteEnv is what surrounds one or more calls of Append. A nil *WriteEnv is the zero one.
type WriteEnv struct {
	// Met is called, during Append, with the schema of every type put inside an any
	// whose schema does not travel with the value itself: the reader must have it before
	// the value. It is called each time, also where Append fails later on. nil: not called.
	Met func(*Schema)
	// MaxBytes bounds the encoded size of one value; 0 means DefaultMaxWrite.
	MaxBytes int
	// Chan is called, during Append, for each channel in a value that is not nil, in the
	// order in which they stand, and again for one that stands twice. ch is of a directed
	// channel type without a name. It returns the number that stands for the channel in the
	// value; the largest uint64 can't. An error is the Err of the value's *ValueError. It may
	// have been called for some channels of a value where Append fails later on. nil: a
	// channel is an error of its value.
	Chan func(ch reflect.Value) (uint64, error)
}

// shortString is how long a string may be that needs no look at a limit.
const shortString = 1 << 10

// NewWriter makes the Writer of T. The error is an *UnsendableError that names the part
// of T that can't travel.
func NewWriter[T any]() (*Writer[T], error) {
	t := reflect.TypeFor[T]()
	plan, err := writePlanOf(t)
	if err != nil {
		return nil, err
	}
	w := &Writer[T]{typ: t, plan: plan, op: opProg}
	if s := plan.prog.steps; len(s) == 1 && s[0].op < opProg && s[0].off == 0 {
		w.op = s[0].op
	}
	return w, nil
}

// Schema describes T to those who read it.
func (w *Writer[T]) Schema() *Schema { return w.plan.schema }

// Append appends *v to dst and returns the longer slice. If *v can't be written, it
// returns dst as it was and a *ValueError; that concerns this value only. v must not be
// nil; *v is not changed and not kept, and nobody may change it meanwhile.
func (w *Writer[T]) Append(dst []byte, v *T, env *WriteEnv) ([]byte, error) {
	p := unsafe.Pointer(v)
	switch w.op {
	case opInt64:
		return appendVarint(dst, *(*int64)(p)), nil
	case opUint64:
		return appendUvarint(dst, *(*uint64)(p)), nil
	case opByte:
		return append(dst, *(*byte)(p)), nil
	case opFloat64:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(*(*float64)(p))), nil
	case opString:
		if s := *(*string)(p); len(s) <= shortString && (env == nil || env.MaxBytes == 0) {
			return append(appendUvarint(dst, uint64(len(s))), s...), nil
		}
	}
	return w.plan.append(dst, p, env)
}

// writePlan is what writing a type takes; made once per type and never changed.
type writePlan struct {
	schema *Schema
	prog   *writeProg
	name   string
	boxes  *sync.Pool // of *reflect.Value, for ValueWriter
}

func (w *writePlan) append(dst []byte, p unsafe.Pointer, env *WriteEnv) ([]byte, error) {
	size := DefaultMaxWrite
	if env != nil && env.MaxBytes > 0 {
		size = env.MaxBytes
	}
	out, err := w.prog.append(dst, p, writeCtx{env: env, limit: len(dst) + size})
	if err == nil && len(out)-len(dst) > size {
		err = errTooLong()
	}
	if err != nil {
		return dst, at(withLimit(err, "", size), w.name)
	}
	return out, nil
}

var writePlans sync.Map // reflect.Type -> *writePlan; as many as the program has types

func writePlanOf(t reflect.Type) (*writePlan, error) {
	if w, ok := writePlans.Load(t); ok {
		return w.(*writePlan), nil
	}
	var w *writePlan
	for turn := coderTurn(); ; turn = coderTurn() {
		s, err := schemaOf(t, false)
		if err != nil {
			return nil, err
		}
		c := writeCompiler{known: make(map[reflect.Type]*writeProg)}
		w = &writePlan{schema: s, prog: c.prog(t), name: typeName(t), boxes: newBoxes(t)}
		if coderTurn() == turn {
			break
		}
	}
	kept, _ := writePlans.LoadOrStore(t, w)
	return kept.(*writePlan), nil
}
