package chanref

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// What a reader that goes through a third node has not taken comes home, for the next one, also
// where the node in between had it already.
func TestReaderThroughARelayGivesBack(t *testing.T) {
	for name, leave := range map[string]func(g *globe, c *land, far *<-chan int){
		"released": func(g *globe, _ *land, far *<-chan int) { ended(g.t, "the proxy", released(*far)) },
		"dropped":  func(_ *globe, _ *land, far *<-chan int) { *far = nil },
		"killed":   func(g *globe, c *land, _ *<-chan int) { g.rude = true; c.die() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, n := newGlobe(t, "a", "b", "c", "d")
				a, b, c, d := n[0], n[1], n[2], n[3]
				g.part(a, c)
				ints := make(chan int, 4)
				far := carry(b, c, carry[<-chan int](a, b, ints))
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
				leave(g, c, &far)
				next := carry[<-chan int](a, d, ints)
				got := make(map[int]int)
				for range 10 {
					runtime.GC()
					pass(time.Second)
					for {
						select {
						case v := <-next:
							got[v]++
							continue
						case <-time.After(time.Second):
						}
						break
					}
				}
				if len(got) != 17 {
					t.Errorf("%d values of 17: %v", len(got), got)
				}
				for v, n := range got {
					if v < 3 || n > 1 {
						t.Errorf("%d came %d times", v, n)
					}
				}
				far, next = nil, nil
				runtime.KeepAlive(ints)
			})
		})
	}
}
