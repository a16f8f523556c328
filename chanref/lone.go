package chanref

import (
	"context"
	"reflect"
	"sync/atomic"

	"github.com/matveynator/netchan/mux"
)

// travelled is what a SourceConfig says of the source of a channel that was in a
// value. The zero value is that of any other.
type travelled struct {
	// lone: it is a proxy's, and has one stream at a time, to the channel's home. Numbers go
	// on from one stream to the next.
	lone bool
	of   loner // of a lone one
	// naps: its goroutine goes when there is nothing to do, and then holds the
	// channel weakly; asleep: it begins so.
	naps, asleep bool
	borrowed     bool           // the channel is the program's: it is not emptied after the end
	why          func() error   // for what reason its channel was closed, if not in good order; may be nil
	hidden       bool           // who made it tells of the channel's end
	drops        *atomic.Uint64 // counts what is dropped, with that of others; may be nil
	relay        *relayed       // of a relay's source: where what becomes of its values is told; else nil
}

// A loner is what a lone source belongs to.
type loner interface {
	// want is called when it needs a stream, and says where that leads if it is known already.
	want() (s *mux.Session, target mux.Target, node string)
	use()                     // a value went through it, or it woke
	napping()                 // its goroutine goes
	awake(n int32)            // n goroutines more
	lingers() bool            // it stays though only one value came
	glance() (n int, ok bool) // what lies in the channel, until it was dropped
	refused(r mux.Refuse)     // its stream was refused, or stopped
	over()                    // it has ended
}

func (t *travelled) use() {
	if t.lone {
		t.of.use()
	}
}

// dropped counts n values more that nobody will get.
func (t *travelled) dropped(n uint64) {
	if t.drops != nil && n > 0 {
		t.drops.Add(n)
	}
}

// refSource is the source of a channel that travelled.
type refSource interface {
	sourceEnd
	asker
	Close()
	Flush(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
	Stats() SourceStats
	Ending() *Ending

	// shut is told that the channel was closed, not by this program: what it holds is still sent,
	// and then that is told.
	shut()
	// hasClosed says, after the end, whether the channel's close was told.
	hasClosed() bool
	// opening is how a stream of it would begin.
	opening() mux.Open
	// number is how many values there were, those in the channel included: or ask
	// is told.
	number(ask chan<- uint64) (n uint64, ok bool)
	// rest has the goroutine nap as soon as there is nothing to do.
	rest()
	// peek wakes one that naps if there is something to do. It says whether it
	// still naps.
	peek() bool
	// retire ends a relay's source when its streams have ended: feed is kept until then.
	retire(why error, feed reflect.Value)
	// handBack ends a source whose channel was dropped, when all that is in it, o, was given out.
	handBack(o *object)
}

// asker is a source that waits for another's answer: meanwhile it must answer
// too.
type asker interface {
	awaitNumber(answer <-chan uint64) uint64
	tellAsks()
}

// Ending is what tells of the source's end.
func (s *Source[T]) Ending() *Ending { return &s.ending }

func (s *Source[T]) hasClosed() bool { return s.toldClose }

func (s *Source[T]) shut() {
	s.call(func() {
		s.shutting = true
		s.stopHere()
	})
}

func (s *Source[T]) opening() mux.Open { return s.open() }

// rouse starts the goroutine again, if it is away. s.mu is held.
func (s *Source[T]) rouse() {
	if s.napping && !s.ended {
		s.wakeUp()
		go s.run()
	}
}

// wakeUp makes its caller, or who that starts, the source's goroutine. s.mu is held.
func (s *Source[T]) wakeUp() {
	s.napping = false
	if s.cfg.lone {
		s.cfg.of.awake(1)
	}
	s.cfg.use()            // so that it is sent to nap again
	s.c = s.grip.conduit() // nil: it was collected, and will be handed back
	s.table.start()
}

// wants asks for a stream where a lone source needs one, and gives one back that
// is not needed any more. It says whether that has changed anything.
func (s *Source[T]) wants() bool {
	if len(s.d.lanes) == 0 {
		if !s.wanting && (len(s.d.back) > 0 || len(s.deliveries) > 0 || s.closed || s.skipped) {
			s.wanting = true
			if session, target, node := s.cfg.of.want(); session != nil {
				s.connect(session, target, node)
				return true
			}
		}
		return false
	}
	o := s.d.lanes[0].o
	// A stream that has carried one value may well not be needed again: replies are
	// like that. Others are kept until the source is to nap.
	if !o.live || o.kept.len() > 0 || !o.left() || len(s.d.back) > 0 || s.closed || s.held() > 0 ||
		!s.resting.Load() && o.out != nil && o.sent > 1 && s.holes == 0 {
		return false
	}
	s.base, s.skipped, s.holes = o.sent+s.holes, s.holes > 0, 0
	s.d.remove(&o.lane)
	o.end(false)
	return true
}

// nap lets the goroutine go, when it was asked to and there is nothing to do.
func (s *Source[T]) nap() bool {
	if len(s.d.lanes) > 0 && !(s.cfg.lone && s.d.lanes[0].o.resting()) || len(s.deliveries) > 0 || len(s.flushes) > 0 || len(s.waits) > 0 || s.stopping || s.wanting {
		return false
	}
	if s.cfg.lone && (s.closed || s.skipped || len(s.d.back) > 0 || s.held() > 0 || !s.resting.Load() && (s.seq != 1 || s.cfg.of.lingers())) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.told) > 0 || len(s.calls) > 0 || len(s.asks) > 0 {
		return false
	}
	s.resting.Store(false)
	s.napping, s.c = true, nil
	if s.cfg.lone {
		s.cfg.of.awake(-1)
		s.cfg.of.napping()
	}
	return true
}

