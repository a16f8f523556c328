package mesh

import (
	"testing"
	"testing/synctest"
	"time"
)

// A seed that is a member is not dialled again: the seed of many would hear from all
// of them, each of whom would ask for all names.
func TestServedSeedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes, rest = 12, 10 * time.Minute
		n := newMemNet()
		n.many(t, nodes)
		n.change(func() { clear(n.dials) })
		<-time.After(rest)
		n.change(func() {
			all := 0
			for _, d := range n.dials {
				all += d
			}
			// Each node makes a push/pull in 30 s.
			if most := nodes * int(rest/(30*time.Second)); all > most*5/4 || all < most/2 {
				t.Errorf("%d connections were made at rest, want about %d", all, most)
			}
			if seed := n.dials[at(1)]; seed > 2*all/nodes {
				t.Errorf("%d of %d connections were made to the seed", seed, all)
			}
		})
	})
}

// Who has just joined asks again as long as that brings names: where many join at once gossip
// is behind for long. Here it brings nothing at all.
func TestCatchUpWithNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		n.change(func() { n.lossy = true })
		a := n.node(t, 1)
		join(t, a)
		b := n.node(t, 2, at(1))
		join(t, b)
		<-time.After(500 * time.Millisecond)
		a.Publish([]End{end(2, "first")})
		has(t, time.Second, "first", 1, b)
		<-time.After(200 * time.Millisecond)
		a.Publish([]End{end(2, "first"), end(4, "second")})
		has(t, 3*time.Second, "second", 1, b)
	})
}
