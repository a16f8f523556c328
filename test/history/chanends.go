package history

import (
	"fmt"
	"slices"
)

// How ends of channels come to theirs, and what programs ask about them.

// Done says that Done of a channel that has travelled was closed, and what Err was then.
func (h *Chans) Done(e *ChanEnd, err error) {
	h.once(&e.done, func() { e.err = err }, func() string { return fmt.Sprintf("%v: is done: %v", e, err) })
}

// FoundClosed says that a channel to receive from was found closed, and what Err was then.
func (h *Chans) FoundClosed(e *ChanEnd, err error) {
	h.once(&e.closed, func() { e.why = err }, func() string { return fmt.Sprintf("%v: is found closed: %v", e, err) })
}

// Drops says that the program forgets an end.
func (h *Chans) Drops(e *ChanEnd) {
	h.once(&e.gone, func() {}, func() string { return fmt.Sprintf("%v: is dropped", e) })
}

// Releases says that the program calls Release for a channel that has travelled.
func (h *Chans) Releases(e *ChanEnd) {
	h.once(&e.let, func() {}, func() string { return fmt.Sprintf("%v: is released", e) })
}

// once notes that something happens for the first time.
func (h *Chans) once(w *when, with func(), text func() string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !w.set() {
		*w = h.note(text)
		with()
	}
}

// Shuts says that who holds an end closes it.
func (h *Chans) Shuts(e *ChanEnd) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.note(func() string { return fmt.Sprintf("%v is closed by its holder", e) })
	c := h.chans[e.Ch]
	c.closes = append(c.closes, closing{e.ID, w})
}

// Forsakes says that the program at a channel's home has dropped it.
func (h *Chans) Forsakes(c *Chan) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !c.forsaken.set() {
		c.forsaken = h.note(func() string { return fmt.Sprintf("%v is dropped at its home", c) })
	}
}

// Made is how many channels were made.
func (h *Chans) Made() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.chans)
}

// Chan is the channel of an ID.
func (h *Chans) Chan(id int) *Chan {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chans[id]
}

// PassOf is the pass of a number.
func (h *Chans) PassOf(n int) Pass {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *h.passes[n-1]
}

// ShutBeside says whether the same channel was closed by who held it at the same node, for it
// came there before.
func (h *Chans) ShutBeside(e *ChanEnd) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.chans[e.Ch].closes, func(c closing) bool {
		return c.end != e.ID && h.ends[c.end].Node == e.Node
	})
}

// ReadAway says whether a channel was ever passed on as one to receive from.
func (h *Chans) ReadAway(c *Chan) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return c.readAway.set()
}

// PassedDead says whether what was passed on may have been a channel no more: closed, or a proxy
// that was released, or cut off.
func (h *Chans) PassedDead(p Pass) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	by := h.ends[p.end]
	return len(h.chans[p.Ch].closes) > 0 || by.let.set() || by.done.set()
}

// LetGo says whether an end was released, dropped or passed on.
func (h *Chans) LetGo(e *ChanEnd) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return e.let.set() || e.moved.set() || e.gone.set()
}

// MovedOn says whether an end was passed on, and its home has dropped the channel.
func (h *Chans) MovedOn(e *ChanEnd) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return e.moved.set() && h.chans[e.Ch].forsaken.set()
}

// Straight says whether an end is at the channel's home, or had a link to it when it was passed on.
func (e *ChanEnd) Straight() bool { return e.straight }
