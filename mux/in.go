package mux

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kind says what a Frame is.
type Kind uint8

const (
	KindData     Kind = 1 + iota // Count values in Body
	KindSchema                   // a schema in Body, of a type in the values that follow
	KindTooLarge                 // one value, of Size bytes, that was thrown away: it is larger than Config.MaxValue
	KindRefs                     // references in Body, that the values of the next KindData (or KindTooLarge) refer to; before that comes no other frame
)

// A Frame is what In.Next returns.
type Frame struct {
	Kind  Kind
	Flags uint8    // of the Batch
	Hash  [16]byte // of the values' schema
	Count int      // of values
	Size  uint64   // of a value above MaxFrame, as its sender says; a Body that is shorter is compressed
	Body  []byte   // valid until the next call of Next
}

// An In is the receiving side of one use. Open, Session, Done, Accept, Refuse, Ack and
// Stop may be called from any goroutine and don't block; Next, Decoded and Clean belong
// to Serve's.
type In struct {
	s    *Session
	st   *inStream // nil: of a single value
	open Open
	base uint64 // bytes of the stream before this use

	done     chan struct{}
	doneOnce sync.Once
	relief   chan struct{} // capacity 1: drops were told

	// The stream goroutine's own.
	reserved  int64
	eof       bool
	clean     bool
	bad       error     // why nothing more can be read: whoever reads next says it again
	announced uint64    // bytes read when a byte limit was last announced
	at        time.Time // and when

	read   atomic.Uint64 // bytes of this use that were read
	window atomic.Uint64 // how far the byte limit is ahead of read
	told   atomic.Bool   // stopped or refused: Next returns ErrStopped

	// Guarded by s.mu.
	queued   bool
	answered bool   // ACCEPT or REFUSE was called for
	todo     saying // what is to be said
	accept   Accept
	ack      Ack
	refuse   Refuse
	stop     Stop
}

// A saying is a set of control frames that an In has to send.
type saying uint8

const (
	sayAccept saying = 1 << iota
	sayRefuse
	sayAck
	sayStop
	sayDone
)

func newIn(s *Session, st *inStream, open Open) *In {
	in := &In{s: s, st: st, open: open, done: make(chan struct{})}
	if st != nil {
		in.base, in.relief = st.before, make(chan struct{}, 1)
		in.window.Store(firstWindow)
	}
	return in
}

// Open returns what the sending side said. It must not be changed.
func (in *In) Open() *Open { return &in.open }

// Session returns the session that the use belongs to.
func (in *In) Session() *Session { return in.s }

// Done is closed when the session begins to end, and when the use was refused or stopped
// from this side: a Serve that waits for somebody gives up then.
func (in *In) Done() <-chan struct{} { return in.done }

func (in *In) closeDone() { in.doneOnce.Do(func() { close(in.done) }) }

// Accept answers the Open with yes: numbers up to a.Limit may be sent. Only the first
// Accept or Refuse counts. A single value's use is accepted by its first Ack instead.
func (in *In) Accept(a Accept) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	if in.answered {
		return
	}
	in.answered, in.accept = true, a
	if _, there := in.s.ins[in]; there { // else nobody would give the share back
		in.widen()
	}
	in.ack.Limit = max(in.ack.Limit, a.Limit)
	in.queue(sayAccept)
}

// Refuse answers the Open with no, and ends the use. After Accept it does nothing.
func (in *In) Refuse(code Code, text string) {
	in.s.mu.Lock()
	calm := true
	if !in.answered {
		in.answered = true
		in.refuse = Refuse{Code: code, Text: text}
		in.quit(sayRefuse)
		calm = in.s.bears(in, code)
	}
	in.s.mu.Unlock()
	if !calm {
		in.s.end(violation("data stream", "calm down: more than %d uses a second are refused as wrong", refusalRate))
	}
}

// Ack tells the sender how far the receiver is. Taken and Limit only rise; Drops are added
// to those that were not told yet. It may be called as often as one likes: what is sent is
// the latest state, when the writer is free. It counts from Accept on, and not after Stop.
func (in *In) Ack(a Ack) { in.ackBy(a, true) }

// AckSoon is Ack, but waits for a moment, to leave with something else.
func (in *In) AckSoon(a Ack) { in.ackBy(a, false) }

func (in *In) ackBy(a Ack, now bool) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.ack.Taken = max(in.ack.Taken, a.Taken)
	in.ack.Limit = max(in.ack.Limit, a.Limit)
	for _, d := range a.Drops {
		in.drop(d)
	}
	in.answered = in.answered || in.st == nil
	in.queueFor(sayAck, now)
}

// drop notes d, as part of the one before if that goes on with it. s.mu is held.
func (in *In) drop(d Drop) {
	before := len(in.ack.Drops)
	in.ack.Drops = AddDrop(in.ack.Drops, d)
	in.s.untold += len(in.ack.Drops) - before
}

