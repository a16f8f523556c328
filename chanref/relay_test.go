package chanref

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// Who sends or receives through a third node learns that the home is gone, or has dropped the
// channel, and hears it from nobody when all is well.
func TestRelayTells(t *testing.T) {
	for name, end := range map[string]func(a *land, ints *chan int){
		"the home dies":              func(a *land, _ *chan int) { a.die() },
		"the home drops the channel": func(_ *land, ints *chan int) { *ints = nil },
	} {
		for _, dir := range []mux.Direction{mux.ToSend, mux.ToReceive} {
			if dir == mux.ToReceive && name != "the home dies" {
				continue // it is kept while others receive from it
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g, n := newGlobe(t, "a", "b", "c")
					a, b, c := n[0], n[1], n[2]
					g.part(a, c)
					ints := make(chan int, 3)
					var done <-chan struct{}
					var why func() error
					take := func() {}
					if dir == mux.ToSend {
						atC := carry(b, c, carry[chan<- int](a, b, ints))
						send(t, atC, 1)
						receive(t, ints)
						done, why = doneOf(atC), func() error { return errOf(atC) }
					} else {
						atC := carry(b, c, carry[<-chan int](a, b, ints))
						send(t, ints, 1)
						receive(t, atC)
						send(t, ints, 2)
						pass(time.Second)
						done, why = doneOf(atC), func() error { return errOf(atC) }
						take = func() {
							if got := closed(t, atC); len(got) != 1 || got[0] != 2 {
								t.Errorf("what had come: %v", got)
							}
						}
					}
					pass(time.Second)
					select {
					case <-done:
						t.Fatalf("it has ended: %v", why())
					default:
					}
					end(a, &ints)
					take()
					eventually(t, "the end", func() bool {
						select {
						case <-done:
							return true
						default:
							return false
						}
					})
					if why() == nil {
						t.Error("it looks like a good end")
					}
				})
			})
		}
	}
}

// The introducer dies at each step: what it passed on works, or has ended with a reason.
func TestIntroducerDies(t *testing.T) {
	for name, at := range map[string]func(g *globe, a, b, c *land){
		"before the home is asked": func(g *globe, a, b, c *land) {
			g.reaching = func(from, _ *land) {
				if from == c {
					b.die()
				}
			}
		},
		"while the home can't be reached": func(g *globe, a, b, c *land) {
			g.reaching = func(from, to *land) {
				if from == c {
					b.die()
					g.part(from, to)
				}
			}
		},
		"afterwards": func(*globe, *land, *land, *land) {},
	} {
		t.Run(name, func(t *testing.T) {
			g, n := newGlobe(t, "a", "b", "c")
			g.rude = true // links end
			a, b, c := n[0], n[1], n[2]
			ints := make(chan int, 10)
			atB := carry[chan<- int](a, b, ints)
			send(t, atB, 0)
			at(g, a, b, c)
			r := newRoad[chan<- int](b, c)
			send(t, r.out, atB)
			atC := receive(t, r.in)
			if name == "afterwards" {
				send(t, atC, 1)
				for i := range 2 {
					if v := receive(t, ints); v != i {
						t.Fatal(v)
					}
				}
				b.die()
				send(t, atC, 2)
				if v := receive(t, ints); v != 2 {
					t.Fatal(v)
				}
				return
			}
			go func() { atC <- 1 }()
			for {
				select {
				case v := <-ints:
					if v == 1 {
						return
					}
				case <-doneOf(atC):
					if err := errOf(atC); err == nil {
						t.Fatal("it has ended without a reason")
					}
					return
				case <-time.After(patience):
					t.Fatal("it hangs")
				}
			}
		})
	}
}

// What was sent before a channel was passed on comes before what is sent where it went.
func TestHandoffOrder(t *testing.T) {
	for range 5 {
		synctest.Test(t, testHandoffOrder)
	}
}

func testHandoffOrder(t *testing.T) {
	g, n := newGlobe(t, "a", "b", "c")
	a, b, c := n[0], n[1], n[2]
	home := make(chan any)
	atB := carry[chan<- any](a, b, home)
	go func() {
		for i := range 5 {
			atB <- i
			if i%2 == 0 {
				atB <- func() {} // can't be sent
			}
		}
		atC := carry(b, c, atB)
		go func() {
			for i := range 5 {
				atC <- 10 + i
			}
		}()
	}()
	var got []int
	for range 10 {
		got = append(got, receive(t, home).(int))
	}
	for i, v := range got {
		if want := i%5 + i/5*10; v != want {
			t.Fatal(got)
		}
	}
	runtime.KeepAlive(home)
	home = nil
	g.empty()
}

