package chanref

import (
	"sync"
	"time"
)

// Bounds of how often an ended channel is looked at. Whoever looks at a channel while the
// garbage collector marks keeps it for that cycle: so one on which nobody sends any more is
// looked at more and more seldom.
const (
	drainFirst = time.Millisecond
	drainLast  = 100 * time.Millisecond // while somebody has sent in the last seconds
	drainIdle  = 2 * time.Second
	drainShare = 32                    // of the time since then
	sweepEach  = 200 * time.Nanosecond // between two sweeps, for each of the channels

	// drainBurst is how many values are taken at a time, however many senders
	// there are: nobody shall wait for their end.
	drainBurst = 1024
)

// drains takes what is sent to channels whose source has ended, so that no send
// blocks for ever. It holds them weakly, has no goroutine, and goes on after the
// end of its table: a timer looks at growing intervals, for as long as there is
// one that was neither closed nor collected. The zero value is ready.
type drains struct {
	mu      sync.Mutex // guards what follows
	all     []*drained
	timer   *time.Timer
	looking bool
}

// drained is an ended channel.
type drained struct {
	of       drainee
	interval time.Duration
	at       time.Time
	took     time.Time // when something was taken last
}

// drainee is the source that it has had.
type drainee interface {
	// look takes what there is. again: it has done so before.
	look(again bool) (took int, over bool)
}

// add looks at e at once, and then again and again.
func (d *drains) add(e *drained) {
	if e.next(time.Now()) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, e)
	if !d.looking {
		d.schedule(e.at)
	}
}

// next looks at e, and says whether that was the last time.
func (e *drained) next(now time.Time) (over bool) {
	took, over := e.of.look(!e.at.IsZero())
	if took > 0 || e.took.IsZero() {
		e.interval, e.took = 0, now
	}
	most := min(max(drainLast, now.Sub(e.took)/drainShare), drainIdle)
	e.interval = min(max(2*e.interval, drainFirst), most)
	e.at = now.Add(e.interval)
	return over
}

// schedule has sweep come at a time, or sooner if that is due. d.mu is held.
func (d *drains) schedule(at time.Time) {
	wait := max(time.Until(at), drainFirst, time.Duration(len(d.all))*sweepEach)
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.sweep)
	} else {
		d.timer.Reset(wait)
	}
}

// sweep looks at all that are due.
func (d *drains) sweep() {
	now := time.Now()
	d.mu.Lock()
	if d.looking {
		d.mu.Unlock()
		return
	}
	if nudge.marking.Load() {
		d.schedule(now.Add(keepFirst))
		d.mu.Unlock()
		return
	}
	d.looking = true
	all := d.all
	d.all = nil
	d.mu.Unlock()
	left := all[:0]
	for _, e := range all {
		if e.at.After(now) || !e.next(now) {
			left = append(left, e)
		}
	}
	clear(all[len(left):])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looking = false
	d.all = append(left, d.all...)
	if len(d.all) == 0 {
		return
	}
	next := d.all[0].at
	for _, e := range d.all {
		if e.at.Before(next) {
			next = e.at
		}
	}
	d.schedule(next)
}
