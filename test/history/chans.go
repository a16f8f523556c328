package history

import "fmt"

// Chans is the history of a program with channels in values.
type Chans struct {
	*History
	chans  []*Chan
	ends   []*ChanEnd
	passes []*Pass
	taken  map[valueKey]int // how often
}

// valueKey is a value that was sent on a channel.
type valueKey struct{ end, n int }

// A Chan is a channel that the program at one node has made, its home. It is only read.
type Chan struct {
	ID, Home int // Home is a node
	Size     int

	forsaken when // the program at home has dropped it
	closes   []closing
	readAway when // it was first passed on as one to receive from
}

type closing struct {
	end int
	when
}

// A ChanEnd is a channel in one direction, as a node's program holds it. It is only read.
type ChanEnd struct {
	ID, Ch, Node int
	Dir          Way

	born   when
	values []sent    // of one to send on
	takes  []endTake // of one to receive from

	let   when // Release was called
	gone  when // the program has dropped it
	moved when // one to receive from was passed on
	done  when
	err   error

	straight bool  // it is the home, or there was a link to it when it was passed on
	by       *Pass // how it came; nil: it was made
	behind   *Pass // what was sent before it comes first
	closed   when  // of one to receive from: C is closed
	why      error // what Err said then
}

// A Way is what may be done with an end of a channel.
type Way byte

// The ways.
const (
	ToSend Way = iota
	ToReceive
)

type endTake struct {
	valueKey
	when
}

// A Pass is one time that a channel was put into a value.
type Pass struct {
	Ch  int // as Dir, of the end that was passed on
	Dir Way

	To     int  // a number for the node to which; -1: to whoever reads a channel
	Over   int  // that channel
	Linked bool // that node has a link with the channel's home, or is it

	end, n int  // who passed it on had sent so many on it
	kept   bool // whoever got it holds it
	when
}

// NewChans makes the history of a program that has channels in its values besides.
func NewChans(h *History) *Chans {
	return &Chans{History: h, taken: make(map[valueKey]int)}
}

func (c *Chan) String() string { return fmt.Sprintf("c%d", c.ID) }
func (e *ChanEnd) String() string {
	return fmt.Sprintf("e%d (c%d %s)", e.ID, e.Ch, [...]string{"<-", "->"}[e.Dir])
}

// Make says that a node's program makes a channel with room for so many values.
func (h *Chans) Make(node, size int) *Chan {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &Chan{ID: len(h.chans), Home: node, Size: size}
	h.chans = append(h.chans, c)
	h.note(func() string { return fmt.Sprintf("%s makes %v with room for %d", h.nodes[node].name, c, size) })
	return c
}

// Hold says that a node's program has come to hold a channel: by is the number of the Pass by
// which it came, 0: it made it.
func (h *Chans) Hold(ch, node int, dir Way, by int) *ChanEnd {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &ChanEnd{ID: len(h.ends), Ch: ch, Node: node, Dir: dir, straight: by == 0}
	if by > 0 {
		p := h.passes[by-1]
		e.by = p
		who := h.ends[p.end]
		e.straight = p.Linked && who.straight || h.chans[ch].Home == who.Node
		if dir == ToSend && h.first(e, p) {
			e.behind = p
		}
	}
	h.ends = append(h.ends, e)
	e.born = h.note(func() string { return fmt.Sprintf("%s holds %v by pass %d", h.nodes[node].name, e, by) })
	return e
}

// first says whether e's node has never got the channel but by p. h.mu is held.
func (h *Chans) first(e *ChanEnd, p *Pass) bool {
	for _, o := range h.passes {
		if o != p && o.Ch == p.Ch && (o.To == p.To || o.To < 0) {
			return false
		}
	}
	for _, o := range h.ends {
		if o.Ch == e.Ch && o.Node == e.Node {
			return false
		}
	}
	return p.To >= 0
}

// Pass says that an end is put into a value, as To, Over and Linked of p tell. It returns the
// number of the pass, from 1, which the value must hold.
func (h *Chans) Pass(e *ChanEnd, p Pass) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.Ch, p.Dir, p.end, p.n = e.Ch, e.Dir, e.ID, len(e.values)
	h.passes = append(h.passes, &p)
	n := len(h.passes)
	p.when = h.note(func() string {
		return fmt.Sprintf("%v is passed on by %s to %d, pass %d", e, h.nodes[e.Node].name, p.To, n)
	})
	if c := h.chans[e.Ch]; e.Dir == ToReceive {
		if !c.readAway.set() {
			c.readAway = p.when
		}
		if e.Node != c.Home && !e.moved.set() {
			e.moved = p.when
		}
	}
	return n
}

// Keep says that a program holds what came by a pass.
func (h *Chans) Keep(pass int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.passes[pass-1].kept = true
}

// Tells says that the next value is being sent on e, and returns its number, from 1.
func (h *Chans) Tells(e *ChanEnd) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(e.values) + 1
	begin := h.noteValue(func() string { return fmt.Sprintf("%v sends %d", e, n) })
	e.values = append(e.values, sent{begin: begin})
	return n
}

// Told says that the send of value n has returned.
func (h *Chans) Told(e *ChanEnd, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.values[n-1].end = h.noteValue(func() string { return fmt.Sprintf("%v sent %d", e, n) })
}

// Hears says that value n of the end with the ID from was received from e.
func (h *Chans) Hears(e *ChanEnd, from, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := valueKey{from, n}
	w := h.noteValue(func() string { return fmt.Sprintf("%v takes %d of e%d", e, n, from) })
	e.takes = append(e.takes, endTake{k, w})
	h.taken[k]++
}
