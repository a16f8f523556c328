package chanref

import (
	"log/slog"
	"math"
	"slices"
	"sync"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// SinkConfig says what kind of receiving end a Sink is.
type SinkConfig struct {
	ID       mux.ID // of this end, never used before
	Name     string // of the channel
	Lossy    bool   // when the channel is full the oldest value goes
	KeepOpen bool   // the channel stays open when the last sender closes
	Logger   *slog.Logger
	// Others says whether senders are known that are neither connected nor
	// among those that done is true for; nil: none are.
	Others func(done func(node [32]byte, sender mux.ID) bool) bool
	Ended  func() // called once when the sink has ended

	arrived
}

// A Sink takes values from streams into a local channel, which it owns: it
// closes it when the sink ends. All methods may be called by several
// goroutines at once.
type Sink[T any] struct {
	cfg   SinkConfig
	table *Table
	elements[T]
	grip   grip[T]
	size   int // the channel's capacity
	text   string
	window uint64
	ending *Ending
	its    Ending        // what ending is, where that does not outlive the sink
	stop   chan struct{} // closed: no push waits any longer
	push   chan struct{} // capacity 1; who has put its token in may push
	counts sinkCounts

	vals   []T    // what was pushed last, by its place; for the holder of push
	pushes uint64 // values pushed, for the holder of push
	wiped  uint64 // vals before this place are zero, for the holder of push

	mu      sync.Mutex // guards what follows
	k       intake
	uses    byEnd[*use]
	closed  map[senderOf]bool // senders that have closed
	odd     map[senderOf]bool // senders of another type, or that are not allowed
	pushed  byEnd[uint64]     // by senders that have left: the last number
	gates   []*gate           // who waits for what others have sent
	retired error             // why it ends with its last stream; nil: it does not
	last    bool              // no sender is awaited any more
	ticking bool
	pin     conduit[T] // keeps the channel for a moment: see pinLooks
	pinned  int        // looks since then
	ended   bool
	err     error
}

// NewSink starts a sink into c. The table t finds it until it ends.
func NewSink[T any](t *Table, c chan T, w *codec.Writer[T], cfg SinkConfig) *Sink[T] {
	return newSink(t, chanOf[T]{c}, chanOf[T]{c}, objectOf(c), elementsOf(w), cfg)
}

func newSink[T any](t *Table, g grip[T], c conduit[T], o *object, e elements[T], cfg SinkConfig) *Sink[T] {
	s := &Sink[T]{
		cfg: cfg, table: t, grip: g, size: c.cap(), elements: e, text: e.writer.Schema().String(),
		window: windowOf(c.cap(), cfg.Lossy),
		stop:   make(chan struct{}),
		push:   make(chan struct{}, 1),
	}
	s.counts.rate = t.rateOf(cfg.Name)
	if s.ending = &s.its; !cfg.hidden {
		s.ending = new(Ending) // which is found as long as the channel is there, and must not keep it
		index(o, s.ending)
	}
	if s.size > 0 && !cfg.borrowed { // out of the program's own channel nothing is taken back
		s.vals = make([]T, s.size+1)
	}
	if !t.addSink(s) {
		s.Abort(ErrClosed)
	}
	return s
}

// lossyWindow is the window of a sink that never makes anybody wait: what is on
// its way to it waits for the network only.
const lossyWindow = 1024

// windowOf is how many values one sender may have on their way beyond what lies
// in a channel of capacity n.
func windowOf(n int, lossy bool) uint64 {
	if lossy {
		return uint64(max(n, lossyWindow))
	}
	return uint64(max(1, n))
}

// admit makes in a use of the sink; nil when the sink has ended.
func (s *Sink[T]) admit(in *mux.In) *use {
	open := in.Open()
	if u, done := s.adopt(in); done {
		return u
	}
	u := &use{
		in: in, end: open.End,
		keeps:  open.Flags&(flagBroadcast|flagAtMostOnce) == 0,
		lossy:  s.cfg.Lossy || open.Flags&flagLossy != 0 && !s.cfg.travelled,
		every:  max(1, s.window/2),
		single: in.Single(), busy: in.Single(),
		next: open.First, taken: open.First - 1, told: open.First - 1,
	}
	u.limit = s.limit(u.taken)
	if !u.single {
		u.replaced = make(chan struct{})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	if old := s.uses.get(open.End); old != nil {
		if old.single {
			old.in.Leave()
		} else {
			close(old.replaced)
		}
		old.keeps = false
	} else {
		s.counts.senders.Add(1)
	}
	s.uses.put(open.End, u)
	s.openGates()
	return u
}

// adopt has in go on with what its sender has sent as single values; done is false where there
// is nothing of that. Where numbers are left out all before them was taken: that is another use. u is nil when the sink has ended.
func (s *Sink[T]) adopt(in *mux.In) (u *use, done bool) {
	open := in.Open()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, true
	}
	u = s.uses.get(open.End)
	if u == nil || !u.single || open.First != u.next || u.busy && u.in != in {
		return nil, false
	}
	if u.in != in {
		u.in.Leave()
	}
	u.in, u.busy = in, in.Single()
	if u.single = in.Single(); !u.single {
		u.replaced = make(chan struct{})
	}
	return u, true
}

// limit is how far a sender of whose values taken are taken may go: by what the
// channel holds, and a window.
func (s *Sink[T]) limit(taken uint64) uint64 { return taken + uint64(s.size) + s.window }

// leave ends u. A clean end is its sender's close.
func (s *Sink[T]) leave(u *use, clean bool) {
	s.mu.Lock()
	if !s.ended {
		u.keeps = false // nobody will hear what comes back: it stays to be read
	}
	upTo, replaced := u.next-1, s.uses.get(u.end) != u
	s.depart(u)
	if clean {
		if len(s.closed) >= maxSenders {
			clear(s.closed)
		}
		if s.closed == nil {
			s.closed = make(map[senderOf]bool)
		}
		s.closed[s.senderOf(u.in, u.end)] = true
	}
	s.mu.Unlock()
	if s.cfg.travelled && !replaced {
		s.left(clean)
		return
	}
	if replaced {
		// What was pushed stays to be read, so it counts as taken.
		s.ack(u, true)
		u.in.Stop(mux.Stop{Code: mux.CodeReplaced, Text: "the same sender has opened another stream", UpTo: upTo})
	}
	s.Evaluate()
}

// depart has u be no use of the sink any more. s.mu is held.
func (s *Sink[T]) depart(u *use) {
	s.remember(u.end, u.next-1)
	if s.uses.get(u.end) == u {
		s.uses.del(u.end)
		s.counts.senders.Add(-1)
	}
}

// maxSenders bounds what a sink remembers of senders that are not connected.
const maxSenders = 4096

// Evaluate closes the channel if no sender is left and one has closed. It is
// called whenever one of the two may have come about.
func (s *Sink[T]) Evaluate() {
	over := func() bool {
		return !s.ended && s.uses.len() == 0 && (s.last || !s.cfg.KeepOpen && len(s.closed) > 0)
	}
	s.mu.Lock()
	ask := over()
	s.mu.Unlock()
	if !ask || s.cfg.Others != nil && s.cfg.Others(s.Out) {
		return
	}
	s.mu.Lock()
	if !over() {
		s.mu.Unlock()
		return
	}
	s.ended = true
	s.mu.Unlock()
	s.finish(true)
}

// Last has the channel closed as soon as no sender is connected.
func (s *Sink[T]) Last() {
	s.mu.Lock()
	s.last = true
	s.mu.Unlock()
	s.Evaluate()
}

// senderOf is a sending end, as the node said of itself from which that was heard: nobody
// can say of another node's that it is out.
type senderOf struct {
	node [32]byte
	end  mux.ID
}

func (s *Sink[T]) senderOf(in *mux.In, end mux.ID) senderOf {
	return senderOf{s.table.net.Node(in.Session()).ID, end}
}

// Out says whether a node's sender with this ID will not come: it has closed, sends
// another type, or is not allowed.
func (s *Sink[T]) Out(node [32]byte, id mux.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed[senderOf{node, id}] || s.odd[senderOf{node, id}]
}

// isOdd notes a sender that will not come; known says that it was noted before.
func (s *Sink[T]) isOdd(sender senderOf) (known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known = s.odd[sender]
	if len(s.odd) >= maxSenders {
		clear(s.odd)
	}
	if s.odd == nil {
		s.odd = make(map[senderOf]bool)
	}
	s.odd[sender] = true
	return known
}

// finish closes the channel. ended is set, so no use comes any more; the push
// token is not given back.
func (s *Sink[T]) finish(closes bool) {
	s.unlist()
	close(s.stop)
	s.push <- struct{}{}
	s.closeChan(closes)
}

// unlist has nobody find the sink any more. Who still looks for one of a channel that
// travelled is late, and no intruder.
func (s *Sink[T]) unlist() {
	if s.cfg.travelled && !s.cfg.borrowed { // a proxy's: peers know its ID
		s.table.late(s.cfg.ID)
	}
	s.table.removeSink(s)
}

func (s *Sink[T]) closeChan(closes bool) {
	if c := s.grip.conduit(); c != nil && closes {
		s.close(c)
	}
	clear(s.vals)
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	s.ending.end(err)
	if s.cfg.proxy != nil {
		s.cfg.proxy.over()
	} else if s.cfg.Ended != nil {
		s.cfg.Ended()
	}
}

// begin begins the sink's end for the reason err: no use comes from here on. It returns those
// that are there; first is false when somebody else has begun.
func (s *Sink[T]) begin(err error) (uses []*use, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, false
	}
	s.ended, s.err, s.pin = true, err, nil
	return slices.Collect(s.uses.all()), true
}

