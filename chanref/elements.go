package chanref

import (
	"reflect"
	"unsafe"

	"github.com/matveynator/netchan/codec"
)

// elements is what a sink needs to know of the values in its channel.
type elements[T any] struct {
	writer encoder[T] // its schema says what the sink takes
	reader func(from *codec.Schema) (decoder[T], error)
	own    decoder[T]         // for what is sent as the same type
	same   func(x, y *T) bool // whether one may stand for the other
}

func elementsOf[T any](w *codec.Writer[T]) elements[T] {
	bits := newBits(reflect.TypeFor[T]())
	e := elements[T]{
		writer: w,
		reader: func(from *codec.Schema) (decoder[T], error) { return codec.NewReader[T](from) },
		same:   func(x, y *T) bool { return bits.same(unsafe.Pointer(x), unsafe.Pointer(y)) },
	}
	e.findOwn()
	return e
}

// findOwn finds what reads values of the sink's own type: nil where nothing does.
func (e *elements[T]) findOwn() {
	if own, err := e.reader(e.writer.Schema()); err == nil {
		e.own = own
	}
}
