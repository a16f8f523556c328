package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestJoinAlone(t *testing.T) {
	for name, seeds := range map[string][]string{
		"no seeds":                nil,
		"itself":                  {at(1)},
		"itself and nobody":       {at(7), at(1)},
		"itself and who is quiet": {at(8), at(1)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				n.silence(at(8))
				m := n.node(t, 1, seeds...)
				begin := time.Now()
				join(t, m)
				if d := time.Since(begin); d > selfGrace {
					t.Errorf("took %v", d)
				}
				if err := m.Join(t.Context()); err == nil {
					t.Error("a second Join was let through")
				}
			})
		})
	}
}

// Somebody else who is there is joined, though we are among the seeds.
func TestJoinSelfAndOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b := n.node(t, 1), n.node(t, 2, at(2), at(1))
		join(t, b)
		if len(b.Members()) != 2 {
			t.Error("Join did not wait for the other")
		}
		size(t, time.Second, 2, a, b)
	})
}

func TestJoinWaitsForSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		b := n.node(t, 2, at(1))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := b.Join(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errRefused) {
			t.Errorf("error %v", err)
		}
		joined := make(chan error)
		go func() { joined <- b.Join(t.Context()) }() // allowed after a failure
		<-time.After(17 * time.Second)
		a := n.node(t, 1)
		begin := time.Now()
		if err := <-joined; err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > seedFresh {
			t.Errorf("the seed was found after %v", d)
		}
		size(t, time.Second, 2, a, b)
	})
}

func TestJoinOneOfManySeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		n.silence(at(7))
		n.host(at(6), id(6)) // accepts, and never answers
		a := n.node(t, 1)
		b := n.node(t, 2, at(7), at(6), at(5), at(1))
		begin := time.Now()
		join(t, b)
		if d := time.Since(begin); d > 0 {
			t.Errorf("took %v", d)
		}
		size(t, time.Second, 2, a, b)
	})
}

var errKey = errors.New("another key")

type keyless struct{ *memHost }

func (k keyless) DialGossip(ctx context.Context, addr string) (net.Conn, ID, error) {
	if addr == at(1) {
		return nil, ID{}, errKey
	}
	return k.memHost.DialGossip(ctx, addr)
}

