package chanref

import "github.com/matveynator/netchan/mux"

// How a proxy ends, and what is held for it until then.

// leftBehind is called when the home's stream has ended without a close.
func (p *proxy) leftBehind() {
	p.t.refs.mu.Lock()
	s := p.route
	p.t.refs.mu.Unlock()
	if s != nil && s.Err() != nil {
		return // with the session: lost says why
	}
	p.abort(errGoneHome)
}

func (p *proxy) release() {
	if p.source != nil {
		p.source.Close()
	} else {
		p.sink.End(ErrClosed)
	}
}

func (p *proxy) refused(r mux.Refuse) { p.abort(endError(p.home.Name, r)) }

// abort ends p: what it holds is dropped, and counted.
func (p *proxy) abort(err error) {
	if p.source != nil {
		p.source.Abort(err)
	} else if p.sink != nil {
		p.sink.Abort(err)
	}
}

// over is called when nothing passes through p any more.
func (p *proxy) over() {
	t := p.t
	t.refs.mu.Lock()
	p.ended = true
	if t.refs.proxies[p.key] == p {
		delete(t.refs.proxies, p.key)
	}
	p.closed = p.source != nil && p.source.hasClosed()
	tell := p.endRelay()
	if !p.moved || p.gone {
		// One that was passed on is held until the value that it is in has gone.
		p.dropEnded()
	}
	var next []*proxy
	for _, q := range p.ahead {
		if q.behind = nil; q.wanted && q.route != nil {
			next = append(next, q)
		}
	}
	p.ahead = nil
	t.refs.mu.Unlock()
	tell()
	for _, q := range next {
		q.connect(q.route, q.target)
	}
}

// endRelay has those know who send through p that it has ended; the returned function tells
// them. One to receive from that was passed on is another's: see again. refs.mu is held.
func (p *proxy) endRelay() (tell func()) {
	own := p.t.refs.own[p.id]
	if p.source == nil || own == nil || own.send == nil || own.send.proxy != p {
		return func() {}
	}
	e := own.send
	holders, sink := e.die(), e.sink
	if len(holders) > 0 {
		p.passed = e
	}
	return func() {
		for _, s := range holders {
			s.Gone(e.ref)
		}
		if sink != nil {
			sink.abandon("the way to the channel's home has ended")
		}
	}
}

// collected is called when its channel is no more.
func (p *proxy) collected() {
	t := p.t
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	p.gone = true
	if t.refs.byChan[p.id] == p {
		delete(t.refs.byChan, p.id)
	}
	if p.ended {
		p.dropEnded()
	}
}

// dropEnded has p, which has ended, need nothing more. But what it was closed through is held
// until the other side has said that the channel is no more: the word of the close may be
// overtaken by a release, and then nobody would be there to hear it. And who got it from here may
// be on the way to the home, which forgets a channel that nobody holds. refs.mu is held.
func (p *proxy) dropEnded() {
	if p.passed != nil {
		return
	}
	p.drop(func(h *heldRef) bool {
		return h.gone || !p.closed || h.key.s != p.route || h.key.ref.Channel != p.target
	})
}

// letGo drops what p does not need any more, since the other side has said so.
func (p *proxy) letGo() {
	p.t.refs.mu.Lock()
	defer p.t.refs.mu.Unlock()
	if p.ended && !p.moved {
		p.dropEnded()
	}
}

// standing says whether p has ended, because it was passed on, and whether who gets
// it may try the home straight.
func (p *proxy) standing() (ended, moved, straight bool) {
	p.t.refs.mu.Lock()
	defer p.t.refs.mu.Unlock()
	return p.ended, p.moved, p.route != nil && p.direct
}

// errMoved is why a channel to receive from is closed that was passed on.
var errMoved = endReason("the channel was passed on to another node")

// move ends one to receive from that is passed on: what lies in it goes back, for who
// gets it.
func (p *proxy) move() {
	if p.sink == nil {
		return
	}
	p.t.refs.mu.Lock()
	first := !p.moved && !p.ended
	p.moved = p.moved || first
	p.t.refs.mu.Unlock()
	if first {
		p.sink.End(errMoved)
	}
}
