package chanref

import (
	"reflect"
	"sync"
	"unsafe"
	"weak"

	"github.com/matveynator/netchan/codec"
)

// A family makes what channels of one element type need: their proxies, sources
// and sinks.
type family interface {
	elem() reflect.Type
	// makeChan makes a channel of the type chan T.
	makeChan(size int) reflect.Value
	// newSource makes the source of a channel that travelled. It does not keep it alive
	// but while its goroutine runs; that does not run yet when cfg.asleep is set.
	newSource(t *Table, ch reflect.Value, cfg SourceConfig) refSource
	// newSink makes the sink of one. It does not keep it alive but while it
	// pushes.
	newSink(t *Table, ch reflect.Value, cfg SinkConfig) refSink
}

// typed are the families of types that the program has named to us; what others
// there are work by reflection.
var typed sync.Map // reflect.Type -> family

// Know makes channels of T inside values as fast as a Sender's. Others work too.
func Know[T any](w *codec.Writer[T]) {
	t := reflect.TypeFor[T]()
	if _, ok := typed.Load(t); !ok {
		typed.Store(t, typedFamily[T]{w})
	}
}

// familyOf is the family of channels of elements of type t.
func familyOf(t reflect.Type) (family, error) {
	if f, ok := typed.Load(t); ok {
		return f.(family), nil
	}
	w, err := codec.NewValueWriter(t)
	if err != nil {
		return nil, err
	}
	return &boxedFamily{t, w}, nil
}

type typedFamily[T any] struct{ w *codec.Writer[T] }

func (f typedFamily[T]) elem() reflect.Type { return reflect.TypeFor[T]() }

func (f typedFamily[T]) makeChan(size int) reflect.Value { return reflect.ValueOf(make(chan T, size)) }

func chanIn[T any](ch reflect.Value) chan T {
	p := ch.UnsafePointer()
	return *(*chan T)(unsafe.Pointer(&p))
}

func (f typedFamily[T]) newSource(t *Table, ch reflect.Value, cfg SourceConfig) refSource {
	c := chanOf[T]{chanIn[T](ch)}
	return newSource(t, c.weakly(), c, objectOf(c.c), f.w, cfg)
}

func (f typedFamily[T]) newSink(t *Table, ch reflect.Value, cfg SinkConfig) refSink {
	c := chanOf[T]{chanIn[T](ch)}
	return newSink(t, c.weakly(), c, objectOf(c.c), elementsOf(f.w), cfg)
}

// boxedFamily is the family of a type that only reflect knows.
type boxedFamily struct {
	typ reflect.Type
	w   *codec.ValueWriter
}

func (f *boxedFamily) elem() reflect.Type { return f.typ }

func (f *boxedFamily) makeChan(size int) reflect.Value {
	return reflect.MakeChan(reflect.ChanOf(reflect.BothDir, f.typ), size)
}

// both is ch as one to send on and to receive from.
func (f *boxedFamily) both(ch reflect.Value) (reflect.Value, *object) {
	o := objectIn(ch)
	return chanAt(o, reflect.ChanOf(reflect.BothDir, f.typ)), o
}

func (f *boxedFamily) newSource(t *Table, ch reflect.Value, cfg SourceConfig) refSource {
	v, o := f.both(ch)
	return newSource(t, grip[reflect.Value](weakBoxed{weak.Make(o), v.Type()}), conduit[reflect.Value](&boxedChan{v}), o, f.w, cfg)
}

func (f *boxedFamily) newSink(t *Table, ch reflect.Value, cfg SinkConfig) refSink {
	v, o := f.both(ch)
	bits := newBits(f.typ)
	at := func(v *reflect.Value) unsafe.Pointer {
		p := reflect.New(f.typ)
		p.Elem().Set(*v)
		return p.UnsafePointer()
	}
	return newSink(t, grip[reflect.Value](weakBoxed{weak.Make(o), v.Type()}), conduit[reflect.Value](&boxedChan{v}), o, elements[reflect.Value]{
		writer: f.w,
		reader: func(from *codec.Schema) (decoder[reflect.Value], error) { return codec.NewValueReader(from, f.typ) },
		same:   func(x, y *reflect.Value) bool { return x.IsValid() && y.IsValid() && bits.same(at(x), at(y)) },
	}, cfg)
}