// Abort ends the sink at once: what lies in the channel can still be read,
// then it is closed, and Err is err.
func (s *Sink[T]) Abort(err error) {
	uses, first := s.begin(err)
	if !first {
		return
	}
	s.finish(!s.cfg.borrowed)
	for _, u := range uses {
		s.mu.Lock()
		st := mux.Stop{Code: mux.CodeShutdown, Text: err.Error(), UpTo: u.next - 1}
		s.mu.Unlock()
		u.in.Stop(st)
	}
}

// Close ends the sink. Its sources get back what the program has not taken,
// also out of the channel, but for values that they would not send again:
// those stay to be read. Then the channel is closed, and Err stays nil.
// It returns when that is done.
func (s *Sink[T]) Close() { s.End(nil) }

// End is Close for a reason: Err is err.
func (s *Sink[T]) End(err error) { s.endWith(nil, err) }

// endWith is End with the channel given, where it was collected.
func (s *Sink[T]) endWith(c conduit[T], err error) {
	uses, first := s.begin(err) // they leave as soon as stop is closed
	if !first {
		<-s.ending.Done()
		return
	}
	s.unlist()
	close(s.stop)
	s.push <- struct{}{}
	if c == nil {
		c = s.grip.conduit()
	}

	s.mu.Lock()
	switch {
	case s.cfg.relay != nil:
		s.k.settle(s.k.pushed, s.held())
	case c != nil:
		s.k.settle(s.k.pushed, uint64(c.len()))
	}
	s.k.frozen = true
	s.mu.Unlock()
	stay, stops := s.takeBack(c, uses)
	for u, st := range stops {
		s.ack(u, true)
		u.in.Stop(st)
	}
	for i := range stay {
		c.trySend(&stay[i]) // has room: it was there before
	}
	s.closeChan(!s.cfg.borrowed)
}

