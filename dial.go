package netchan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// Dial connects to the listener at addr, "host:port", and returns a channel to
// send to it and one on which values arrive that it sends. It waits until the
// listener is there, and returns at once on what can't heal: an address that
// makes no sense, another key. When the connection is lost it is made again,
// always to addr; nobody needs to be able to dial this side. It goes on where it
// stopped, and nothing is lost, unless another process answers there, or nobody for
// 30 s: then the next listener gets what the last one had not taken. So addr should
// lead to one process, not to one of several.
//
// Closing send ends this dialer, once its values are taken: values that wait
// unread in receive go back and to another dialer, and receive is closed. All
// Dials in one process to one address share one connection.
func Dial(addr string) (send chan<- any, receive <-chan any, err error) {
	return DialContext(context.Background(), addr)
}

// DialContext is Dial until ctx ends, be it while it waits for the listener or
// later. Then both channels end: what was sent and not taken is dropped and
// counted, what lies unread in receive goes back and to another dialer.
func DialContext(ctx context.Context, addr string) (send chan<- any, receive <-chan any, err error) {
	const call = "Dial"
	if err := checkContext(ctx, call); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err := checkAddr(addr); err != nil {
		return nil, nil, &ArgumentError{Call: call, Arg: "addr", Problem: fmt.Sprintf("%q is not host:port, such as 10.0.0.1:9999", addr), Err: err}
	}
	key, err := DefaultKey()
	if err != nil {
		return nil, nil, &ArgumentError{Call: call, Arg: "key", Problem: err.Error(), Err: err}
	}
	shared, err := shareDialer(key)
	if err != nil {
		return nil, nil, fmt.Errorf("netchan: Dial: %w", err)
	}
	ends, err := newAnyEnds(shared.hub.table, dialReceiveBuffer, false)
	if err != nil {
		shared.release()
		return nil, nil, err
	}
	d := &dialer{addr: addr, shared: shared, ends: ends}
	s, err := d.link(ctx, true)
	if err == nil {
		err = d.meet(ctx, s)
	}
	if err != nil {
		ends.end(err)
		shared.release()
		return nil, nil, fmt.Errorf("netchan: Dial %s: %w", addr, err)
	}
	go d.run(ctx)
	return ends.send, ends.receive, nil
}

// dialer keeps one Dial connected.
type dialer struct {
	addr   string
	shared *sharedDialer
	ends   *anyEnds
	last   *mux.Session
	why    error // why there is no listener yet
}

// run owns the dialer until it ends.
func (d *dialer) run(ctx context.Context) {
	defer d.shared.release()
	for {
		select {
		case <-ctx.Done():
			d.ends.end(context.Cause(ctx))
			return
		case <-d.ends.source.Done():
			d.ends.sink.Close()
			return
		case <-d.last.Done():
		}
		// A dial that waits must not keep the dialer from ending.
		dialCtx, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-d.ends.source.Done():
			case <-dialCtx.Done():
			}
			cancel()
		}()
		if s, err := d.link(dialCtx, false); err == nil {
			_ = d.meet(dialCtx, s) // where it fails, the loop starts over, or ends
		}
		cancel()
	}
}

// link returns a session with whoever listens at addr, trying until ctx ends.
// What can't heal ends the first attempts.
func (d *dialer) link(ctx context.Context, first bool) (*mux.Session, error) {
	var wait backoff
	for logged := false; ; {
		l, err := d.shared.hub.host.Link(ctx, d.addr, peer.NodeID{})
		if err == nil {
			if s := d.shared.hub.session(l.Remote().ID); s != nil {
				d.last = s
				return s, nil
			}
		}
		if ctx.Err() != nil {
			return nil, d.givenUp(ctx)
		}
		if err != nil {
			d.why = err
		}
		if first && hopeless(err) {
			return nil, err
		}
		if !logged && err != nil {
			slog.Warn("netchan: Dial waits for the listener", "addr", d.addr, "reason", err)
			logged = true
		}
		wait.sleep(ctx)
	}
}

// errNoListener is what Dial finds at the address of a Node, or of a listener
// that has ended.
var errNoListener = errors.New("nobody listens there: that needs Listen, not Join")

// givenUp is the error of a Dial whose context has ended.
func (d *dialer) givenUp(ctx context.Context) error {
	if d.why == nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w (last: %w)", context.Cause(ctx), d.why)
}

// hopeless says whether no later attempt will go better.
func hopeless(err error) bool {
	dns, version := (*net.DNSError)(nil), (*VersionError)(nil)
	return errors.Is(err, ErrKeyMismatch) || errors.As(err, &version) || errors.Is(err, peer.ErrSelf) || errors.As(err, &dns) && dns.IsNotFound
}

// meet connects the ends over s, and waits until the listener has accepted.
// Where the node at addr has no listener yet, it asks again.
func (d *dialer) meet(ctx context.Context, s *mux.Session) error {
	var wait backoff
	for {
		d.ends.connect(s)
		asked, cancel := context.WithTimeout(ctx, backoffLast)
		err := d.ends.source.WaitReceivers(asked, 1)
		cancel()
		if err == nil || errors.Is(err, ErrClosed) {
			return err
		}
		if s.Err() == nil {
			d.why = errNoListener
		}
		if ctx.Err() != nil {
			return d.givenUp(ctx)
		}
		wait.sleep(ctx)
		if s.Err() != nil {
			if s, err = d.link(ctx, false); err != nil {
				return err
			}
		}
		d.ends.source.Forget()
	}
}

// sharedDialer is the hub that all dialers of this process with one key use. It
// goes with the last of them.
type sharedDialer struct {
	key  Key
	hub  *hub
	uses int // guarded by dialers.mu
}

// dialers are the process's, because Dial names no node.
var dialers struct {
	mu    sync.Mutex
	byKey map[Key]*sharedDialer
}

func shareDialer(key Key) (*sharedDialer, error) {
	dialers.mu.Lock()
	defer dialers.mu.Unlock()
	if d := dialers.byKey[key]; d != nil {
		d.uses++
		return d, nil
	}
	h, err := newHub(peer.Config{Key: key, Logger: slog.Default()}, func() {}, nil)
	if err != nil {
		return nil, err
	}
	d := &sharedDialer{key: key, hub: h, uses: 1}
	if dialers.byKey == nil {
		dialers.byKey = make(map[Key]*sharedDialer)
	}
	dialers.byKey[key] = d
	return d, nil
}

func (d *sharedDialer) release() {
	dialers.mu.Lock()
	d.uses--
	last := d.uses == 0
	if last {
		delete(dialers.byKey, d.key)
	}
	dialers.mu.Unlock()
	if last {
		d.hub.partAndClose()
	}
}
