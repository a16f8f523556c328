package chanref

import "time"

// Bounds of how often an ended channel is looked at.
const (
	drainFirst = time.Millisecond
	drainLast  = 100 * time.Millisecond
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
		for {
			select {
			case _, ok := <-c:
				if !ok {
					return
				}
				count()
				interval = drainFirst
				continue
			default:
			}
			break
		}
		time.AfterFunc(interval, look)
		interval = min(2*interval, drainLast)
	}
	look()
}
