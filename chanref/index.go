package chanref

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"weak"
)

// An Ending tells how a channel that this package feeds or empties ends. It
// does not keep the channel alive.
type Ending struct {
	done chan struct{}

	mu    sync.Mutex // guards what follows
	err   error
	flush func(context.Context) error // nil for a channel to receive from, and after the end

	// Of a channel that travelled: set before it is found by anybody.
	passing bool // others hold it, and another Ending may take its place
	home    func() Node
	release func()
}

// Home is the node where the channel lives; ok is false for one that did not travel.
func (e *Ending) Home() (n Node, ok bool) {
	if e.home == nil {
		return Node{}, false
	}
	return e.home(), true
}

// Release gives up the proxy of a channel that lives elsewhere: what lies in it is
// delivered, or goes back. It does nothing to any other channel.
func (e *Ending) Release() {
	if e.release != nil {
		e.release()
	}
}

func newEnding(flush func(context.Context) error) *Ending {
	return &Ending{done: make(chan struct{}), flush: flush}
}

// Done is closed when nothing more passes through the channel.
func (e *Ending) Done() <-chan struct{} { return e.done }

// Err is why; nil until Done is closed, and for a channel to receive from also
// after it when it was closed in good order.
func (e *Ending) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Flush waits until what was sent on the channel is acknowledged.
func (e *Ending) Flush(ctx context.Context) error {
	e.mu.Lock()
	flush, err := e.flush, e.err
	e.mu.Unlock()
	if flush != nil {
		return flush(ctx)
	}
	if err == ErrClosed {
		return nil
	}
	return err
}

func (e *Ending) end(err error) {
	e.mu.Lock()
	e.err, e.flush = err, nil
	e.mu.Unlock()
	close(e.done)
}

// endings finds the Ending of a channel by the channel itself. It is the only
// state of the process here: a channel says nothing of the node it belongs to.
// Entries go when their channel is collected.
var endings struct {
	mu   sync.Mutex
	byID map[weak.Pointer[object]]*Ending
}

// index makes the channel whose object is p findable. An end's own Ending stays
// where others come to hold the channel.
func index(p *object, e *Ending) {
	key := weak.Make(p)
	endings.mu.Lock()
	if endings.byID == nil {
		endings.byID = make(map[weak.Pointer[object]]*Ending)
	}
	old := endings.byID[key]
	if old == nil || !e.passing || old.passing {
		endings.byID[key] = e
	}
	endings.mu.Unlock()
	if old != nil {
		return
	}
	runtime.AddCleanup(p, func(key weak.Pointer[object]) {
		endings.mu.Lock()
		delete(endings.byID, key)
		endings.mu.Unlock()
	}, key)
	runtime.KeepAlive(p)
}

// EndingOf is the Ending of a channel, whatever its type and direction; nil
// for one that is not fed or emptied by a source or sink. ok is false when ch
// is not a channel, or a nil one.
func EndingOf(ch any) (e *Ending, ok bool) {
	v := reflect.ValueOf(ch)
	if v.Kind() != reflect.Chan || v.IsNil() {
		return nil, false
	}
	key := weak.Make((*object)(v.UnsafePointer()))
	runtime.KeepAlive(ch)
	endings.mu.Lock()
	defer endings.mu.Unlock()
	return endings.byID[key], true
}
