package soak

import (
	"fmt"
	"sync"
	"testing"
)

// A ledger has what came of numbered values, those of each sender from 0 on.
type ledger struct {
	ordered bool // a receiver gets those of one sender in order, and none comes twice
	mu      sync.Mutex
	tracks  map[int]*track // by sender
}

// A track is what came of one sender. It does not grow with the number of values, but with
// how far they are apart.
type track struct {
	next  uint64          // all before it have come
	early map[uint64]bool // these have too
	last  map[int]uint64  // the last one that came to each receiver, plus 1
	came  uint64          // how many, each counted once
	twice uint64          // how many came again
}

func newLedger(ordered bool) *ledger { return &ledger{ordered: ordered, tracks: make(map[int]*track)} }

// add notes a value, and says what is wrong with it.
func (l *ledger) add(receiver, sender int, n uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.tracks[sender]
	if k == nil {
		k = &track{early: make(map[uint64]bool), last: make(map[int]uint64)}
		l.tracks[sender] = k
	}
	if n < k.next || k.early[n] {
		if k.twice++; l.ordered {
			return fmt.Errorf("doubled: value %d of sender %d came to receiver %d, and had come before", n, sender, receiver)
		}
		return nil
	}
	k.came++
	for k.early[n] = true; k.early[k.next]; k.next++ {
		delete(k.early, k.next)
	}
	if !l.ordered {
		return nil
	}
	if n < k.last[receiver] {
		return fmt.Errorf("reordered: value %d of sender %d came to receiver %d after %d", n, sender, receiver, k.last[receiver]-1)
	}
	k.last[receiver] = n + 1
	return nil
}

// of says how many values of a sender came, and how many of these again.
func (l *ledger) of(sender int) (came, twice uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.tracks[sender]; k != nil {
		return k.came, k.twice
	}
	return 0, 0
}

// forget lets go of what came of a sender; a value that comes now is one too many.
func (l *ledger) forget(sender int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tracks, sender)
}

// clear forgets all senders.
func (l *ledger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.tracks)
}

// The ledger sees what it is there for.
func TestLedger(t *testing.T) {
	for name, c := range map[string]struct {
		ordered bool
		came    [][2]int // receiver, number
		wrong   int      // which of them is, or -1
	}{
		"in order":             {true, [][2]int{{1, 0}, {2, 1}, {1, 2}}, -1},
		"over two receivers":   {true, [][2]int{{1, 1}, {2, 0}, {2, 2}}, -1},
		"doubled":              {true, [][2]int{{1, 0}, {1, 1}, {1, 1}}, 2},
		"doubled at another":   {true, [][2]int{{1, 0}, {2, 0}}, 1},
		"doubled, early":       {true, [][2]int{{1, 5}, {2, 5}}, 1},
		"reordered":            {true, [][2]int{{1, 1}, {1, 0}}, 1},
		"order does not count": {false, [][2]int{{1, 1}, {1, 0}, {1, 0}}, -1},
	} {
		l := newLedger(c.ordered)
		for i, v := range c.came {
			if err := l.add(v[0], 7, uint64(v[1])); (err != nil) != (i == c.wrong) {
				t.Errorf("%s: value %d: %v", name, i, err)
			}
		}
		if name == "order does not count" {
			if came, twice := l.of(7); came != 2 || twice != 1 {
				t.Errorf("%d came, %d again", came, twice)
			}
		}
	}
}
