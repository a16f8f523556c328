package mux

import (
	"testing"
	"testing/synctest"
	"time"
)

// What need not leave at once leaves within a moment. Where something else has taken it along
// again and again, the clock comes seldom; where nothing does, soon again.
func TestSaidSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(nil, Config{})
		defer s.later.stop()
		say := func() {
			s.mu.Lock()
			s.says.push(&In{})
			s.nudgeSoon()
			s.mu.Unlock()
		}
		taken := func() {
			s.mu.Lock()
			s.says.pop()
			s.mu.Unlock()
		}
		wait := func() time.Duration {
			start := time.Now()
			say()
			<-s.wake
			taken()
			return time.Since(start)
		}
		if d := wait(); d != soonFirst {
			t.Fatalf("the first waited for %v", d)
		}
		for range 10 {
			say()
			taken() // it has left with something else
			time.Sleep(soonMost)
			synctest.Wait()
		}
		select {
		case <-s.wake:
			t.Fatal("the writer was woken for nothing")
		default:
		}
		if d := wait(); d != soonMost {
			t.Fatalf("where others take it along, it waited for %v", d)
		}
		for range 3 {
			wait()
		}
		if d := wait(); d != soonFirst {
			t.Fatalf("where nobody does any more, it waited for %v", d)
		}
	})
}
