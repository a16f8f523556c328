package netchan

import (
	"fmt"
	"slices"
)

// chanHistory is the history of a program with channels in values.
type chanHistory struct {
	*history
	chans  []*chanLog
	ends   []*chanEnd
	passes []*pass
	taken  map[letterKey]int // how often
}

// letter is the value that such programs send, by mail or on a channel.
type letter struct {
	From, N int // the end that it was sent on, and its number there, from 1; unique together
	Pass    int // of the channel in it; 0: none
	To      chan<- letter
	Of      <-chan letter
}

type letterKey struct{ end, n int }

// chanLog is a channel: made by the program at one node, its home.
type chanLog struct {
	id, home int // home is a life
	size     int
	forsaken when // the program at home has dropped it
	closes   []closing
	readAway when // it was first passed on as one to receive from
}

type closing struct {
	end int
	when
}

// chanEnd is a channel in one direction, as a node's program holds it.
type chanEnd struct {
	id, ch, life int
	dir          way
	born         when
	values       []sent    // of one to send on
	takes        []endTake // of one to receive from

	let   when // Release was called
	gone  when // the program has dropped it
	moved when // one to receive from was passed on
	done  when
	err   error

	straight bool  // it is the home, or there was a link to it when it was passed on
	by       *pass // how it came; nil: it was made
	behind   *pass // what was sent before it comes first
	closed   when  // of one to receive from: C is closed
	why      error // what Err said then
}

type way byte

const (
	toSend way = iota
	toReceive
)

type endTake struct {
	letterKey
	when
}

// pass is one time that a channel was put into a value.
type pass struct {
	ch     int
	dir    way
	end, n int // who passed it on had sent so many on it
	slot   int // to whom; -1: whoever reads a channel
	over   int // that channel
	linked bool
	kept   bool // whoever got it holds it
	when
}

func newChanHistory(h *history) *chanHistory {
	return &chanHistory{history: h, taken: make(map[letterKey]int)}
}

func (c *chanLog) String() string { return fmt.Sprintf("c%d", c.id) }
func (e *chanEnd) String() string {
	return fmt.Sprintf("e%d (c%d %s)", e.id, e.ch, [...]string{"<-", "->"}[e.dir])
}

func (h *chanHistory) makes(life, size int) *chanLog {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &chanLog{id: len(h.chans), home: life, size: size}
	h.chans = append(h.chans, c)
	h.note(func() string { return fmt.Sprintf("%s makes %v with room for %d", h.nodes[life].name, c, size) })
	return c
}

// end says that a node's program has come to hold a channel: from is how, 0: it made it.
func (h *chanHistory) end(ch, life int, dir way, from int) *chanEnd {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &chanEnd{id: len(h.ends), ch: ch, life: life, dir: dir, straight: from == 0}
	if from > 0 {
		p := h.passes[from-1]
		e.by = p
		by := h.ends[p.end]
		e.straight = p.linked && by.straight || h.chans[ch].home == by.life
		if dir == toSend && h.first(e, p) {
			e.behind = p
		}
	}
	h.ends = append(h.ends, e)
	e.born = h.note(func() string { return fmt.Sprintf("%s holds %v by pass %d", h.nodes[life].name, e, from) })
	return e
}

// first says whether e's node has never got the channel but by p. h.mu is held.
func (h *chanHistory) first(e *chanEnd, p *pass) bool {
	for _, o := range h.passes {
		if o != p && o.ch == p.ch && (o.slot == p.slot || o.slot < 0) {
			return false
		}
	}
	for _, o := range h.ends {
		if o.ch == e.ch && o.life == e.life {
			return false
		}
	}
	return p.slot >= 0
}

// passes a channel on: the number is what its letter holds.
func (h *chanHistory) pass(e *chanEnd, sent int, p pass) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.ch, p.dir, p.end, p.n = e.ch, e.dir, e.id, sent
	h.passes = append(h.passes, &p)
	n := len(h.passes)
	p.when = h.note(func() string {
		return fmt.Sprintf("%v is passed on by %s to %d, pass %d", e, h.nodes[e.life].name, p.slot, n)
	})
	if c := h.chans[e.ch]; e.dir == toReceive {
		if !c.readAway.set() {
			c.readAway = p.when
		}
		if e.life != c.home && !e.moved.set() {
			e.moved = p.when
		}
	}
	return n
}

// keeps says that a program holds what came by a pass.
func (h *chanHistory) keeps(pass int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.passes[pass-1].kept = true
}

// tells says that the next value is being sent on e, and returns its number.
func (h *chanHistory) tells(e *chanEnd) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(e.values) + 1
	e.values = append(e.values, sent{begin: h.noteValue(func() string { return fmt.Sprintf("%v sends %d", e, n) })})
	return n
}

func (h *chanHistory) told(e *chanEnd, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.values[n-1].end = h.noteValue(func() string { return fmt.Sprintf("%v sent %d", e, n) })
}

// hears says that a value was received from e.
func (h *chanHistory) hears(e *chanEnd, v letter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from, n := v.From, v.N // not v: what the history refers to is no garbage
	w := h.noteValue(func() string { return fmt.Sprintf("%v takes %d of e%d", e, n, from) })
	if v.From < 0 || v.From >= len(h.ends) || v.N < 1 || v.N > len(h.ends[v.From].values) || h.ends[v.From].ch != e.ch {
		h.strays = append(h.strays, stray{e.id, fmt.Sprintf("value %d of e%d, which is none of c%d", v.N, v.From, e.ch), w})
		return
	}
	k := letterKey{v.From, v.N}
	e.takes = append(e.takes, endTake{k, w})
	h.taken[k]++
}

// at notes that something happens to an end for the first time.
func (h *chanHistory) at(e *chanEnd, w *when, what string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.set() {
		return
	}
	*w = h.note(func() string { return fmt.Sprintf("%v: %s %v", e, what, err) })
	switch w {
	case &e.done:
		e.err = err
	case &e.closed:
		e.why = err
	}
}

func (h *chanHistory) shuts(e *chanEnd) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.note(func() string { return fmt.Sprintf("%v is closed by its holder", e) })
	c := h.chans[e.ch]
	c.closes = append(c.closes, closing{e.id, w})
}

// shutBeside says whether the same channel was closed by who held it at the same node, for it
// came there before.
func (h *chanHistory) shutBeside(e *chanEnd) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.chans[e.ch].closes, func(c closing) bool {
		return c.end != e.id && h.ends[c.end].life == e.life
	})
}

func (h *chanHistory) forsakes(c *chanLog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !c.forsaken.set() {
		c.forsaken = h.note(func() string { return fmt.Sprintf("%v is dropped at its home", c) })
	}
}
