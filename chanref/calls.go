package chanref

import (
	"context"
	"slices"

	"github.com/matveynator/netchan/mux"
)

// delivery is a call of Deliver.
type delivery[T any] struct {
	v       T
	after   uint64 // values from the channel that go first
	pending int    // receivers that have not settled it (a broadcast has several)
	drop    error
	answer  chan error // capacity 1
}

func (d *delivery[T]) finish(err error) {
	select {
	case d.answer <- err:
	default:
	}
}

// Deliver gives v out after what the channel holds at the call, and returns
// when it is acknowledged: taken by the receiving program. When ctx ends first
// it returns a *StallError; v is withdrawn if it has not been sent to anyone, and
// the error says so, else it may still be delivered.
func (s *Source[T]) Deliver(ctx context.Context, v T) error {
	if ctx.Err() != nil {
		return &StallError{Channel: label(s.cfg.Name), Stall: Stall{Left: 1, Withdrawn: true}, Err: context.Cause(ctx)}
	}
	d := &delivery[T]{v: v, answer: make(chan error, 1)}
	queued := s.call(func() {
		if s.closed || s.stopping || s.aborted != nil {
			d.finish(ErrClosed)
			return
		}
		d.after = s.fromC + uint64(s.held())
		s.deliveries = append(s.deliveries, d)
	})
	if !queued {
		return ErrClosed
	}
	return s.await(ctx, d.answer, func() Stall {
		st := s.stall()
		st.Left, st.Withdrawn = 1, slices.Contains(s.deliveries, d)
		s.deliveries = slices.DeleteFunc(s.deliveries, func(o *delivery[T]) bool { return o == d })
		for seq, o := range s.waiting {
			if o == d {
				delete(s.waiting, seq)
			}
		}
		return st
	})
}

// giveDelivery sends the first waiting delivery.
func (s *Source[T]) giveDelivery(l *lane[T]) {
	d := s.deliveries[0]
	s.deliveries[0] = nil
	s.deliveries = s.deliveries[1:]
	s.seq++
	d.pending = 1
	if s.cfg.Broadcast {
		d.pending = 0
		for _, l := range s.d.lanes {
			if l.live && s.d.waitsFor(l) {
				d.pending++
			}
		}
	}
	if s.waiting == nil {
		s.waiting = make(map[uint64]*delivery[T])
	}
	s.waiting[s.seq] = d
	s.give(l, item[T]{v: d.v, seq: s.seq})
	if d.pending == 0 && s.waiting[s.seq] == d { // it could be sent, and nobody is waited for
		delete(s.waiting, s.seq)
		s.storeCounts()
		d.finish(nil)
	}
}

// flush is a call of Flush.
type flush struct {
	after  uint64 // values from the channel that it covers
	seq    uint64 // the newest value it covers, once that is taken
	taken  bool
	drop   error
	answer chan error // capacity 1
}

func (f *flush) finish(err error) {
	select {
	case f.answer <- err:
	default:
	}
}

func (f *flush) reached(fromC, seq uint64) {
	if !f.taken && fromC >= f.after {
		f.taken, f.seq = true, seq
	}
}

// Flush returns nil when every value sent before the call is acknowledged, by
// all receivers that are waited for. It returns the reason when one was dropped
// since the last Flush, and a *StallError when ctx ends first.
func (s *Source[T]) Flush(ctx context.Context) error {
	f := &flush{answer: make(chan error, 1)}
	queued := s.call(func() {
		f.drop, s.spoiled = s.spoiled, nil
		f.after = s.fromC + uint64(s.held())
		if s.stopping {
			f.after = min(f.after, s.stopAt)
		}
		f.reached(s.fromC, s.seq)
		s.flushes = append(s.flushes, f)
	})
	if !queued {
		return s.flushedEnd()
	}
	return s.await(ctx, f.answer, func() Stall {
		st := s.stall()
		st.Left = s.left(f)
		s.flushes = slices.DeleteFunc(s.flushes, func(o *flush) bool { return o == f })
		return st
	})
}

// flushedEnd is what Flush finds after the end: nil if all was delivered.
func (s *Source[T]) flushedEnd() error {
	if err := s.Err(); err != ErrClosed {
		return err
	}
	return nil
}

// left counts the values that f waits for.
func (s *Source[T]) left(f *flush) int {
	n, upTo := 0, f.seq
	if !f.taken {
		n, upTo = int(f.after-s.fromC), s.seq
	}
	for _, it := range s.d.back {
		if it.seq <= upTo {
			n++
		}
	}
	for _, l := range s.d.lanes {
		for i := range l.kept.len() {
			if l.kept.at(i).seq <= upTo {
				n++
			}
		}
	}
	return n
}

