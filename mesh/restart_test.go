package mesh

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// A node that is started again under its name and address is let in at once,
// whatever the others think of its former life, and that one is gone soon.
func TestRestart(t *testing.T) {
	states := []struct {
		name   string
		silent bool // nothing answered at the address meanwhile
		down   time.Duration
		gone   time.Duration // the old life, after the new one is up
	}{
		{"alive", false, 0, 200 * time.Millisecond},
		{"dead", false, 30 * time.Second, time.Second},
		{"suspect", true, 3 * time.Second, 2*lookTimeout + 2*time.Second},
		{"dead in silence", true, time.Minute, time.Second},
		{"long dead", false, 8 * time.Minute, time.Second},
	}
	for _, nodes := range []byte{2, 3, 9} {
		for who, role := range []string{"the seed of all", "another"} {
			for _, s := range states {
				t.Run(fmt.Sprintf("%d nodes, %s, %s", nodes, role, s.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := newMemNet()
						all := n.many(t, nodes)
						old := all[who]
						old.Publish([]End{end(1, "jobs")})
						has(t, time.Second, "jobs", 1, all...)
						n.kill(s.silent, old)
						<-time.After(s.down)
						again := n.nodeAs(t, id(99), old.self.Addr, at(1), at(2))
						all[who] = again
						again.Publish([]End{end(99, "work")})
						begin := time.Now()
						join(t, again)
						if d := time.Since(begin); d > 100*time.Millisecond {
							t.Errorf("Join took %v", d)
						}
						until(t, all[1-who], 100*time.Millisecond, "the new life", func() bool { return all[1-who].Alive(id(99)) })
						// What gossip does not tell all comes with what members exchange.
						has(t, 40*time.Second, "work", 1, all...)
						for _, m := range all {
							until(t, m, s.gone, "the end of the old life", func() bool { return !m.Alive(old.self.ID) })
						}
						has(t, time.Millisecond, "jobs", 0, all...)
						for _, m := range all {
							if m.Alive(old.self.ID) || m != again && s.down < forgetAfter && !m.Dead(old.self.ID) {
								t.Errorf("the former life is not dead to %s", m.self.Addr)
							}
						}
					})
				})
			}
		}
	}
}

// A node that is started again without seeds is found by those that knew its
// former life.
func TestRestartWithoutSeeds(t *testing.T) {
	for _, down := range []time.Duration{0, 2 * time.Second, 20 * time.Second, 20 * time.Minute} {
		for who, role := range []string{"the seed of all", "another"} {
			t.Run(fmt.Sprintf("%s, %v", role, down), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newMemNet()
					all := n.many(t, 3)
					old := all[who]
					n.kill(false, old)
					<-time.After(down)
					all[who] = n.nodeAs(t, id(99), old.self.Addr)
					join(t, all[who])
					if down == 0 { // it is met when its former life is looked at
						m := all[1-who]
						m.Doubt(old.self.ID)
						until(t, m, 200*time.Millisecond, "the new life", func() bool { return m.Alive(id(99)) })
					}
					for _, m := range all {
						until(t, m, 15*time.Second, "the new life", func() bool { return m.Alive(id(99)) })
					}
					size(t, 5*time.Second, 3, all...)
				})
			})
		}
	}
}

// Nor does it take long when everybody else is only suspected, and was just
// found to say nothing.
func TestRestartAmongQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 9)
		n.kill(true, all[1:]...)
		m := all[0]
		<-time.After(9 * time.Second)
		if got := len(m.Members()); got != 9 {
			t.Fatalf("%d members: the test comes too late", got)
		}
		join(t, n.nodeAs(t, id(99), at(2), at(1)))
		until(t, m, 2*lookTimeout+200*time.Millisecond, "the end of the old life", func() bool { return m.Dead(id(2)) })
		if !m.Alive(id(99)) {
			t.Error("the new life is not there")
		}
	})
}

// All nodes but one are started again at once.
func TestRestartOfMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 12)
		n.kill(false, all[:11]...)
		for i, old := range all[:11] {
			all[i] = n.nodeAs(t, id(byte(100+i)), old.self.Addr, at(1), at(2))
		}
		for _, m := range all[:11] {
			go func() { join(t, m) }()
		}
		begin := time.Now()
		size(t, 10*time.Second, 12, all...)
		t.Logf("one mesh after %v", time.Since(begin))
	})
}

// Former lives don't fill the mesh up: they make room for the next one.
func TestRestartInFullMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		full := func(id ID, addr string) *Mesh {
			m, err := New(Config{
				ID: id, Addr: addr, Seeds: []string{at(1), at(2)}, Keys: testKeys, MaxMembers: 3,
				Network: n.host(addr, id), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close() })
			join(t, m)
			return m
		}
		all := []*Mesh{full(id(1), at(1)), full(id(2), at(2)), full(id(3), at(3))}
		for life := byte(0); life < 20; life++ {
			old := all[life%3]
			n.kill(false, old)
			m := full(id(100+life), old.self.Addr)
			all[life%3] = m
			m.Publish([]End{end(life, fmt.Sprint("life ", life))})
			has(t, 5*time.Second, fmt.Sprint("life ", life), 1, all...)
			size(t, 5*time.Second, 3, all...)
		}
		for _, m := range all {
			m.mu.Lock()
			if len(m.nodes) > 3 || len(m.reg.lists) > 3 {
				t.Errorf("%d nodes, %d lists", len(m.nodes), len(m.reg.lists))
			}
			m.mu.Unlock()
		}
	})
}
