package history

import (
	"fmt"
	"sync"
	"time"
)

// A History is what happened in a program, as those saw it who did it: who sent
// what and when, who took what out of its C, which end was closed. Check compares
// it with what is promised. It is a plain data structure: time is what now says.
type History struct {
	// Slack is how much later than it happened something may be written down, and how far the
	// clocks of two nodes may differ. What two nodes did is in the wrong order only where the
	// times are further apart. It is set before Check; 0 is for virtual time.
	Slack time.Duration

	// Both is whether each of the two nodes of a link tells of its end, where that lives; else only
	// the one which ends it first does. It is set before Check.
	Both bool

	now    func() time.Duration
	closed error

	mu        sync.Mutex // guards what follows
	seq       int
	events    []event
	nodes     []*nodeLog
	senders   []*Sender
	receivers []*Receiver
	linkEnds  []linkEnd
	calls     []call
	wrong     []Violation // found by whoever runs the program
}

// when is a place in a history: events of the same time have an order, but what
// is told between two nodes at no distance may be written down in the other one.
type when struct {
	seq int
	at  time.Duration
}

func (w when) set() bool { return w.seq > 0 }

// before says whether w has happened, and before o. Both are of one node.
func (w when) before(o when) bool { return w.set() && w.seq < o.seq }

// may says whether w has happened, and may have happened before o.
func (h *History) may(w, o when) bool {
	return w.before(o) || w.set() && h.Slack > 0 && w.at-o.at <= h.Slack
}

// event is for people.
type event struct {
	at    time.Duration
	value bool // about one value: there are many
	text  func() string
}

// nodeLog is one life of a node.
type nodeLog struct {
	name string
	died when // killed, closed or shut down
	cut  bool // its log ends in the middle
}

// linkEnd is a link that was given up, as one of the two nodes said.
type linkEnd struct {
	from, to int // nodes
	when
}

// New makes an empty history. now is asked for the time of each event, and does not go back;
// closed is what Err of a sender must be that was ended by its program.
func New(now func() time.Duration, closed error) *History {
	return &History{now: now, closed: closed}
}

// note writes an event down. mu is held.
func (h *History) note(text func() string) when {
	h.seq++
	at := h.now()
	h.events = append(h.events, event{at: at, text: text})
	return when{h.seq, at}
}

// noteValue is note of something that happens often.
func (h *History) noteValue(text func() string) when {
	w := h.note(text)
	h.events[len(h.events)-1].value = true
	return w
}

// Say notes what only people read.
func (h *History) Say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(func() string { return fmt.Sprintf(format, args...) })
}

// Node begins the life of a node, and returns its number. One that comes back under its name
// is another one.
func (h *History) Node(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = append(h.nodes, &nodeLog{name: name})
	return len(h.nodes) - 1
}

// Alive says whether a node's life goes on.
func (h *History) Alive(node int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.nodes[node].died.set()
}

// Dies says that a node ends now, however: what happens there is not promised.
func (h *History) Dies(node int, how string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.nodes[node]
	n.died = h.note(func() string { return fmt.Sprintf("%s: %s", n.name, how) })
}

// Killed is Dies of a process whose log ends in the middle of what it did. What the counters of
// its senders were is not known, and each of its receivers may have taken one value that was not
// written down: so it must write one down before it takes the next, and what it took was sent
// before. The time for it is that of the process's last line, or of the kill if that was called later.
func (h *History) Killed(node int, how string) {
	h.Dies(node, how)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes[node].cut = true
}

// LinkEnded says that node from has given up its link with node to.
func (h *History) LinkEnded(from, to int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.note(func() string {
		return fmt.Sprintf("%s: link with %s ended", h.nodes[from].name, h.nodes[to].name)
	})
	h.linkEnds = append(h.linkEnds, linkEnd{from, to, w})
}

// Fault says that a promise was seen broken by whoever runs the program.
func (h *History) Fault(promise error, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := Violation{promise: promise, text: fmt.Sprintf(format, args...)}
	v.when = h.note(func() string { return v.Error() })
	h.wrong = append(h.wrong, v)
}

// Faults is how often Fault was called.
func (h *History) Faults() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.wrong)
}