// receiverWait is a call of WaitReceivers.
type receiverWait struct {
	n      int
	answer chan error // capacity 1
}

func (w *receiverWait) finish(err error) {
	select {
	case w.answer <- err:
	default:
	}
}

// WaitReceivers returns nil once n receivers are connected.
func (s *Source[T]) WaitReceivers(ctx context.Context, n int) error {
	w := &receiverWait{n: n, answer: make(chan error, 1)}
	if !s.call(func() { s.waits = append(s.waits, w) }) {
		return ErrClosed
	}
	return s.await(ctx, w.answer, func() Stall {
		st := s.stall()
		if st.Reason == StallFull || st.Reason == StallNone {
			st.Reason = StallNoReceiver // those that are there are not enough
		}
		s.waits = slices.DeleteFunc(s.waits, func(o *receiverWait) bool { return o == w })
		return st
	})
}

// await waits for answer. When ctx ends first, why runs on the source's
// goroutine, takes the call back, and says what stood in its way.
func (s *Source[T]) await(ctx context.Context, answer chan error, why func() Stall) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	stalls := make(chan Stall, 1)
	if !s.call(func() { stalls <- why() }) {
		return <-answer // the end has answered every call
	}
	st := <-stalls
	select {
	case err := <-answer:
		return err
	default:
		return &StallError{Channel: label(s.cfg.Name), Stall: st, Err: context.Cause(ctx)}
	}
}

// answer finishes the calls whose time has come.
func (s *Source[T]) answer() {
	if len(s.flushes) > 0 {
		oldest, open := s.d.oldest()
		s.flushes = slices.DeleteFunc(s.flushes, func(f *flush) bool {
			if !f.taken || open && oldest <= f.seq {
				return false
			}
			s.storeCounts()
			f.finish(f.drop)
			return true
		})
	}
	if len(s.waits) > 0 {
		live := 0
		for _, l := range s.d.lanes {
			if l.live && !l.away {
				live++
			}
		}
		s.waits = slices.DeleteFunc(s.waits, func(w *receiverWait) bool {
			if live < w.n {
				return false
			}
			w.finish(nil)
			return true
		})
	}
}

// resolve is called once for every value and receiver: it was taken, or it was
// dropped and will not be.
func (s *Source[T]) resolve(seq uint64, drop *mux.Drop, awaited bool) {
	s.uncarry(seq)
	var err error
	if drop != nil {
		err = &DropError{Channel: label(s.cfg.Name), Code: drop.Code, Text: drop.Text, Err: s.cause}
		s.counts.setLast(err)
	}
	if !awaited {
		return
	}
	if err != nil {
		s.spoil(seq, err)
	}
	d := s.waiting[seq]
	if d == nil {
		return
	}
	if err != nil {
		d.drop = err
	}
	if d.pending--; d.pending == 0 {
		delete(s.waiting, seq)
		s.storeCounts() // who hears the answer finds it counted
		d.finish(d.drop)
	}
}

// spoil notes a drop for the flushes that cover it, or for the next one.
func (s *Source[T]) spoil(seq uint64, err error) {
	if len(s.flushes) == 0 && s.waiting[seq] == nil { // else its Deliver tells of it
		s.spoiled = err
	}
	for _, f := range s.flushes {
		if !f.taken || seq <= f.seq {
			f.drop = err
		}
	}
}

// dropUnsendable counts a value that can't be encoded; the channel goes on.
func (s *Source[T]) dropUnsendable(it item[T], err error) {
	s.d.dropped++
	s.uncarry(it.seq)
	s.holes++
	err = &DropError{Channel: label(s.cfg.Name), Code: codeOf(err, mux.CodeEncode), Text: err.Error(), Err: err}
	s.counts.setLast(err)
	s.spoil(it.seq, err)
	if d := s.waiting[it.seq]; d != nil {
		delete(s.waiting, it.seq)
		s.storeCounts()
		d.finish(err)
	}
	s.counts.warn(s.cfg.Logger, "netchan: value dropped, it can't be sent", "channel", label(s.cfg.Name), "reason", err)
	s.unanswered = true
}

// noteDrops logs what a receiver says it will never take.
func (s *Source[T]) noteDrops(o *outlet[T], drops []mux.Drop) {
	for _, d := range drops {
		if d.Code != mux.CodeLossy {
			s.counts.warn(s.cfg.Logger, "netchan: values dropped by a receiver", "channel", label(s.cfg.Name),
				"node", o.node, "values", d.Count, "reason", d.Code, "text", d.Text)
		}
	}
}