func TestJoinFatal(t *testing.T) {
	for name, c := range map[string]struct {
		seeds []string
		fatal bool
		want  error
	}{
		"at once":               {[]string{at(1)}, true, errKey},
		"with one that refuses": {[]string{at(1), at(3)}, true, errKey},
		"though one lets us in": {[]string{at(1), at(2)}, true, nil},
		"not fatal":             {[]string{at(1)}, false, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				n.node(t, 2)
				m, err := New(Config{
					ID: id(9), Addr: at(9), Seeds: c.seeds, Keys: testKeys,
					Network: keyless{n.host(at(9), id(9))}, Logger: slog.New(slog.DiscardHandler),
					Fatal: func(err error) bool { return c.fatal && errors.Is(err, errKey) },
				})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close() //nolint:errcheck // always nil
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				begin := time.Now()
				if err := m.Join(ctx); !errors.Is(err, c.want) {
					t.Errorf("Join: %v, want %v", err, c.want)
				}
				if d := time.Since(begin); c.fatal && d > 0 {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

func TestUnreachable(t *testing.T) {
	for name, make := range map[string]func(n *memNet){
		"refused":       func(n *memNet) {},
		"silent":        func(n *memNet) { n.silence(at(9)) },
		"somebody else": func(n *memNet) { n.host(at(9), id(77)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemNet()
				a := n.node(t, 1)
				m, err := New(Config{
					ID: id(9), Addr: at(9), Seeds: []string{at(1)}, Keys: testKeys,
					Network: n.host("10.0.0.200:1", id(9)), Logger: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close() //nolint:errcheck // always nil
				make(n)
				begin := time.Now()
				err = m.Join(t.Context())
				var un *UnreachableError
				if !errors.As(err, &un) || un.Addr != at(9) || un.By.ID != id(1) {
					t.Fatalf("Join: %v", err)
				}
				if d := time.Since(begin); d > 5*time.Second {
					t.Errorf("told after %v", d)
				}
				if !strings.Contains(err.Error(), "nobody can reach "+at(9)+": set Listen or Advertise, or use Dial") {
					t.Errorf("text: %v", err)
				}
				synctest.Wait()
				if len(a.Members()) != 1 {
					t.Error("who can't be reached has become a member")
				}
			})
		})
	}
}

// A member that can't answer the question says nothing about us.
func TestDialBackUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		m := n.node(t, 1)
		for _, b := range [][]byte{nil, {7, 7, 7}, {0, 255, 255}, {1, 0, 3, 1, 2, 3}, {0, 0, 1, 0xff}} {
			client, server := net.Pipe()
			go func() {
				_, _ = io.ReadFull(server, make([]byte, len(request{kind: askToDial, addr: at(1)}.encode())))
				_, _ = server.Write(b)
				_ = server.Close()
			}()
			var un *UnreachableError
			if err := m.dialBack(t.Context(), client, Member{}); err == nil || errors.As(err, &un) {
				t.Errorf("%v: %v", b, err)
			}
			_ = client.Close()
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes = 31
		n := newMemNet()
		all := []*Mesh{n.node(t, 1)}
		for i := byte(2); i <= nodes; i++ {
			m := n.node(t, i, at(1))
			all = append(all, m)
			go func() {
				join(t, m)
				m.Publish([]End{end(i, "jobs"), end(i, fmt.Sprint("own ", i))})
			}()
		}
		begin := time.Now()
		has(t, time.Second, "jobs", nodes-1, all...)
		if d := time.Since(begin); d > 1500*time.Millisecond {
			t.Errorf("nodes that start at once know each other's names after %v", d)
		}
		t.Logf("%d nodes that start at once know each other's names after %v", nodes, time.Since(begin))
		<-time.After(5 * time.Second)
		late := n.node(t, nodes+1, at(17))
		join(t, late)
		if got := len(late.Ends()); got != 2*(nodes-1) {
			t.Errorf("a late one knows %d ends when Join returns", got)
		}
		begin = time.Now()
		late.Publish([]End{end(nodes+1, "jobs")})
		has(t, time.Second, "jobs", nodes, all...)
		if d := time.Since(begin); d > time.Second {
			t.Errorf("the name of a late one is known after %v", d)
		}
		t.Logf("one name of a late one is known everywhere after %v", time.Since(begin))
	})
}

func TestConfig(t *testing.T) {
	n := newMemNet()
	h := n.host(at(1), id(1))
	good := Config{ID: id(1), Addr: at(1), Keys: testKeys, Network: h}
	for field, spoil := range map[string]func(*Config){
		"ID":        func(c *Config) { c.ID = ID{} },
		"Network":   func(c *Config) { c.Network = nil },
		"Addr":      func(c *Config) { c.Addr = "localhost:1" },
		"Addr ":     func(c *Config) { c.Addr = "0.0.0.0:1" },
		"Addr  ":    func(c *Config) { c.Addr = "10.0.0.1:0" },
		"Keys":      func(c *Config) { c.Keys = nil },
		"Keys[1]":   func(c *Config) { c.Keys = [][]byte{testKeys[0], []byte("short")} },
		"Seeds[1]":  func(c *Config) { c.Seeds = []string{at(1), "nowhere"} },
		"Seeds[0]":  func(c *Config) { c.Seeds = []string{"host:http"} },
		"Seeds[0] ": func(c *Config) { c.Seeds = []string{":7000"} },
	} {
		c := good
		spoil(&c)
		m, err := New(c)
		if err == nil {
			_ = m.Close()
			t.Errorf("%s: no error", field)
		} else if !strings.Contains(err.Error(), "Config."+strings.TrimSpace(field)) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestResolve(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1:7000":         "10.0.0.1:7000",
		"[::1]:7000":            "[::1]:7000",
		"[::ffff:10.0.0.1]:700": "10.0.0.1:700",
	} {
		got, err := resolve(t.Context(), in)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	got, err := resolve(t.Context(), "localhost:7000")
	if err != nil || len(got) == 0 {
		t.Fatal(got, err)
	}
	for _, a := range got {
		if a != "127.0.0.1:7000" && a != "[::1]:7000" {
			t.Errorf("localhost is %s", a)
		}
	}
}
