package mux

import "time"

// What a peer asks for costs us an answer each time, and one that asks and does not listen, or asks in
// vain as fast as it can, is told to calm down: its session ends.

// A bucket lets so many things through at once, and so many a second in the long run. The zero
// value has let nothing through yet.
type bucket struct {
	used float64
	at   time.Time
}

// take takes one; false: there is none.
func (b *bucket) take(now time.Time, burst, rate float64) bool {
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.used+1 > burst {
		return false
	}
	b.used++
	return true
}

// bears counts a refusal of in; false: there were too many. A channel that was in a value, or an end that
// has closed, is asked for in vain by who could not know yet, as often as there are such. s.mu is held.
func (s *Session) bears(in *In, code Code) bool {
	if in.open.Target.Name == "" {
		return true
	}
	switch code {
	case CodeNoSuch, CodeType, CodeLimit:
		return s.calm.take(time.Now(), refusalBurst, refusalRate)
	}
	return true
}

// canAnswer says whether there is room for what another ATTACH may have us say.
func (s *Session) canAnswer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unsaid)+s.gones.len() < maxAsked
}
