package chanref

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/matveynator/netchan/mux"
)

// Bounds on channels in values, for each peer.
const (
	// MaxRefs is how many channels a peer may hold of ours, and we of its. A value
	// with one more waits. One to receive from counts for three.
	MaxRefs = 1 << 15
	// receiveWeight leaves streams for all else: there are 16,384 of them.
	receiveWeight = 3
	// maxRefBytes is what the buffers of the proxies of one peer's channels may
	// take; then a proxy has room for one value only.
	maxRefBytes = 64 << 20
	// maxViolations is how often a peer may name a channel that it does not hold.
	maxViolations = 100
)

// refTable is who holds which channel, in both directions.
type refTable struct {
	making  sync.Mutex    // held while a proxy is made; before mu
	dropped atomic.Uint64 // values on channels that travelled

	mu sync.Mutex // guards what follows; no channel is used and nobody waited for under it

	made   uint64 // exports and references held, so far
	shrunk uint64 // made, when the maps were made anew

	// What others hold of ours.
	out     ledger[*mux.Session, *export]
	load    map[*mux.Session]int // what out counts for
	own     map[identity]*ownChan
	exports map[mux.ID]*export
	late    recent // exports that are no more: who asks for one is late, no intruder
	waits   map[*gate]gateWait
	crowd   map[*mux.Session]map[any]func() // who waits until a peer holds fewer
	handed  chan struct{}                   // closed when a relay is not needed any more; nil: nobody waits

	// What we hold of others.
	held    map[heldKey]*heldRef
	count   map[*mux.Session]int // of held
	bytes   map[*mux.Session]int
	proxies map[proxyKey]*proxy      // those that live
	byChan  map[identity]*proxy      // all whose channel was not collected
	asked   map[heldKey][]*proxy     // who waits for the answer to a HOLD
	early   map[*mux.Session]*recent // channels that were gone before a reference to them came

	violations map[*mux.Session]int
}

func (r *refTable) init() {
	r.own, r.exports = make(map[identity]*ownChan), make(map[mux.ID]*export)
	r.load = make(map[*mux.Session]int)
	r.waits = make(map[*gate]gateWait)
	r.crowd = make(map[*mux.Session]map[any]func())
	r.held, r.count, r.bytes = make(map[heldKey]*heldRef), make(map[*mux.Session]int), make(map[*mux.Session]int)
	r.proxies, r.byChan = make(map[proxyKey]*proxy), make(map[identity]*proxy)
	r.asked = make(map[heldKey][]*proxy)
	r.early = make(map[*mux.Session]*recent)
	r.violations = make(map[*mux.Session]int)
}

// shrinkFrom is after how many channels it is worth while to let go of what they took.
const shrinkFrom = 4096

// shrink lets go of what maps keep for as many entries as they have had. refs.mu is held.
func (t *Table) shrink() {
	r := &t.refs
	if r.made-r.shrunk < shrinkFrom {
		return
	}
	r.shrunk = r.made
	renew(&r.out.held)
	renew(&r.out.holders)
	renew(&r.own)
	renew(&r.exports)
	renew(&r.held)
	renew(&r.proxies)
	renew(&r.byChan)
	t.mu.Lock()
	renew(&t.sources)
	renew(&t.sinks)
	t.mu.Unlock()
	endings.mu.Lock()
	renew(&endings.byID)
	endings.mu.Unlock()
}

// renew puts what is in m into a map of that size.
func renew[M ~map[K]V, K comparable, V any](m *M) {
	if *m == nil {
		return
	}
	fresh := make(M, len(*m))
	maps.Copy(fresh, *m)
	*m = fresh
}

// late notes the ID of something that is no more.
func (t *Table) late(id mux.ID) {
	t.refs.mu.Lock()
	t.refs.late.add(id)
	t.refs.mu.Unlock()
}

// wasEarly notes that a channel of s was gone before a reference to it came, and isEarly says
// so. mu is held.
func (r *refTable) wasEarly(s *mux.Session, id mux.ID) {
	if r.early[s] == nil {
		r.early[s] = new(recent)
	}
	r.early[s].add(id)
}

func (r *refTable) isEarly(s *mux.Session, id mux.ID) bool {
	ids := r.early[s]
	return ids != nil && ids.has(id)
}

// left notes that s holds e no more, which others still hold. mu is held.
func (e *export) left(s *mux.Session) {
	if !slices.Contains(e.former, s) {
		e.former = append(e.former, s)
	}
}

// hasLeft says whether s has held e before: what it says of it was overtaken by its release.
// mu is held.
func (r *refTable) hasLeft(s *mux.Session, e *export) bool {
	return slices.Contains(e.former, s) || r.late.has(e.ref.Channel)
}

// remove notes that nobody holds e any more. mu is held.
func (r *refTable) remove(e *export) {
	delete(r.exports, e.ref.Channel)
	r.late.add(e.ref.Channel)
	e.former = nil
}

