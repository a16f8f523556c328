package history

import "fmt"

// Options are what an end was made with.
type Options struct {
	Buffer                                 int
	KeepOpen, Broadcast, Lossy, AtMostOnce bool
}

func (o Options) String() string {
	s := fmt.Sprintf("Buffer(%d)", o.Buffer)
	for _, f := range []struct {
		on   bool
		name string
	}{
		{o.KeepOpen, "KeepOpen"}, {o.Broadcast, "Broadcast"}, {o.Lossy, "Lossy"}, {o.AtMostOnce, "AtMostOnce"},
	} {
		if f.on {
			s += ", " + f.name
		}
	}
	return s
}

// A Sender is what is known of one. All but Stats is only read.
type Sender struct {
	ID, Node int // numbers in the history
	Channel  string
	Options
	Stats Stats // at the program's end

	values []sent // number n at n-1
	closed when   // close(C)
	detach when   // Close was called
	ended  when   // Done
	err    error
}

// Stats are those counters of a sender that are checked.
type Stats struct {
	Sent, Acknowledged, InFlight, Waiting, Redelivered, Dropped uint64
}

// sent is what is known of a value.
type sent struct {
	begin, end when // end is not set: the send has not returned, or a Deliver has failed
	loose      bool // by a Deliver beside other sends: its place among them is not known
}

// call is a Flush, or a Deliver of value n.
type call struct {
	sender, n  int // n is 0 for Flush
	begin, end when
	err        error
}

// NewSender says that a node has made a sender.
func (h *History) NewSender(node int, channel string, o Options) *Sender {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &Sender{ID: len(h.senders), Node: node, Channel: channel, Options: o}
	h.senders = append(h.senders, s)
	h.note(func() string {
		return fmt.Sprintf("%v on %s: NewSender(%q, %v)", s, h.nodes[node].name, channel, o)
	})
	return s
}

func (s *Sender) String() string { return fmt.Sprintf("s%d", s.ID) }

// Sends says that s begins to send its next value, whose number it returns: the first is 1.
// With loose it is by a Deliver beside other sends, and its place among them is not known.
func (h *History) Sends(s *Sender, loose bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(s.values) + 1
	begin := h.noteValue(func() string { return fmt.Sprintf("%v sends %d", s, n) })
	s.values = append(s.values, sent{loose: loose, begin: begin})
	return n
}

// Accepted says that the send of value n has returned. Where it is not said, the value may
// arrive, and need not.
func (h *History) Accepted(s *Sender, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.values[n-1].end = h.noteValue(func() string { return fmt.Sprintf("%v sent %d", s, n) })
}

// Call says that a Flush is called (n is 0), or a Deliver of value n, of which Sends has told.
// The function that it returns says how that ended.
func (h *History) Call(s *Sender, what string, n int) func(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	begin := h.note(func() string { return fmt.Sprintf("%v calls %s %d", s, what, n) })
	return func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		end := h.note(func() string { return fmt.Sprintf("%v: %s %d returns %v", s, what, n, err) })
		h.calls = append(h.calls, call{s.ID, n, begin, end, err})
		if n > 0 && err == nil {
			s.values[n-1].end = end
		}
	}
}

// ClosesC says that the program closes C of s.
func (h *History) ClosesC(s *Sender) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.closed = h.note(func() string { return fmt.Sprintf("%v: close(C)", s) })
}

// Detaches says that the program calls Close of s.
func (h *History) Detaches(s *Sender) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.detach.set() { // once more does nothing
		s.detach = h.note(func() string { return fmt.Sprintf("%v: Close", s) })
	}
}

// SenderEnded says that a sender's Done was closed, and what Err was then.
func (h *History) SenderEnded(s *Sender, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.err = err
	s.ended = h.note(func() string { return fmt.Sprintf("%v is done: %v", s, err) })
}
