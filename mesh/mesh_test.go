package mesh

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestJoinBySeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b := n.node(t, 1), n.node(t, 2, at(1))
		join(t, a)
		join(t, b)
		size(t, time.Second, 2, a, b)
		want := []Member{{id(1), "n01", at(1)}, {id(2), "n02", at(2)}}
		for _, m := range []*Mesh{a, b} {
			if got := m.Members(); !slices.Equal(got, want) {
				t.Errorf("members %v, want %v", got, want)
			}
			if mb, ok := m.Member(id(2)); !ok || mb != want[1] || !m.Alive(id(1)) || m.Alive(id(3)) {
				t.Errorf("Member or Alive: %v, %v", mb, ok)
			}
		}
	})
}

// A node joins through the second, and knows the names of the first at once;
// the others know its names soon.
func TestLateJoiner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b := n.node(t, 1), n.node(t, 2, at(1))
		join(t, a)
		join(t, b)
		a.Publish([]End{end(1, "jobs")})
		b.Publish([]End{end(2, "jobs")})
		has(t, 300*time.Millisecond, "jobs", 2, a, b)
		c := n.node(t, 3, at(2))
		join(t, c)
		if got := c.Lookup("jobs"); len(got) != 2 {
			t.Errorf("on return of Join: %v", got)
		}
		c.Publish([]End{end(3, "jobs")})
		has(t, 300*time.Millisecond, "jobs", 3, a, b, c)
		for _, m := range []*Mesh{a, b, c} {
			for _, e := range m.Ends() {
				if e.End != end(e.Node.ID[0], "jobs") || e.Node.Addr != at(e.Node.ID[0]) {
					t.Errorf("entry %v", e)
				}
			}
		}
	})
}

// What is published before joining is known too, and so is what changes while
// somebody is joining.
func TestPublishedBeforeJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		var all []*Mesh
		for i := byte(1); i <= 5; i++ {
			m := n.node(t, i, at(max(i-1, 1)))
			m.Publish([]End{end(i, "jobs")})
			if len(m.Lookup("jobs")) == 0 {
				t.Error("the own end is not there at once")
			}
			join(t, m)
			all = append(all, m)
		}
		has(t, 500*time.Millisecond, "jobs", 5, all...)
	})
}

func TestReplicas(t *testing.T) {
	for _, gap := range []time.Duration{0, 3 * time.Millisecond, 700 * time.Millisecond, 20 * time.Second} {
		t.Run(gap.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				seeds := []string{at(1), at(2), at(3)}
				var all []*Mesh
				done := make(chan bool, 3)
				for _, i := range []byte{2, 3, 1} {
					m := n.node(t, i, seeds...)
					all = append(all, m)
					go func() { join(t, m); done <- true }()
					<-time.After(gap)
				}
				for range all {
					<-done
				}
				size(t, 1500*time.Millisecond, 3, all...)
			})
		})
	}
}

func TestDelta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b := n.node(t, 1), n.node(t, 2, at(1))
		join(t, b)
		<-time.After(5 * time.Second) // what joining repeats is over
		var ends []End
		for i := range 500 {
			e := end(byte(i), fmt.Sprintf("a channel with a rather long name, number %d", i))
			e.ID[2] = byte(i >> 8)
			ends = append(ends, e)
		}
		a.Publish(ends)
		until(t, b, 300*time.Millisecond, "a long list", func() bool { return len(b.Ends()) == 500 })
		ends[77].Name = "other"
		a.Publish(ends[1:])
		until(t, b, 300*time.Millisecond, "a change of it", func() bool { return len(b.Ends()) == 499 && len(b.Lookup("other")) == 1 })
		a.Publish(nil)
		until(t, b, 300*time.Millisecond, "nothing left", func() bool { return len(b.Ends()) == 0 })
	})
}

func TestDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b, c := n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))
		join(t, b)
		join(t, c)
		c.Publish([]End{end(3, "jobs")})
		has(t, time.Second, "jobs", 1, a, b)
		n.unplug(at(3))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		has(t, 20*time.Second, "jobs", 0, a, b)
		size(t, time.Millisecond, 2, a, b)
		if _, ok := a.Member(id(3)); ok || a.Alive(id(3)) {
			t.Error("dead and yet a member")
		}
	})
}

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b, c := n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))
		join(t, b)
		join(t, c)
		c.Publish([]End{end(3, "jobs")})
		has(t, time.Second, "jobs", 1, a, b)
		size(t, time.Second, 3, a, b, c)
		begin := time.Now()
		if err := c.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > 10*time.Millisecond {
			t.Errorf("Leave took %v", d)
		}
		if err := c.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Leave(t.Context()); err != ErrClosed {
			t.Error(err)
		}
		has(t, time.Millisecond, "jobs", 0, a, b)
		size(t, 300*time.Millisecond, 2, a, b)
		for _, m := range []*Mesh{a, b} {
			m.mu.Lock()
			if len(m.lost) != 0 {
				t.Error("who said goodbye is looked for")
			}
			m.mu.Unlock()
		}
	})
}

// A partition that lasts longer than memberlist remembers heals by itself,
// also between nodes that are nobody's seeds.
func TestPartition(t *testing.T) {
	for _, lasts := range []time.Duration{10 * time.Second, 40 * time.Second, 10 * time.Minute} {
		t.Run(lasts.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				all := []*Mesh{n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1)), n.node(t, 4, at(3))}
				for i, m := range all {
					join(t, m)
					m.Publish([]End{end(byte(i+1), "jobs")})
				}
				has(t, 2*time.Second, "jobs", 4, all...)
				n.split(at(1), at(2))
				<-time.After(lasts)
				if lasts > 30*time.Second {
					size(t, time.Millisecond, 2, all...)
				}
				all[3].Publish([]End{end(4, "jobs"), end(44, "news")})
				n.heal()
				size(t, 30*time.Second, 4, all...)
				has(t, 2*time.Second, "news", 1, all...)
				has(t, time.Second, "jobs", 4, all...)
			})
		})
	}
}

// Two nodes find each other again though the one through which they met is gone.
func TestPartitionWithoutSeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b, c := n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))
		join(t, b)
		join(t, c)
		size(t, 2*time.Second, 3, b, c)
		_ = a.Leave(t.Context())
		_ = a.Close()
		n.unplug(at(1))
		size(t, time.Second, 2, b, c)
		n.split(at(2))
		size(t, time.Minute, 1, b, c)
		<-time.After(time.Hour)
		n.heal()
		size(t, 20*time.Second, 2, b, c)
	})
}

// Who has no key but has written packets down can send them again: that changes nothing that lasts.
func TestReplayedPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		var tape []taped
		n.tape = &tape
		a, b, c := n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))
		for _, m := range []*Mesh{a, b, c} {
			join(t, m)
		}
		size(t, time.Minute, 3, a, b, c)
		b.Publish([]End{end(1, "old")})
		c.Publish([]End{end(2, "old")})
		has(t, time.Minute, "old", 2, a, b, c)
		<-time.After(time.Minute)
		b.Publish([]End{end(1, "new")})
		has(t, time.Minute, "new", 1, a, b, c)
		_ = c.Leave(t.Context())
		_ = c.Close()
		n.unplug(at(3))
		size(t, time.Minute, 2, a, b)
		<-time.After(time.Minute)
		n.change(func() { n.tape = nil })
		if len(tape) < 100 {
			t.Fatalf("only %d packets", len(tape))
		}
		for range 3 {
			n.play(tape)
			<-time.After(time.Second)
			if got := len(a.Lookup("new")); got != 1 {
				t.Fatalf("%d ends have the new name", got)
			}
		}
		size(t, 30*time.Second, 2, a, b)
		has(t, 30*time.Second, "old", 0, a, b)
		has(t, time.Second, "new", 1, a, b)
	})
}

// What UDP loses is fetched.
func TestLossyPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		n.lossy = true
		all := []*Mesh{n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))}
		for i, m := range all {
			join(t, m)
			<-time.After(5 * time.Second)
			m.Publish([]End{end(byte(i), "jobs")})
		}
		has(t, 4*time.Minute, "jobs", 3, all...)
		<-time.After(time.Minute)
		size(t, time.Millisecond, 3, all...)
	})
}
