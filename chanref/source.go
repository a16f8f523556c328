package chanref

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// SourceConfig says what kind of sending end a Source is.
type SourceConfig struct {
	ID         mux.ID // of this end, never used before
	Name       string // of the channel, for people and for streams opened by name
	Broadcast  bool   // every receiver gets every value
	Lossy      bool   // with Broadcast: no receiver is waited for
	AtMostOnce bool   // never send again what a lost receiver may have taken
	Knows      bool   // Know will be called: a close waits for it
	Plain      bool   // nothing is compressed
	Ahead      bool   // take one value while no receiver has room: so a close is seen without one
	Logger     *slog.Logger
	Refused    func(mux.Refuse) // called on the source's goroutine when an end refuses or stops a stream
	Ended      func()           // called once, on the source's goroutine, when it has ended

	travelled
}

// A Source gives out what a local channel holds. All methods may be called by
// several goroutines at once.
type Source[T any] struct {
	cfg    SourceConfig
	table  *Table
	grip   grip[T]
	writer encoder[T]
	hash   [16]byte
	schema []byte
	text   string
	plain  bool // mux.Session.Single may have its values

	wake    chan struct{} // capacity 1: something is in the inbox
	pending atomic.Bool   // the same, cheap to look at between two values
	resting atomic.Bool   // lone: nap when there is nothing to do
	ending  Ending
	counts  sourceCounts

	mu      sync.Mutex // guards what follows: the inbox
	told    []*outlet[T]
	calls   []func()              // run on the source's goroutine
	asks    []chan<- uint64       // who wants to know how many values there were
	ended   bool                  // the goroutine reads the inbox no more
	napping bool                  // there is no goroutine: who has something for it starts one
	known   map[mux.Target]string // receivers that should be there, and their nodes' names

	// Owned by the source's goroutine; while that is away, by who holds mu.
	c          conduit[T] // nil while the goroutine is away, and once the channel was collected
	d          dispatch[T]
	seq        uint64 // values taken, from the channel or by Deliver
	fromC      uint64 // of those, from the channel
	closed     bool   // the channel was closed
	stopping   bool   // no more is taken from the channel than stopAt
	stopAt     uint64
	shutting   bool // then that was a close
	aborted    error
	linger     bool // the time for telling late receivers is over
	lingerT    *time.Timer
	deliveries []*delivery[T] // not sent yet, in order
	waiting    map[uint64]*delivery[T]
	flushes    []*flush
	waits      []*receiverWait
	refused    map[mux.Target]*refusal     // ends that said no
	asking     map[mux.Target]*mux.Session // ends of which it is asked whether they may receive
	targets    *targets                    // nil: not looked for among many
	dirty      []*outlet[T]                // have a batch to hand over
	current    T                           // the value being encoded; here so that it is not allocated each time
	scratch    []byte                      // a broadcast value's bytes
	met        []*codec.Schema             // schemas that the value being encoded needs
	env        codec.WriteEnv
	out        *outlet[T]         // that the value being encoded is for
	refs       []outRef           // of the channels in it
	carried    map[uint64]carried // by values that are not settled
	base       uint64             // lone: numbers given so far
	holes      uint64             // lone: values since then that could not be sent
	skipped    bool               // lone: the home does not know yet that it waits for such in vain
	wanting    bool               // lone: a stream was asked for
	toldClose  bool               // the last stream was ended with the word that the channel is closed
	cause      error              // while a lane is lost: why
	spoiled    error              // why a value was dropped that no Flush has covered
	buffered   bool               // for look, after the end
	unanswered bool               // a value was dropped here, which may end a Flush
	retiring   bool               // of a relay's: it ends with its last stream
}

// NewSource starts a source for c, which must not be nil. The table t finds it
// until it ends.
func NewSource[T any](t *Table, c <-chan T, w *codec.Writer[T], cfg SourceConfig) *Source[T] {
	both := chanOf[T]{bothWays(c)}
	return newSource[T](t, both, both, objectOf(both.c), w, cfg)
}

func newSource[T any](t *Table, g grip[T], c conduit[T], o *object, w encoder[T], cfg SourceConfig) *Source[T] {
	schema := w.Schema()
	s := &Source[T]{
		cfg: cfg, table: t, grip: g, c: c, writer: w,
		hash: schema.Hash(), schema: schema.Bytes(), text: schema.String(), plain: schema.Plain(),
		wake: make(chan struct{}, 1),
		d:    dispatch[T]{broadcast: cfg.Broadcast, atMostOnce: cfg.AtMostOnce},
	}
	s.counts.rate = t.rateOf(cfg.Name)
	s.ending.flusher = s
	if !cfg.hidden {
		index(o, &s.ending)
	}
	if schema.Channels() {
		s.env.Chan = s.refer
	}
	if schema.Channels() { // it has an any, or channels
		s.env.Met = func(m *codec.Schema) { s.met = append(s.met, m) }
	}
	s.d.resolve = s.resolve
	if cfg.asleep {
		s.c, s.napping = nil, true
	}
	if !t.addSource(s, !cfg.asleep) {
		s.aborted = ErrClosed
		s.end()
		return s
	}
	if !cfg.asleep {
		if cfg.lone {
			cfg.of.awake(1)
		}
		go s.run()
	}
	return s
}

