package mesh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// many starts a mesh of nodes that have known each other for some time.
func (n *memNet) many(t *testing.T, nodes byte) []*Mesh {
	t.Helper()
	var all []*Mesh
	for i := byte(1); i <= nodes; i++ {
		// Not at the same nanosecond: their tickers would fire together for ever,
		// which is not what happens, and what the race detector now and then dies of.
		<-time.After(rand.N(10 * time.Millisecond))
		m := n.node(t, i, at(1))
		join(t, m)
		all = append(all, m)
	}
	size(t, 10*time.Second, int(nodes), all...)
	<-time.After(30 * time.Second)
	return all
}

// kill ends nodes without a word: their addresses refuse then, or say nothing.
func (n *memNet) kill(silent bool, nodes ...*Mesh) {
	for _, m := range nodes {
		if silent {
			n.silence(m.self.Addr)
		} else {
			n.unplug(m.self.Addr)
		}
	}
	for _, m := range nodes {
		_ = m.Close()
	}
}

// guard fails the test if one of them holds another one to be dead, at any time
// until the function that it returns is called, or the test ends.
func guard(t *testing.T, nodes ...*Mesh) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, m := range nodes {
		wg.Go(func() {
			for ctx.Err() == nil {
				changed := m.Changed()
				for _, o := range nodes {
					if m.Dead(o.self.ID) {
						t.Errorf("%s holds %s to be dead", m.self.Addr, o.self.Addr)
						return
					}
				}
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(wg.Wait)
	return cancel
}

// Nodes that die at once are all known to be dead soon, by all that are left,
// and none that is left is taken for dead.
func TestDeathsAtOnce(t *testing.T) {
	for _, c := range []struct {
		nodes  byte
		left   int
		silent bool
		after  time.Duration // for silence alone is no proof
		within time.Duration
	}{
		{2, 1, false, 0, 3 * time.Second},
		{9, 8, false, 0, 12 * time.Second}, // somebody must happen to ping it
		{9, 5, false, 0, 8 * time.Second},
		{9, 1, false, 0, 4 * time.Second},
		{50, 1, false, 0, 4 * time.Second},
		{50, 25, false, 0, 8 * time.Second},
		{90, 45, false, 0, 8 * time.Second},
		{9, 8, true, 4 * time.Second, 30 * time.Second},
		{9, 5, true, 4 * time.Second, 30 * time.Second},
		{9, 1, true, 12 * time.Second, 30 * time.Second},
		{50, 1, true, 20 * time.Second, 30 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d of %d, silent %v", int(c.nodes)-c.left, c.nodes, c.silent), func(t *testing.T) {
			if testing.Short() && c.nodes > 9 {
				t.Skip("many nodes")
			}
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				all := n.many(t, c.nodes)
				left, dead := all[:c.left], all[c.left:]
				stop := guard(t, left...)
				n.kill(c.silent, dead...)
				begin := time.Now()
				until(t, left[0], c.within, "a death", func() bool { return len(left[0].Members()) < int(c.nodes) })
				if d := time.Since(begin); d < c.after {
					t.Errorf("taken for dead after %v", d)
				}
				size(t, c.within, c.left, left...)
				d := time.Since(begin)
				if d > c.within {
					t.Errorf("known by all after %v", d)
				}
				t.Logf("known by all after %v", d)
				for _, m := range left {
					for _, o := range dead {
						if !m.Dead(o.self.ID) || m.Alive(o.self.ID) {
							t.Errorf("%s is not dead", o.self.Addr)
						}
					}
				}
				stop()
			})
		})
	}
}

// What deaths have done to memberlist's trust in itself doesn't delay the next.
func TestDeathsInWaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 12)
		for _, left := range []int{6, 3, 2, 1} {
			n.kill(false, all[left:]...)
			all = all[:left]
			begin := time.Now()
			size(t, 15*time.Second, left, all...)
			t.Logf("%d left after %v", left, time.Since(begin))
		}
	})
}

