package netchan

import (
	"fmt"
	"slices"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/peer"
	"github.com/matveynator/netchan/test/history"
)

// list is who holds something now.
func (p *chanPlay) list(which func(*holder) bool) (all []*holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.holders {
		if which(a) {
			all = append(all, a)
		}
	}
	return all
}

// calmChans ends all faults, has all read, and waits until what must arrive has.
func (p *chanPlay) calmChans() {
	p.w.heal()
	p.until("all nodes see each other", p.whole)
	p.openBoxes()
	read := func() {
		for _, a := range p.list(receives) {
			a.hear(reader{left: noLimit})
		}
	}
	// Who has passed one on could do so once more, and so keeps it from being given up.
	for _, a := range p.list(p.passedAway) {
		p.drops(a)
	}
	read()
	var again []*holder
	// Each channel that its home still has is read there again, and, if it was ever read
	// elsewhere, there too: what came back waits for that.
	seen := make(map[int]bool)
	for _, a := range p.list(func(a *holder) bool { return a.atHome }) {
		if seen[a.log.Ch] || !p.h.Alive(a.log.Node) {
			continue
		}
		seen[a.log.Ch] = true
		c := p.ch.Chan(a.log.Ch)
		here := func(o *holder) bool { return receives(o) && o.log.Ch == c.ID && o.atHome }
		if len(p.list(here)) == 0 {
			p.holds(a.at, p.ch.Hold(c.ID, a.log.Node, history.ToReceive, 0), a.own, nil, a.own)
		}
		if p.ch.ReadAway(c) {
			again = append(again, p.list(here)[0])
		}
	}
	p.until("everything that was begun is done", littered(func() string { read(); return p.idle() }))
	for _, a := range again {
		to := p.w.slots[(a.at.index+1)%len(p.w.slots)]
		p.passes(a, step{op: opPass, b: byte(to.index), c: 1})
	}
	p.until("what was passed on is there", littered(func() string { read(); return p.idle() }))
	p.lostOnTheWay()
	p.until("all that was accepted has arrived", littered(func() string { read(); return p.ch.Missing() }))
}

// passedAway is true for who holds what is left of a channel that was passed on, and that its home
// has dropped.
func (p *chanPlay) passedAway(a *holder) bool {
	return !a.atHome && p.ch.MovedOn(a.log)
}

// idle says who is not.
func (p *chanPlay) idle() string {
	for _, a := range p.list(anyHolder) {
		if n := a.busy.Load(); n > 0 && !p.stuck(a) {
			return fmt.Sprintf("%v has %d things to do", a.log, n)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, s := range p.mail {
		if st := s.Stats(); p.h.Alive(key[0]) && (st.InFlight+st.Waiting > 0 || len(s.C) > 0) {
			return fmt.Sprintf("mail of life %d to %d: %+v", key[0], key[1], st)
		}
	}
	return ""
}

// stuck is true for who sends on an original that nobody reads any more: that waits for ever, as
// anywhere in Go. Who passes one on does not.
func (p *chanPlay) stuck(a *holder) bool {
	if !a.atHome || !a.sends.Load() {
		return false
	}
	return len(p.list(func(o *holder) bool { return receives(o) && o.log.Ch == a.log.Ch && o.atHome && !o.shut })) == 0
}

// endChans ends the channels, each in one of the ways there are, and then all else.
func (p *chanPlay) endChans() {
	p.until("what others hold is what they say", littered(p.counted)) // some wait behind values that nobody reads
	ofKind := func(n int, which func(*holder) bool) func(*holder) bool {
		return func(a *holder) bool { return a.log.Ch%3 == n && which(a) }
	}
	away := func(a *holder) bool { return !a.atHome }
	// Some are closed by whoever holds them first, and has not given them up.
	closed := make(map[int]bool)
	for _, a := range p.list(ofKind(0, sends)) {
		if !raceEnabled && !closed[a.log.Ch] && p.h.Alive(a.log.Node) && !over(a.done) {
			closed[a.log.Ch] = true
			a.end()
		}
	}
	// That the program at home has closed one shows when something is sent on it, also by who gets it
	// only now, behind values that nobody has read.
	told := make(map[*holder]bool)
	tell := func() {
		for _, a := range p.list(func(a *holder) bool { return closed[a.log.Ch] && sends(a) && away(a) && !told[a] }) {
			told[a] = true
			a.tell(1)
		}
	}
	// A close comes behind what was sent before it: that goes where the home has dropped the channel.
	p.until("those who hold what was closed know", littered(func() string {
		tell()
		return p.open(p.list(func(a *holder) bool { return closed[a.log.Ch] }))
	}))
	// Of some nobody reads any more, and the home has dropped them.
	for _, a := range p.list(ofKind(1, func(a *holder) bool { return receives(a) || a.atHome })) {
		p.drops(a)
	}
	p.until("those who hold what nobody reads know", littered(func() string { return p.open(p.list(ofKind(1, sends))) }))
	// What is sent on all these goes, and nowhere.
	for _, a := range p.list(func(a *holder) bool { return sends(a) && away(a) && over(a.done) }) {
		a.tell(3)
	}
	p.until("sends on what has ended return", p.idle)
	// Of some nobody elsewhere holds anything any more.
	for _, a := range p.list(ofKind(2, away)) {
		p.drops(a)
	}
	p.until("homes know that nobody else holds their channels", littered(func() string {
		for _, a := range p.list(ofKind(2, func(a *holder) bool { return a.atHome })) {
			if e, _ := chanref.EndingOf(a.own); e != nil && p.h.Alive(a.log.Node) && !over(e.Done()) {
				return fmt.Sprintf("%v: Done is open at its home", a.log)
			}
		}
		return ""
	}))
	p.stop()
	p.until("all tables are empty", littered(p.empty))
}

// open says which of some proxies has not ended.
func (p *chanPlay) open(of []*holder) string {
	for _, a := range of {
		if !a.atHome && !over(a.done) {
			return fmt.Sprintf("Done of %v is open", a.log)
		}
	}
	return ""
}

// empty says which node's table is not.
func (p *chanPlay) empty() string {
	for _, n := range p.nodes() {
		st := n.hub.table.RefStats()
		if st.Dropped = 0; st != (chanref.RefStats{}) {
			return fmt.Sprintf("%s has %+v", n.Name(), st)
		}
	}
	return ""
}

func (p *chanPlay) nodes() (all []*Node) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, s := range p.w.slots {
		if s.node != nil {
			all = append(all, s.node)
		}
	}
	return all
}

// counted says where a node has counted other references of a peer than that one has.
func (p *chanPlay) counted() string {
	nodes := p.nodes()
	for _, a := range nodes {
		for _, b := range nodes {
			out, in := a.refsWith(b, true), b.refsWith(a, false)
			if a != b && !slices.Equal(out, in) {
				return fmt.Sprintf("%s counts as held by %s %v, which holds %v", a.Name(), b.Name(), out, in)
			}
		}
	}
	return ""
}

// refsWith is what the other node holds of n's channels, or n of its.
func (n *Node) refsWith(o *Node, ours bool) []chanref.RefCount {
	s := n.hub.session(peer.NodeID(o.Self().ID))
	if s == nil {
		return nil
	}
	out, in := n.hub.table.RefCounts(s)
	if ours {
		return out
	}
	return in
}
