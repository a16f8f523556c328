package chanref

import (
	"fmt"
	"reflect"
	"runtime"
	"weak"

	"github.com/matveynator/netchan/mux"
)

// heldKey is a channel of a peer's.
type heldKey struct {
	s   *mux.Session
	ref mux.Ref
}

// heldRef is what we hold of it: how many references have come, and who needs
// them. They are released together, when nobody does.
type heldRef struct {
	key     heldKey
	count   uint64
	pending int       // references that no proxy has claimed yet
	proxies []*proxy  // few: one for each type that the channel came as
	first   [1]*proxy // room for one
	bytes   int
	gone    bool // the peer has said that the channel is no more
}

// arrivals are the references that came ahead of the values which use them.
type arrivals struct {
	table *Table
	s     *mux.Session
	all   []arrival
}

type arrival struct {
	wireRef
	held *heldRef // nil: nothing is to be released
	ch   reflect.Value
}

// read accounts for a table of references.
func (a *arrivals) read(s *mux.Session, b []byte) error {
	a.close()
	refs, err := parseRefs(b)
	if err != nil {
		return err
	}
	a.s = s
	t := a.table
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	for _, r := range refs {
		x := arrival{wireRef: r}
		if r.kind == refMine || r.kind == refOther {
			if x.held, err = t.arrived(heldKey{s, mux.Ref{Channel: r.id, Dir: r.dir}}); err != nil {
				return err
			}
			x.held.pending++
			x.held.count++
		}
		a.all = append(a.all, x)
	}
	return nil
}

// arrived finds or makes the entry of what we hold. refs.mu is held.
func (t *Table) arrived(key heldKey) (*heldRef, error) {
	h := t.refs.held[key]
	if h == nil {
		if t.refs.count[key.s] >= t.maxHeld {
			return nil, fmt.Errorf("more than %d channels were sent and not released", t.maxHeld)
		}
		h = &heldRef{key: key, gone: t.refs.isEarly(key.s, key.ref.Channel)}
		t.refs.held[key] = h
		t.refs.made++
		t.refs.count[key.s]++
	}
	return h, nil
}

// free releases h when nobody needs it. refs.mu is held.
func (t *Table) free(h *heldRef) {
	if h.pending > 0 || len(h.proxies) > 0 || t.refs.held[h.key] != h {
		return
	}
	delete(t.refs.held, h.key)
	t.refs.bytes[h.key.s] -= h.bytes
	if t.refs.count[h.key.s]--; t.refs.count[h.key.s] == 0 {
		delete(t.refs.count, h.key.s)
		delete(t.refs.bytes, h.key.s)
	}
	h.key.s.Release(h.key.ref, h.count)
}

// close gives back what no value has claimed.
func (a *arrivals) close() {
	if len(a.all) == 0 {
		return
	}
	t := a.table
	t.refs.mu.Lock()
	for i := range a.all {
		if h := a.all[i].held; h != nil {
			h.pending--
			t.free(h)
		}
	}
	t.refs.mu.Unlock()
	clear(a.all)
	a.all = a.all[:0]
}

// claim makes or finds the channel of a reference, as one of the directed type typ.
func (a *arrivals) claim(number uint64, typ reflect.Type) (reflect.Value, error) {
	if number >= uint64(len(a.all)) {
		return reflect.Value{}, fmt.Errorf("reference %d of %d", number, len(a.all))
	}
	x := &a.all[number]
	dir := mux.ToSend
	if typ.ChanDir() == reflect.RecvDir {
		dir = mux.ToReceive
	}
	if dir != x.dir {
		return reflect.Value{}, fmt.Errorf("a reference to a channel of the other direction")
	}
	if x.ch.IsValid() && x.ch.Type().Elem() == typ.Elem() {
		return x.ch, nil
	}
	ch, err := a.table.resolve(a.s, x, typ)
	if err == nil {
		x.ch = ch
	}
	return ch, err
}

// resolve finds the original of what comes home, and for all else a proxy.
func (t *Table) resolve(s *mux.Session, x *arrival, typ reflect.Type) (reflect.Value, error) {
	self := t.net.Self().ID
	home, ref := t.net.Node(s), mux.Ref{Channel: x.id, Dir: x.dir}
	if x.kind == refOther {
		home, ref.Channel = x.home, x.homeID
	}
	switch {
	case x.kind == refGone:
		return t.goneChan(typ)
	case x.kind == refYours || s.Local || home.ID == self:
		id := ref.Channel
		if s.Local {
			id = x.id // also of a proxy: it is its own sender's
		}
		// Who names it need not hold it: it may have it through a third node.
		t.refs.mu.Lock()
		e := t.refs.exports[id]
		mine := e != nil && e.ref.Dir == x.dir
		late := !mine && t.refs.late.has(id)
		t.refs.mu.Unlock()
		switch {
		case !mine && !late:
			t.violation(s, "a reference")
			return reflect.Value{}, fmt.Errorf("a reference to a channel that is not held")
		case !mine:
			return t.goneChan(typ)
		case e.own.typ.Elem() == typ.Elem():
			if o := e.own.id.Value(); o != nil {
				return chanAt(o, typ), nil
			}
			return t.goneChan(typ) // nobody here had it any more
		case x.kind == refYours:
			return reflect.Value{}, fmt.Errorf("a channel of %v that comes home as one of %v", e.own.typ.Elem(), typ.Elem())
		}
	}
	return t.proxyFor(s, x, home, ref, typ)
}

// goneChan is a channel of which nothing is left: values sent on it are dropped, one to
// receive from is closed.
func (t *Table) goneChan(typ reflect.Type) (reflect.Value, error) {
	kind, err := familyOf(typ.Elem())
	if err != nil {
		return reflect.Value{}, err
	}
	ch := kind.makeChan(1)
	o := objectIn(ch)
	p := &proxy{t: t, id: weak.Make(o), kind: kind, ended: true}
	if typ.ChanDir() == reflect.RecvDir {
		p.key.ref.Dir = mux.ToReceive
		p.sink = kind.newSink(t, ch, SinkConfig{ID: newRefID(), Name: refName, KeepOpen: true, Logger: t.log})
	} else {
		p.key.ref.Dir = mux.ToSend
		p.source = kind.newSource(t, ch, SourceConfig{
			ID: newRefID(), Name: refName, Logger: t.log, travelled: travelled{drops: &t.refs.dropped},
		})
	}
	p.abort(errGoneHome)
	// Whoever it is passed on to gets one that is gone, too.
	t.refs.mu.Lock()
	t.refs.byChan[p.id] = p
	t.refs.mu.Unlock()
	runtime.SetFinalizer(o, func(o *object) { t.keeper.handBack(p, o) })
	t.keeper.start()
	return ch.Convert(typ), nil
}
