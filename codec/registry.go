package codec

import (
	"fmt"
	"reflect"
	"sync"
	"time"
)

// registry holds the names of the types that may stand in an any: process-wide, as
// the types themselves are.
var registry = struct {
	sync.RWMutex
	names map[reflect.Type]string
	types map[string]reflect.Type
	turn  uint64 // changes with each registration
}{
	names: map[reflect.Type]string{reflect.TypeFor[time.Duration](): "time.Duration"},
	types: map[string]reflect.Type{"time.Duration": reflect.TypeFor[time.Duration]()},
}

// Register makes T known inside values of type any under its Go name with its package's
// path, "example.com/shop.Order" ("main.Order" in a program). What is written under a
// name is read as the type that the reader's process registered under it. A pointer type
// registers what it points to; pointers to, slices, maps and channels of registered types
// need no registering, nor do the basic types (time.Time among them) and time.Duration. A
// channel type with a name needs a direction: chan<- or <-chan.
//
// Call it before values travel, best in an init function or at the start of main; it may
// be called again and from any goroutine. It panics if T can't be sent, has no name, or if
// the name or T is taken already: the program is wrong then, not its input.
func Register[T any]() {
	t := bare(reflect.TypeFor[T]())
	if t.Name() == "" && t.Kind() != reflect.Interface {
		panic(fmt.Sprintf("netchan: %v has no name: use RegisterName", t))
	}
	name := t.String()
	if t.PkgPath() != "" {
		name = t.PkgPath() + "." + t.Name()
	}
	register(t, name)
}

// RegisterName is Register under a name of the caller's choice: for types without one,
// and for types that move between packages.
func RegisterName[T any](name string) {
	register(bare(reflect.TypeFor[T]()), name)
}

// bare is t without the pointers in front.
func bare(t reflect.Type) reflect.Type {
	for i := 0; t.Kind() == reflect.Pointer && t.Name() == "" && i < MaxDepth; i++ {
		t = t.Elem()
	}
	return t
}

func register(t reflect.Type, name string) {
	if k := kindOf(t); k != 0 && basicTypes[k] == t {
		return
	}
	if t.Kind() == reflect.Interface {
		panic(fmt.Sprintf("netchan: %v is an interface: register the types that it may hold instead", typeName(t)))
	}
	if !validName([]byte(name)) {
		panic(fmt.Sprintf("netchan: %q can't be the name of a type: it is empty, not printable, or longer than %d bytes", name, MaxName))
	}
	if _, err := schemaOf(t, false); err != nil {
		panic(fmt.Sprintf("netchan: %v can't be registered: %v", t, err))
	}
	registry.Lock()
	defer registry.Unlock()
	if old, ok := registry.types[name]; ok && old != t {
		panic(fmt.Sprintf("netchan: registering %v as %q, which is the name of another type, %v: give one of them a name with RegisterName", t, name, old))
	}
	if old, ok := registry.names[t]; ok && old != name {
		panic(fmt.Sprintf("netchan: registering %v as %q, but it is known as %q", t, name, old))
	}
	registry.types[name] = t
	registry.names[t] = name
	registry.turn++
}

func registryTurn() uint64 {
	registry.RLock()
	defer registry.RUnlock()
	return registry.turn + coderTurn()
}

func registeredName(t reflect.Type) (string, bool) {
	registry.RLock()
	defer registry.RUnlock()
	name, ok := registry.names[t]
	return name, ok
}

func registeredType(name string) (reflect.Type, bool) {
	registry.RLock()
	defer registry.RUnlock()
	t, ok := registry.types[name]
	return t, ok
}
