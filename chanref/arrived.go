package chanref

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/matveynator/netchan/mux"
)

// arrived is what a SinkConfig says of the sink of a channel that was in a value.
// The zero value is that of any other.
type arrived struct {
	// travelled: the sink does not keep the channel alive, and its first sender that
	// closes ends it.
	travelled bool
	borrowed  bool     // the channel is the program's: only what a sender closed is closed
	hidden    bool     // who made it tells of the channel's end
	export    *export  // of this node, that it is the sink of; else nil
	proxy     *proxy   // the same
	relay     *relayed // of a relay's proxy: what becomes of its values; else nil
}

// refSink is the sink of a channel that travelled.
type refSink interface {
	sinkEnd
	End(err error)
	Done() <-chan struct{}
	Err() error
	Stats() SinkStats
	Ending() *Ending

	// reason is Err from the moment on at which the end begins: before the channel is closed.
	reason() error
	// single takes a use of one value: false when it would have to wait, and may not.
	single(in *mux.In, value []byte, wait bool) bool
	// forget is told that a session has ended, or holds the channel no more, for single values
	// that came over it.
	forget(s *mux.Session)
	// gate is open when all that end has sent up to number was pushed; pass opens it
	// sooner.
	gate(end mux.ID, number uint64) *gate
	pass(g *gate)
	// handBack ends a sink whose channel, o, was dropped by the program: what lies in
	// it goes back to its senders.
	handBack(o *object)
	// retire ends one whose channel nobody elsewhere holds any more, as soon as the streams
	// have ended that are still there: one may bring a close.
	retire(why error)
	// abandon ends one whose channel nobody can read any more, and does not close it. What is
	// not known to be taken was not.
	abandon(why string)
}

// reason is why the sink ends; nil while it does not, and where it does in good order.
func (s *Sink[T]) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Ending is what tells of the sink's end.
func (s *Sink[T]) Ending() *Ending { return s.ending }

// errUserClosed ends the sink of a channel that the program has closed itself.
var errUserClosed = endReason("the receiving program has closed the channel")

// recovered turns the panic of a send on a closed channel into an error.
func (s *Sink[T]) recovered(err *error) {
	r := recover()
	if r == nil {
		return
	}
	if e, ok := r.(runtime.Error); !ok || !strings.Contains(e.Error(), "closed channel") {
		panic(r)
	}
	*err = errUserClosed
}

// close closes the channel, unless the program has.
func (s *Sink[T]) close(c conduit[T]) {
	if e := s.cfg.export; e != nil && e.proxy != nil { // this program sends on it too, and has not closed it
		e.proxy.source.shut()
		return
	}
	if s.cfg.borrowed {
		var err error
		defer s.recovered(&err)
	}
	c.close()
}

// left is what follows when a stream of a channel that travelled has ended.
func (s *Sink[T]) left(clean bool) {
	s.mu.Lock()
	ended, last, retired := s.ended, s.uses.len() == 0, s.retired
	s.mu.Unlock()
	switch {
	case ended:
	case clean:
		s.conclude(nil)
	case last && s.cfg.proxy != nil:
		s.cfg.proxy.leftBehind()
	case last && retired != nil:
		s.Abort(retired)
	}
}

func (s *Sink[T]) retire(why error) {
	s.mu.Lock()
	s.retired = why
	last := s.uses.len() == 0
	s.mu.Unlock()
	if last {
		s.Abort(why)
	}
}

// conclude ends the sink because a sender has closed the channel, or the program
// has (err is errUserClosed then): what others still send comes too late.
func (s *Sink[T]) conclude(err error) {
	uses, first := s.begin(err)
	if !first {
		return
	}
	s.finish(err == nil)
	for _, u := range uses {
		s.stopLate(u)
	}
	if s.cfg.export != nil {
		s.cfg.export.over(err)
	}
}

// stopLate ends a use of a channel that was closed. What was pushed stays to be read, so it
// counts as taken.
func (s *Sink[T]) stopLate(u *use) {
	s.mu.Lock()
	st := mux.Stop{Code: mux.CodeClosed, Text: "the channel was closed", UpTo: u.next - 1}
	s.mu.Unlock()
	s.ack(u, true)
	u.in.Stop(st)
}

// How a push to a channel that travelled waits: for long at first, then again and
// again for a moment, so that a reader that left pins nothing, and one that polls
// is met.
const (
	pushFirst = time.Second
	pushAgain = 10 * time.Millisecond
	pauseMost = 100 * time.Millisecond
)

// patiently waits for room in a channel that travelled.
func (p *pusher[T]) patiently() (bool, error) {
	s := p.s
	wait, pause := pushFirst, time.Millisecond
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		q := quit{done: p.u.in.Done(), replaced: p.u.replaced, stop: s.stop, late: late.C}
		if p.c.send(&p.v, &q) {
			return true, nil
		}
		p.c = nil
		late.Reset(pause)
		select {
		case <-late.C:
		case <-q.done:
			return false, errGone
		case <-q.replaced:
			return false, errGone
		case <-q.stop:
			return false, errGone
		}
		if p.c = s.grip.conduit(); p.c == nil {
			return false, errCollected
		}
		pause = min(2*pause, pauseMost)
		late.Reset(pushAgain)
	}
}

// A gate waits until what another sender has sent was pushed.
type gate struct {
	end    mux.ID
	number uint64
	open   chan struct{}
}

// remember notes how far a sender got that leaves. s.mu is held.
func (s *Sink[T]) remember(end mux.ID, number uint64) {
	if !s.cfg.travelled || !s.cfg.borrowed {
		return
	}
	if s.pushed.len() >= maxSenders {
		s.pushed = byEnd[uint64]{}
	}
	s.pushed.put(end, max(s.pushed.get(end), number))
	s.openGates()
}

// openGates opens those whose time has come. s.mu is held.
func (s *Sink[T]) openGates() {
	if len(s.gates) == 0 {
		return
	}
	left := s.gates[:0]
	for _, g := range s.gates {
		if !s.passed(g) {
			left = append(left, g)
			continue
		}
		close(g.open)
	}
	s.gates = left
}

func (s *Sink[T]) passed(g *gate) bool {
	u := s.uses.get(g.end)
	return s.pushed.get(g.end) >= g.number || u != nil && u.next-1 >= g.number
}

func (s *Sink[T]) pass(g *gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.gates, g); i >= 0 {
		s.gates = slices.Delete(s.gates, i, i+1)
		close(g.open)
	}
}

func (s *Sink[T]) gate(end mux.ID, number uint64) *gate {
	g := &gate{end: end, number: number, open: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates = append(s.gates, g)
	s.openGates()
	return g
}

func (s *Sink[T]) handBack(o *object) { s.endWith(s.grip.again(o), errDropped) }

func (s *Sink[T]) abandon(why string) {
	uses, first := s.begin(errDropped)
	if !first {
		return
	}
	s.finish(false)
	for _, u := range uses {
		s.ack(u, true)
		s.mu.Lock()
		st := mux.Stop{Code: mux.CodeClosed, Text: why, UpTo: u.taken}
		s.mu.Unlock()
		u.in.Stop(st)
	}
}

// errCollected is found where a channel is to be pushed to that was collected;
// whoever collects what is left will end the sink.
var errCollected = errors.New("the channel was dropped by the program")

// errDropped is why a sink has ended whose channel nobody can read any more.
var errDropped = endReason("the receiving program has dropped the channel")
