package chanref

import (
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/matveynator/netchan/mux"
)

// proxyKey is what a proxy stands for: the same channel is the same proxy,
// whichever way it came.
type proxyKey struct {
	home [32]byte
	ref  mux.Ref // at its home
	elem reflect.Type
}

// A proxy is a local channel that stands for one whose home is elsewhere.
type proxy struct {
	t    *Table
	key  proxyKey
	home Node
	id   identity
	kind family
	size int

	relayed *relayed // it feeds a relay; else nil

	source refSource // of one to send on
	sink   refSink   // of one to receive from

	// For the keeper, of one to send on.
	used    atomic.Bool   // a value went through it, or it woke, since the keeper last looked
	values  atomic.Uint32 // that went through it: how often it was used
	idle    time.Time     // since when none did
	resting bool          // it was told to nap

	look   sync.Mutex // guards handed; the finalizer waits for who looks
	view   glance     // of its channel
	handed bool       // that was dropped by the program, and handed back

	// Guarded by t.refs.mu.
	held   []*heldRef   // few: one for each way by which the channel came
	held1  [1]*heldRef  // room for the first
	relay  *heldRef     // through whom, when the home can't be reached straight
	route  *mux.Session // over which its values go; nil: that is not decided
	target mux.ID       // the channel's ID at the other side of route
	direct bool         // route leads to the home
	wanted bool         // the source has asked for a stream; a sink always does
	behind *proxy       // one of the same channel whose values go first
	ahead  []*proxy     // who wait for this one
	ended  bool         // nothing passes through it any more
	moved  bool         // because it was passed on
	closed bool         // because the program has closed it
	gone   bool         // its channel was collected
	passed *export      // by which others still hold it, though it has ended
}

// proxyFor finds or makes the proxy of a channel at home.
func (t *Table) proxyFor(s *mux.Session, x *arrival, home Node, ref mux.Ref, typ reflect.Type) (reflect.Value, error) {
	key := proxyKey{home.ID, ref, typ.Elem()}
	t.refs.making.Lock()
	defer t.refs.making.Unlock()
	var before *proxy
	t.refs.mu.Lock()
	if p := t.refs.proxies[key]; p != nil && !p.ended {
		if o := p.id.Value(); o != nil {
			p.take(x.held)
			t.refs.mu.Unlock()
			return chanAt(o, typ), nil
		}
		before = p // the program has dropped it; values may be left in it
	}
	gone := x.held.gone && (x.kind == refMine || !x.straight)
	t.refs.mu.Unlock()
	if gone {
		return t.goneChan(typ)
	}
	kind, err := familyOf(typ.Elem())
	if err != nil {
		return reflect.Value{}, err
	}
	p := &proxy{t: t, key: key, home: home, kind: kind}
	p.size = t.sizeOf(x, typ.Elem())
	ch := p.make()
	t.refs.mu.Lock()
	p.take(x.held)
	if !p.ended {
		t.refs.proxies[key] = p
		t.refs.byChan[p.id] = p
		if before != nil && !before.ended {
			p.behind, before.ahead = before, append(before.ahead, p)
		}
	}
	var then func()
	switch {
	case x.kind == refMine:
		then = p.decide(s, x.id, true)
	default:
		if !x.held.gone {
			p.relay = x.held
		}
		if !x.straight {
			then = p.decide(s, x.id, false)
		}
	}
	t.refs.mu.Unlock()
	t.keeper.start()
	if then != nil {
		then()
	} else {
		p.reach(t.gateOf(x))
	}
	return ch.Convert(typ), nil
}

// sizeOf is the capacity of a proxy: the original's, at least 1, as long as the
// peer's proxies don't take too much.
func (t *Table) sizeOf(x *arrival, elem reflect.Type) int {
	size := max(1, x.size)
	each := uint64(max(1, 2*elem.Size()))
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	left := uint64(max(0, maxRefBytes-t.refs.bytes[x.held.key.s]))
	if size > 1 && (size > maxProxySize || size*each > left) {
		size = 1
	}
	bytes := int(min(size*each, maxRefBytes))
	x.held.bytes += bytes
	t.refs.bytes[x.held.key.s] += bytes
	return int(size)
}

