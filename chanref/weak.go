package chanref

import (
	"reflect"
	"unsafe"
	"weak"
)

// A channel value is a pointer to the runtime's channel object. This file is
// the only one that uses that: it lets a channel be held weakly, so that what
// is left of an ended channel goes when the program drops it, and found again. Supported
// looks whether that is still so.

// object stands for the runtime's channel object; only its address matters.
type object struct{ _ uintptr }

// identity names a channel, whatever its type and direction, and does not keep
// it alive.
type identity = weak.Pointer[object]

func objectOf[T any](c chan T) *object { return *(**object)(unsafe.Pointer(&c)) }

// objectIn is the channel in v, which is of a channel type and not nil.
func objectIn(v reflect.Value) *object { return (*object)(v.UnsafePointer()) }

// chanAt is the channel of which o is the object, as a value of type t. In an interface a
// channel is the second word: nothing is allocated.
func chanAt(o *object, t reflect.Type) reflect.Value {
	c := reflect.Zero(t).Interface()
	(*[2]unsafe.Pointer)(unsafe.Pointer(&c))[1] = unsafe.Pointer(o)
	return reflect.ValueOf(c)
}

// held is how many values lie in a channel, whatever its type; ok is false once it was
// collected.
func held(id identity) (n int, ok bool) {
	o := id.Value()
	if o == nil {
		return 0, false
	}
	return len(chanOfObject[struct{}](o).c), true
}

// A glance tells how many values lie in a channel without holding it at all. A weak grip won't
// do for what is looked at often: while the collector marks, each look through one keeps the
// channel for another round. It may be used until a finalizer of the channel has returned, and
// the finalizer must wait for whoever uses it.
type glance struct{ at uintptr }

func glanceAt(o *object) glance { return glance{uintptr(unsafe.Pointer(o))} }

func (g glance) len() int { return len(chanOfObject[struct{}](*(**object)(unsafe.Pointer(&g.at))).c) }

// weakOf is a weak grip on a channel of element type T.
type weakOf[T any] struct{ id identity }

func (w weakOf[T]) conduit() conduit[T] {
	o := w.id.Value()
	if o == nil {
		return nil
	}
	return chanOfObject[T](o)
}

func (w weakOf[T]) held() (n int, ok bool) { return held(w.id) }

func (w weakOf[T]) again(o *object) conduit[T] { return chanOfObject[T](o) }

// weakBoxed is a weak grip on a channel of the bidirectional type typ.
type weakBoxed struct {
	id  identity
	typ reflect.Type
}

func (w weakBoxed) conduit() conduit[reflect.Value] {
	o := w.id.Value()
	if o == nil {
		return nil
	}
	return w.again(o)
}

func (w weakBoxed) held() (n int, ok bool) { return held(w.id) }

func (w weakBoxed) again(o *object) conduit[reflect.Value] { return &boxedChan{chanAt(o, w.typ)} }
