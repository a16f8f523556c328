package chanref

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// maxBatch is how many bytes of values go into one frame.
const maxBatch = mux.MaxFrame

// Flags of OPEN and ACCEPT: what the two ends must know of each other.
const (
	flagBroadcast  = 1 << iota // its values go nowhere else, so they are not given back
	flagLossy                  // it waits for nobody, or is not waited for: the oldest value makes room
	flagAtMostOnce             // what lies in the receiver's channel stays there
)

// flagCompressed is the only flag of DATA and BIG.
const flagCompressed = 1

// outlet is one stream of a source: its lane, and the batches on their way to
// mux. Everything but told belongs to the source's goroutine.
type outlet[T any] struct {
	lane[T]
	src       *Source[T]
	session   *mux.Session
	target    mux.Target
	node      string              // the receiver's node, for people
	out       *mux.Out            // of a lone source nil until a stream is needed
	one       *mux.Out            // of the single value sent last
	announced map[codec.Hash]bool // schemas of types inside any, sent on this stream
	schemas   [][]byte            // of those, the ones to send before the next batch
	queue     []*parcel           // the last one is being filled
	queued    int                 // bytes in queue
	large     int                 // bytes of the last value
	hand      *parcel             // what mux has; nil: nothing
	spare     *parcel
	plain     bool // nothing is compressed
	squeeze   codec.Compressor
	prepared  bool   // nothing has left yet: at the end of the burst, a stream is opened at least
	dirty     bool   // in src.dirty
	gone      bool   // ended: refused, stopped or lost
	handed    uint64 // numbers up to this were given to mux

	written atomic.Pointer[mux.Batch] // given back by mux
	hungry  atomic.Bool               // the source waits for that

	told told // guarded by src.mu
}

// told is what a stream has said since the source last listened.
type told struct {
	listed   bool // in src.told
	accepted *mux.Accept
	acks     []mux.Ack
	refused  *mux.Refuse
	stopped  *mux.Stop
	lost     error
	room     bool // for more references
}

// parcel is a batch with what the table must know of it.
type parcel struct {
	*mux.Batch
	refs []outRef // that its values refer to, in this order
}

// tell notes what the stream says; false when the source has ended.
func (o *outlet[T]) tell(note func(*told)) bool {
	s := o.src
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	note(&o.told)
	if !o.told.listed {
		o.told.listed = true
		s.told = append(s.told, o)
		s.rouse()
	}
	s.mu.Unlock()
	s.poke()
	return true
}

// The outlet is its stream's mux.Feedback: each call notes and returns.

func (o *outlet[T]) Accepted(a mux.Accept) { o.tell(func(t *told) { t.accepted = &a }) }
func (o *outlet[T]) Refused(r mux.Refuse)  { o.tell(func(t *told) { t.refused = &r }) }
func (o *outlet[T]) Stopped(s mux.Stop)    { o.tell(func(t *told) { t.stopped = &s }) }
func (o *outlet[T]) Lost(err error)        { o.tell(func(t *told) { t.lost = err }) }

// Written wakes the source only if it wants to know: else it finds the batch when it has the next.
func (o *outlet[T]) Written(b *mux.Batch) {
	o.written.Store(b)
	if o.hungry.Load() && !o.tell(func(*told) {}) {
		o.take()
	}
}

// take takes the batch that mux has given back, and with it what it refers to, where that has not
// left.
func (o *outlet[T]) take() bool {
	b := o.written.Swap(nil)
	if b == nil {
		return false
	}
	if p := o.hand; p != nil {
		if !b.RefsSent() {
			o.src.table.unrefer(o.session, p.refs)
			p.refs = nil
		}
		o.hand = nil
		o.reuse(p)
	}
	return true
}

// back says whether mux has no batch of o's; if it has, the source will be woken.
func (o *outlet[T]) back() bool {
	if o.hand == nil {
		return true
	}
	if !o.take() {
		o.hungry.Store(true)
		if !o.take() { // it may have come since
			return false
		}
	}
	o.hungry.Store(false)
	return true
}

// leave: nothing more is given to o. What mux has is taken when it comes back, by whoever brings it if
// the source has ended.
func (o *outlet[T]) leave() {
	o.gone = true
	o.hungry.Store(true)
	o.take()
}

func (o *outlet[T]) Acked(a mux.Ack) {
	if o.settles(a) {
		return
	}
	o.tell(func(t *told) {
		if n := len(t.acks); n > 0 && len(a.Drops) == 0 {
			t.acks[n-1].Taken, t.acks[n-1].Limit = max(t.acks[n-1].Taken, a.Taken), max(t.acks[n-1].Limit, a.Limit)
			return
		}
		t.acks = append(t.acks, a)
	})
}

