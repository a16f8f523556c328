package chanref

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/matveynator/netchan/mux"
)

// serveRef serves a use that is for a channel which its sender holds. It is false when
// there is no such channel.
func (t *Table) serveRef(in *mux.In) bool {
	sink, found := t.sinkOf(in)
	if sink != nil {
		sink.serve(in)
	}
	return found
}

// sinkOf is the sink of the channel that a use is for, where its sender holds it. It is nil when
// the use was refused, or, without found, when there is no such channel.
func (t *Table) sinkOf(in *mux.In) (sink refSink, found bool) {
	target := in.Open().Target
	if target.Name != "" {
		return nil, false
	}
	t.refs.mu.Lock()
	e := t.refs.exports[target.ID]
	held := e != nil && t.refs.out.of(in.Session(), e) > 0
	dead := e != nil && e.dead
	late := e != nil && !held && t.refs.hasLeft(in.Session(), e)
	t.refs.mu.Unlock()
	if e == nil {
		return nil, false
	}
	sink = e.sinkFor(in.Session())
	switch {
	case sink != nil:
	case (held || dead) && e.ref.Dir == mux.ToSend: // who was told may have let it go since
		in.Refuse(mux.CodeClosed, "the channel was closed or dropped")
	default:
		in.Refuse(mux.CodeNoSuch, "the channel is not held")
		if !late {
			t.violation(in.Session(), "an OPEN")
		}
	}
	return sink, true
}

// attachRef is serveRef for an end that asks for values.
func (t *Table) attachRef(s *mux.Session, a mux.Attach) bool {
	if a.Target.Name != "" {
		return false
	}
	t.refs.mu.Lock()
	e := t.refs.exports[a.Target.ID]
	held := e != nil && t.refs.out.of(s, e) > 0
	late := e != nil && !held && t.refs.hasLeft(s, e)
	t.refs.mu.Unlock()
	switch {
	case e == nil:
		return false
	case e.ref.Dir == mux.ToReceive && held:
	case e.ref.Dir == mux.ToReceive && late:
		return true
	default:
		t.violation(s, "an ATTACH")
		return true
	}
	target := mux.Target{ID: a.End}
	source := e.sourceFor(s)
	if source == nil {
		s.Gone(e.ref)
	} else if !source.Connect(s, target, t.nodeName(s)) {
		open := source.opening()
		open.Target, open.First = target, 1
		s.Open(open, deaf{}).Close(source.Err() == ErrClosed)
	}
	return true
}

// strange notes that a peer has named an end by an ID that it can't have from us.
func (t *Table) strange(s *mux.Session, target mux.Target) {
	if target.Name != "" || target.ID == (mux.ID{}) {
		return
	}
	t.refs.mu.Lock()
	late := t.refs.late.has(target.ID)
	t.refs.mu.Unlock()
	if !late {
		t.violation(s, "an ID")
	}
}

// lost forgets what hangs on a session that has ended.
func (t *Table) lost(s *mux.Session) {
	why := s.Err()
	r := &t.refs
	r.mu.Lock()
	delete(r.violations, s)
	delete(r.crowd, s)
	delete(r.early, s)
	var ends []func(error)
	for _, e := range r.out.lose(s) {
		ends = append(ends, e.unheldBy(s))
	}
	for _, e := range r.exports {
		e.former = slices.DeleteFunc(e.former, func(o *mux.Session) bool { return o == s })
	}
	var cut []*proxy
	for key, h := range r.held {
		if key.s != s {
			continue
		}
		delete(r.held, key)
		for _, p := range h.proxies {
			p.held = slices.DeleteFunc(p.held, func(o *heldRef) bool { return o == h })
			if p.route == s {
				cut = append(cut, p)
			}
		}
	}
	delete(r.count, s)
	delete(r.bytes, s)
	var back []*proxy
	for key, all := range r.asked {
		if key.s == s {
			back = append(back, all...)
			delete(r.asked, key)
		}
	}
	r.mu.Unlock()
	for _, end := range ends {
		end(why)
	}
	for _, p := range cut {
		p.abort(why)
	}
	for _, p := range back {
		p.fallBack()
	}
}

// handTime is how long who got a channel from us may take to reach its home.
const handTime = 6 * time.Second

// handOver waits until those to whom we passed channels on don't need us on the way to
// their homes any more.
func (t *Table) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handTime)
	defer cancel()
	r := &t.refs
	for {
		r.mu.Lock()
		var handed chan struct{}
		for _, e := range r.exports {
			if e.handing && r.out.isHeld(e) {
				if r.handed == nil {
					r.handed = make(chan struct{})
				}
				handed = r.handed
				break
			}
		}
		r.mu.Unlock()
		if handed == nil {
			return
		}
		select {
		case <-handed:
		case <-ctx.Done():
			return
		}
	}
}

// Drain has the proxies to send on deliver what they have, and waits for that, and
// for what was sent on channels that others receive from. It returns the first
// that was not done when ctx ended.
func (t *Table) Drain(ctx context.Context) (left []error) {
	t.handOver(ctx)
	r := &t.refs
	r.mu.Lock()
	var proxies, sources []refSource
	for _, p := range r.byChan {
		if p.source != nil && !p.ended {
			proxies = append(proxies, p.source)
		}
	}
	for _, e := range r.exports {
		if e.source != nil && !e.dead && e.proxy == nil {
			sources = append(sources, e.source)
		}
	}
	r.mu.Unlock()
	for _, s := range proxies {
		s.Close()
	}
	for _, s := range proxies {
		select {
		case <-s.Done():
			continue
		case <-ctx.Done():
		}
		if err := s.Flush(ctx); err != nil {
			left = append(left, err)
		}
	}
	for _, s := range sources {
		if err := s.Flush(ctx); err != nil {
			left = append(left, err)
		}
	}
	return left
}

// RefStats are what is there now, of channels that travelled, and what was dropped.
type RefStats struct {
	Exported int    // channels of this node that others hold
	Proxies  int    // channels of others that are used here
	Held     int    // references to channels of others that are held
	Dropped  uint64 // values sent here, on any of them, that nobody will get
}

// RefStats counts.
func (t *Table) RefStats() RefStats {
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	return RefStats{Exported: len(t.refs.exports), Proxies: len(t.refs.byChan), Held: len(t.refs.held), Dropped: t.refs.dropped.Load()}
}

// A RefCount is how many references to a channel are held.
type RefCount struct {
	Ref mux.Ref
	N   uint64
}

// RefCounts is what the peer of s holds of this node's channels, as this node counts
// it, and what this node holds of its, in the order of their IDs. Where none is under way the
// peer says the same, the other way round.
func (t *Table) RefCounts(s *mux.Session) (ours, its []RefCount) {
	t.refs.mu.Lock()
	defer t.refs.mu.Unlock()
	for e, n := range t.refs.out.held[s] {
		ours = append(ours, RefCount{e.ref, n})
	}
	for key, h := range t.refs.held {
		if key.s == s {
			its = append(its, RefCount{key.ref, h.count})
		}
	}
	byID := func(a, b RefCount) int { return bytes.Compare(a.Ref.Channel[:], b.Ref.Channel[:]) }
	slices.SortFunc(ours, byID)
	slices.SortFunc(its, byID)
	return ours, its
}
