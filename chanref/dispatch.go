package chanref

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/matveynator/netchan/mux"
)

// item is a value on its way: kept until it is known to be taken.
type item[T any] struct {
	v     T      // zero on a broadcast, where nothing is sent elsewhere, unless refs
	seq   uint64 // its place in the order in which the source took values
	again bool   // was with a receiver that died, so it may be delivered twice
	refs  bool   // there are channels in it, which it keeps alive
}

// lane is what a source knows of one stream. Values on a lane are numbered
// from 1; numbers up to acked are taken (or dropped), those up to sent are on
// their way, and none above limit may be sent.
type lane[T any] struct {
	sent, acked, limit uint64
	kept               ring[item[T]] // acked+1 .. sent
	drops              []mux.Drop    // told, not yet passed by acked; sorted, none overlaps another
	used               uint64        // when it last got a value, by dispatch.clock
	live               bool          // accepted by the receiver
	early              bool          // limit counts before that
	blocked            bool          // no room for bytes
	crowded            bool          // no room for more references to channels
	away               bool          // its link is broken
	lossy              bool          // never waited for
	held               *item[T]      // lossy or crowded, no room: the newest value, which goes as soon as there is
	index              int           // in dispatch.lanes
	o                  *outlet[T]    // the stream itself, not looked at here
}

// room says whether the next value may go to l. A receiver behind a broken link
// does not count, for who knows for how long; one that is lossy is not waited
// for in either case, and loses less so.
func (l *lane[T]) room() bool {
	return (l.live || l.early) && !l.blocked && !l.crowded && (!l.away || l.lossy) && l.sent < l.limit
}

// maxAhead bounds how many values a source keeps for one receiver, whatever
// limit that one gives.
const maxAhead = 1 << 22

func (l *lane[T]) outstanding() uint64 { return l.sent - l.acked }

// dispatch decides which lane gets which value, and keeps what may have to go
// elsewhere. It is a plain state machine: no goroutine, no clock, no I/O.
type dispatch[T any] struct {
	broadcast  bool // every lane gets every value; nothing is kept to be sent elsewhere
	atMostOnce bool // what a lost receiver may have taken is never sent again
	lanes      []*lane[T]
	back       []item[T] // given back or lost, sorted by seq: sent before new ones
	clock      uint64
	removed    uint64 // lanes, so far

	acknowledged, redelivered, dropped uint64
	resolve                            func(seq uint64, dropped *mux.Drop, awaited bool) // a value's fate; may be nil
}

func (d *dispatch[T]) add(l *lane[T]) {
	l.index = len(d.lanes)
	d.lanes = append(d.lanes, l)
}

func (d *dispatch[T]) remove(l *lane[T]) {
	last := len(d.lanes) - 1
	d.lanes[l.index] = d.lanes[last]
	d.lanes[l.index].index = l.index
	d.lanes[last] = nil
	d.lanes = d.lanes[:last]
	d.removed++
}

// pick is the lane with room that has the least outstanding, among equals the
// one that has gone longest without a value; nil when none has room.
func (d *dispatch[T]) pick() *lane[T] {
	var best *lane[T]
	for _, l := range d.lanes {
		if !l.room() {
			continue
		}
		if best == nil || l.outstanding() < best.outstanding() ||
			l.outstanding() == best.outstanding() && l.used < best.used {
			best = l
		}
	}
	return best
}

// ready says whether a broadcast value may be taken now: every receiver that
// is waited for has room, and there is one, unless all are lossy.
func (d *dispatch[T]) ready(lossy bool) bool {
	waited := 0
	for _, l := range d.lanes {
		if !l.live || l.lossy {
			continue
		}
		waited++
		if !l.room() {
			return false
		}
	}
	return waited > 0 || lossy || d.anyRoom()
}

func (d *dispatch[T]) anyRoom() bool {
	for _, l := range d.lanes {
		if l.room() {
			return true
		}
	}
	return false
}

// assign notes that it has gone to l as l's next number.
func (d *dispatch[T]) assign(l *lane[T], it item[T]) {
	d.clock++
	l.used = d.clock
	l.sent++
	if it.again {
		d.redelivered++
		it.again = false
	}
	if d.broadcast && !it.refs {
		var zero T
		it.v = zero
	}
	l.kept.push(it)
}

// ack moves l forward. A receiver that acknowledges or drops what was never
// sent breaks the protocol; then nothing has changed.
func (d *dispatch[T]) ack(l *lane[T], a mux.Ack) error {
	if a.Taken > l.sent {
		return fmt.Errorf("value %d acknowledged, only %d sent", a.Taken, l.sent)
	}
	for _, drop := range a.Drops {
		if drop.Count == 0 || drop.First > l.sent || drop.Count > l.sent-drop.First+1 {
			return fmt.Errorf("values %d+%d dropped, only %d sent", drop.First, drop.Count, l.sent)
		}
	}
	for _, drop := range a.Drops {
		l.drop(drop)
	}
	l.limit = max(l.limit, min(a.Limit, a.Taken+maxAhead))
	for l.acked < a.Taken {
		l.acked++
		it := l.kept.pop()
		d.settle(l, it.seq, l.dropOf(l.acked))
	}
	l.forgetDrops(l.acked)
	return nil
}