// hearOutlet acts on what o's stream has said, in the order in which it can
// have been said.
func (s *Source[T]) hearOutlet(o *outlet[T]) {
	s.mu.Lock()
	t := o.told
	o.told = told{}
	s.mu.Unlock()
	written := o.take()
	if o.gone {
		return
	}
	if written {
		o.hungry.Store(false)
	}
	o.crowded = o.crowded && !t.room
	if t.accepted != nil {
		o.live, o.limit = true, min(t.accepted.Limit, o.acked+maxAhead)
		o.lossy = o.lossy || t.accepted.Flags&flagLossy != 0
		if o.one != nil { // the stream's receiver answers for both from here on
			o.one.Close(false)
			o.one = nil
		}
	}
	if written {
		o.handOver()
	}
	for _, a := range t.acks {
		s.noteDrops(o, a.Drops)
		if err := s.d.ack(&o.lane, a); err != nil {
			// Lost may have been said, or, behind a Stopped, may never be.
			t.stopped, t.refused, t.lost = nil, nil, &ProtocolError{Channel: label(s.cfg.Name), Err: err}
			o.session.Close(t.lost)
			break
		}
		o.live = true // of a single value this is the answer
	}
	if !o.gone {
		s.giveHeld(&o.lane)
	}
	before := s.d.dropped
	switch {
	case t.stopped != nil:
		o.leave()
		s.d.stop(&o.lane, *t.stopped)
		s.refuse(o, mux.Refuse{Code: t.stopped.Code, Text: t.stopped.Text})
	case t.refused != nil:
		o.leave()
		s.d.lose(&o.lane, 1, mux.Drop{Code: t.refused.Code, Text: t.refused.Text})
		s.refuse(o, *t.refused)
	case t.lost != nil:
		o.leave()
		s.cause = t.lost
		s.d.lose(&o.lane, o.handed+1, mux.Drop{Code: mux.CodeLost, Text: t.lost.Error()})
		s.cause = nil
	}
	if o.gone {
		o.takeBackRefs()
		s.wanting = false
	}
	if n := s.d.dropped - before; n > 0 {
		s.counts.warn(s.cfg.Logger, "netchan: values dropped with a receiver that has ended",
			"channel", label(s.cfg.Name), "node", o.node, "values", n, "lost", t.lost)
	}
}

// give encodes it for l, or for all lanes when l is nil.
func (s *Source[T]) give(l *lane[T], it item[T]) {
	if l == nil {
		s.spread(it)
		return
	}
	s.current = it.v
	err := s.encode(l.o)
	switch {
	case err == nil:
		if it.refs = len(s.refs) > 0; it.refs {
			s.carry(it)
		}
		s.d.assign(l, it)
		l.o.grown()
	case !l.crowded:
		s.dropUnsendable(it, err)
	case s.cfg.Broadcast:
		s.d.hold(l, it)
	default:
		s.d.back = slices.Insert(s.d.back, 0, it) // it is older than what is there
	}
}

// encode appends the current value to the batch of o that is being filled, or to
// a new one. Where that fails nothing has changed, but that o may be crowded.
func (s *Source[T]) encode(o *outlet[T]) error {
	for p := o.filling(); ; p = o.start() {
		if p.Count == 0 && o.large > maxBatch {
			p.Room(o.large)
		}
		before, size := len(p.B), p.Len()
		s.met, s.refs, s.out = s.met[:0], s.refs[:0], o
		encoded, err := s.writer.Append(p.B, &s.current, &s.env)
		if err != nil {
			s.takeBack(o)
			return err
		}
		p.B = encoded
		fits := s.refsFit(p)
		if p.Count > 0 && (p.Len() > maxBatch || !fits) {
			// Whole values only: this one opens the next batch, where its channels have
			// other numbers.
			if len(s.refs) > 0 {
				s.takeBack(o)
				p.B = p.B[:before]
				continue
			}
			next := o.start()
			next.B = append(next.B, p.B[before:]...)
			p.B = p.B[:before]
			p, size = next, 0
		} else if !fits {
			s.takeBack(o)
			p.B = p.B[:before]
			return errTooManyRefs
		}
		for i := range s.refs {
			p.Refs = append(p.Refs, s.refs[i].wire...)
			if passed := s.refs[i].p; passed != nil {
				passed.move()
			}
		}
		p.refs = append(p.refs, s.refs...)
		p.Count++
		o.large = p.Len() - size
		o.queued += o.large
		o.announce(s.met)
		return nil
	}
}

// spread encodes it once and gives it to every lane that has room. The ones
// that have none are lossy: they get it later, unless a newer one comes first.
// A value with channels is encoded for each: the references differ.
func (s *Source[T]) spread(it item[T]) {
	s.current = it.v
	s.met, s.refs, s.out = s.met[:0], s.refs[:0], nil
	encoded, err := s.writer.Append(s.scratch[:0], &s.current, &s.env)
	if err != nil {
		s.dropUnsendable(it, err)
		return
	}
	if cap(encoded) <= 4*mux.MaxFrame {
		s.scratch = encoded
	}
	it.refs = len(s.refs) > 0
	s.unanswered = true // if nobody gets it, no receiver's answer will end a Flush
	for _, l := range s.d.lanes {
		if !l.live {
			continue
		}
		s.giveHeld(l)
		s.unanswered = false
		switch {
		case !l.room():
			s.d.hold(l, it)
		case it.refs:
			s.give(l, it)
		default:
			l.o.copy(encoded, s.met)
			s.d.assign(l, it)
			l.o.grown()
		}
	}
}

