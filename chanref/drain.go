package chanref

import "time"

// Bounds of how often an ended channel is looked at.
const (
	drainFirst = time.Millisecond
	drainLast  = 100 * time.Millisecond

	// drainBurst is how many values are taken at a time, however many senders
	// there are: nobody shall wait for their end.
	drainBurst = 1024
)

// drain takes what is sent to a channel whose source has ended, so that no
// send blocks for ever, and calls count for each value. It holds the channel
// weakly and has no goroutine: a timer looks at growing intervals, until the
// channel is closed or collected.
func drain[T any](c <-chan T, count func()) {
	w := holdWeakly(c)
	var look func()
	interval := drainFirst
	look = func() {
		c := w.get()
		if c == nil {
			return
		}
		wait := interval
		interval = min(2*interval, drainLast)
		for n, more := 0, true; more && n < drainBurst; n++ {
			select {
			case _, ok := <-c:
				if !ok {
					return
				}
				count()
				wait, interval = drainFirst, 2*drainFirst
			default:
				more = false
			}
		}
		time.AfterFunc(wait, look) // last: it may run at once
	}
	look()
}