// What one reader elsewhere did not take is there for the next one, in order, and not for the
// home's own.
func TestReceiverGivesBack(t *testing.T) {
	for name, leave := range map[string]func(g *globe, b, c *land, far *<-chan int) *land{
		"dropped": func(_ *globe, b, _ *land, far *<-chan int) *land { *far = nil; return b },
		"released": func(g *globe, b, _ *land, far *<-chan int) *land {
			e, _ := EndingOf(*far)
			e.Release()
			ended(g.t, "the proxy", e.Done())
			return b
		},
		"killed": func(g *globe, b, c *land, _ *<-chan int) *land { g.rude = true; b.die(); return c },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, n := newGlobe(t, "a", "b", "c")
				a, b, c := n[0], n[1], n[2]
				ints := make(chan int, 4)
				far := carry[<-chan int](a, b, ints)
				go func() {
					for i := range 20 {
						ints <- i
					}
				}()
				for i := range 3 {
					if v := receive(t, far); v != i {
						t.Fatal(v)
					}
				}
				pass(time.Second)
				next := leave(g, b, c, &far)
				for range 5 {
					runtime.GC()
				}
				far = carry[<-chan int](a, next, ints)
				for i := 3; i < 20; i++ {
					if v := receive(t, far); v != i {
						t.Fatalf("%d in place of %d", v, i)
					}
				}
				far = nil
				g.empty()
				runtime.KeepAlive(ints)
			})
		})
	}
}

// Passing on a channel to receive from moves what lies in it.
func TestReceiverMoves(t *testing.T) {
	for _, apart := range []bool{false, true} {
		g, n := newGlobe(t, "a", "b", "c")
		a, b, c := n[0], n[1], n[2]
		if apart {
			g.part(a, c)
		}
		ints := make(chan int, 4)
		atB := carry[<-chan int](a, b, ints)
		for i := range 4 {
			send(t, ints, i)
		}
		if v := receive(t, atB); v != 0 {
			t.Fatal(v)
		}
		atC := carry(b, c, atB)
		closed(t, atB)
		if err := errOf(atB); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		for i := 1; i < 4; i++ {
			if v := receive(t, atC); v != i {
				t.Fatalf("apart %v: %d in place of %d", apart, v, i)
			}
		}
		close(ints)
		closed(t, atC)
		if errOf(atC) != nil {
			t.Fatal(errOf(atC))
		}
		atB, atC, ints = nil, nil, nil
		g.empty()
	}
}

// Two sources that ask each other how far they are don't wait for ever.
func TestAskEachOther(t *testing.T) {
	type ring chan<- any
	g, n := newGlobe(t, "a", "b", "c")
	a, b, c := n[0], n[1], n[2]
	one, two := make(chan any, 4), make(chan any, 4)
	p, q := carry[chan<- any](a, b, one), carry[chan<- any](c, b, two)
	for range 200 {
		done := make(chan bool, 2)
		go func() { p <- q; done <- true }()
		go func() { q <- p; done <- true }()
		for range 2 {
			receive(t, done)
		}
		receive(t, one)
		receive(t, two)
		send(t, p, any(p)) // itself, too
		if receive(t, one).(chan<- any) != chan<- any(one) {
			t.Fatal("it came home as another one")
		}
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(q)
	_ = ring(nil)
	_ = g
}

// One to receive from may be passed on while it is not known yet whether its home can be
// reached: who gets it is given its values all the same, and hears of its close.
func TestPassedOnBeforeItsWayIsKnown(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		g, n := newGlobe(t, "a", "b", "c", "d")
		a, b, c, d := n[0], n[1], n[2], n[3]
		known := make(chan struct{})
		g.reaching = func(from, to *land) {
			if from == c && to == a {
				<-known
			}
		}
		if !reachable {
			g.part(c, a)
			g.part(d, a)
			g.mu.Lock()
			delete(g.apart, [2]*land{c, a}) // that shows late
			g.mu.Unlock()
		}
		ints := make(chan int, 3)
		atD := carry(c, d, carry(b, c, carry[<-chan int](a, b, ints)))
		eventually(t, "somebody to take from it at c", func() bool {
			c.table.refs.mu.Lock()
			defer c.table.refs.mu.Unlock()
			for _, e := range c.table.refs.exports {
				if e.source != nil {
					return true
				}
			}
			return false
		})
		if !reachable {
			g.part(c, a)
		}
		close(known)
		send(t, ints, 1)
		if v := receive(t, atD); v != 1 {
			t.Fatalf("reachable %t: %d", reachable, v)
		}
		close(ints)
		if got := closed(t, atD); len(got) != 0 {
			t.Errorf("reachable %t: %v", reachable, got)
		}
		ended(t, "the reader", doneOf(atD))
	}
}

// Who closes a channel that goes through a third node closes it at its home, and not the proxy
// that the program at that node has: there, values sent afterwards go nowhere, as elsewhere.
func TestCloseThroughARelay(t *testing.T) {
	g, n := newGlobe(t, "a", "b", "c")
	a, b, c := n[0], n[1], n[2]
	g.part(a, c)
	ints := make(chan int, 4)
	atB := carry[chan<- int](a, b, ints)
	atC := carry(b, c, atB)
	send(t, atB, 1)
	if v := receive(t, ints); v != 1 {
		t.Fatal(v)
	}
	send(t, atC, 2)
	close(atC)
	if got := closed(t, ints); len(got) != 1 || got[0] != 2 {
		t.Fatalf("at home: %v", got)
	}
	ended(t, "the proxy in between", doneOf(atB))
	ended(t, "the proxy that was closed", doneOf(atC))
	for i := range 10 {
		send(t, atB, i)
	}
	eventually(t, "what was sent too late is counted", func() bool { return b.table.RefStats().Dropped == 10 })
	runtime.KeepAlive(ints)
	ints, atB, atC = nil, nil, nil
	g.empty()
}
