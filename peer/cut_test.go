package peer

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

const hereIP, thereIP = "10.0.0.1", "10.0.0.2"

// cutPair is two hosts on a network in memory, the first one with the lower ID or
// not; both can dial, unless every changes that.
func cutPair(t *testing.T, lower bool, every ...func(*Config)) (n *memnet.Network, here, there *Host, links chan *Link) {
	t.Helper()
	n = memnet.New(1)
	key := GenerateKey()
	links = make(chan *Link, 4)
	make1 := func(ip string, change ...func(*Config)) *Host {
		at := func(c *Config) { c.Listen, c.Network = ip+":1", n.Host(ip) }
		return testHost(t, key, slices.Concat([]func(*Config){at}, change, every)...)
	}
	here = make1(hereIP)
	for there == nil || (here.ID().Compare(there.ID()) < 0) != lower {
		if there != nil {
			_ = there.Close()
		}
		there = make1(thereIP, collect(links))
	}
	return n, here, there, links
}

// steps calls f for every number of bytes at which a connection may die, or, as
// long as nobody wants to wait for it, for some. f says whether it was beyond the
// end of all that is said.
func steps(t *testing.T, f func(k int) (beyond bool)) {
	t.Helper()
	step := 17
	if *deep {
		step = 1
	} else if testing.Short() || raceEnabled {
		step = 101
	}
	k := 0
	for ; !f(k); k += step {
	}
	t.Logf("%d bytes", k)
}

// each runs f for both directions and both roles.
func each(t *testing.T, f func(t *testing.T, n *memnet.Network, here, there *Host, links chan *Link, from, to string)) {
	for _, lower := range []bool{true, false} {
		for _, way := range [][2]string{{hereIP, thereIP}, {thereIP, hereIP}} {
			name := "from "
			if way[0] == thereIP {
				name = "to "
			}
			if lower {
				name += "the lower ID"
			} else {
				name += "the higher ID"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, here, there, links := cutPair(t, lower)
					f(t, n, here, there, links, way[0], way[1])
				})
			})
		}
	}
}

// The first connection dies after any number of bytes, through TLS, handshake and
// the first frames: then there is one typed error within the handshake's limit, or
// a link over which everything arrives.
func TestCutAtEveryByte(t *testing.T) {
	each(t, func(t *testing.T, n *memnet.Network, here, there *Host, links chan *Link, from, to string) {
		steps(t, func(k int) (beyond bool) {
			n.CutAfter(from, to, k)
			start := time.Now()
			near, err := here.Link(context.Background(), there.Addr(), there.ID())
			if took := time.Since(start); took > 2*handshakeLimit {
				t.Fatalf("%d bytes: %v", k, took)
			}
			failed := err != nil
			if failed {
				var handshake *HandshakeError
				var op *net.OpError
				if !errors.As(err, &handshake) && !(errors.As(err, &op) && errors.Is(err, syscall.ECONNRESET)) {
					t.Fatalf("%d bytes: %v", k, err)
				}
				n.CutAfter(from, to, -1)
				if near, err = here.Link(context.Background(), there.Addr(), there.ID()); err != nil {
					t.Fatalf("%d bytes: after the cut: %v", k, err)
				}
			}
			mended := time.AfterFunc(2*time.Second, func() { n.CutAfter(from, to, -1) })
			defer mended.Stop()
			far := otherEnd(t, links, near)
			if far == nil {
				if err := near.Err(); !errors.Is(err, ErrPeerLost) {
					t.Fatalf("%d bytes: %v", k, err)
				}
				return false
			}
			swap(t, near, far, 1, 3, 200)
			return !failed && near.Stats().Breaks+far.Stats().Breaks == 0
		})
	})
}

// Who leaves does not wait long for a peer that falls silent then.
func TestSilenceWhileLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, here, there, links := cutPair(t, false)
		near, err := here.Link(context.Background(), there.Addr(), there.ID())
		if err != nil {
			t.Fatal(err)
		}
		drain(t, near)
		drain(t, receive(t, links))
		here.Leave(context.Background())
		n.Sever(hereIP, thereIP)
		start := time.Now()
		<-near.Done()
		if took := time.Since(start); took > silenceLimit+leavingWaits+handshakeLimit {
			t.Errorf("after %v", took)
		}
		n.Heal(hereIP, thereIP)
	})
}

// otherEnd is the far end of a link; nil: there is none, since the confirmation
// did not get there, and the link has ended.
func otherEnd(t *testing.T, links chan *Link, near *Link) *Link {
	for {
		select {
		case l := <-links:
			if l.id == near.id {
				return l
			}
		case <-near.Done():
			return nil
		case <-time.After(patience):
			t.Fatal("neither the other end nor an error")
		}
	}
}

// A link breaks, and the connection that is to bring it back dies after any
// number of bytes: the next one brings it back, and everything arrives.
func TestCutWhileResuming(t *testing.T) {
	each(t, func(t *testing.T, n *memnet.Network, here, there *Host, links chan *Link, from, to string) {
		near, err := here.Link(context.Background(), there.Addr(), there.ID())
		if err != nil {
			t.Fatal(err)
		}
		far := receive(t, links)
		next := uint32(0)
		turn := func(k int) {
			t.Helper()
			for _, way := range [][2]*Link{{near, far}, {far, near}} {
				head, body := frame(0, next, 100)
				if err := way[0].WriteFrame(head, body, false); err != nil {
					t.Fatalf("%d bytes: %v", k, err)
				}
			}
			for _, l := range []*Link{near, far} {
				if err := checkNext(l, next); err != nil {
					t.Fatalf("%d bytes: %v", k, err)
				}
			}
			next++
		}
		turn(-1)
		steps(t, func(k int) (beyond bool) {
			before := near.Stats().Breaks
			n.CutAfter(from, to, k)
			n.Cut(from, to)
			mended := time.AfterFunc(2*time.Second, func() { n.CutAfter(from, to, -1) })
			start := time.Now()
			turn(k)
			turn(k)
			took := time.Since(start)
			if took > 2*time.Second+handshakeLimit {
				t.Fatalf("%d bytes: back after %v", k, took)
			}
			mended.Stop()
			n.CutAfter(from, to, -1)
			return took < time.Second && near.Stats().Breaks == before+1
		})
		_, _ = near.Close(), far.Close()
	})
}
