package codec

import (
	"fmt"
	"reflect"
)

// A ValueWriter is a Writer of a type that is known only when the program runs. It may be
// used by any number of goroutines.
type ValueWriter struct {
	typ  reflect.Type
	plan *writePlan
}

// NewValueWriter makes the ValueWriter of t. The error is an *UnsendableError that names
// the part of t that can't travel.
func NewValueWriter(t reflect.Type) (*ValueWriter, error) {
	plan, err := writePlanOf(t)
	if err != nil {
		return nil, err
	}
	return &ValueWriter{t, plan}, nil
}

// Schema describes the type to those who read it.
func (w *ValueWriter) Schema() *Schema { return w.plan.schema }

// Append appends *v, which is of the writer's type, to dst as Writer.Append does, with the
// same errors. *v need not be addressable, but must not come from an unexported field; it
// is copied for the time of the call, into a variable that is used again.
func (w *ValueWriter) Append(dst []byte, v *reflect.Value, env *WriteEnv) ([]byte, error) {
	if !v.IsValid() {
		return dst, &ValueError{Path: w.plan.name, Why: "there is no value"}
	}
	if v.Type() != w.typ {
		return dst, &ValueError{Path: w.plan.name, Why: fmt.Sprintf("the value is a %v", v.Type())}
	}
	box := w.plan.boxes.Get().(*reflect.Value)
	box.Set(*v)
	out, err := w.plan.append(dst, box.Addr().UnsafePointer(), env)
	box.SetZero()
	w.plan.boxes.Put(box)
	return out, err
}

// A ValueReader is a Reader of a type that is known only when the program runs. It may be
// used by any number of goroutines.
type ValueReader struct {
	typ  reflect.Type
	plan *readPlan
}

// NewValueReader matches what from describes with t, with the errors of NewReader.
func NewValueReader(from *Schema, t reflect.Type) (*ValueReader, error) {
	plan, err := readPlanOf(from, t)
	if err != nil {
		return nil, err
	}
	return &ValueReader{t, plan}, nil
}

// Read decodes one value from the start of src as Reader.Read does, with the same errors.
// *v becomes a new variable of the reader's type, or the zero Value where there is an error.
func (r *ValueReader) Read(src []byte, v *reflect.Value, env *ReadEnv) (rest []byte, err error) {
	*v = reflect.Value{}
	x := reflect.New(r.typ)
	if rest, err = r.plan.read(src, x.UnsafePointer(), env); err != nil {
		return rest, err
	}
	*v = x.Elem()
	return rest, nil
}