// toldDrops forgets the first n drops. s.mu is held.
func (in *In) toldDrops(n int) {
	in.s.untold -= n
	if in.ack.Drops = in.ack.Drops[n:]; len(in.ack.Drops) == 0 {
		in.ack.Drops = nil
	}
}

// AddDrop appends d to drops, or makes it part of the last one, if that ends where d begins
// and says the same. Where there are many already it need not: each then has the reason of
// the first.
func AddDrop(drops []Drop, d Drop) []Drop {
	if n := len(drops); n > 0 {
		last := &drops[n-1]
		if last.First+last.Count == d.First && (n >= maxDropsPerFrame || last.Code == d.Code && last.Text == d.Text) {
			last.Count += d.Count
			return drops
		}
	}
	return append(drops, d)
}

// waitTold waits until the peer has been told of most drops: one that does not listen must
// not make us remember more and more for it.
func (in *In) waitTold() {
	for {
		in.s.mu.Lock()
		n, all := len(in.ack.Drops), in.s.untold
		in.s.mu.Unlock()
		if n == 0 || n <= maxUntold && all <= maxUntoldAll {
			return
		}
		select {
		case <-in.relief:
		case <-in.done:
			return
		}
	}
}

// Stop ends the use from this side; only the first Stop counts. Before Accept it refuses
// the use. Acks that came before are told first.
func (in *In) Stop(st Stop) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	if in.told.Load() {
		return
	}
	if !in.answered {
		in.answered = true
		in.refuse = Refuse{Code: st.Code, Text: st.Text}
		in.quit(sayRefuse)
		return
	}
	in.stop = st
	in.quit(sayStop)
}

// quit ends the use with what is to be said last. s.mu is held.
func (in *In) quit(last saying) {
	in.queue(last)
	in.told.Store(true)
	in.closeDone()
	in.leave()
}

// queue notes what is to be said. s.mu is held.
func (in *In) queue(what saying) { in.queueFor(what, true) }

func (in *In) queueFor(what saying, now bool) {
	if in.told.Load() && what != sayDone || in.todo&sayDone != 0 {
		return // after its last word an In says nothing but DONE, and after DONE nothing
	}
	in.todo |= what
	if in.todo == sayAck && !in.answered {
		return
	}
	if !in.queued {
		in.queued = true
		in.s.says.push(in)
	}
	if now {
		in.s.nudge()
	} else {
		in.s.nudgeSoon()
	}
}

// say appends control frames that in has to send; if not all, in queues again. What it appends
// is well below 32 KiB. s.mu is held.
func (in *In) say(dst []byte) []byte {
	in.queued = false
	use, what := in.open.Use, in.todo
	in.todo &= sayDone
	if what&sayAccept != 0 {
		dst = appendAccept(dst, use, in.allow(), in.accept)
	}
	if what&sayAck != 0 && in.answered && what&sayRefuse == 0 {
		n := min(len(in.ack.Drops), maxDropsPerFrame)
		a := in.ack
		a.Drops = in.ack.Drops[:n]
		for _, d := range in.ack.Drops[n:] {
			a.Taken = min(a.Taken, d.First-1) // a drop is told before what passes it
		}
		dst = appendAck(dst, use, in.allow(), a)
		in.toldDrops(n)
		select {
		case in.relief <- struct{}{}:
		default:
		}
		if len(in.ack.Drops) > 0 {
			return in.later(dst, what&^sayAccept)
		}
	}
	if what&sayRefuse != 0 {
		dst = appendRefuse(dst, use, in.refuse)
	}
	if what&sayStop != 0 {
		n := min(len(in.stop.NotTaken), maxRunsPerFrame)
		st := in.stop
		st.NotTaken = in.stop.NotTaken[:n]
		in.stop.NotTaken = in.stop.NotTaken[n:]
		more := len(in.stop.NotTaken) > 0
		dst = appendStop(dst, use, st, more)
		if more {
			return in.later(dst, what&(sayStop|sayDone))
		}
	}
	if what&sayDone != 0 {
		// The stream is free: the next use may begin with firstWindow.
		in.st.allow(in.base + in.read.Load() + firstWindow)
		dst = appendDone(dst, use)
		in.toldDrops(len(in.ack.Drops)) // of a use that was refused nobody asks
	}
	in.leave()
	return dst
}

// later queues what is left to say. s.mu is held.
func (in *In) later(dst []byte, what saying) []byte {
	in.todo |= what
	in.queued = true
	in.s.says.push(in)
	return dst
}

// allow raises the byte limit to a window ahead of what was read, and returns it. s.mu is held.
func (in *In) allow() uint64 {
	if in.st == nil {
		return 0
	}
	limit := in.read.Load() + in.window.Load()
	in.st.allow(in.base + limit)
	return limit
}
