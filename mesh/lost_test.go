package mesh

import (
	"testing"
	"testing/synctest"
	"time"
)

// A partition heals also when firewalls refuse what they don't let through.
func TestPartitionThatRefuses(t *testing.T) {
	for _, lasts := range []time.Duration{2 * time.Second, 10 * time.Second, 40 * time.Second, 12 * time.Minute} {
		t.Run(lasts.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				n.deny = true
				all := n.many(t, 7)
				n.split(at(1), at(2), at(3))
				size(t, 10*time.Second, 3, all[:3]...)
				size(t, 10*time.Second, 4, all[3:]...)
				<-time.After(lasts)
				n.heal()
				size(t, 20*time.Second, 7, all...)
				<-time.After(time.Minute)
				size(t, time.Millisecond, 7, all...)
			})
		})
	}
}

// What a dead member had is let go when its process is not there, and is kept, to be there at once
// when it is back, as long as a broken network may hide it. That it is dead is known in both cases.
func TestListsOfTheDead(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newMemNet()
			all := n.many(t, 3)
			m, dies := all[0], all[2]
			dies.Publish([]End{end(3, "jobs")})
			has(t, 10*time.Second, "jobs", 1, m)
			n.kill(hidden, dies)
			until(t, m, time.Minute, "a death", func() bool { return m.Dead(dies.self.ID) })
			<-time.After(time.Minute)
			m.mu.Lock()
			kept := m.reg.lists[dies.self.ID] != nil
			m.mu.Unlock()
			if kept != hidden || !m.Dead(dies.self.ID) {
				t.Errorf("hidden by the network: %v; list kept: %v; dead: %v", hidden, kept, m.Dead(dies.self.ID))
			}
		})
	}
}

// A partition that refuses has the names let go; when it heals they are there again.
func TestNamesAfterRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		n.deny = true
		all := n.many(t, 4)
		for i, m := range all {
			m.Publish([]End{end(byte(i), "jobs")})
		}
		has(t, 10*time.Second, "jobs", 4, all...)
		n.split(at(1), at(2))
		has(t, time.Minute, "jobs", 2, all...)
		<-time.After(time.Minute)
		m := all[0]
		m.mu.Lock()
		if len(m.reg.lists) != 1 {
			t.Errorf("%d lists", len(m.reg.lists))
		}
		m.mu.Unlock()
		n.heal()
		has(t, 20*time.Second, "jobs", 4, all...)
	})
}

// Two halves that are each larger than what is looked for find each other,
// though the only seed and many that were known have died in the meantime.
func TestPartitionOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("many nodes")
	}
	synctest.Test(t, func(t *testing.T) {
		const half, die = maxLost + 8, 25
		n := newMemNet()
		all := n.many(t, 2*half)
		var side []string
		for _, m := range all[:half] {
			side = append(side, m.self.Addr)
		}
		n.split(side...)
		size(t, time.Minute, half, all...)
		n.kill(false, all[:die]...)
		all = all[die:]
		size(t, 10*time.Second, half-die, all[:half-die]...)
		<-time.After(time.Minute)
		n.heal()
		begin := time.Now()
		size(t, 30*time.Second, 2*half-die, all...)
		t.Logf("one mesh after %v", time.Since(begin))
	})
}

// Members that a broken network hides are looked for, though many others die
// of whom it is known that they are gone.
func TestLostAreNotForgottenForGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		m := n.node(t, 1)
		lose := func(num byte) {
			m.mu.Lock()
			m.lostLocked(Member{ID: id(num), Addr: at(num)})
			m.mu.Unlock()
		}
		n.silence(at(2))
		for i := byte(0); i < maxLost-1; i++ {
			mb := Member{ID: id(100 + i), Addr: at(2)}
			m.mu.Lock()
			m.lostLocked(mb)
			m.mu.Unlock()
		}
		for i := byte(10); i < 90; i++ {
			lose(i) // nobody is at its address
			<-time.After(2 * lostFirst)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		hidden := 0
		for _, l := range m.lost {
			if !l.refused {
				hidden++
			}
		}
		if len(m.lost) != maxLost || hidden < maxLost-1 {
			t.Errorf("%d are looked for, %d of the hidden ones", len(m.lost), hidden)
		}
	})
}

// Which ones are given up when there are too many differs from node to node.
func TestLostAreGivenUpByChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		n.silence(at(2))
		counts := make(map[ID]int)
		for i := byte(1); i <= 60; i++ { // so that by chance none is missed
			m := n.node(t, 2+i)
			for j := byte(0); j < 2*maxLost; j++ {
				m.mu.Lock()
				m.lostLocked(Member{ID: id(100 + j), Addr: at(2)})
				m.mu.Unlock()
			}
			for id := range m.lost {
				counts[id]++
			}
			if len(m.lost) != maxLost {
				t.Errorf("%d are looked for", len(m.lost))
			}
		}
		if len(counts) != 2*maxLost {
			t.Errorf("60 nodes look for %d of %d", len(counts), 2*maxLost)
		}
	})
}

// Seeds that were down when we joined are found when they come up, however
// long that takes, also if they know of nobody.
func TestSeedsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		n.silence(at(1))
		n.host(at(2), id(2)) // accepts, and never answers
		a := n.node(t, 5)
		b := n.node(t, 6, at(1), at(2), at(3), at(5))
		join(t, a)
		begin := time.Now()
		join(t, b)
		if d := time.Since(begin); d > 0 {
			t.Errorf("Join took %v", d)
		}
		all := []*Mesh{a, b}
		for i := byte(1); i <= 3; i++ {
			<-time.After(20 * time.Minute)
			m := n.node(t, i)
			m.Publish([]End{end(i, "late")})
			join(t, m)
			all = append(all, m)
			size(t, 20*time.Second, len(all), all...)
			has(t, time.Second, "late", int(i), all...)
		}
		// A seed that dies is looked for as long.
		n.kill(false, all[2])
		size(t, 10*time.Second, 4, all[0], all[1], all[3], all[4])
		<-time.After(20 * time.Minute)
		all[2] = n.nodeAs(t, id(99), at(1))
		size(t, 20*time.Second, 5, all...)
	})
}