// drop notes what the receiver will not take. What was told before is not
// noted again, so there are never more runs than values.
func (l *lane[T]) drop(drop mux.Drop) {
	if end(drop) <= l.acked {
		return
	}
	i, told := slices.BinarySearchFunc(l.drops, drop.First, func(d mux.Drop, first uint64) int {
		return cmp.Compare(d.First, first)
	})
	if told || i > 0 && end(l.drops[i-1]) >= drop.First || i < len(l.drops) && l.drops[i].First <= end(drop) {
		return
	}
	l.drops = slices.Insert(l.drops, i, drop)
}

// end is the last number of a run.
func end(drop mux.Drop) uint64 { return drop.First + drop.Count - 1 }

// dropOf is why number was dropped; nil if it was not. It is asked for rising
// numbers.
func (l *lane[T]) dropOf(number uint64) *mux.Drop {
	l.forgetDrops(number - 1)
	if len(l.drops) == 0 || l.drops[0].First > number {
		return nil
	}
	return &l.drops[0]
}

func (l *lane[T]) forgetDrops(upTo uint64) {
	for len(l.drops) > 0 && end(l.drops[0]) <= upTo {
		l.drops = l.drops[1:]
	}
}

// waitsFor says whether calls, and the end, wait for what l has: a broadcast
// does not wait for a lossy receiver.
func (d *dispatch[T]) waitsFor(l *lane[T]) bool { return !d.broadcast || !l.lossy }

// settle books the fate of a value that l had, or that no lane has; what
// happens on a lossy lane is not awaited.
func (d *dispatch[T]) settle(l *lane[T], seq uint64, drop *mux.Drop) {
	if drop != nil {
		d.dropped++
	} else {
		d.acknowledged++
	}
	if d.resolve != nil {
		d.resolve(seq, drop, l == nil || d.waitsFor(l))
	}
}

// stop ends l because its receiver has ended: what the receiver's program had
// not taken is given back.
func (d *dispatch[T]) stop(l *lane[T], s mux.Stop) {
	notTaken := func(number uint64) bool {
		if number > s.UpTo {
			return true
		}
		for _, r := range s.NotTaken {
			if number >= r.First && number-r.First < r.Count {
				return true
			}
		}
		return false
	}
	d.unhold(l, mux.Drop{Count: 1, Code: s.Code, Text: s.Text})
	d.end(l, func(number uint64, it item[T]) {
		switch {
		case !notTaken(number):
			d.settle(l, it.seq, l.dropOf(number))
		case d.broadcast:
			d.settle(l, it.seq, &mux.Drop{First: number, Count: 1, Code: s.Code, Text: s.Text})
		default:
			d.back = append(d.back, it)
		}
	})
}

// lose ends l because its node is gone: what was not acknowledged may or may
// not have been taken. Values from number unsent on never left this node.
func (d *dispatch[T]) lose(l *lane[T], unsent uint64, why mux.Drop) {
	d.unhold(l, why)
	d.end(l, func(number uint64, it item[T]) {
		sent := number < unsent
		if d.broadcast || d.atMostOnce && sent {
			drop := why
			d.settle(l, it.seq, &drop)
			return
		}
		it.again = it.again || sent
		d.back = append(d.back, it)
	})
}

func (d *dispatch[T]) end(l *lane[T], each func(number uint64, it item[T])) {
	d.remove(l)
	for l.kept.len() > 0 {
		l.acked++
		each(l.acked, l.kept.pop())
	}
	slices.SortStableFunc(d.back, func(a, b item[T]) int { return cmp.Compare(a.seq, b.seq) })
}

// next is the oldest value that was given back.
func (d *dispatch[T]) next() (item[T], bool) {
	if len(d.back) == 0 {
		return item[T]{}, false
	}
	it := d.back[0]
	d.back[0] = item[T]{}
	d.back = d.back[1:]
	return it, true
}

// oldest is the lowest seq that is not settled; false when all are.
func (d *dispatch[T]) oldest() (uint64, bool) {
	low, found := uint64(0), false
	if len(d.back) > 0 {
		low, found = d.back[0].seq, true
	}
	for _, l := range d.lanes {
		if !d.waitsFor(l) {
			continue
		}
		if it := l.held; it != nil && (!found || it.seq < low) {
			low, found = it.seq, true
		}
		for i := range l.kept.len() {
			// A lane may hold values delivered again behind newer ones, so
			// its front need not be its lowest.
			if seq := l.kept.at(i).seq; !found || seq < low {
				low, found = seq, true
			}
		}
	}
	return low, found
}

// inFlight counts the values that are with receivers and not settled.
func (d *dispatch[T]) inFlight() int {
	n := 0
	for _, l := range d.lanes {
		n += l.kept.len()
		if l.held != nil {
			n++
		}
	}
	return n
}

// hold keeps it for a lossy lane without room, in place of an older one.
func (d *dispatch[T]) hold(l *lane[T], it item[T]) {
	d.unhold(l, mux.Drop{Count: 1, Code: mux.CodeLossy, Text: "there was no room on the way to the receiver"})
	l.held = &it
}

// unhold drops what l holds.
func (d *dispatch[T]) unhold(l *lane[T], why mux.Drop) {
	if it := l.held; it != nil {
		l.held = nil
		d.settle(l, it.seq, &why)
	}
}
