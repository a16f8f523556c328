package memnet

import (
	"math"
	"sync"
	"time"
)

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// waiting is where goroutines wait for each other or for a time, under a lock
// that is not held meanwhile. One timer serves all of them.
type waiting struct {
	cond  sync.Cond // its L is the lock under which all methods are called
	net   *Network
	n     int // who waits
	timer *time.Timer
	due   time.Duration // when the timer wakes them; never if it is not running
}

func (w *waiting) init(n *Network, l sync.Locker) {
	w.cond.L, w.net, w.due = l, n, never
}

// wait waits for wake, or until then; it may return early.
func (w *waiting) wait(until time.Duration) {
	w.n++
	if w.wakeAt(until) {
		w.cond.Wait()
	}
	w.n--
}

// wake wakes whoever waits.
func (w *waiting) wake() {
	if w.n > 0 {
		w.cond.Broadcast()
	}
}

// wakeAt wakes whoever waits at a time, if they aren't woken before. It reports
// false if that time has come.
func (w *waiting) wakeAt(at time.Duration) bool {
	if w.n == 0 || at >= w.due {
		return true
	}
	d := at - w.net.now()
	if d <= 0 {
		w.wake()
		return false
	}
	w.due = at
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.fire)
	} else {
		w.timer.Reset(d)
	}
	return true
}

func (w *waiting) fire() {
	w.cond.L.Lock()
	defer w.cond.L.Unlock()
	w.due = never
	w.wake()
}

// stop gives up the timer.
func (w *waiting) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.due = never
}
