package netchan

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// listenName is the name of a listener's two ends. No named channel can have
// it: names do not begin with a zero byte.
const listenName = "\x00Listen"

// Buffers of the channels that Listen and Dial return. Results gather at the
// listener; tasks must not gather at a dialer, where they would wait behind a
// busy one.
const (
	listenReceiveBuffer = 1024
	dialReceiveBuffer   = 16
	seedSendBuffer      = 16
)

// goodbyeTime bounds how long a listener or dialer that has ended waits for
// the other side to have heard everything.
const goodbyeTime = 2 * time.Second

// Listen waits for dialers at addr, "host:port", and returns a channel to send
// to them and one on which all their values arrive. A value that is sent goes to
// whichever dialer is ready first, to one only; so Listen is a work queue, not
// a conversation. Dialers need the same DefaultKey.
//
// A dialer whose connection breaks has 30 s to come back, and nothing is lost. One
// whose process has died can't be told from that, since nobody can dial it: what it
// had not taken goes to other dialers after 30 to 35 s.
//
// Payloads are any: basic types, their slices and maps, and types made known
// with Register. Closing send tells the dialers that nothing more comes, once
// all was taken; receive is then closed when the last dialer has gone, and the
// port is free again.
func Listen(addr string) (send chan<- any, receive <-chan any, err error) {
	return ListenContext(context.Background(), addr)
}

// ListenContext is Listen until ctx ends. Then the port is closed, and both
// channels end: what was sent and not taken is dropped and counted, what lies
// unread in receive stays with its dialers, for the next listener.
func ListenContext(ctx context.Context, addr string) (send chan<- any, receive <-chan any, err error) {
	const call = "Listen"
	if err := checkContext(ctx, call); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, context.Cause(ctx)
	}
	if _, err := splitAddr(addr); err != nil {
		return nil, nil, &ArgumentError{Call: call, Arg: "addr", Problem: fmt.Sprintf("%q is not host:port, such as 0.0.0.0:9999", addr), Err: err}
	}
	key, err := DefaultKey()
	if err != nil {
		return nil, nil, &ArgumentError{Call: call, Arg: "key", Problem: err.Error(), Err: err}
	}
	// The ends are there before the first dialer can ask for them.
	var ends *anyEnds
	h, err := newHub(peer.Config{Listen: addr, Key: key, Logger: slog.Default()}, func() {}, func(t *chanref.Table) error {
		ends, err = newAnyEnds(t, listenReceiveBuffer, true)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("netchan: Listen on %s: %w", addr, err)
	}
	go func() {
		select {
		case <-ctx.Done():
			ends.end(context.Cause(ctx))
		case <-ends.source.Done():
			ends.sink.Last()
			select {
			case <-ctx.Done():
				ends.end(context.Cause(ctx))
			case <-ends.sink.Done():
				h.partAndClose()
				return
			}
		}
		h.close(errEnded)
	}()
	return ends.send, ends.receive, nil
}

// anyEnds are the two ends that a listener or a dialer has.
type anyEnds struct {
	send    chan any
	receive chan any
	source  *chanref.Source[any]
	sink    *chanref.Sink[any]
}

func newAnyEnds(t *chanref.Table, buffer int, keepOpen bool) (*anyEnds, error) {
	w, err := codec.NewWriter[any]()
	if err != nil {
		return nil, err
	}
	e := &anyEnds{send: make(chan any, seedSendBuffer), receive: make(chan any, buffer)}
	log := calmLogger(slog.Default())
	e.source = chanref.NewSource(t, e.send, w, chanref.SourceConfig{ID: newID(), Name: listenName, Ahead: true, Logger: log})
	e.sink = chanref.NewSink(t, e.receive, w, chanref.SinkConfig{ID: newID(), Name: listenName, KeepOpen: keepOpen, Logger: log})
	return e, nil
}

// end ends both for err; what lies unread in receive goes back.
func (e *anyEnds) end(err error) {
	e.source.Abort(err)
	e.sink.End(err)
}

// partAndClose closes a hub that has nothing left to say, once the peers have
// heard all of it.
func (h *hub) partAndClose() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	_ = h.goodbye(ctx) // who does not answer in time is left all the same
	h.close(errEnded)
}

// connect has both ends meet the listener at the other side of s.
func (e *anyEnds) connect(s *mux.Session) {
	e.source.Connect(s, mux.Target{Name: listenName}, nodeName(s))
	s.Attach(mux.Attach{Target: mux.Target{Name: listenName}, End: e.sink.ID(), Name: listenName})
}
