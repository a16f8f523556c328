package netchan

import (
	"fmt"
	"sync"
	"time"
)

// A history is what happened in a program, as those saw it who did it: who sent
// what and when, who took what out of its C, which end was closed. check compares
// it with what is promised. It is a plain data structure: time is what now says.
type history struct {
	now func() time.Duration

	mu        sync.Mutex // guards what follows
	seq       int
	events    []event
	nodes     []*nodeLog
	senders   []*senderLog
	receivers []*receiverLog
	ends      []linkEnd
	strays    []stray
	calls     []call
	wrong     []violation // found by the harness itself
}

// when is a place in a history: events of the same time have an order, but what
// is told between two nodes at no distance may be written down in the other one.
type when struct {
	seq int
	at  time.Duration
}

func (w when) set() bool { return w.seq > 0 }

// before says whether w has happened, and before o.
func (w when) before(o when) bool { return w.set() && w.seq < o.seq }

// event is for people.
type event struct {
	at    time.Duration
	value bool // about one value: there are many
	text  func() string
}

// parcel is the value that programs send.
type parcel struct {
	From, N int // unique together; N counts from 1
	Pad     []byte
	Sum     uint32 // of all the others
}

// options are what an end was made with.
type options struct {
	buffer                                 int
	keepOpen, broadcast, lossy, atMostOnce bool
}

func (o options) String() string {
	s := fmt.Sprintf("Buffer(%d)", o.buffer)
	for _, f := range []struct {
		on   bool
		name string
	}{{o.keepOpen, "KeepOpen"}, {o.broadcast, "Broadcast"}, {o.lossy, "Lossy"}, {o.atMostOnce, "AtMostOnce"}} {
		if f.on {
			s += ", " + f.name
		}
	}
	return s
}

// nodeLog is one life of a node.
type nodeLog struct {
	name string
	died when // killed, closed or shut down
}

type senderLog struct {
	id, node int
	channel  string
	options
	values []sent // number n at n-1
	closed when   // close(C)
	detach when   // Close was called
	ended  when   // Done
	err    error
	stats  SenderStats // at the program's end
}

// sent is what is known of a value.
type sent struct {
	begin, end when // end is not set: the send has not returned, or a Deliver has failed
	loose      bool // by a Deliver beside other sends: its place among them is not known
}

type receiverLog struct {
	id, node int
	channel  string
	options
	born    when
	takes   []take
	closing when // Close was called
	closed  when // C was
	err     error
}

type take struct {
	sender, n int
	when
}

// linkEnd is a link that was given up, as one of the two nodes said.
type linkEnd struct {
	from, to int // nodes
	when
}

// stray is a value that nobody can have sent.
type stray struct {
	receiver int
	text     string
	when
}

// call is a Flush, or a Deliver of value n.
type call struct {
	sender, n  int // n is 0 for Flush
	begin, end when
	err        error
}

func newHistory(now func() time.Duration) *history { return &history{now: now} }

// note writes an event down. mu is held.
func (h *history) note(text func() string) when {
	h.seq++
	at := h.now()
	h.events = append(h.events, event{at: at, text: text})
	return when{h.seq, at}
}

// noteValue is note of something that happens often.
func (h *history) noteValue(text func() string) when {
	w := h.note(text)
	h.events[len(h.events)-1].value = true
	return w
}

// say notes what only people read.
func (h *history) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(func() string { return fmt.Sprintf(format, args...) })
}

func (h *history) node(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = append(h.nodes, &nodeLog{name: name})
	return len(h.nodes) - 1
}

// dies says that a node ends now, however: what happens there is not promised.
func (h *history) dies(node int, how string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodes[node]
	n.died = h.note(func() string { return fmt.Sprintf("%s: %s", n.name, how) })
}

func (h *history) sender(node int, channel string, o options) *senderLog {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &senderLog{id: len(h.senders), node: node, channel: channel, options: o}
	h.senders = append(h.senders, s)
	h.note(func() string {
		return fmt.Sprintf("%v on %s: NewSender(%q, %v)", s, h.nodes[node].name, channel, o)
	})
	return s
}

