package netchan

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/test/history"
)

// sending is a Sender and the goroutine that sends on it, one thing after the other.
type sending struct {
	h   *history.History
	log *history.Sender
	s   *Sender[history.Parcel]
	do  chan func()
	wg  *sync.WaitGroup

	busy   atomic.Int64 // things to do that are not done
	closed bool         // C was; the goroutine's
	ending bool         // it was told to end; the interpreter's
	stopAt context.Context
}

// maxToDo bounds what waits for a sender; more is left out.
const maxToDo = 64

func (p *play) newSending(log *history.Sender, s *Sender[history.Parcel]) *sending {
	a := &sending{h: p.h, log: log, s: s, do: make(chan func(), maxToDo), wg: &p.wg, stopAt: p.ctx}
	p.wg.Go(func() {
		for f := range a.do {
			f()
			a.busy.Add(-1)
		}
	})
	p.wg.Go(func() {
		<-s.Done()
		p.h.SenderEnded(log, s.Err())
	})
	return a
}

func (a *sending) then(f func()) {
	a.busy.Add(1)
	select {
	case a.do <- f:
	default:
		a.busy.Add(-1)
	}
}

func (a *sending) value(size int, loose bool) history.Parcel {
	v := history.Parcel{From: a.log.ID, N: a.h.Sends(a.log, loose)}
	v.Fill(size)
	return v
}

func (a *sending) send(count, size int) {
	a.then(func() {
		for range count {
			if a.closed || a.stopAt.Err() != nil {
				return
			}
			v := a.value(size, false)
			a.s.C <- v
			a.h.Accepted(a.log, v.N)
		}
	})
}

// callTime is how long calls with a context wait.
const callTime = 8 * time.Second

func (a *sending) deliver(size int, aside bool) {
	a.run(aside, func(ctx context.Context) {
		v := a.value(size, aside)
		done := a.h.Call(a.log, "Deliver", v.N)
		done(a.s.Deliver(ctx, v))
	})
}

func (a *sending) flush(aside bool) {
	a.run(aside, func(ctx context.Context) {
		done := a.h.Call(a.log, "Flush", 0)
		done(a.s.Flush(ctx))
	})
}

// run makes a call, beside the sends or between them.
func (a *sending) run(aside bool, f func(context.Context)) {
	g := func() {
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		defer cancel()
		f(ctx)
	}
	if !aside {
		a.then(g)
		return
	}
	a.busy.Add(1)
	a.wg.Go(func() {
		defer a.busy.Add(-1)
		g()
	})
}

func (a *sending) closeC() {
	a.ending = true
	a.then(func() {
		if !a.closed {
			a.closed = true
			a.h.ClosesC(a.log)
			close(a.s.C)
		}
	})
}

func (a *sending) detach() {
	a.ending = true
	a.h.Detaches(a.log)
	a.s.Close()
}

// reading is a Receiver and the goroutine that reads from it.
type reading struct {
	log *history.Receiver
	r   *Receiver[history.Parcel]
	how chan reader
	out chan struct{} // closed when C was
}

// reader is a way to read: so many values, with a pause before each; or none.
type reader struct {
	left  int
	pause time.Duration
}

const noLimit = 1 << 30

func (p *play) newReading(log *history.Receiver, r *Receiver[history.Parcel], how reader) *reading {
	a := &reading{log: log, r: r, how: make(chan reader, maxToDo), out: make(chan struct{})}
	p.wg.Go(func() {
		defer close(a.out)
		for {
			var c <-chan history.Parcel
			if how.left > 0 {
				c = r.C
			}
			select {
			case how = <-a.how:
				continue
			case v, ok := <-c:
				if !ok {
					p.h.ReceiverEnded(log, r.Err())
					return
				}
				p.h.Took(log, v.From, v.N, v.Intact())
			}
			how.left--
			if how.pause > 0 {
				time.Sleep(how.pause)
			}
		}
	})
	return a
}

func (a *reading) read(how reader) {
	select {
	case a.how <- how:
	default:
	}
}

func (s step) reader() reader {
	switch s.b % 8 {
	case 0:
		return reader{}
	case 1:
		return reader{noLimit, 10 * time.Millisecond}
	case 2:
		return reader{noLimit, 300 * time.Millisecond}
	case 3:
		return reader{left: 1 + int(s.c)%20}
	}
	return reader{left: noLimit}
}