func (s *Source[T]) rest() {
	s.resting.Store(true)
	s.poke()
}

func (s *Source[T]) peek() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.napping || s.ended {
		return false
	}
	c := s.grip.conduit()
	if c == nil {
		return true // it will be handed back
	}
	if c.len() == 0 {
		v, got, closed := c.tryRecv()
		if !got && !closed {
			return true
		}
		s.c = c
		s.took(v, got)
	}
	s.rouse()
	return false
}

func (s *Source[T]) handBack(o *object) {
	c := s.grip.again(o)
	end := func() {
		s.c = c
		s.stopHere()
	}
	// Nobody else has the channel: what is not in it now will not come.
	if c.len() == 0 {
		if _, _, closed := c.tryRecv(); !closed { // a close must be told
			s.callBriefly(end)
			return
		}
	}
	if s.call(end) {
		return
	}
	for { // sent after the end, and before the program dropped the channel
		if _, got, _ := c.tryRecv(); !got {
			return
		}
		s.late()
	}
}

func (s *Source[T]) number(ask chan<- uint64) (n uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return 0, true
	case s.napping:
		n = s.seq
		if c := s.grip.conduit(); c != nil {
			n += uint64(c.len())
		}
		return n, true
	}
	s.asks = append(s.asks, ask)
	s.poke()
	return 0, false
}

// tellAsks answers who has asked for the source's number.
func (s *Source[T]) tellAsks() {
	s.mu.Lock()
	asks := s.asks
	s.asks = nil
	s.mu.Unlock()
	for _, ask := range asks {
		ask <- s.seq + s.held()
	}
}

// awaitNumber waits for the answer of another source. It answers meanwhile, for that one
// may wait for this one.
func (s *Source[T]) awaitNumber(answer <-chan uint64) uint64 {
	for {
		select {
		case n := <-answer:
			return n
		case <-s.wake: // pending is set: what else there is will be heard
			s.tellAsks()
		}
	}
}

// outRef is a reference that was made for a value.
type outRef struct {
	wire    []byte
	e       *export // whose count it has; nil: none
	p       *proxy  // that is passed on; nil: none
	carried bool    // it counts there, too: see carried
}

// refer makes a reference to a channel in the value being encoded, and returns
// its number in the batch.
func (s *Source[T]) refer(ch reflect.Value) (uint64, error) {
	if s.out == nil { // it is only asked whether there are any
		s.refs = append(s.refs, outRef{})
		return 0, nil
	}
	ref, err := s.table.refer(s.out.session, s, !s.cfg.Broadcast, ch)
	if err != nil {
		s.crowd(err)
		return 0, err
	}
	s.refs = append(s.refs, ref)
	p := s.out.queue[len(s.out.queue)-1]
	return uint64(len(p.refs) + len(s.refs) - 1), nil
}

// crowd notes that the lane being filled may have no more references.
func (s *Source[T]) crowd(err error) {
	if err == errCrowded {
		o := s.out
		o.crowded = true
		s.table.awaitRoom(o.session, o, func() { o.tell(func(t *told) { t.room = true }) })
	}
}

// refsFit says whether the references of the current value fit into p.
func (s *Source[T]) refsFit(p *parcel) bool {
	n := len(p.Refs)
	for i := range s.refs {
		n += len(s.refs[i].wire)
	}
	return n <= mux.MaxFrame && len(p.refs)+len(s.refs) <= maxTable
}

// takeBackRefs uncounts what o has not sent, once o is gone.
func (o *outlet[T]) takeBackRefs() {
	for _, p := range o.queue {
		o.src.table.unrefer(o.session, p.refs)
		p.refs = nil
	}
	o.queue = nil
}
