package chanref

import (
	"reflect"
	"sync"
	"sync/atomic"
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
// there are work by reflection. Of those, boxed has some: a peer may have us meet any number.
var (
	typed sync.Map // reflect.Type -> family
	boxed struct {
		sync.Map // reflect.Type -> family
		left     atomic.Int64
	}
)

const maxBoxed = 1024

func init() { boxed.left.Store(maxBoxed) }

// Know makes channels of T inside values as fast as a Sender's. Others work too.
func Know[T any](w *codec.Writer[T]) {
	t := reflect.TypeFor[T]()
	if _, ok := typed.Load(t); !ok {
		typed.Store(t, typedFamily[T]{w, elementsOf(w)})
	}
}

// basic makes the families of types that everybody has, when they are first met.
var basic = map[reflect.Type]func() (family, error){
	reflect.TypeFor[bool](): basicOf[bool], reflect.TypeFor[string](): basicOf[string], reflect.TypeFor[[]byte](): basicOf[[]byte],
	reflect.TypeFor[int](): basicOf[int], reflect.TypeFor[int32](): basicOf[int32], reflect.TypeFor[int64](): basicOf[int64],
	reflect.TypeFor[uint32](): basicOf[uint32], reflect.TypeFor[uint64](): basicOf[uint64],
	reflect.TypeFor[float64](): basicOf[float64], reflect.TypeFor[any](): basicOf[any], reflect.TypeFor[struct{}](): basicOf[struct{}],
}

func basicOf[T any]() (family, error) {
	w, err := codec.NewWriter[T]()
	if err != nil {
		return nil, err
	}
	Know(w)
	f, _ := typed.Load(reflect.TypeFor[T]())
	return f.(family), nil
}

// familyOf is the family of channels of elements of type t.
func familyOf(t reflect.Type) (family, error) {
	if f, ok := typed.Load(t); ok {
		return f.(family), nil
	}
	if f, ok := boxed.Load(t); ok {
		return f.(family), nil
	}
	if make := basic[t]; make != nil {
		return make()
	}
	w, err := codec.NewValueWriter(t)
	if err != nil {
		return nil, err
	}
	f := &boxedFamily{typ: t, both: reflect.ChanOf(reflect.BothDir, t), w: w}
	f.elements = f.makeElements()
	if boxed.left.Add(-1) >= 0 {
		boxed.Store(t, f)
	}
	return f, nil
}

type typedFamily[T any] struct {
	w        *codec.Writer[T]
	elements elements[T]
}

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
	return newSink(t, c.weakly(), c, objectOf(c.c), f.elements, cfg)
}

// boxedFamily is the family of a type that only reflect knows.
type boxedFamily struct {
	typ, both reflect.Type // of elements, and of channels of them
	w         *codec.ValueWriter
	elements  elements[reflect.Value]
}

func (f *boxedFamily) makeElements() elements[reflect.Value] {
	bits := newBits(f.typ)
	at := func(v *reflect.Value) unsafe.Pointer {
		p := reflect.New(f.typ)
		p.Elem().Set(*v)
		return p.UnsafePointer()
	}
	e := elements[reflect.Value]{
		writer: f.w,
		reader: func(from *codec.Schema) (decoder[reflect.Value], error) { return codec.NewValueReader(from, f.typ) },
		same:   func(x, y *reflect.Value) bool { return x.IsValid() && y.IsValid() && bits.same(at(x), at(y)) },
	}
	e.findOwn()
	return e
}

func (f *boxedFamily) elem() reflect.Type { return f.typ }

func (f *boxedFamily) makeChan(size int) reflect.Value { return reflect.MakeChan(f.both, size) }

// open is ch as one to send on and to receive from.
func (f *boxedFamily) open(ch reflect.Value) (*object, grip[reflect.Value], conduit[reflect.Value]) {
	o := objectIn(ch)
	return o, weakBoxed{weak.Make(o), f.both}, &boxedChan{chanAt(o, f.both)}
}

func (f *boxedFamily) newSource(t *Table, ch reflect.Value, cfg SourceConfig) refSource {
	o, g, c := f.open(ch)
	return newSource(t, g, c, o, f.w, cfg)
}

func (f *boxedFamily) newSink(t *Table, ch reflect.Value, cfg SinkConfig) refSink {
	o, g, c := f.open(ch)
	return newSink(t, g, c, o, f.elements, cfg)
}
