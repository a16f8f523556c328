package mux

import "time"

// What is said and need not leave at once waits for something that it can leave with. Where
// something comes again and again, the clock that looks after it comes seldom: acknowledgements of
// questions then leave with the answers, and cost no packet, and no timer, of their own.
const (
	soonFirst = time.Millisecond
	soonMost  = 8 * time.Millisecond
)

// later is the clock of what can wait. The session's mu guards it.
type later struct {
	timer *time.Timer
	armed bool
	wait  time.Duration // how long next time
}

func (l *later) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// nudgeSoon is nudge, but for what need not leave at once. mu is held.
func (s *Session) nudgeSoon() {
	l := &s.later
	switch {
	case l.armed || s.err != nil:
		return
	case l.timer == nil:
		l.wait = soonFirst
		l.timer = time.AfterFunc(l.wait, s.tooLate)
	default:
		l.timer.Reset(l.wait)
	}
	l.armed = true
}

// tooLate nudges the writer if what was said is still there.
func (s *Session) tooLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.later
	l.armed = false
	if s.says.len() > 0 {
		l.wait = max(l.wait/2, soonFirst)
		s.nudge()
	} else {
		l.wait = min(2*l.wait, soonMost)
	}
}