// refer makes a reference to ch, of a directed channel type, for a value that goes
// over s, and counts it. carry: the value may come back.
func (t *Table) refer(s *mux.Session, by asker, carry bool, ch reflect.Value) (outRef, error) {
	o := objectIn(ch)
	r := wireRef{dir: mux.ToSend, size: uint64(ch.Cap())}
	if ch.Type().ChanDir() == reflect.RecvDir {
		r.dir = mux.ToReceive
	}
	t.refs.mu.Lock()
	p := t.refs.byChan[weak.Make(o)]
	t.refs.mu.Unlock()
	if p == nil || p.key.ref.Dir != r.dir {
		r.kind = refMine
		return t.count(s, &r, o, ch, nil, carry)
	}
	peer := t.net.Node(s)
	over, moved, straight := p.standing()
	switch {
	case over && !moved && !s.Local:
		r.kind = refGone
		return outRef{wire: r.append(nil)}, nil
	case peer.ID == p.home.ID && !s.Local:
		r.kind, r.id = refYours, p.key.ref.Channel
		return outRef{wire: r.append(nil), p: p}, nil
	}
	r.kind, r.home, r.homeID, r.straight = refOther, p.home, p.key.ref.Channel, straight
	if p.source != nil && straight && !s.Local {
		answer := make(chan uint64, 1)
		n, ok := p.source.number(answer)
		if !ok {
			if asker(p.source) == by {
				by.tellAsks()
			}
			n = by.awaitNumber(answer)
		}
		r.end, r.number, r.gated = p.source.ID(), n, n > 0
	}
	ref, err := t.count(s, &r, o, ch, p, false)
	if !s.Local {
		ref.p = p
	}
	return ref, err
}

// count finishes r as a reference to a channel that is exported here.
func (t *Table) count(s *mux.Session, r *wireRef, o *object, ch reflect.Value, p *proxy, carry bool) (outRef, error) {
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	// A proxy that has ended just now: nobody would tell who goes through it.
	over := p != nil && p.ended && !p.moved && !s.Local
	// A session that was lost: nobody would give back what is held over it.
	if over || s.Err() != nil {
		r.kind = refGone
		return outRef{wire: r.append(nil)}, nil
	}
	if !t.mayHold(s, o, r.dir) { // before anything is made for it
		return outRef{}, errCrowded
	}
	e, err := t.exportOf(o, ch.Type().Elem(), r.dir, p)
	if err != nil {
		return outRef{}, err
	}
	e.hold(s, ch)
	e.handing = e.handing || p != nil && r.straight
	r.id = e.ref.Channel
	if carry {
		e.own.carried++ // with the hold: no loss of s comes between
	}
	return outRef{wire: r.append(nil), e: e, carried: carry}, nil
}

// unrefer takes back references that were made and not sent.
func (t *Table) unrefer(s *mux.Session, refs []outRef) {
	for _, r := range refs {
		if r.e != nil {
			t.released(s, r.e, 1, errUnheld)
		}
	}
}

// released counts n references less. It is false when s does not hold so many.
func (t *Table) released(s *mux.Session, e *export, n uint64, why error) bool {
	t.refs.mu.Lock()
	last, ok := t.refs.out.sub(s, e, n)
	if !last {
		again := ok && e.dead
		t.refs.mu.Unlock()
		if again { // s has forgotten the word of it, and other references are under way
			s.Gone(e.ref)
		}
		return ok
	}
	end := e.unheldBy(s)
	room := t.roomFor(s)
	t.refs.mu.Unlock()
	end(why)
	for _, f := range room {
		f()
	}
	return true
}

// unheldBy is what follows when s holds e no more: to be called when refs.mu is
// held no more, which it is.
func (e *export) unheldBy(s *mux.Session) func(why error) {
	end, sink := e.unhold(s), e.sink
	return func(why error) {
		if sink != nil {
			sink.forget(s)
		}
		end(why)
	}
}

// unhold is unheldBy but for what has come from s without a stream.
func (e *export) unhold(s *mux.Session) func(why error) {
	t := e.t
	delete(e.gates, s)
	if t.refs.load[s] -= e.weight(); t.refs.load[s] == 0 {
		delete(t.refs.load, s)
	}
	node := t.net.Node(s).ID
	var opened []*gate
	for g, w := range t.refs.waits {
		if w.e == e && w.node == node && !e.heldBy(node) {
			opened = append(opened, g)
		}
	}
	if t.refs.out.isHeld(e) {
		e.left(s)
		return func(error) { e.pass(opened) }
	}
	feed := e.feed
	e.pin, e.feed = reflect.Value{}, reflect.Value{}
	if e.handing {
		e.handing = false
		if t.refs.handed != nil {
			close(t.refs.handed)
			t.refs.handed = nil
		}
	}
	t.refs.remove(e)
	if p := e.proxy; p != nil && p.passed == e {
		p.passed = nil
		p.dropEnded()
	}
	if e.ref.Dir == mux.ToReceive && !e.dead && e.proxy == nil {
		// What its source keeps waits for the next reader, and goes with the channel.
		return e.own.left
	}
	if e.own.of(e.ref.Dir) == e {
		e.own.drop(e.ref.Dir)
	}
	sink, source := e.sink, e.source
	return func(why error) {
		if sink != nil {
			sink.retire(why)
		}
		switch {
		case source == nil:
		case feed.IsValid():
			source.retire(why, feed)
		default:
			source.Abort(why)
		}
		e.own.left(why)
	}
}