// maxProxySize bounds the capacity of a proxy.
const maxProxySize = 1 << 20

// make makes the channel and what feeds or empties it.
func (p *proxy) make() reflect.Value {
	t := p.t
	ch := p.kind.makeChan(p.size)
	o := objectIn(ch)
	p.id, p.view, p.idle = weak.Make(o), glanceAt(o), time.Now()
	var e *Ending
	if p.key.ref.Dir == mux.ToSend {
		p.source = p.kind.newSource(t, ch, SourceConfig{
			ID: newRefID(), Name: refName, Ahead: true, AtMostOnce: true, Logger: t.log,
			travelled: travelled{lone: true, of: p, hidden: true, naps: true, drops: &t.refs.dropped},
		})
		e = p.source.Ending()
	} else {
		p.sink = p.kind.newSink(t, ch, SinkConfig{
			ID: newRefID(), Name: refName, KeepOpen: true, Logger: t.log,
			arrived: arrived{travelled: true, hidden: true, proxy: p, relay: p.relayed},
		})
		p.wanted = true
		e = p.sink.Ending()
	}
	e.travels(p)
	runtime.SetFinalizer(o, func(o *object) {
		unindex(p.id)
		p.look.Lock()
		p.handed = true
		p.look.Unlock()
		t.keeper.handBack(p, o) // which holds it until it is done with
	})
	indexed(p.id, e)
	return ch
}

func (p *proxy) where() Node { return p.home }

func (p *proxy) use() {
	p.used.Store(true)
	p.values.Add(1)
}

func (p *proxy) awake(n int32) { p.t.awake.Add(n) }

// lingers says whether the goroutine of one that a single value went through stays for a while: the
// next value then need not wait for the keeper. Where there are many such, they are replies.
func (p *proxy) lingers() bool { return p.t.awake.Load() <= onceMost }

func (p *proxy) napping() { p.t.keeper.napping(p) }

// glance is how many values lie in p's channel; ok is false once the program has dropped it.
func (p *proxy) glance() (n int, ok bool) {
	p.look.Lock()
	defer p.look.Unlock()
	if p.handed {
		return 0, false
	}
	return p.view.len(), true
}

// again makes another proxy of the same channel, for a relay: p was closed when it was
// passed on. refs.making is held.
func (p *proxy) again() (ch reflect.Value, of *relayed, why func() error) {
	t := p.t
	q := &proxy{t: t, key: p.key, home: p.home, kind: p.kind, size: p.size, relayed: new(relayed)}
	ch = q.make()
	t.refs.mu.Lock()
	if !q.ended {
		t.refs.byChan[q.id] = q // the keeper is there for it
	}
	for _, h := range p.held {
		q.take(h)
	}
	then := func() { q.reach(nil) }
	if p.route != nil {
		then = q.decide(p.route, p.target, p.direct)
	}
	q.relay = p.relay // p was passed on before its way was known, and asks for itself only
	t.refs.mu.Unlock()
	then()
	return ch, q.relayed, q.sink.reason
}

// take has p need h, of which one reference was pending. When its way is decided it
// needs only that one: two nodes that pass a channel to each other would keep it for each other
// else. refs.mu is held.
func (p *proxy) take(h *heldRef) {
	if p.ended || slices.Contains(p.held, h) || p.route != nil && h.key != (heldKey{p.route, mux.Ref{Channel: p.target, Dir: p.key.ref.Dir}}) {
		return
	}
	if h.proxies == nil {
		h.proxies = h.first[:0]
	}
	if p.held == nil {
		p.held = p.held1[:0]
	}
	h.proxies = append(h.proxies, p)
	p.held = append(p.held, h)
}
