package chanref

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// awake is how many proxies to send on have a goroutine.
func (l *land) awake() (n int) {
	l.table.refs.mu.Lock()
	defer l.table.refs.mu.Unlock()
	for _, p := range l.table.refs.proxies {
		if s, ok := p.source.(interface{ isNapping() bool }); ok && !s.isNapping() {
			n++
		}
	}
	return n
}

func (s *Source[T]) isNapping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.napping
}

// A proxy that is idle needs no goroutine and no stream, and wakes with the next value.
func TestNap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := newGlobe(t, "a", "b")
		ints := make(chan int, 3)
		far := carry[chan<- int](n[0], n[1], ints)
		for i, idle := range []time.Duration{0, 0, 2 * time.Second, 30 * time.Second, 5 * time.Minute} {
			pass(idle)
			synctest.Wait()
			if awake := n[1].awake(); idle > 0 && awake != 0 {
				t.Fatalf("after %v it still has a goroutine", idle)
			}
			start := time.Now()
			send(t, far, i)
			if v := receive(t, ints); v != i {
				t.Fatal(v)
			}
			if d := time.Since(start); d > 2*keepLast {
				t.Fatalf("after %v it took %v to wake", idle, d)
			}
		}
	})
}

// What wakes a proxy for another reason than a value does not keep it awake, and so alive.
func TestNapAfterCalls(t *testing.T) {
	for name, wake := range map[string]func(*testing.T, *land, *land, chan<- int){
		"a Flush": func(t *testing.T, _, _ *land, far chan<- int) {
			e, _ := EndingOf(far)
			if err := e.Flush(testContext(t)); err != nil {
				t.Fatal(err)
			}
		},
		"a break of the link": func(t *testing.T, a, b *land, _ chan<- int) {
			b.table.Away(b.to(a), true)
			b.table.Away(b.to(a), false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, n := newGlobe(t, "a", "b")
				ints := make(chan int, 3)
				far := carry[chan<- int](n[0], n[1], ints)
				for i := range 3 {
					send(t, far, i)
					receive(t, ints)
				}
				pass(3 * time.Second)
				wake(t, n[0], n[1], far)
				pass(3 * time.Second)
				synctest.Wait()
				if n[1].awake() != 0 {
					t.Error("it does not nap again")
				}
				runtime.KeepAlive(far)
				far = nil
				g.empty()
				runtime.KeepAlive(ints)
			})
		})
	}
}

// What was sent on a proxy just before it was dropped arrives, also when it was asleep; its
// home hears of the end.
func TestDropped(t *testing.T) {
	for _, idle := range []time.Duration{0, time.Millisecond, 3 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			g, n := newGlobe(t, "a", "b")
			ints := make(chan int, 3)
			done := make(chan (<-chan struct{}), 1)
			func() {
				far := carry[chan<- int](n[0], n[1], ints)
				done <- doneOf(ints)
				pass(idle)
				for i := range 3 {
					far <- i
				}
			}()
			for i := range 3 {
				if v := receive(t, ints); v != i {
					t.Fatal(v)
				}
			}
			g.empty()
			ended(t, "the channel at its home", <-done)
			if errOf(ints) == nil {
				t.Fatal("and not why")
			}
			runtime.KeepAlive(ints)
		})
	}
}

// A channel that comes again after its proxy was dropped is a new one; what was left in the old
// one arrives first.
func TestComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGlobe(t, "a", "b")
		ints := make(chan int)
		road := newRoad[chan<- int](n[0], n[1])
		want := 0
		for round := range 5 {
			far := road.carry(ints)
			for range 3 { // at home nobody takes one yet: some stay in the proxy
				select {
				case far <- want:
					want++
				default:
				}
				synctest.Wait()
			}
			runtime.KeepAlive(far)
			far = nil
			for range 3 + round {
				runtime.GC()
			}
		}
		for i := range want {
			if v := receive(t, ints); v != i {
				t.Fatalf("%d in place of %d", v, i)
			}
		}
		road.src.Close()
		g.empty()
		runtime.KeepAlive(ints)
	})
}

// 12,000 idle proxies have no goroutines, and each still works.
func TestManyIdle(t *testing.T) {
	many := 12_000
	if testing.Short() {
		many = 2_000
	}
	synctest.Test(t, func(t *testing.T) {
		g, n := newGlobe(t, "a", "b")
		home, far := make([]chan int, many), make([]chan<- int, many)
		road := newRoad[chan<- int](n[0], n[1])
		for i := range home {
			home[i] = make(chan int, 1)
			far[i] = road.carry(home[i])
		}
		pass(3 * time.Second)
		synctest.Wait()
		if awake := n[1].awake(); awake != 0 {
			t.Fatalf("%d of them are awake", awake)
		}
		for i := range far {
			if i%100 == 0 {
				far[i] <- i
			}
		}
		for i := range home {
			if i%100 == 0 {
				if v := receive(t, home[i]); v != i {
					t.Fatal(v)
				}
			}
		}
		runtime.KeepAlive(far)
		far = nil
		road.src.Close()
		g.empty()
		runtime.KeepAlive(home)
	})
}

// A push that waits for a reader who has left keeps the channel for a second only.
func TestReaderLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGlobe(t, "a", "b")
		ints := make(chan int)
		far := carry[chan<- int](n[0], n[1], ints)
		send(t, far, 1)
		runtime.KeepAlive(ints)
		ints = nil
		start := time.Now()
		eventually(t, "the proxy's end", func() bool {
			select {
			case <-doneOf(far):
				return true
			default:
				return false
			}
		})
		if d := time.Since(start); d > 3*time.Second {
			t.Fatalf("it took %v", d)
		}
		for i := range 10 {
			send(t, far, i)
		}
		if errOf(far) == nil {
			t.Fatal("it does not say why")
		}
		far = nil
		g.empty()
	})
}

// The second value of a channel is met at once while its goroutine lingers; where too many do, about a
// millisecond after the first. A channel that is used in turn with others must not look idle for that.
func TestSecondValueIsMet(t *testing.T) {
	for _, many := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, n := newGlobe(t, "a", "b")
			ints := make(chan int, 1)
			far := carry[chan<- int](n[0], n[1], ints)
			most := time.Duration(0)
			if many {
				n[1].table.awake.Add(onceMost)
				most = 2 * time.Millisecond
			}
			send(t, far, 1)
			receive(t, ints)
			pass(time.Millisecond / 2)
			if naps := n[1].awake() == 0; naps != many {
				t.Fatalf("many others linger: %t; its goroutine is away: %t", many, naps)
			}
			start := time.Now()
			send(t, far, 2)
			receive(t, ints)
			if d := time.Since(start); d > most {
				t.Errorf("many others linger: %t; the second value took %v", many, d)
			}
			n[1].table.awake.Add(-n[1].table.awake.Load())
		})
	}
}

// Who takes a value and drops its channel at once is seen to have taken it, though nothing has
// looked in between.
func TestTakenAndDroppedAtOnce(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		ints := make(chan int, 1)
		far := carry[chan<- int](n[0], n[1], ints)
		send(t, far, 1)
		synctest.Wait() // it lies in the channel
		if v := receive(t, ints); v != 1 {
			t.Fatal(v)
		}
		ints = nil
		sweep() // no time passes
		pass(time.Second)
		sweep()
		closesSoon(t, "the proxy", doneOf(far))
		if st := n[1].table.RefStats(); st.Dropped != 0 {
			t.Errorf("%d values that were taken count as dropped", st.Dropped)
		}
		far = nil
		g.empty()
	}, "a", "b")
}