// awaitRoom has f called when s may be sent more references.
func (t *Table) awaitRoom(s *mux.Session, who any, f func()) {
	t.refs.mu.Lock()
	if t.refs.crowd[s] == nil {
		t.refs.crowd[s] = make(map[any]func())
	}
	t.refs.crowd[s][who] = f
	room := t.roomFor(s) // there may be some since it was found that there is none
	t.refs.mu.Unlock()
	for _, f := range room {
		f()
	}
}

// roomFor is who is to be told that s may be sent more references: not before there
// is room for some. refs.mu is held.
func (t *Table) roomFor(s *mux.Session) (all []func()) {
	if t.refs.crowd[s] == nil || t.refs.load[s] > t.maxRefs-max(receiveWeight, t.maxRefs/8) {
		return nil
	}
	for _, f := range t.refs.crowd[s] {
		all = append(all, f)
	}
	delete(t.refs.crowd, s)
	return all
}

// violation notes that a peer has named what it does not hold.
func (t *Table) violation(s *mux.Session, what string) {
	t.refs.mu.Lock()
	t.refs.violations[s]++
	n := t.refs.violations[s]
	t.refs.mu.Unlock()
	t.log.Debug("netchan: a node has named a channel that it does not hold", "node", t.nodeName(s), "what", what)
	if n >= maxViolations {
		s.Close(&ProtocolError{Channel: label(refName), Err: fmt.Errorf("%d times it named a channel that it does not hold, last by %s", n, what)})
	}
}

// Hold answers a peer that has got one of our channels from somebody else.
func (t *Table) Hold(s *mux.Session, h mux.Hold) {
	ref := mux.Ref{Channel: h.Channel, Dir: h.Dir}
	t.refs.mu.Lock()
	e := t.refs.exports[h.Channel]
	known := e != nil || t.refs.late.has(h.Channel)
	ok := e != nil && !e.dead && e.ref.Dir == h.Dir && e.proxy == nil && !e.full(s)
	if ok {
		if o := e.own.id.Value(); o == nil {
			ok = false
		} else {
			if h.Gate != nil && t.refs.out.of(s, e) == 0 {
				if e.gates == nil {
					e.gates = make(map[*mux.Session]*mux.Gate)
				}
				e.gates[s] = h.Gate
			}
			e.hold(s, chanAt(o, e.own.typ))
		}
	}
	t.refs.mu.Unlock()
	if !known {
		t.violation(s, "a HOLD")
	}
	s.Held(ref, ok)
}

// Release notes that a peer holds less.
func (t *Table) Release(s *mux.Session, rs []mux.Release) {
	for _, r := range rs {
		t.refs.mu.Lock()
		e := t.refs.exports[r.Channel]
		t.refs.mu.Unlock()
		if e == nil || e.ref.Dir != r.Dir || !t.released(s, e, r.Count, errUnheld) {
			s.Close(&ProtocolError{Channel: label(refName), Err: errors.New("a channel was released more often than it was sent")})
			return
		}
	}
}

// Gone ends the proxies of channels that are no more.
func (t *Table) Gone(s *mux.Session, rs []mux.Ref) {
	for _, ref := range rs {
		t.refs.mu.Lock()
		var all []*proxy
		if h := t.refs.held[heldKey{s, ref}]; h != nil {
			h.gone = true
			for _, p := range h.proxies {
				switch {
				case p.route == s:
					all = append(all, p)
				case p.relay == h:
					p.relay = nil // the home may still be reached straight
				}
			}
		} else {
			t.refs.wasEarly(s, ref.Channel) // it has overtaken the value that brings the reference
		}
		t.refs.mu.Unlock()
		for _, p := range all {
			p.abort(errGoneHome)
			p.letGo()
		}
	}
}

// errGoneHome ends the proxies of a channel that nobody reads any more.
var errGoneHome = endReason("the channel was closed, or dropped at its home")

// Discarded gives back references that came with values which nobody reads.
func (t *Table) Discarded(in *mux.In, refs []byte) {
	a := arrivals{table: t}
	if err := a.read(in.Session(), refs); err != nil {
		in.Session().Close(&ProtocolError{Channel: label(refName), Err: err})
	}
	a.close()
}