func (h *history) receiver(node int, channel string, o options) *receiverLog {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &receiverLog{id: len(h.receivers), node: node, channel: channel, options: o}
	h.receivers = append(h.receivers, r)
	r.born = h.note(func() string {
		return fmt.Sprintf("%v on %s: NewReceiver(%q, %v)", r, h.nodes[node].name, channel, o)
	})
	return r
}

func (s *senderLog) String() string   { return fmt.Sprintf("s%d", s.id) }
func (r *receiverLog) String() string { return fmt.Sprintf("r%d", r.id) }

// sends says that s begins to send its next value, whose number it returns.
func (h *history) sends(s *senderLog, loose bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(s.values) + 1
	s.values = append(s.values, sent{loose: loose, begin: h.noteValue(func() string { return fmt.Sprintf("%v sends %d", s, n) })})
	return n
}

// accepted says that the send of value n has returned.
func (h *history) accepted(s *senderLog, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.values[n-1].end = h.noteValue(func() string { return fmt.Sprintf("%v sent %d", s, n) })
}

// took says that a receiver has taken a value out of its C.
func (h *history) took(r *receiverLog, v parcel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.noteValue(func() string { return fmt.Sprintf("%v took %d of s%d", r, v.N, v.From) })
	text := ""
	switch {
	case v.From < 0 || v.From >= len(h.senders) || v.N < 1:
		text = fmt.Sprintf("value %d of s%d, whom there is not", v.N, v.From)
	case v.Sum != v.sum():
		text = fmt.Sprintf("value %d of s%d with other bytes", v.N, v.From)
	case h.senders[v.From].channel != r.channel:
		text = fmt.Sprintf("value %d of s%d, which is of another channel", v.N, v.From)
	}
	if text != "" {
		h.strays = append(h.strays, stray{r.id, text, w})
		return
	}
	r.takes = append(r.takes, take{v.From, v.N, w})
}

// calls a Flush (n is 0) or Deliver; the function that it returns says how it ended.
func (h *history) call(s *senderLog, what string, n int) func(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	begin := h.note(func() string { return fmt.Sprintf("%v calls %s %d", s, what, n) })
	return func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		end := h.note(func() string { return fmt.Sprintf("%v: %s %d returns %v", s, what, n, err) })
		h.calls = append(h.calls, call{s.id, n, begin, end, err})
		if n > 0 && err == nil {
			s.values[n-1].end = end
		}
	}
}

func (h *history) closesC(s *senderLog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.closed = h.note(func() string { return fmt.Sprintf("%v: close(C)", s) })
}

func (h *history) detaches(s *senderLog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.detach.set() { // once more does nothing
		s.detach = h.note(func() string { return fmt.Sprintf("%v: Close", s) })
	}
}

// senderEnded says that a sender's Done was closed.
func (h *history) senderEnded(s *senderLog, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.err = err
	s.ended = h.note(func() string { return fmt.Sprintf("%v is done: %v", s, err) })
}

func (h *history) closes(r *receiverLog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !r.closing.set() && !r.closed.set() { // else it does nothing
		r.closing = h.note(func() string { return fmt.Sprintf("%v: Close", r) })
	}
}

// receiverEnded says that a receiver's C was found closed.
func (h *history) receiverEnded(r *receiverLog, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.err = err
	r.closed = h.note(func() string { return fmt.Sprintf("%v: C is closed, %v", r, err) })
}

// linkEnded says that node from has given up its link with node to.
func (h *history) linkEnded(from, to int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.note(func() string { return fmt.Sprintf("%s: link with %s ended", h.nodes[from].name, h.nodes[to].name) })
	h.ends = append(h.ends, linkEnd{from, to, w})
}

// fault says that a promise was seen broken by whoever ran the program.
func (h *history) fault(promise error, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := violation{promise: promise, text: fmt.Sprintf(format, args...)}
	v.when = h.note(func() string { return v.Error() })
	h.wrong = append(h.wrong, v)
}
