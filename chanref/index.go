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
	mu      sync.Mutex    // guards what follows
	done    chan struct{} // made when it is first asked for
	ended   bool
	err     error
	flusher flusher   // nil for a channel to receive from, and after the end
	of      traveller // the channel that travelled; else nil
	passing bool      // it may travel again: then another Ending takes the place of this one
}

// flusher is what waits until what was sent is acknowledged.
type flusher interface {
	Flush(ctx context.Context) error
}

// traveller is a channel that travelled.
type traveller interface {
	where() Node // it lives
	release()    // gives its proxy up
}

// Home is the node where the channel lives; ok is false for one that did not travel.
func (e *Ending) Home() (n Node, ok bool) {
	e.mu.Lock()
	of := e.of
	e.mu.Unlock()
	if of == nil {
		return Node{}, false
	}
	return of.where(), true
}

// Own says whether the channel is the program's own: it went out in a value, or may yet do.
func (e *Ending) Own() bool { return e.passing }

// Release gives up the proxy of a channel that lives elsewhere: what lies in it is
// delivered, or goes back. It does nothing to any other channel.
func (e *Ending) Release() {
	e.mu.Lock()
	of := e.of
	e.mu.Unlock()
	if of != nil {
		of.release()
	}
}

// travels says of which channel that travelled e is.
func (e *Ending) travels(of traveller) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of = of
}

func (e *Ending) open() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.ended
}

// Done is closed when nothing more passes through the channel.
func (e *Ending) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if e.ended {
			close(e.done)
		}
	}
	return e.done
}

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
	f, err := e.flusher, e.err
	e.mu.Unlock()
	if f != nil {
		return f.Flush(ctx)
	}
	if err == ErrClosed {
		return nil
	}
	return err
}

func (e *Ending) end(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended { // two nodes of one process may both have given the channel away
		return
	}
	e.ended, e.err, e.flusher = true, err, nil
	if e.done != nil {
		close(e.done)
	}
}

// endings finds the Ending of a channel by the channel itself. It is the only
// state of the process here: a channel says nothing of the node it belongs to.
// Entries go when their channel is collected.
var endings struct {
	mu   sync.Mutex
	byID map[identity]*Ending
}

// index makes the channel whose object is p findable.
func index(p *object, e *Ending) {
	key := weak.Make(p)
	if indexed(key, e) {
		runtime.AddCleanup(p, unindex, key)
	}
	runtime.KeepAlive(p)
}

// indexed is index where somebody else sees to it that unindex is called. It says whether the
// channel was not there before.
func indexed(key identity, e *Ending) (first bool) {
	endings.mu.Lock()
	defer endings.mu.Unlock()
	return putEnding(key, e)
}

// putEnding is indexed for who holds endings.mu.
func putEnding(key identity, e *Ending) (first bool) {
	if endings.byID == nil {
		endings.byID = make(map[identity]*Ending)
	}
	first = endings.byID[key] == nil
	endings.byID[key] = e
	return first
}

// unindex forgets a channel that was collected.
func unindex(key identity) {
	endings.mu.Lock()
	delete(endings.byID, key)
	endings.mu.Unlock()
}

// passing is the Ending of a channel of the program's that others hold, or may come to hold:
// the one that is there, as long as it is open, and else a new one. It is nil for the
// channel of a source or sink, which has one of its own. Who calls it sees to it that
// unindex is called; first says that nobody has before.
func passing(key identity) (e *Ending, first bool) {
	endings.mu.Lock()
	defer endings.mu.Unlock()
	e = endings.byID[key]
	switch {
	case e != nil && !e.passing:
		return nil, false
	case e != nil && e.open():
		return e, false
	}
	e = &Ending{passing: true}
	return e, putEnding(key, e)
}

// EndingOf is the Ending of a channel, whatever its type and direction; nil
// for one that is not fed or emptied by a source or sink, and did not travel. ok is
// false when ch is not a channel, or a nil one.
func EndingOf(ch any) (e *Ending, ok bool) {
	v := reflect.ValueOf(ch)
	if v.Kind() != reflect.Chan || v.IsNil() {
		return nil, false
	}
	key := weak.Make(objectIn(v))
	runtime.KeepAlive(ch)
	endings.mu.Lock()
	defer endings.mu.Unlock()
	return endings.byID[key], true
}

// PendingEnding is EndingOf for who waits for the end: a channel that did not travel may yet
// do so, and has an Ending from here on.
func PendingEnding(ch any) *Ending {
	e, ok := EndingOf(ch)
	for e == nil && ok {
		p := objectIn(reflect.ValueOf(ch))
		key, first := weak.Make(p), false
		if e, first = passing(key); first {
			runtime.AddCleanup(p, unindex, key)
		}
		if e == nil { // it has become a source's or sink's meanwhile
			e, ok = EndingOf(ch)
		}
	}
	runtime.KeepAlive(ch)
	return e
}
