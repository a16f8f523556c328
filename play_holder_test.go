package netchan

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/test/history"
)

// holder is a channel in one direction that a node's program holds, and the goroutine
// that uses it, one thing after the other. Only the holder refers to the channel, so that
// it is garbage once that was dropped.
type holder struct {
	p   *chanPlay
	log *history.ChanEnd
	at  *slot

	mu  sync.Mutex // guards what follows, which is nil once it was dropped
	to  chan<- letter
	of  <-chan letter
	own chan letter // the original, at its home

	atHome bool
	done   <-chan struct{} // of a proxy; else nil
	do     chan func()
	how    chan reader
	quit   context.Context
	cancel context.CancelFunc
	out    chan struct{} // the goroutine has ended
	busy   atomic.Int64
	sends  atomic.Bool // a send on the channel is under way
	shut   bool        // the channel was closed by this holder, or found closed; the goroutine's
}

// holds has a node's program hold a channel from now on.
func (p *chanPlay) holds(at *slot, log *history.ChanEnd, own chan letter, to chan<- letter, of <-chan letter) *holder {
	a := &holder{
		p: p, log: log, at: at, own: own, to: to, of: of, atHome: own != nil,
		do: make(chan func(), maxToDo), how: make(chan reader, maxToDo), out: make(chan struct{}),
	}
	a.quit, a.cancel = context.WithCancel(p.ctx)
	if own == nil {
		a.watch(to, of)
	}
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		a.cancel()
		return nil
	}
	p.holders = append(p.holders, a)
	p.mu.Unlock()
	p.wg.Go(a.run)
	return a
}

// watch notes when a proxy has ended, and does not keep it.
func (a *holder) watch(to chan<- letter, of <-chan letter) {
	var e *chanref.Ending
	if to != nil {
		e, _ = chanref.EndingOf(to)
	} else {
		e, _ = chanref.EndingOf(of)
	}
	if e == nil {
		a.p.h.Fault(history.ErrDishonest, "%v is no channel that has travelled", a.log)
		a.done = make(chan struct{})
		return
	}
	a.done = e.Done()
	p, log := a.p, a.log // not a: it outlives what it holds
	p.wg.Go(func() {
		select {
		case <-e.Done():
			p.ch.Done(log, e.Err())
		case <-p.ctx.Done():
		}
	})
}

// holds says whether a value brings the channel that is held, or one that was dropped just now.
func (a *holder) holds(v letter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.to == nil && a.of == nil || v.To != nil && v.To == a.to || v.Of != nil && v.Of == a.of
}

func (a *holder) run() {
	defer close(a.out)
	defer a.forget()
	how := reader{left: noLimit}
	for {
		c := a.of
		if how.left == 0 || a.shut {
			c = nil
		}
		select {
		case <-a.quit.Done():
			return
		case f := <-a.do:
			f()
			a.busy.Add(-1)
			continue
		case how = <-a.how:
			continue
		case v, ok := <-c:
			if !ok {
				a.shut = true
				a.p.ch.FoundClosed(a.log, Err(a.of))
				continue
			}
			a.p.ch.Hears(a.log, v.From, v.N)
			a.p.opens(a.at, a.log.Node, v)
		}
		if how.left--; how.pause > 0 {
			time.Sleep(how.pause)
		}
	}
}

func (a *holder) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to, a.of, a.own = nil, nil, nil
}

// drop has the holder forget the channel, and returns when it has.
func (a *holder) drop() {
	a.p.ch.Drops(a.log)
	a.cancel()
	<-a.out
}

func (a *holder) then(f func()) {
	a.busy.Add(1)
	select {
	case a.do <- f:
	default:
		a.busy.Add(-1)
	}
}

func (a *holder) hear(how reader) {
	select {
	case a.how <- how:
	default:
	}
}

func (a *holder) tell(count int) {
	a.then(func() {
		for range count {
			if !a.send(letter{}) {
				return
			}
		}
	})
}

// send sends the next value. It is false when that can't be.
func (a *holder) send(v letter) (ok bool) {
	if a.shut || a.quit.Err() != nil {
		return false
	}
	v.From, v.N = a.log.ID, a.p.ch.Tells(a.log)
	a.sends.Store(true)
	defer a.sends.Store(false)
	defer a.closed()
	select {
	case a.to <- v:
		a.p.ch.Told(a.log, v.N)
		return true
	case <-a.quit.Done():
	}
	return false
}

// closed takes the panic of who uses a channel that others may close, too: at its home, and
// elsewhere where it has come twice.
func (a *holder) closed() {
	if r := recover(); r != nil {
		a.shut = true
		if (a.log.Dir != history.ToSend || !a.log.Straight() || a.done != nil) && !a.p.ch.ShutBeside(a.log) {
			a.p.h.Fault(history.ErrDishonest, "%v: %v", a.log, r)
		}
	}
}

func (a *holder) end() {
	if raceEnabled {
		return // who closes a channel that others send on is reported, as anywhere in Go
	}
	a.then(func() {
		if !a.shut {
			defer a.closed()
			a.p.ch.Shuts(a.log)
			a.shut = true
			close(a.to)
		}
	})
}

// release calls Release, which does nothing to an original.
func (a *holder) release() {
	a.then(func() {
		if a.done != nil {
			a.p.ch.Releases(a.log)
		}
		if a.to != nil {
			Release(a.to)
		} else {
			Release(a.of)
		}
	})
}

// pass puts the channel into a value that is sent on mail, behind what was sent on it
// before.
func (a *holder) pass(slot int, linked bool, mail chan<- letter) {
	a.then(func() {
		v := letter{Pass: a.p.ch.Pass(a.log, history.Pass{To: slot, Linked: linked}), To: a.to, Of: a.of}
		select {
		case mail <- v:
		case <-a.quit.Done():
		}
	})
}

// passOver passes the channel on in a value on another one. o is not kept waiting for a, nor
// a for o: either may be dropped.
func (a *holder) passOver(o *holder) {
	a.then(func() {
		v := letter{Pass: a.p.ch.Pass(a.log, history.Pass{To: -1, Over: o.log.Ch}), To: a.to, Of: a.of}
		o.then(func() { o.send(v) })
	})
}
