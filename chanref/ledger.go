package chanref

// A ledger counts who holds what: session S holds key K so many times. It is a
// plain state machine. The zero ledger is empty.
type ledger[S, K comparable] struct {
	held    map[S]map[K]uint64
	holders map[K]int // sessions
}

// add counts one more.
func (l *ledger[S, K]) add(s S, k K) {
	if l.held == nil {
		l.held, l.holders = make(map[S]map[K]uint64), make(map[K]int)
	}
	of := l.held[s]
	if of == nil {
		of = make(map[K]uint64)
		l.held[s] = of
	}
	if of[k]++; of[k] == 1 {
		l.holders[k]++
	}
}

// sub counts n less. It is false, and nothing has changed, when s holds fewer. last
// says that s holds k no more.
func (l *ledger[S, K]) sub(s S, k K, n uint64) (last, ok bool) {
	of := l.held[s]
	if n == 0 || of[k] < n {
		return false, false
	}
	if of[k] -= n; of[k] > 0 {
		return false, true
	}
	l.forget(s, k)
	return true, true
}

func (l *ledger[S, K]) forget(s S, k K) {
	if delete(l.held[s], k); len(l.held[s]) == 0 {
		delete(l.held, s)
	}
	if l.holders[k]--; l.holders[k] == 0 {
		delete(l.holders, k)
	}
}

// lose forgets what s holds, and returns that.
func (l *ledger[S, K]) lose(s S) (lost []K) {
	for k := range l.held[s] {
		lost = append(lost, k)
	}
	for _, k := range lost {
		l.forget(s, k)
	}
	return lost
}

// of is how often s holds k, isHeld whether anybody does.
func (l *ledger[S, K]) of(s S, k K) uint64 { return l.held[s][k] }
func (l *ledger[S, K]) isHeld(k K) bool    { return l.holders[k] > 0 }

// by are the sessions that hold k.
func (l *ledger[S, K]) by(k K) (all []S) {
	if l.holders[k] == 0 {
		return nil
	}
	for s, of := range l.held {
		if of[k] > 0 {
			all = append(all, s)
		}
	}
	return all
}
