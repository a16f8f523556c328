package memnet

import (
	"math/rand/v2"
	"time"
)

// window is how many bytes a connection holds each way before Write blocks.
const window = 256 << 10

// flow is one direction of a connection: what one end wrote and the other has not
// read. The pair's lock guards it.
type flow struct {
	net      *Network
	from, to *conn
	dice     rand.PCG

	bytes   ring
	arrived int           // bytes that can be read
	transit []leg         // the others, in order
	last    time.Duration // when the last thing sent arrives, if nothing holds it
	unacked int           // bytes read, of which from has not heard
	ending  ending
	endAt   time.Duration // when the ending arrives, after all bytes

	silent     bool // nothing gets there
	unanswered bool // nothing comes back
	gone       bool // nobody is there to read: what arrives is answered with a reset
	left       int  // bytes until the connection is cut; negative: no limit
}

// leg is bytes that arrive at one time.
type leg struct {
	n  int
	at time.Duration
}

// ending is what comes after the last byte.
type ending int

const (
	endNone  ending = iota
	endClean        // a FIN
	endReset
)

func (f *flow) way() way { return way{f.from.host.ip, f.to.host.ip} }

// stamp is when something sent now arrives.
func (f *flow) stamp(now time.Duration) time.Duration {
	f.last = max(f.last, now+f.net.delay(f.dice.Uint64))
	return f.last
}

// room is how much can be written.
func (f *flow) room() int { return window - f.bytes.n - f.unacked }

// put takes bytes in, no more than there is room for.
func (f *flow) put(now time.Duration, p []byte) {
	if f.ending == endReset {
		return // cut, and the writer doesn't know yet
	}
	cut := f.left >= 0 && len(p) >= f.left
	if cut {
		p = p[:f.left]
	}
	if f.left >= 0 {
		f.left -= len(p)
	}
	if len(p) > 0 {
		f.bytes.write(p)
		f.ship(len(p), f.arrival(now))
	}
	if cut {
		f.end(now, endReset)
	} else {
		f.bounce(now)
	}
	f.tell()
}

// arrival is when something sent now arrives, never while there is silence.
func (f *flow) arrival(now time.Duration) time.Duration {
	if f.silent {
		return never
	}
	return f.stamp(now)
}

func (f *flow) ship(n int, at time.Duration) {
	if i := len(f.transit) - 1; i >= 0 && f.transit[i].at == at {
		f.transit[i].n += n
		return
	}
	f.transit = append(f.transit, leg{n, at})
}

// end puts an ending behind all that was written; only the first counts.
func (f *flow) end(now time.Duration, e ending) {
	if f.ending != endNone {
		return
	}
	f.ending, f.endAt = e, f.arrival(now)
	if e == endReset && !f.silent {
		f.from.reset(now, f.endAt+f.net.delay(f.dice.Uint64))
	}
	f.tell()
}

// cutAfter sets after how many bytes the connection is cut.
func (f *flow) cutAfter(now time.Duration, bytes int) {
	if f.left = bytes; bytes == 0 {
		f.end(now, endReset)
	}
}

// advance lets arrive what is due.
func (f *flow) advance(now time.Duration) {
	for len(f.transit) > 0 && f.transit[0].at <= now {
		f.arrived += f.transit[0].n
		f.transit = f.transit[1:]
	}
}

// next is when there will be something for the reader.
func (f *flow) next() time.Duration {
	switch {
	case f.arrived > 0:
		return 0
	case len(f.transit) > 0:
		return f.transit[0].at
	case f.ending != endNone:
		return f.endAt
	}
	return never
}

// tell wakes who waits at the other end, when there is something for them.
func (f *flow) tell() {
	f.to.readers.wakeAt(f.next())
	if f.ending == endReset {
		f.to.writers.wakeAt(f.endAt)
	}
}

// ended is how the flow has ended, for a reader that has read all.
func (f *flow) ended(now time.Duration) ending {
	if f.bytes.n > 0 || f.endAt > now {
		return endNone
	}
	return f.ending
}

// get fills p with bytes that have arrived and returns how many.
func (f *flow) get(p []byte) int {
	n := min(len(p), f.arrived)
	if n == 0 {
		return 0
	}
	f.bytes.read(p[:n])
	f.arrived -= n
	if f.unanswered {
		f.unacked += n
	} else {
		f.from.writers.wake()
	}
	return n
}

// hush sets whether there is silence. What is on its way when it begins is held
// too; all that is held leaves when it ends.
func (f *flow) hush(now time.Duration, silent bool) {
	f.advance(now)
	if silent != f.silent {
		f.silent = silent
		at := f.arrival(now)
		n := f.bytes.n - f.arrived
		if f.transit = nil; n > 0 {
			f.ship(n, at)
		}
		if f.ending != endNone && f.endAt > now {
			f.endAt = at
			if f.ending == endReset && !silent {
				f.from.reset(now, at+f.net.delay(f.dice.Uint64))
			}
		}
	}
	if !f.unanswered && !f.gone && f.unacked > 0 {
		f.unacked = 0
		f.from.writers.wake()
	}
	f.bounce(now)
	f.tell()
}

// leave is what happens when nobody reads any more: what has come is gone.
func (f *flow) leave(now time.Duration) {
	f.gone = true
	f.advance(now)
	n := f.bytes.n - f.arrived
	f.unacked += f.arrived
	f.arrived = 0
	f.bytes.n = n // which bytes these are does not matter any more
	f.bounce(now)
}

// bounce answers what comes for a reader that is gone, also the question whether
// there is room again. It makes no room: the answer is a reset.
func (f *flow) bounce(now time.Duration) {
	if !f.gone || f.silent || f.unanswered || f.bytes.n == 0 && f.room() > 0 {
		return
	}
	f.unacked += f.bytes.n
	f.drop()
	f.from.reset(now, f.stamp(now)+f.net.delay(f.dice.Uint64))
}

// drop throws away what nobody will read.
func (f *flow) drop() {
	f.bytes.truncate(0)
	f.transit, f.arrived = nil, 0
}

// recall throws away what has not arrived.
func (f *flow) recall() {
	f.bytes.truncate(f.arrived)
	f.transit = nil
}