// copy appends a value that is encoded, and has no channels in it.
func (o *outlet[T]) copy(encoded []byte, met []*codec.Schema) {
	p := o.filling()
	if p.Count > 0 && p.Len()+len(encoded) > maxBatch {
		p = o.start()
	}
	p.B = append(p.B, encoded...)
	p.Count++
	o.queued += len(encoded)
	o.announce(met)
}

// giveHeld sends what a lossy lane holds, if there is room now.
func (s *Source[T]) giveHeld(l *lane[T]) {
	if it := l.held; it != nil && l.room() {
		l.held = nil
		s.give(l, *it)
	}
}

// filling is the batch that takes the next value.
func (o *outlet[T]) filling() *parcel {
	if n := len(o.queue); n > 0 && o.queue[n-1].Len() < maxBatch {
		return o.queue[n-1]
	}
	return o.start()
}

func (o *outlet[T]) start() *parcel {
	p := o.spare
	o.spare = nil
	if p == nil && o.src.cfg.lone {
		if p, _ = parcels.Get().(*parcel); p != nil {
			p.For(o.src.hash)
		}
	}
	if p == nil {
		p = &parcel{Batch: mux.NewBatch(o.src.hash)}
	}
	o.queue = append(o.queue, p)
	return p
}

// grown has what was appended handed over, now or when the burst is over.
func (o *outlet[T]) grown() {
	if !o.dirty {
		o.dirty = true
		o.src.dirty = append(o.src.dirty, o)
	}
	if o.queued >= maxBatch {
		o.handOver()
		o.blocked = o.queued >= maxBatch
	}
}

// handOver gives mux the next batch, if it has none of this stream.
func (o *outlet[T]) handOver() {
	for len(o.queue) > 0 && o.queue[0].Count > 0 && o.back() {
		b := o.queue[0]
		o.queue[0] = nil
		o.queue = o.queue[1:]
		if len(o.queue) == 0 {
			o.queue = nil
		}
		o.queued -= b.Len()
		if o.alone(b) {
			o.handed++
			o.reuse(b)
			continue
		}
		if o.out == nil {
			o.stream()
		}
		o.handed += uint64(b.Count)
		o.hand = b
		for _, schema := range o.schemas {
			o.out.Schema(schema)
		}
		o.schemas = nil
		o.compress(b.Batch)
		o.out.Send(b.Batch)
	}
	o.blocked = o.queued >= maxBatch
}

// compress makes b's values shorter, if that pays.
func (o *outlet[T]) compress(b *mux.Batch) {
	if o.plain {
		return
	}
	if values, ok := o.squeeze.Compress(b.Values()); ok {
		b.Shorten(len(values))
		b.Flags = flagCompressed
	}
}

// left says whether mux has written all that was given to o. A batch may be there that was
// begun for a value which could not be encoded.
func (o *outlet[T]) left() bool {
	return o.back() && (len(o.queue) == 0 || len(o.queue) == 1 && o.queue[0].Count == 0)
}

// reuse keeps an empty parcel for the next batch.
func (o *outlet[T]) reuse(p *parcel) {
	p.Reset()
	clear(p.refs)
	p.refs = p.refs[:0]
	switch {
	case o.src.cfg.lone && cap(p.B) <= maxParcel:
		parcels.Put(p)
	case o.spare == nil:
		o.spare = p
	}
}

// parcels are those of lone sources, which need one for a moment, and are many.
var parcels sync.Pool

// maxParcel is how large a buffer they keep.
const maxParcel = 4 << 10

// announce has each schema sent once, before the batch that needs it.
func (o *outlet[T]) announce(met []*codec.Schema) {
	for _, schema := range met {
		if o.announced[schema.Hash()] {
			continue
		}
		if o.announced == nil {
			o.announced = make(map[codec.Hash]bool)
		}
		o.announced[schema.Hash()] = true
		o.schemas = append(o.schemas, schema.Bytes())
	}
}

// flush hands over what the last burst has gathered.
func (s *Source[T]) flush() {
	var none T
	s.current = none
	for i, o := range s.dirty {
		o.dirty = false
		s.dirty[i] = nil
		if !o.gone {
			o.handOver()
		}
	}
	s.dirty = s.dirty[:0]
	if s.cfg.lone && len(s.d.lanes) > 0 {
		if o := s.d.lanes[0].o; o.prepared {
			o.stream()
			o.out.Begin()
		}
	}
}
