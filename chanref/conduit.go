package chanref

import (
	"reflect"
	"time"
	"unsafe"
	"weak"

	"github.com/matveynator/netchan/codec"
)

// A conduit is a local channel as its source or sink uses it. There are two:
// chanOf, where the type of the elements is known to the compiler, and
// boxedChan, where it is found in a value that travels.
type conduit[T any] interface {
	// tryRecv takes a value, if one is there.
	tryRecv() (v T, got, closed bool)
	// recv waits for a value, or for wake: then it is neither got nor closed.
	recv(wake <-chan struct{}) (v T, got, closed bool)
	// trySend sends *v if there is room. It panics as a send does when the
	// channel is closed; so does send.
	trySend(v *T) bool
	// send waits for room, or for one of q: then it is false.
	send(v *T, q *quit) bool
	len() int
	cap() int
	close()
	// weakly is a grip on the same channel that does not keep it alive.
	weakly() grip[T]
}

// A grip is how a channel is held between two things that are done with it: a
// strong one keeps it alive, a weak one does not.
type grip[T any] interface {
	conduit() conduit[T] // nil once the channel was collected
	// held is how many values lie in the channel; ok is false once it was collected.
	held() (n int, ok bool)
	// again is the channel's conduit where it was collected, and handed back as o.
	again(o *object) conduit[T]
}

// quit is what ends a wait for room.
type quit struct {
	done, replaced, stop <-chan struct{}
	late                 <-chan time.Time // nil: never
}

// encoder and decoder turn elements into bytes and back.
type encoder[T any] interface {
	Schema() *codec.Schema
	Append(dst []byte, v *T, env *codec.WriteEnv) ([]byte, error)
}

type decoder[T any] interface {
	Read(src []byte, v *T, env *codec.ReadEnv) (rest []byte, err error)
}

// chanOf is a conduit, and a strong grip on itself.
type chanOf[T any] struct{ c chan T }

func (c chanOf[T]) conduit() conduit[T]        { return c }
func (c chanOf[T]) held() (int, bool)          { return len(c.c), true }
func (c chanOf[T]) again(o *object) conduit[T] { return chanOfObject[T](o) }

func chanOfObject[T any](o *object) chanOf[T] { return chanOf[T]{*(*chan T)(unsafe.Pointer(&o))} }

// bothWays is c, which this package only receives from.
func bothWays[T any](c <-chan T) chan T { return *(*chan T)(unsafe.Pointer(&c)) }

func (c chanOf[T]) tryRecv() (v T, got, closed bool) {
	select {
	case v, ok := <-c.c:
		return v, ok, !ok
	default:
		return v, false, false
	}
}

func (c chanOf[T]) recv(wake <-chan struct{}) (v T, got, closed bool) {
	select {
	case v, ok := <-c.c:
		return v, ok, !ok
	case <-wake:
		return v, false, false
	}
}

func (c chanOf[T]) trySend(v *T) bool {
	select {
	case c.c <- *v:
		return true
	default:
		return false
	}
}

func (c chanOf[T]) send(v *T, q *quit) bool {
	select {
	case c.c <- *v:
		return true
	case <-q.done:
	case <-q.replaced:
	case <-q.stop:
	case <-q.late:
	}
	return false
}

func (c chanOf[T]) len() int        { return len(c.c) }
func (c chanOf[T]) cap() int        { return cap(c.c) }
func (c chanOf[T]) close()          { close(c.c) }
func (c chanOf[T]) weakly() grip[T] { return weakOf[T]{weak.Make(objectOf(c.c))} }

// boxedChan is a channel of a type that only reflect knows.
type boxedChan struct{ v reflect.Value }

func (c *boxedChan) conduit() conduit[reflect.Value]        { return c }
func (c *boxedChan) held() (int, bool)                      { return c.v.Len(), true }
func (c *boxedChan) again(o *object) conduit[reflect.Value] { return &boxedChan{chanAt(o, c.v.Type())} }

func (c *boxedChan) tryRecv() (v reflect.Value, got, closed bool) {
	v, got = c.v.TryRecv()
	return v, got, !got && v.IsValid() // an invalid one: it would have had to wait
}

func (c *boxedChan) recv(wake <-chan struct{}) (v reflect.Value, got, closed bool) {
	if v, got, closed = c.tryRecv(); got || closed {
		return v, got, closed
	}
	chosen, v, ok := reflect.Select([]reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: c.v},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(wake)},
	})
	if chosen == 1 {
		return reflect.Value{}, false, false
	}
	return v, ok, !ok
}

func (c *boxedChan) trySend(v *reflect.Value) bool { return c.v.TrySend(*v) }

func (c *boxedChan) send(v *reflect.Value, q *quit) bool {
	chosen, _, _ := reflect.Select([]reflect.SelectCase{
		{Dir: reflect.SelectSend, Chan: c.v, Send: *v},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(q.done)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(q.replaced)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(q.stop)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(q.late)},
	})
	return chosen == 0
}

func (c *boxedChan) len() int { return c.v.Len() }
func (c *boxedChan) cap() int { return c.v.Cap() }
func (c *boxedChan) close()   { c.v.Close() }

func (c *boxedChan) weakly() grip[reflect.Value] {
	return weakBoxed{weak.Make(objectIn(c.v)), c.v.Type()}
}
