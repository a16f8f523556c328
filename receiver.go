package netchan

import (
	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/mux"
)

// A Receiver is a receiving end of a named channel. Values of all its senders
// arrive on C, those of one sender in the order in which they were sent. Make it
// with NewReceiver. Its methods may be called by several goroutines at once.
type Receiver[T any] struct {
	// C is an ordinary channel: receive, select, range. It is closed, after
	// its values, when no Sender of the name is left and one of them ended by
	// close (see KeepOpen), when Close is called, and when the node ends; Err
	// says which.
	C <-chan T

	sink *chanref.Sink[T]
}

// NewReceiver opens a receiving end of the channel called name. It returns at
// once; senders are connected as they are found. Name and T are as for
// NewSender.
func NewReceiver[T any](n *Node, name string, opts ...ReceiveOption) (*Receiver[T], error) {
	const call = "NewReceiver"
	var cfg endConfig
	for _, o := range opts {
		if o != nil {
			o.applyReceive(&cfg)
		}
	}
	w, err := checkEnd[T](n, call, name, &cfg)
	if err != nil {
		return nil, err
	}
	c := make(chan T, cfg.buffer)
	id := newID()
	var sink *chanref.Sink[T]
	err = n.open(call, name, typeOf(w), func() end {
		sink = chanref.NewSink(n.hub.table, c, w, chanref.SinkConfig{
			ID: id, Name: name, Lossy: cfg.lossy, KeepOpen: cfg.keepOpen, Logger: n.cfg.Logger,
			Others: func(out func(node [32]byte, sender mux.ID) bool) bool { return n.otherSenders(name, out) },
			Ended:  func() { n.ended(id) },
		})
		e := &receivingEnd{
			sink: sink, typ: typeOf(w),
			senders: make(map[mux.ID]*namedSender),
		}
		for _, entry := range n.sendersElsewhere(name) { // as they are now, not when the matcher gets to it
			e.senders[entry.End.ID] = &namedSender{entry: entry}
		}
		return e
	})
	if err != nil {
		return nil, err
	}
	return &Receiver[T]{C: c, sink: sink}, nil
}

// Close ends the Receiver: what its senders keep for it goes back, also what
// lies in C, and to another receiver; values that a sender would not send again
// (Broadcast, AtMostOnce) stay to be read. Then C is closed. It returns when
// that is done. Closing twice does nothing. The error is always nil.
func (r *Receiver[T]) Close() error {
	if r != nil && r.sink != nil {
		r.sink.Close()
	}
	return nil
}

// Err says why C was closed: nil when the senders finished, after Close, and
// while C is open; ErrClosed when the node was closed.
func (r *Receiver[T]) Err() error {
	if r == nil || r.sink == nil {
		return ErrClosed
	}
	return public(r.sink.Err())
}

// Stats are the counters of this Receiver.
func (r *Receiver[T]) Stats() ReceiverStats {
	if r == nil || r.sink == nil {
		return ReceiverStats{}
	}
	return receiverStats(r.sink.Name(), r.sink.Stats())
}

type receivingEnd struct {
	sink interface {
		ID() mux.ID
		Name() string
		Close()
		Evaluate()
		Out(node [32]byte, sender mux.ID) bool
		Abort(err error)
		Done() <-chan struct{}
		Stats() chanref.SinkStats
	}
	typ endType

	// Owned by the matcher, once the end is in the node's list.
	senders map[mux.ID]*namedSender
}

func (e *receivingEnd) key() mux.ID                 { return e.sink.ID() }
func (e *receivingEnd) describe() (string, endType) { return e.sink.Name(), e.typ }
func (e *receivingEnd) done() <-chan struct{}       { return e.sink.Done() }
func (e *receivingEnd) abort()                      { e.sink.Abort(errNodeClosed) }
