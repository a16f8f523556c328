package codec

import (
	"fmt"
	"math/big"
	"reflect"
	"sync"
	"unsafe"
)

// RegisterFunc has the values of a type encoded by functions of the caller's: for types
// that know how to encode themselves, but by other methods than those of package
// encoding. T is a pointer to a named type, or an interface: then it is for all types
// whose pointers have its methods, but not for those that only embed one of them. For
// Protocol Buffers, once in a program:
//
//	netchan.RegisterFunc(func(dst []byte, m proto.Message) ([]byte, error) {
//		return proto.MarshalOptions{}.MarshalAppend(dst, m)
//	}, proto.Unmarshal)
//
// appendTo appends v's bytes to dst and returns the longer slice; read sets v, which is
// zero, to what b says, and must not keep b. Both may be called by several goroutines at
// once. An error, or a panic, is an error of that one value. The name of the Go type must
// be the same at both ends, and both must have registered functions for it.
//
// Call it in an init function, or at the start of main. It panics if T is something else,
// a function is nil, T has been registered before, or a Sender or Receiver of a type that
// it would change has been made already: the program is wrong then.
func RegisterFunc[T any](appendTo func(dst []byte, v T) ([]byte, error), read func(b []byte, v T) error) {
	t := reflect.TypeFor[T]()
	if t == reflect.PointerTo(timeType) {
		panic("netchan: RegisterFunc of *time.Time, which is a basic type here")
	}
	pointer := t.Kind() == reflect.Pointer && t.Elem().Name() != "" && t.Elem().Kind() != reflect.Interface
	if !pointer && (t.Kind() != reflect.Interface || t.NumMethod() == 0) {
		panic(fmt.Sprintf("netchan: RegisterFunc of %v, want a pointer to a named type, or an interface with methods", t))
	}
	if appendTo == nil || read == nil {
		panic(fmt.Sprintf("netchan: RegisterFunc of %v with a nil function", t))
	}
	coders.Lock()
	defer coders.Unlock()
	h := hookOf(appendTo, read)
	for _, old := range coders.hooks {
		if old.typ == t {
			panic(fmt.Sprintf("netchan: RegisterFunc of %v, which has its functions already", t))
		}
	}
	for used := range coders.used {
		if h.applies(used) {
			panic(fmt.Sprintf("netchan: RegisterFunc of %v comes too late: a Sender or Receiver of a type with %v in it has been made; call it in an init function", t, used))
		}
	}
	coders.hooks = append(coders.hooks, h)
	coders.turn++
	clear(coders.found)
}

// hook is what was given to RegisterFunc.
type hook struct {
	typ  reflect.Type // *X, or an interface
	make func(t reflect.Type) *coder
}

func hookOf[T any](appendTo func([]byte, T) ([]byte, error), read func([]byte, T) error) hook {
	return hook{reflect.TypeFor[T](), func(t reflect.Type) *coder {
		return &coder{kindFunc, t.String(),
			func(dst []byte, p unsafe.Pointer) ([]byte, error) {
				return appendTo(dst, reflect.NewAt(t, p).Interface().(T))
			},
			func(b []byte, p unsafe.Pointer) error { return read(b, reflect.NewAt(t, p).Interface().(T)) }, t}
	}}
}

func (h hook) applies(t reflect.Type) bool {
	if h.typ.Kind() == reflect.Pointer {
		return h.typ.Elem() == t
	}
	return has(t, h.typ)
}

// coders knows how types encode themselves. What was said of a type that values have
// been written with stays.
var coders = struct {
	sync.RWMutex
	hooks []hook
	found map[reflect.Type]*coder // nil where there is none; as many as the program has types
	used  map[reflect.Type]bool
	turn  uint64 // of RegisterFunc
}{
	// Those of math/big have text, too; but reading that takes much longer than it is, and
	// of a Float it loses the precision.
	hooks: []hook{gobHook[big.Int](), gobHook[big.Rat](), gobHook[big.Float]()},
	found: make(map[reflect.Type]*coder),
	used:  make(map[reflect.Type]bool),
}

func gobHook[V any, P interface {
	*V
	GobEncode() ([]byte, error)
	GobDecode([]byte) error
}]() hook {
	return hookOf(
		func(dst []byte, v P) ([]byte, error) {
			b, err := v.GobEncode()
			return append(dst, b...), err
		},
		func(b []byte, v P) error { return v.GobDecode(b) })
}

// coderOf is how t encodes itself; nil if it does not.
func coderOf(t reflect.Type) *coder {
	if t == timeType {
		return nil
	}
	coders.RLock()
	c, ok := coders.found[t]
	coders.RUnlock()
	if ok {
		return c
	}
	coders.Lock()
	defer coders.Unlock()
	var best *hook
	for i := range coders.hooks {
		// The one for just this type, else the one that was there first.
		if h := &coders.hooks[i]; h.applies(t) && (best == nil || h.typ.Kind() == reflect.Pointer) {
			best = h
		}
	}
	if best != nil {
		c = best.make(t)
	} else {
		c = methodCoder(t)
	}
	coders.found[t] = c
	return c
}

// useCoder is coderOf for a plan, which is kept.
func useCoder(t reflect.Type) *coder {
	coders.Lock()
	coders.used[t] = true
	coders.Unlock()
	return coderOf(t)
}

// markEmbedded says that a plan is made for a struct whose embedded structs are taken apart.
func markEmbedded(t reflect.Type) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && f.Type.Kind() == reflect.Struct && useCoder(f.Type) == nil {
			markEmbedded(f.Type)
		}
	}
}

// coderTurn changes with each RegisterFunc: what was looked up before may be wrong.
func coderTurn() uint64 {
	coders.RLock()
	defer coders.RUnlock()
	return coders.turn
}

// isWhole reports whether t is encoded as a whole, whatever fields it has.
func isWhole(t reflect.Type) bool { return t == timeType || coderOf(t) != nil }
