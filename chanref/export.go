package chanref

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"weak"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// An export is a channel of this node that others hold, in one direction. It does
// not keep the channel alive while only a reader here could: the reader's
// interest does that.
type export struct {
	t     *Table
	ref   mux.Ref
	own   *ownChan
	kind  family
	proxy *proxy // the channel is a proxy here, and this its relay; nil: it lives here

	// Guarded by t.refs.mu.
	pin     reflect.Value // keeps the channel while others hold it
	feed    reflect.Value // of a relay to receive from: what it takes from
	relayed *relayed      // what becomes of that
	why     func() error  // and for what reason that was closed
	sink    refSink       // made when the first value comes
	source  refSource
	former  []*mux.Session             // who has held it and does no more: what it says of it is late
	gates   map[*mux.Session]*mux.Gate // what must come before what a holder sends first
	// handing: of a relay whose holder may be on its way to the home, and then needs it no more.
	handing bool
	dead    bool // the channel is closed or dropped: nothing passes any more
}

// ownChan is what is known of a channel that is exported, in both directions.
type ownChan struct {
	t      *Table
	id     identity
	typ    reflect.Type // chan T
	send   *export
	recv   *export
	ending *Ending // while others hold it

	carried int   // values on their way that bring it to somebody
	unheld  error // nobody has held it for this reason since, while there were such values
}

var (
	errUnheld = endReason("nobody elsewhere holds the channel any more")
	// errCrowded: the peer holds as many channels as it may.
	errCrowded     = errors.New("the other node holds as many channels as it may")
	errTooManyRefs = fmt.Errorf("its channels take more than %d bytes of references: %w", mux.MaxFrame, codec.ErrTooLarge)
)

// exportOf finds or makes the export of a channel. refs.mu is held.
func (t *Table) exportOf(o *object, elem reflect.Type, dir mux.Direction, p *proxy) (*export, error) {
	id := weak.Make(o)
	own := t.refs.own[id]
	if own == nil {
		own = &ownChan{t: t, id: id, typ: reflect.ChanOf(reflect.BothDir, elem)}
		t.refs.own[id] = own
		runtime.AddCleanup(o, func(own *ownChan) {
			unindex(own.id)
			t.keeper.collected(own)
		}, own)
	}
	e := own.of(dir)
	if e != nil && !e.dead {
		return e, nil
	}
	kind, err := familyOf(elem)
	if err != nil {
		return nil, err
	}
	e = &export{t: t, ref: mux.Ref{Dir: dir}, own: own, kind: kind, proxy: p}
	rand.Read(e.ref.Channel[:])
	if dir == mux.ToSend {
		own.send = e
	} else {
		own.recv = e
	}
	t.refs.exports[e.ref.Channel] = e
	t.refs.made++
	t.keeper.start()
	return e, nil
}

func (c *ownChan) of(dir mux.Direction) *export {
	if dir == mux.ToSend {
		return c.send
	}
	return c.recv
}

// hold counts one more reference of a session, and keeps the channel if that is
// what holding means. refs.mu is held.
func (e *export) hold(s *mux.Session, ch reflect.Value) {
	if e.t.refs.out.of(s, e) == 0 {
		e.t.refs.load[s] += e.weight()
	}
	e.t.refs.out.add(s, e)
	if e.ref.Dir == mux.ToReceive || e.proxy != nil {
		e.pin = ch
	}
	e.t.refs.exports[e.ref.Channel] = e
	if e.proxy == nil && !s.Local {
		e.own.unheld = nil
		e.own.tell()
	}
}

// weight is what a peer's holding e counts for: one to receive from has a stream for
// as long as it is held.
func (e *export) weight() int { return weightOf(e.ref.Dir) }

func weightOf(dir mux.Direction) int {
	if dir == mux.ToReceive {
		return receiveWeight
	}
	return 1
}

// mayHold says whether s may be sent a reference to a channel now. refs.mu is held.
func (t *Table) mayHold(s *mux.Session, o *object, dir mux.Direction) bool {
	if own := t.refs.own[weak.Make(o)]; own != nil {
		if e := own.of(dir); e != nil && !e.dead {
			return !e.full(s)
		}
	}
	return t.refs.load[s]+weightOf(dir) <= t.maxRefs
}

// full says whether s may not be sent a reference to e now. refs.mu is held.
func (e *export) full(s *mux.Session) bool {
	r := &e.t.refs
	return r.out.of(s, e) == 0 && r.load[s]+e.weight() > e.t.maxRefs
}

// pass opens gates before their time: what they wait for will not come.
func (e *export) pass(gates []*gate) {
	for _, g := range gates {
		e.sink.pass(g)
	}
}

// tell gives the channel an Ending, if it has none that is open. refs.mu is held.
func (c *ownChan) tell() {
	if c.ending != nil {
		return
	}
	e, _ := passing(c.id)
	if e == nil {
		return
	}
	e.mu.Lock()
	e.of, e.flusher = c, c
	e.mu.Unlock()
	c.ending = e
}

// An ownChan is what its Ending tells of.
func (c *ownChan) where() Node { return c.t.net.Self() }
func (c *ownChan) release()    {}

// Flush waits until what was sent on the channel, for others to receive, is
// acknowledged.
func (c *ownChan) Flush(ctx context.Context) error {
	t := c.t
	t.refs.mu.Lock()
	var source refSource
	if c.recv != nil && !c.recv.dead {
		source = c.recv.theSource()
	}
	t.refs.mu.Unlock()
	if source == nil {
		return nil
	}
	return source.Flush(ctx)
}