// run is the source's goroutine: it hears what streams and callers say, gives
// out what the channel holds, and waits.
func (s *Source[T]) run() {
	defer s.table.running.Done()
	for {
		s.hear()
		if s.over() {
			if s.cfg.lone {
				s.cfg.of.awake(-1)
			}
			s.end()
			return
		}
		s.pump()
		s.flush()
		if s.unanswered {
			s.unanswered = false
			s.answer()
		}
		s.storeCounts()
		s.storeSettled()
		if s.pending.Load() || s.over() {
			continue
		}
		if s.cfg.lone && s.wants() {
			continue
		}
		if s.cfg.naps && s.nap() {
			return
		}
		if !s.canTake() {
			<-s.wake
		} else if v, got, closed := s.c.recv(s.wake); got || closed {
			s.took(v, got)
		}
	}
}

// hear runs what has come in since the last time.
func (s *Source[T]) hear() {
	s.pending.Store(false)
	s.mu.Lock()
	told, calls := s.told, s.calls
	s.told, s.calls = nil, nil
	s.mu.Unlock()
	s.tellAsks()
	for _, o := range told {
		s.hearOutlet(o)
	}
	for _, f := range calls {
		f()
	}
	if len(told) > 0 || len(calls) > 0 {
		s.answer()
	}
}

// callBriefly is call where the source has nothing left to wait for once f has run: when its
// goroutine is away it is not started for that. With a value that is not answered there is
// something to wait for.
func (s *Source[T]) callBriefly(f func()) {
	s.mu.Lock()
	if s.ended || !s.napping || len(s.d.lanes) > 0 {
		s.mu.Unlock()
		s.call(f)
		return
	}
	s.calls = append(s.calls, f)
	s.wakeUp()
	s.mu.Unlock()
	s.run()
}

// call has f run on the source's goroutine; false when that has ended.
func (s *Source[T]) call(f func()) bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.calls = append(s.calls, f)
	s.rouse()
	s.mu.Unlock()
	s.poke()
	return true
}

func (s *Source[T]) poke() {
	s.pending.Store(true)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pump gives out values for as long as there are some and a lane has room.
func (s *Source[T]) pump() {
	for !s.pending.Load() && s.aborted == nil {
		if s.burst() {
			continue
		}
		l, ok := s.lane()
		if !ok {
			return
		}
		if it, ok := s.d.next(); ok {
			s.give(l, it)
			continue
		}
		if len(s.deliveries) > 0 && s.deliveries[0].after <= s.fromC {
			s.giveDelivery(l)
			continue
		}
		if !s.mayTake() {
			return
		}
		if s.c == nil {
			return
		}
		v, got, closed := s.c.tryRecv()
		if !got && !closed || !s.count(got) {
			return
		}
		s.give(l, item[T]{v: v, seq: s.seq})
	}
}

// took handles what the blocking wait got from the channel.
func (s *Source[T]) took(v T, ok bool) {
	if s.count(ok) {
		it := item[T]{v: v, seq: s.seq}
		if l, ok := s.lane(); ok {
			s.give(l, it)
		} else {
			s.d.back = append(s.d.back, it) // it was empty: see canTake
		}
	}
}

func (s *Source[T]) count(ok bool) bool {
	if !ok {
		s.closed = true
		return false
	}
	s.fromC++
	s.seq++
	s.cfg.use()
	for _, f := range s.flushes {
		f.reached(s.fromC, s.seq)
	}
	return true
}

func (s *Source[T]) mayTake() bool {
	return !s.closed && s.aborted == nil && !s.retiring && (!s.stopping || s.fromC < s.stopAt)
}

// canTake says whether the next value may come from the channel.
func (s *Source[T]) canTake() bool {
	if s.c == nil || !s.mayTake() || len(s.d.back) > 0 || len(s.deliveries) > 0 && s.deliveries[0].after <= s.fromC {
		return false
	}
	_, ok := s.lane()
	return ok || s.cfg.Ahead
}

// lane is where the next value may go. For a broadcast it is nil: to all.
func (s *Source[T]) lane() (*lane[T], bool) {
	switch {
	case s.cfg.Broadcast:
		return nil, s.d.ready(s.cfg.Lossy)
	case len(s.d.lanes) == 1:
		return s.d.lanes[0], s.d.lanes[0].room()
	default:
		l := s.d.pick()
		return l, l != nil
	}
}

// held is how many values lie in the channel.
func (s *Source[T]) held() uint64 {
	if s.c == nil {
		return 0
	}
	return uint64(s.c.len())
}

// ID is the end's ID.
func (s *Source[T]) ID() mux.ID { return s.cfg.ID }

// Name is the channel's name.
func (s *Source[T]) Name() string { return s.cfg.Name }

// Stats are the source's counters.
func (s *Source[T]) Stats() SourceStats { return s.counts.stats() }
