package chanref

import (
	"bytes"
	"reflect"
	"unsafe"
)

// bitsOf compares values of one type by the bits that are theirs: two values
// with the same bits are the same value (they share what they point to), so
// one may stand for the other. Padding is left out.
type bitsOf[T any] struct{ spans []span }

type span struct{ from, to uintptr }

func newBits[T any]() bitsOf[T] {
	return bitsOf[T]{appendSpans(nil, reflect.TypeFor[T](), 0)}
}

// maxSpans bounds the list for large arrays; what lies behind is compared with
// its padding.
const maxSpans = 256

func appendSpans(spans []span, t reflect.Type, at uintptr) []span {
	switch {
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			spans = appendSpans(spans, f.Type, at+f.Offset)
		}
		return spans
	case t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Struct && t.Len() <= maxSpans && len(spans) < maxSpans:
		for i := range t.Len() {
			spans = appendSpans(spans, t.Elem(), at+uintptr(i)*t.Elem().Size())
		}
		return spans
	case t.Size() == 0:
		return spans
	}
	if n := len(spans); n > 0 && spans[n-1].to == at {
		spans[n-1].to += t.Size()
		return spans
	}
	return append(spans, span{at, at + t.Size()})
}

func (b bitsOf[T]) same(x, y *T) bool {
	size := unsafe.Sizeof(*x)
	xs := unsafe.Slice((*byte)(unsafe.Pointer(x)), size)
	ys := unsafe.Slice((*byte)(unsafe.Pointer(y)), size)
	for _, s := range b.spans {
		if !bytes.Equal(xs[s.from:s.to], ys[s.from:s.to]) {
			return false
		}
	}
	return true
}
