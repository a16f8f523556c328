package chanref

import (
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"weak"
)

// Supported says whether channels are what this package takes them for: nil, or an error for
// the program. It looks once, and takes microseconds; what is built on it must not run
// where it is an error.
var Supported = sync.OnceValue(func() error { return supported(lookAtChan) })

// supported turns what look finds, or a panic of it, into the error.
func supported(look func() string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = unsupported(fmt.Sprint(r))
		}
	}()
	if what := look(); what != "" {
		return unsupported(what)
	}
	return nil
}

func unsupported(what string) error {
	return fmt.Errorf("netchan: this Go version is not supported (%s): channels are not what they were: %s", runtime.Version(), what)
}

// lookAtChan makes channels, and says what is not as it must be: "" when all is.
func lookAtChan() string {
	for _, size := range []int{0, 1} {
		if what := lookAt(make(chan int, size)); what != "" {
			return what
		}
		if what := lookAt(make(chan any, size)); what != "" {
			return what
		}
	}
	return ""
}

func lookAt[T any](c chan T) string {
	v := reflect.ValueOf(c)
	o := objectOf(c)
	held := weak.Make(o)
	again := held.Value()
	if reflect.TypeOf(c).Size() != reflect.TypeFor[*object]().Size() || o != objectIn(v) {
		return "a channel is not a pointer to its object"
	}
	if again != o || weak.Make(again) != held || chanOfObject[T](again).c != c || chanAt(again, v.Type()).Interface() != any(c) {
		return "a weak pointer does not give the same channel back"
	}
	// Both panic, or end the program, where o is not the beginning of an object.
	runtime.AddCleanup(o, func(struct{}) {}, struct{}{})
	runtime.SetFinalizer(o, func(*object) {})
	runtime.SetFinalizer(o, nil)
	runtime.KeepAlive(c)
	return ""
}