// takeBack empties the channel, for the holder of push. It returns the values
// that stay, and what to tell each sender.
func (s *Sink[T]) takeBack(c conduit[T], uses []*use) (stay []T, stops map[*use]mux.Stop) {
	held := empty(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	// The program may have been taking values at the same time, so held is
	// some of the values that lay there, in their order; which ones shows by
	// their bits.
	n, base := 0, s.k.taken
	back := s.k.untaken(func(u *use, i int) bool {
		if s.cfg.relay != nil {
			return u.keeps && s.cfg.relay.isLeft(base+uint64(i)+1)
		}
		if n == len(held) || !s.same(&s.vals[(base+uint64(i))%uint64(len(s.vals))], &held[n]) {
			return false
		}
		n++
		if !u.keeps {
			stay = append(stay, held[n-1])
		}
		return u.keeps
	})
	if s.cfg.relay == nil {
		stay = append(stay, held[n:]...)
	}
	stops = make(map[*use]mux.Stop)
	for _, u := range uses {
		stops[u] = mux.Stop{Code: mux.CodeClosed, Text: "the receiving end was closed", UpTo: u.next - 1, NotTaken: back[u]}
	}
	return stay, stops
}

// empty takes out what lies in the channel.
func empty[T any](c conduit[T]) (held []T) {
	for c != nil {
		v, got, _ := c.tryRecv()
		if !got {
			break
		}
		held = append(held, v)
	}
	return held
}

// held is how many values lie in the channel. Once it was collected nobody takes
// any more: it is more than there can be then.
func (s *Sink[T]) held() uint64 {
	if s.cfg.relay != nil {
		return s.cfg.relay.held(s.k.pushed)
	}
	if n, ok := s.grip.held(); ok {
		return uint64(n)
	}
	return math.MaxUint64
}

// Done is closed when the sink has ended and its channel is closed.
func (s *Sink[T]) Done() <-chan struct{} { return s.ending.Done() }

// Err says why the channel was closed; nil while it is open, when the senders
// have finished, and after Close.
func (s *Sink[T]) Err() error { return s.ending.Err() }

// ID is the end's ID, Name the channel's name.
func (s *Sink[T]) ID() mux.ID   { return s.cfg.ID }
func (s *Sink[T]) Name() string { return s.cfg.Name }

// Stats are the sink's counters.
func (s *Sink[T]) Stats() SinkStats { return s.counts.stats() }
