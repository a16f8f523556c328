package codec

import (
	"reflect"
	"unsafe"
)

// maker makes the slice at p, of type t, n elements long, all zero.
type maker func(t reflect.Type, p unsafe.Pointer, n int)

// makerOf picks what costs one allocation: reflect takes a second one for the slice's
// header unless it grows a slice where that lies, which is slower than make.
func makerOf(elem reflect.Type) maker {
	switch {
	case elem.Kind() == reflect.String:
		return makeSlice[string]
	case elem.Kind() == reflect.Pointer, elem.Kind() == reflect.Map, elem.Kind() == reflect.Chan:
		return makeSlice[unsafe.Pointer]
	case elem.Kind() == reflect.Interface && elem.NumMethod() == 0:
		return makeSlice[any]
	}
	switch basicKind(elem.Kind()) {
	case 0:
		return growSlice
	case kindComplex128:
		return makeSlice[complex128]
	}
	switch elem.Size() {
	case 1:
		return makeSlice[uint8]
	case 2:
		return makeSlice[uint16]
	case 4:
		return makeSlice[uint32]
	default:
		return makeSlice[uint64]
	}
}

// makeSlice serves all element types that look to the collector like E.
func makeSlice[E any](_ reflect.Type, p unsafe.Pointer, n int) {
	*(*[]E)(p) = make([]E, n)
}

// mapCost is about what a map of n entries takes: a group of 8 for up to 8, beyond that a
// power of two that is 7/8 full at most; keys and elements above 128 bytes lie outside. A
// large map is made of tables of 1,024, of which chance fills some earlier than others: those
// are split.
func mapCost(n int, key, elem uintptr) uint64 {
	slot, outside := uintptr(1), uintptr(0)
	for _, size := range [2]uintptr{key, elem} {
		if size > 128 {
			outside += size
			size = 8
		}
		slot += (size + 7) &^ 7
	}
	slots := 0
	switch {
	case n > 896:
		slots = n * 24 / 7
	case n > 8:
		slots = n*16/7 + 16
	case n > 0:
		slots = 8
	}
	return 48 + uint64(slots)*uint64(slot) + uint64(n)*uint64(outside)
}

func growSlice(t reflect.Type, p unsafe.Pointer, n int) {
	if n == 0 {
		*(*[]struct{})(p) = []struct{}{}
		return
	}
	v := reflect.NewAt(t, p).Elem()
	v.Grow(n)
	v.SetLen(n)
}
