package chanref

import (
	"sync"
	"time"
)

// Bounds of how often a sink is looked at while its channel holds values: a
// channel does not tell when a value is taken out of it.
const (
	tickFirst = time.Millisecond
	tickLast  = 32 * time.Millisecond
	tickIdle  = 500 * time.Millisecond // where nothing has moved for long
	tickShare = 64                     // of that time
)

// ticker looks at the sinks that wait for their program. Its goroutine is
// there only while there are such.
type ticker struct {
	owner *sync.WaitGroup

	mu      sync.Mutex // guards what follows
	lookers []*looking
	running bool
	closed  bool
	wake    chan struct{} // capacity 1: a looker was added
}

type looker interface {
	look() (moved, again bool)
}

type looking struct {
	looker   looker
	at       time.Time
	interval time.Duration
	moved    time.Time
}

func (t *ticker) init(owner *sync.WaitGroup) {
	t.owner, t.wake = owner, make(chan struct{}, 1)
}

// add has l looked at until it says that it needs no more.
func (t *ticker) add(l looker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	now := time.Now()
	t.lookers = append(t.lookers, &looking{looker: l, at: now.Add(tickFirst), interval: tickFirst, moved: now})
	if !t.running {
		t.running = true
		t.owner.Add(1)
		go t.run()
		return
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *ticker) close() {
	t.mu.Lock()
	t.closed, t.lookers = true, nil
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *ticker) run() {
	defer t.owner.Done()
	timer := time.NewTimer(tickFirst)
	defer timer.Stop()
	var due []*looking
	for {
		now := time.Now()
		next := now.Add(tickLast)
		t.mu.Lock()
		if len(t.lookers) == 0 {
			t.running = false
			t.mu.Unlock()
			return
		}
		waiting := t.lookers[:0]
		for _, l := range t.lookers {
			if l.at.After(now) {
				waiting = append(waiting, l)
				if l.at.Before(next) {
					next = l.at
				}
			} else {
				due = append(due, l)
			}
		}
		clear(t.lookers[len(waiting):])
		t.lookers = waiting
		t.mu.Unlock()

		if nudge.marking.Load() { // looking would keep what nobody else has
			t.mu.Lock()
			if !t.closed {
				t.lookers = append(t.lookers, due...)
			}
			t.mu.Unlock()
			clear(due)
			due, next = due[:0], now.Add(tickLast)
		}
		again := due[:0]
		for _, l := range due {
			moved, more := l.looker.look()
			if !more {
				continue
			}
			if moved {
				l.interval, l.moved = tickFirst/2, now
			}
			l.interval = min(2*l.interval, max(tickLast, min(now.Sub(l.moved)/tickShare, tickIdle)))
			if l.at = now.Add(l.interval); l.at.Before(next) {
				next = l.at
			}
			again = append(again, l)
		}
		t.mu.Lock()
		if !t.closed {
			t.lookers = append(t.lookers, again...)
		}
		t.mu.Unlock()
		clear(due)
		due = due[:0]

		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-t.wake:
		}
	}
}