// As long as somebody reaches a member, or some packets get through, nobody is
// taken for dead.
func TestNobodyDiesOfBadPaths(t *testing.T) {
	both := func(n *memNet, a, b byte) { n.cut(a, b); n.cut(b, a) }
	refuse := func(n *memNet) { n.change(func() { n.deny = true }) }
	for name, spoil := range map[string]func(n *memNet){
		"packets are lost":      func(n *memNet) { n.change(func() { n.loss = 0.2 }) },
		"no packet arrives":     func(n *memNet) { n.change(func() { n.lossy = true }) },
		"two are apart":         func(n *memNet) { both(n, 2, 3) },
		"two refuse each other": func(n *memNet) { refuse(n); both(n, 2, 3) },
		"one way":               func(n *memNet) { n.cut(2, 3) },
		"one way is refused":    func(n *memNet) { refuse(n); n.cut(2, 3) },
		"some refuse each other": func(n *memNet) {
			refuse(n)
			both(n, 2, 3)
			both(n, 3, 4)
			both(n, 4, 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				all := n.many(t, 7)
				stop := guard(t, all...)
				spoil(n)
				<-time.After(time.Minute)
				size(t, time.Millisecond, 7, all...)
				stop()
			})
		})
	}
}

// Who is in doubt and gone is dead for all at once, and who is in doubt and there
// is not.
func TestDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 9)
		left := all[:8]
		stop := guard(t, left...)
		n.kill(false, all[8])
		for i := byte(1); i <= 9; i++ {
			all[0].Doubt(id(i))
		}
		all[0].Doubt(id(77))
		size(t, 100*time.Millisecond, 8, left...)
		all[0].Doubt(id(9))
		<-time.After(time.Minute)
		stop()
	})
}

// Who is taken for dead by mistake is back at once.
func TestWrongAccusation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 5)
		back := func() (sum int) {
			for _, m := range all {
				m.mu.Lock()
				sum += int(m.arrivals)
				m.mu.Unlock()
			}
			return sum
		}
		before := back()
		for range 3 {
			all[0].accuse(map[ID]verdict{id(2): gone})
			<-time.After(time.Second)
			size(t, 10*time.Second, 5, all...)
		}
		if n := back() - before; n < 3 || n > 3*4 {
			t.Errorf("taken for dead, and back, %d times", n)
		}
	})
}

// Who is only suspected is not dead.
func TestSuspectIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 9)
		n.kill(true, all[8])
		suspected := false
		for range 60 {
			<-time.After(100 * time.Millisecond)
			for _, m := range all[:8] {
				dead := m.Dead(id(9))
				s, err := m.standings(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if s[id(9)].state == stateSuspect {
					suspected = true
					if dead {
						t.Fatal("dead before its time")
					}
				}
			}
		}
		if !suspected {
			t.Error("never suspected")
		}
	})
}

// Dead stays true for the minutes that it promises, whatever memberlist has
// forgotten, and what is kept for it goes then.
func TestDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 5)
		a, killed, left := all[0], id(4), id(5)
		if err := all[4].Leave(t.Context()); err != nil {
			t.Error(err)
		}
		n.kill(false, all[3], all[4])
		all = all[:3]
		size(t, 15*time.Second, 3, all...)
		begin := time.Now()
		for time.Since(begin) < 5*time.Minute-20*time.Second {
			for _, m := range all {
				if !m.Dead(killed) || !m.Dead(left) || m.Dead(id(1)) || m.Dead(id(77)) || m.Dead(ID{}) {
					t.Fatalf("after %v: %v %v %v", time.Since(begin), m.Dead(killed), m.Dead(left), m.Dead(id(1)))
				}
			}
			<-time.After(500 * time.Millisecond)
		}
		if known := a.ml.NumMembers(); known != 3 {
			t.Errorf("memberlist knows %d", known)
		}
		<-time.After(2*forgetEvery + 20*time.Second)
		for _, m := range all {
			if m.Dead(killed) || m.Dead(left) {
				t.Error("kept for ever")
			}
			m.mu.Lock()
			if len(m.nodes) != 2 || len(m.doubts) != 0 {
				t.Errorf("%d nodes, %d doubts", len(m.nodes), len(m.doubts))
			}
			m.mu.Unlock()
		}
	})
}

// Who was only out of reach is not dead once it is back.
func TestDeadAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 4)
		n.split(at(1), at(2))
		for _, pair := range [][2]int{{0, 2}, {2, 0}, {1, 3}, {3, 1}} {
			m, other := all[pair[0]], all[pair[1]].self.ID
			until(t, m, time.Minute, "a death", func() bool { return m.Dead(other) })
		}
		n.heal()
		size(t, 20*time.Second, 4, all...)
		for _, m := range all {
			if slices.ContainsFunc(all, func(o *Mesh) bool { return m.Dead(o.self.ID) }) {
				t.Error("dead and yet a member")
			}
		}
	})
}
