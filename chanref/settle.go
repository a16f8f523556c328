package chanref

import (
	"strings"

	"github.com/matveynator/netchan/mux"
)

// drop notes a number that will never be taken; the sink's mu is held.
func (u *use) drop(number uint64, code mux.Code, text string) {
	text = strings.Clone(text[:min(len(text), maxDropText)])
	u.drops = mux.AddDrop(u.drops, mux.Drop{First: number, Count: 1, Code: code, Text: text})
}

const maxDropText = 200

// note books what was pushed since the last time.
func (p *pusher[T]) note() {
	if p.n == 0 {
		return
	}
	s := p.s
	s.counts.received.Add(p.n)
	s.mu.Lock()
	s.k.note(p.u, p.n, false)
	s.openGates()
	s.mu.Unlock()
	p.n = 0
	p.settle()
}

// settle looks how far the program has got, and acknowledges when enough was
// taken. What remains is looked at again by the table's clock.
func (p *pusher[T]) settle() {
	s, u := p.s, p.u
	s.mu.Lock()
	s.k.settle(s.k.pushed, s.held())
	due := u.taken-u.told >= u.every
	tick := !s.ticking && (s.k.runs.len() > 0 || !due && u.unacked())
	s.ticking = s.ticking || tick
	if tick && s.cfg.export != nil {
		s.pin, s.pinned = p.c, 0
	}
	taken, some := s.k.taken, len(s.vals)/2
	if s.k.runs.len() == 0 {
		some = 1 // nobody may come to look
	}
	s.mu.Unlock()
	s.wipe(taken, some)
	switch {
	case due && p.hasty: // of a single value: its sender is done with it
		s.ackSoon(u)
	case due:
		s.ack(u, false)
	}
	if tick {
		s.table.ticks.add(s)
	}
}

func (u *use) unacked() bool { return u.taken > u.told || len(u.drops) > 0 }

// wipe forgets values that were taken, once there are some of them, for the
// holder of push.
func (s *Sink[T]) wipe(taken uint64, some int) {
	if s.vals == nil || taken < s.wiped+uint64(some) {
		return
	}
	// Places further back were used again for newer values.
	s.wiped = max(s.wiped, s.pushes-min(s.pushes, uint64(len(s.vals))))
	var zero T
	for ; s.wiped < taken; s.wiped++ {
		s.vals[s.wiped%uint64(len(s.vals))] = zero
	}
}

// ack tells u's sender what was taken. It holds the lock meanwhile (In.Ack does
// not wait), so that no drop is told behind an acknowledgement that passes it.
func (s *Sink[T]) ack(u *use, always bool) { s.ackBy(u, always, (*mux.In).Ack) }

func (s *Sink[T]) ackBy(u *use, always bool, tell func(*mux.In, mux.Ack)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !always && !u.unacked() {
		return
	}
	u.told, u.limit = u.taken, s.limit(u.taken)
	a := mux.Ack{Taken: u.taken, Limit: u.limit, Drops: u.drops}
	u.drops = nil
	tell(u.in, a)
}

// ackSoon is ack where nobody is known to wait: it goes with what else leaves in the next moment,
// a reply for instance.
func (s *Sink[T]) ackSoon(u *use) { s.ackBy(u, false, (*mux.In).AckSoon) }

// pinLooks is how often the channel of a sink that should not keep it is looked at before it may go: who
// has taken a value out of it, and drops it at once, shall be seen to have taken it.
const pinLooks = 5

// look is called by the table's clock while values lie in the channel, or are
// taken and not acknowledged. It says whether anything has moved, and whether
// to come again.
func (s *Sink[T]) look() (moved, again bool) {
	wipes := false // else a push is going on
	select {
	case s.push <- struct{}{}:
		wipes = true
	default:
	}
	s.mu.Lock()
	before := s.k.taken
	s.k.settle(s.k.pushed, s.held())
	var due, soon []*use
	for u := range s.uses.all() {
		switch {
		case !u.unacked():
		case u.taken-u.told > u.every/8: // its sender is busy, and may soon wait for more room
			due = append(due, u)
		default:
			soon = append(soon, u)
		}
	}
	taken := s.k.taken
	again = (s.k.runs.len() > 0 || !wipes && s.vals != nil) && !s.ended
	s.ticking = again
	if s.pinned++; s.pinned == pinLooks || !again {
		s.pin = nil
	}
	s.mu.Unlock()
	if wipes {
		s.wipe(taken, 1)
		<-s.push
	}
	for _, u := range due {
		s.ack(u, false)
		s.settled(u)
	}
	for _, u := range soon {
		s.ackSoon(u)
		s.settled(u)
	}
	return taken != before || len(due)+len(soon) > 0, again
}
