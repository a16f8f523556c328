package chanref

import (
	"bytes"
	"reflect"
	"unsafe"
)

// bitsOf compares values of one type by the bits that are theirs: two values
// with the same bits are the same value (they share what they point to), so
// one may stand for the other. Padding is left out.
type bitsOf struct {
	spans []span
	size  uintptr
}

type span struct{ from, to uintptr }

func newBits(t reflect.Type) bitsOf { return bitsOf{appendSpans(nil, t, 0), t.Size()} }

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

// same compares the values at x and y.
func (b bitsOf) same(x, y unsafe.Pointer) bool {
	xs, ys := unsafe.Slice((*byte)(x), b.size), unsafe.Slice((*byte)(y), b.size)
	for _, s := range b.spans {
		if !bytes.Equal(xs[s.from:s.to], ys[s.from:s.to]) {
			return false
		}
	}
	return true
}
