package mesh

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// stacks returns those goroutines that run code of memberlist or of this
// package's own files.
func stacks() []string {
	buf := make([]byte, 1<<22)
	buf = buf[:runtime.Stack(buf, true)]
	var out []string
	for _, g := range bytes.Split(buf, []byte("\n\n")) {
		if bytes.Contains(g, []byte("memberlist")) && !bytes.Contains(g, []byte("_test.go")) ||
			bytes.Contains(g, []byte("(*Mesh)")) || bytes.Contains(g, []byte("(*seed)")) || bytes.Contains(g, []byte("(*transport)")) {
			out = append(out, string(g))
		}
	}
	return out
}

// closesClean closes m, which may take no time at all, and looks for what is left.
func closesClean(t *testing.T, all ...*Mesh) {
	t.Helper()
	begin := time.Now()
	for _, m := range all {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	synctest.Wait()
	if d := time.Since(begin); d != 0 {
		t.Errorf("Close took %v", d)
	}
	for _, g := range stacks() {
		t.Errorf("left after Close:\n%s", g)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	cases := map[string]func(t *testing.T, n *memNet) []*Mesh{
		"alone": func(t *testing.T, n *memNet) []*Mesh { return []*Mesh{n.node(t, 1)} },
		"joined": func(t *testing.T, n *memNet) []*Mesh {
			a, b := n.node(t, 1), n.node(t, 2, at(1))
			join(t, b)
			return []*Mesh{b, a}
		},
		"while a seed says nothing": func(t *testing.T, n *memNet) []*Mesh {
			n.silence(at(1))
			m := n.node(t, 2, at(1), at(3))
			go func() {
				if err := m.Join(context.Background()); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Join: %v", err)
				}
			}()
			<-time.After(100 * time.Millisecond)
			return []*Mesh{m}
		},
		"while a seed accepts and says nothing": func(t *testing.T, n *memNet) []*Mesh {
			n.host(at(1), id(1))
			m := n.node(t, 2, at(1))
			go func() { _ = m.Join(context.Background()) }()
			<-time.After(100 * time.Millisecond)
			return []*Mesh{m}
		},
		"while probes wait": func(t *testing.T, n *memNet) []*Mesh {
			all := []*Mesh{n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1)), n.node(t, 4, at(1))}
			for _, m := range all[1:] {
				join(t, m)
			}
			size(t, 2*time.Second, 4, all...)
			n.silence(at(4))
			<-time.After(1700 * time.Millisecond) // in the middle of direct and indirect ones
			return all
		},
		"while a member in doubt is looked at": func(t *testing.T, n *memNet) []*Mesh {
			all := n.many(t, 5)
			n.silence(at(4))
			all[0].Doubt(id(4))
			<-time.After(lookTimeout / 2)
			return all
		},
		"while others are asked about it": func(t *testing.T, n *memNet) []*Mesh {
			all := n.many(t, 5)
			n.silence(at(4))
			n.silence(at(5))
			all[0].Doubt(id(4))
			all[1].Doubt(id(5))
			<-time.After(lookTimeout * 3 / 2)
			return all
		},
		"while members are pinged": func(t *testing.T, n *memNet) []*Mesh {
			all := n.many(t, 5)
			n.unplug(at(5))
			n.silence(at(4))
			all[0].Doubt(id(5))
			<-time.After(lookGather + 100*time.Millisecond)
			return all
		},
		"while lost members are looked for": func(t *testing.T, n *memNet) []*Mesh {
			a, b := n.node(t, 1), n.node(t, 2, at(1))
			join(t, b)
			n.split(at(1))
			size(t, time.Minute, 1, a, b)
			<-time.After(3 * time.Second)
			return []*Mesh{a, b}
		},
		"while a list is fetched": func(t *testing.T, n *memNet) []*Mesh {
			a, b := n.node(t, 1), n.node(t, 2, at(1))
			join(t, b)
			n.silence(at(1))
			b.gossiped(message{kind: msgNote, id: id(1), version: 7})
			<-time.After(100 * time.Millisecond)
			return []*Mesh{b, a}
		},
		"while leaving": func(t *testing.T, n *memNet) []*Mesh {
			a, b := n.node(t, 1), n.node(t, 2, at(1))
			join(t, b)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = b.Leave(ctx)
			return []*Mesh{b, a}
		},
	}
	for name, start := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { closesClean(t, start(t, newMemNet())...) })
		})
	}
}

// Close waits for a goodbye that nobody hears, as long as that tries, and no lock is
// held meanwhile: in a bubble time would stand still.
func TestCloseWhileLeavingInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b := n.node(t, 1), n.node(t, 2, at(1))
		join(t, b)
		size(t, time.Second, 2, a, b)
		n.silence(at(1))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.Leave(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Leave: %v", err)
		}
		synctest.Wait() // memberlist is at it
		begin := time.Now()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > leaveTime {
			t.Errorf("Close took %v", d)
		}
	})
}

// Nobody falls over a packet or a stream that comes while all end, in whatever phase.
func TestCloseAtAnyTime(t *testing.T) {
	for wait := time.Duration(0); wait < 4*time.Second; wait += 170 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			n := newMemNet()
			all := []*Mesh{n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(2)), n.node(t, 4, at(1))}
			for _, m := range all {
				go func() { _ = m.Join(context.Background()) }()
			}
			<-time.After(wait / 2)
			n.silence(at(4))
			all[1].Publish([]End{end(1, "x")})
			<-time.After(wait / 2)
			closesClean(t, all...)
		})
	}
}

func TestClosed(t *testing.T) {
	n := newMemNet()
	m := n.node(t, 1, at(2))
	_ = m.Close()
	_ = m.Close()
	if err := m.Join(t.Context()); err != ErrClosed || !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := m.Leave(t.Context()); err != ErrClosed {
		t.Error(err)
	}
	m.Publish([]End{end(1, "x")})
	if len(m.Ends()) != 0 || len(m.Members()) != 1 {
		t.Error("a closed mesh goes on")
	}
}
