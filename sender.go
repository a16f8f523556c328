package netchan

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// A Sender is a sending end of a named channel: each value goes to exactly one
// of the receivers of that name and of a type that fits, to the one that has the
// least waiting for it. Make it with NewSender. Its methods may be called by
// several goroutines at once.
type Sender[T any] struct {
	// C is an ordinary channel: send, select, close. A send blocks while the
	// receivers are full, or there is none. That it returned means that this
	// node has the value, no more; Deliver and Flush tell what was taken.
	// What a value points to must not be changed once it is sent. Closing C
	// says "no more from me"; the receivers hear of it when all was taken.
	C chan<- T

	src *chanref.Source[T]
}

// NewSender opens a sending end of the channel called name. It returns at once;
// receivers are connected as they are found. The name is any text of 1 to 255
// bytes. T may not contain what can't travel, such as func: the error names it.
func NewSender[T any](n *Node, name string, opts ...SendOption) (*Sender[T], error) {
	const call = "NewSender"
	var cfg endConfig
	for _, o := range opts {
		if o != nil {
			o.applySend(&cfg)
		}
	}
	w, err := checkEnd[T](n, call, name, &cfg)
	if err != nil {
		return nil, err
	}
	c := make(chan T, cfg.buffer)
	id := newID()
	var src *chanref.Source[T]
	err = n.open(call, name, typeOf(w), func() end {
		src = chanref.NewSource(n.hub.table, c, w, chanref.SourceConfig{
			ID: id, Name: name, Broadcast: cfg.broadcast, Lossy: cfg.lossy, AtMostOnce: cfg.atMostOnce, Plain: cfg.plain,
			Knows: true, Logger: n.cfg.Logger, Ended: func() { n.ended(id) },
		})
		return &sendingEnd{source: src, typ: typeOf(w)}
	})
	if err != nil {
		return nil, err
	}
	return &Sender[T]{C: c, src: src}, nil
}

// checkEnd checks what NewSender and NewReceiver were called with.
func checkEnd[T any](n *Node, call, name string, cfg *endConfig) (*codec.Writer[T], error) {
	if !n.ok() {
		return nil, &ArgumentError{Call: call, Arg: "n", Problem: "there is no node: use the one that Join returned"}
	}
	switch {
	case name == "":
		return nil, &ArgumentError{Call: call, Arg: "name", Problem: "is empty: ends of one name find each other, so give it one"}
	case len(name) > maxName:
		return nil, &ArgumentError{Call: call, Arg: "name", Problem: fmt.Sprintf("has %d bytes, at most %d are allowed", len(name), maxName)}
	case !utf8.ValidString(name) || name[0] == 0:
		return nil, &ArgumentError{Call: call, Arg: "name", Problem: "is not UTF-8 text, or begins with a zero byte"}
	}
	if err := cfg.check(call); err != nil {
		return nil, err
	}
	w, err := codec.NewWriter[T]()
	if err != nil {
		return nil, &ArgumentError{Call: call, Arg: "T", Problem: err.Error(), Err: err}
	}
	chanref.Know(w)
	return w, nil
}

const maxName = 255

// ok says whether s was made by NewSender.
func (s *Sender[T]) ok() bool { return s != nil && s.src != nil }

// Deliver sends v, after what C held at the call, and returns nil once it is
// acknowledged: a receiving program has taken it. With Broadcast, all have that
// were there and are waited for; a receiver that was closed, and left it in its C
// to be read, counts as having taken it. When ctx ends first it returns a
// *StalledError; v was withdrawn then if it had not left for a receiver (Withdrawn
// says so), and may still be delivered if it had.
// A *DropError says that v will not be delivered, ErrClosed that s was closed.
func (s *Sender[T]) Deliver(ctx context.Context, v T) error {
	if !s.ok() {
		return ErrClosed
	}
	if err := checkContext(ctx, "Deliver"); err != nil {
		return err
	}
	return public(s.src.Deliver(ctx, v))
}

// Flush returns nil when all values sent before the call are acknowledged. When
// ctx ends first it returns a *StalledError that says how many are left and
// what they wait for; when one was dropped since the last Flush, a *DropError.
func (s *Sender[T]) Flush(ctx context.Context) error {
	if !s.ok() {
		return ErrClosed
	}
	if err := checkContext(ctx, "Flush"); err != nil {
		return err
	}
	return public(s.src.Flush(ctx))
}

// WaitReceivers returns nil once n receivers are connected at the same time. When
// ctx ends first it returns a *StalledError.
func (s *Sender[T]) WaitReceivers(ctx context.Context, n int) error {
	if !s.ok() {
		return ErrClosed
	}
	if err := checkContext(ctx, "WaitReceivers"); err != nil {
		return err
	}
	return public(s.src.WaitReceivers(ctx, n))
}

// Close detaches the Sender without a word to the receivers, to which it then
// counts as if it had not been there. It returns at once; every value whose
// send had returned is still delivered. What is sent on C afterwards is dropped
// and counted. Closing twice does nothing. The error is always nil.
func (s *Sender[T]) Close() error {
	if s.ok() {
		s.src.Close()
	}
	return nil
}

// Done is closed when nothing can be delivered any more: C was closed or Close
// called, and all was delivered, or the node has ended. That C was closed shows
// only when a receiver has room: with none in the mesh, call Close too.
func (s *Sender[T]) Done() <-chan struct{} {
	if !s.ok() {
		return closedChan()
	}
	return s.src.Done()
}

// Err is nil until Done is closed, then never: ErrClosed after a clean end.
func (s *Sender[T]) Err() error {
	if !s.ok() {
		return ErrClosed
	}
	return public(s.src.Err())
}

// Stats are the counters of this Sender.
func (s *Sender[T]) Stats() SenderStats {
	if !s.ok() {
		return SenderStats{}
	}
	return senderStats(s.src.Name(), s.src.Stats())
}

func closedChan() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// sendingEnd and receivingEnd are what a Node knows of its ends.
type sendingEnd struct {
	source interface {
		ID() mux.ID
		Name() string
		Connect(s *mux.Session, t mux.Target, node string) bool
		Know(receivers map[mux.Target]string)
		Close()
		Abort(err error)
		Done() <-chan struct{}
		Flush(ctx context.Context) error
		Stats() chanref.SourceStats
	}
	typ endType
}

// end is a sendingEnd or a receivingEnd.
type end interface {
	key() mux.ID
	describe() (name string, t endType)
	done() <-chan struct{}
	abort()
}

func (e *sendingEnd) key() mux.ID                 { return e.source.ID() }
func (e *sendingEnd) describe() (string, endType) { return e.source.Name(), e.typ }
func (e *sendingEnd) done() <-chan struct{}       { return e.source.Done() }
func (e *sendingEnd) abort()                      { e.source.Abort(errNodeClosed) }

// isClean says whether err stands for an end in good order.
func isClean(err error) bool { return err == nil || errors.Is(err, ErrClosed) }
