package history

import "fmt"

// A Receiver is what is known of one. It is only read.
type Receiver struct {
	ID, Node int // numbers in the history
	Channel  string
	Options

	born    when
	takes   []take
	closing when // Close was called
	closed  when // C was
	err     error
}

type take struct {
	sender, n int
	intact    bool
	when
}

// NewReceiver says that a node has made a receiver.
func (h *History) NewReceiver(node int, channel string, o Options) *Receiver {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Receiver{ID: len(h.receivers), Node: node, Channel: channel, Options: o}
	h.receivers = append(h.receivers, r)
	r.born = h.note(func() string {
		return fmt.Sprintf("%v on %s: NewReceiver(%q, %v)", r, h.nodes[node].name, channel, o)
	})
	return r
}

func (r *Receiver) String() string { return fmt.Sprintf("r%d", r.ID) }

// Took says that a receiver has taken a value out of its C: number n of the sender with the ID
// from, -1 where there is no such; intact, or with other bytes than it was made of.
func (h *History) Took(r *Receiver, from, n int, intact bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.noteValue(func() string { return fmt.Sprintf("%v took %d of s%d", r, n, from) })
	r.takes = append(r.takes, take{from, n, intact, w})
}

// Closes says that the program calls Close of r.
func (h *History) Closes(r *Receiver) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !r.closing.set() && !r.closed.set() { // else it does nothing
		r.closing = h.note(func() string { return fmt.Sprintf("%v: Close", r) })
	}
}

// ReceiverEnded says that a receiver's C was found closed, and what Err was then.
func (h *History) ReceiverEnded(r *Receiver, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.err = err
	r.closed = h.note(func() string { return fmt.Sprintf("%v: C is closed, %v", r, err) })
}
