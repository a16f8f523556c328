package chanref

import (
	"unsafe"
	"weak"
)

// A channel value is a pointer to the runtime's channel object. This file is
// the only one that uses that: it lets a channel be held weakly, so that what
// is left of an ended channel goes when the program drops it.

// object stands for the runtime's channel object; only its address matters.
type object struct{ _ uintptr }

// weakChan is a weak hold on a channel of element type T.
type weakChan[T any] struct{ p weak.Pointer[object] }

func holdWeakly[T any](c <-chan T) weakChan[T] {
	return weakChan[T]{weak.Make(*(**object)(unsafe.Pointer(&c)))}
}

// get is the channel itself, nil once it was collected.
func (w weakChan[T]) get() <-chan T {
	p := w.p.Value()
	return *(*<-chan T)(unsafe.Pointer(&p))
}