func (c *ownChan) drop(dir mux.Direction) {
	if dir == mux.ToSend {
		c.send = nil
	} else {
		c.recv = nil
	}
}

// sinkFor is the export's sink, for a use that comes over s: nil when s may not.
func (e *export) sinkFor(s *mux.Session) refSink {
	t := e.t
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	if e.dead || e.ref.Dir != mux.ToSend || t.refs.out.of(s, e) == 0 {
		return nil
	}
	if e.sink != nil {
		return e.sink
	}
	o := e.own.id.Value()
	if o == nil {
		return nil
	}
	e.sink = e.kind.newSink(t, chanAt(o, e.own.typ), SinkConfig{
		ID: newRefID(), Name: refName, KeepOpen: true, Logger: t.log,
		arrived: arrived{travelled: true, borrowed: true, hidden: true, export: e},
	})
	return e.sink
}

// sourceFor is the export's source, for an end that asks over s: nil when s may not.
func (e *export) sourceFor(s *mux.Session) refSource {
	t := e.t
	t.refs.making.Lock()
	defer t.refs.making.Unlock()
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	if e.dead || e.ref.Dir != mux.ToReceive || t.refs.out.of(s, e) == 0 {
		return nil
	}
	if e.proxy != nil && e.source == nil {
		// The proxy itself was closed when it was passed on.
		t.refs.mu.Unlock()
		feed, of, why := e.proxy.again()
		t.refs.mu.Lock()
		e.feed, e.relayed, e.why = feed, of, why
	}
	return e.theSource()
}

// theSource is the export's source, made when it is first needed. refs.mu is held.
func (e *export) theSource() refSource {
	if e.source != nil {
		return e.source
	}
	o := e.own.id.Value()
	if e.feed.IsValid() {
		o = objectIn(e.feed)
	}
	if o == nil {
		return nil
	}
	e.source = e.kind.newSource(e.t, chanAt(o, e.own.typ), SourceConfig{
		ID: newRefID(), Name: refName, Logger: e.t.log,
		travelled: travelled{naps: true, asleep: true, borrowed: true, hidden: true, why: e.why, drops: &e.t.refs.dropped, relay: e.relayed},
	})
	return e.source
}

// refName is the name of channels that have none.
const refName = "\x00a channel in a value"

func newRefID() (id mux.ID) {
	rand.Read(id[:])
	return id
}

// enter waits until what the introducer of a new holder has sent is in.
func (e *export) enter(in *mux.In) bool {
	t := e.t
	t.refs.mu.Lock()
	g := e.gates[in.Session()]
	if g == nil || !e.heldBy(g.Node) {
		t.refs.mu.Unlock()
		return true
	}
	wait := e.sink.gate(g.End, g.Number)
	t.refs.waits[wait] = gateWait{e, g.Node}
	t.refs.mu.Unlock()
	select {
	case <-wait.open:
	case <-in.Done():
	}
	t.refs.mu.Lock()
	delete(t.refs.waits, wait)
	if e.gates[in.Session()] == g {
		delete(e.gates, in.Session())
	}
	t.refs.mu.Unlock()
	select {
	case <-wait.open:
		return true
	default:
		e.sink.pass(wait) // nobody waits there any more
		return false
	}
}

// gated says whether enter may have to wait.
func (e *export) gated(in *mux.In) bool {
	e.t.refs.mu.Lock()
	defer e.t.refs.mu.Unlock()
	return e.gates[in.Session()] != nil
}

// gateWait is who waits, and for which node.
type gateWait struct {
	e    *export
	node [32]byte
}

// heldBy says whether a node holds e. refs.mu is held.
func (e *export) heldBy(node [32]byte) bool {
	for _, s := range e.t.refs.out.by(e) {
		if e.t.net.Node(s).ID == node {
			return true
		}
	}
	return false
}

// over is what follows when the channel was closed, by a holder or by the program.
func (e *export) over(err error) {
	t := e.t
	t.refs.mu.Lock()
	holders, sink := e.die(), e.sink
	t.refs.mu.Unlock()
	for _, s := range holders {
		s.Gone(e.ref)
	}
	if sink != nil {
		sink.retire(errGoneHome)
	}
	if err == nil {
		err = ErrClosed
	}
	e.endOwn(err)
}

// die marks e as ended, and returns who has to hear of it. refs.mu is held.
func (e *export) die() []*mux.Session {
	if e.dead {
		return nil
	}
	e.dead, e.pin, e.feed = true, reflect.Value{}, reflect.Value{}
	if e.own.of(e.ref.Dir) == e {
		e.own.drop(e.ref.Dir)
	}
	holders := e.t.refs.out.by(e)
	if len(holders) == 0 {
		e.t.refs.remove(e)
	}
	return holders
}

// endOwn tells the program that nothing passes any more, in no direction: the channel is closed.
func (e *export) endOwn(err error) { e.own.end(err, false) }

// left tells the program that nobody holds the channel any more, unless somebody will.
func (c *ownChan) left(why error) { c.end(why, true) }

func (c *ownChan) end(why error, open bool) {
	t := c.t
	t.refs.mu.Lock()
	ending := c.ending
	switch {
	case ending == nil || c.send != nil && t.refs.out.isHeld(c.send) || c.recv != nil && t.refs.out.isHeld(c.recv):
		t.refs.mu.Unlock()
		return
	case open && c.carried > 0:
		c.unheld = why
		t.refs.mu.Unlock()
		return
	}
	c.ending, c.unheld = nil, nil
	t.refs.mu.Unlock()
	ending.end(why)
}
