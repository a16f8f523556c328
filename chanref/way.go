package chanref

import (
	"fmt"
	"slices"

	"github.com/matveynator/netchan/mux"
)

// The way of a proxy's values: straight to the channel's home, or through who passed it on.

// decide says which way p's values go; the returned function acts on it. refs.mu is
// held.
func (p *proxy) decide(s *mux.Session, target mux.ID, direct bool) (then func()) {
	if p.route != nil || p.ended {
		return func() {}
	}
	p.route, p.target, p.direct = s, target, direct
	wanted := p.wanted && p.behind == nil
	return func() {
		if wanted {
			p.connect(s, target)
		}
		if s.Err() != nil {
			p.abort(s.Err())
		}
	}
}

// want is called by the source when it needs a stream.
func (p *proxy) want() (s *mux.Session, target mux.Target, node string) {
	p.t.refs.mu.Lock()
	defer p.t.refs.mu.Unlock()
	p.wanted = true
	if p.behind != nil {
		return nil, target, ""
	}
	return p.route, mux.Target{ID: p.target}, p.home.Name
}

// connect has a stream between p and the other side of its route.
func (p *proxy) connect(s *mux.Session, target mux.ID) {
	if p.sink != nil {
		s.Attach(mux.Attach{Target: mux.Target{ID: target}, End: p.sink.ID()})
	} else {
		p.source.Connect(s, mux.Target{ID: target}, p.home.Name)
	}
}

// gateOf is what the home lets in before what goes to a channel that was passed on.
func (t *Table) gateOf(x *arrival) *mux.Gate {
	if !x.gated {
		return nil
	}
	return &mux.Gate{Node: t.net.Node(x.held.key.s).ID, End: x.end, Number: x.number}
}

// reach tries to get to the home straight, once; where that fails the values go
// through the node that passed the channel on.
func (p *proxy) reach(gate *mux.Gate) {
	t := p.t
	hold := mux.Hold{Channel: p.key.ref.Channel, Dir: p.key.ref.Dir, Gate: gate}
	t.net.Reach(p.home, func(s *mux.Session) {
		if s == nil {
			p.fallBack()
			return
		}
		t.refs.mu.Lock()
		key := heldKey{s, p.key.ref}
		t.refs.asked[key] = append(t.refs.asked[key], p)
		t.refs.mu.Unlock()
		s.Hold(hold)
		if s.Err() != nil {
			t.Held(s, p.key.ref, false)
		}
	})
}

// fallBack takes the way through the introducer.
func (p *proxy) fallBack() {
	t := p.t
	t.refs.mu.Lock()
	h := p.relay
	if h == nil || t.refs.held[h.key] != h {
		t.refs.mu.Unlock()
		p.abort(errNoWay)
		return
	}
	then := p.decide(h.key.s, h.key.ref.Channel, false)
	p.dropOthers()
	t.refs.mu.Unlock()
	then()
}

var errNoWay = endReason("neither the channel's home nor the node that passed it on can be reached")

// Held is the answer of a channel's home.
func (t *Table) Held(s *mux.Session, ref mux.Ref, ok bool) {
	key := heldKey{s, ref}
	t.refs.mu.Lock()
	asked := t.refs.asked[key]
	if len(asked) == 0 {
		t.refs.mu.Unlock()
		if s.Err() == nil {
			s.Close(&ProtocolError{Channel: label(refName), Err: fmt.Errorf("an answer to no HOLD")})
		}
		return
	}
	p := asked[0]
	if t.refs.asked[key] = asked[1:]; len(asked) == 1 {
		delete(t.refs.asked, key)
	}
	then := p.fallBack
	if ok {
		h, err := t.arrived(key)
		if err == nil {
			h.count++
			then = p.decide(s, ref.Channel, true)
			p.take(h)
			p.dropOthers()
			if p.direct {
				p.relay = nil
			}
			t.free(h)
		} else {
			s.Release(ref, 1)
		}
	}
	t.refs.mu.Unlock()
	then()
}

// dropOthers has p need no references but that by which its way leads. refs.mu is held.
func (p *proxy) dropOthers() {
	way := heldKey{p.route, mux.Ref{Channel: p.target, Dir: p.key.ref.Dir}}
	p.drop(func(h *heldRef) bool { return p.route != nil && h.key != way })
}

// drop has p need those of its references no more that which is true for. refs.mu
// is held.
func (p *proxy) drop(which func(*heldRef) bool) {
	p.held = slices.DeleteFunc(p.held, func(h *heldRef) bool {
		if !which(h) {
			return false
		}
		h.proxies = slices.DeleteFunc(h.proxies, func(q *proxy) bool { return q == p })
		p.t.free(h)
		return true
	})
}
