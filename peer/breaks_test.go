package peer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

// The tests here are about how long things take. Time is virtual in them.

// inTime runs f for both roles, with a link between two hosts that both read it.
func inTime(t *testing.T, f func(t *testing.T, n *memnet.Network, here, there *Host, near, far *Link, links <-chan *Link), change ...func(*Config)) {
	for name, lower := range map[string]bool{"from the lower ID": true, "from the higher ID": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, here, there, links := cutPair(t, lower, change...)
				near, err := here.Link(testCtx(t), there.Addr(), there.ID())
				if err != nil {
					t.Fatal(err)
				}
				far := receive(t, links)
				drain(t, near)
				drain(t, far)
				f(t, n, here, there, near, far, links)
			})
		})
	}
}

// pass lets time go by, and what is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// moment is far more than anything takes that waits for nothing but the network.
const moment = 100 * time.Millisecond

// A peer that is not heard is noticed within 3 s, however much is said to it, and
// one that is heard is not.
func TestSilenceBreaksInTime(t *testing.T) {
	inTime(t, func(t *testing.T, n *memnet.Network, _, _ *Host, near, far *Link, _ <-chan *Link) {
		pass(time.Minute)
		if near.Broken() || far.Broken() {
			t.Fatal("broken while all was well")
		}
		n.Sever(hereIP, thereIP)
		pass(silenceLimit - heartbeatAfter - moment)
		if near.Broken() || far.Broken() {
			t.Error("broken too early")
		}
		pass(heartbeatAfter + 2*moment)
		if !near.Broken() || !far.Broken() {
			t.Error("silence is not noticed")
		}
	})
}

// Each break may last as long as a break may, whatever came before it.
func TestEachBreakHasItsTime(t *testing.T) {
	inTime(t, func(t *testing.T, n *memnet.Network, _, _ *Host, near, far *Link, _ <-chan *Link) {
		n.Cut(hereIP, thereIP)
		pass(defaultResume - 10*time.Second)
		if near.Broken() || far.Broken() || near.Stats().Breaks != 1 {
			t.Fatalf("%+v", near.Stats())
		}
		n.Sever(hereIP, thereIP)
		pass(20 * time.Second) // the first break's time, and the higher ID's, are over
		for _, l := range []*Link{near, far} {
			if !l.Broken() {
				t.Errorf("after the time of another break: %v", l.Err())
			}
		}
		n.Heal(hereIP, thereIP)
		pass(10 * time.Second)
		if near.Broken() || far.Broken() || !near.alive() || !far.alive() {
			t.Errorf("%v, %v", near.Err(), far.Err())
		}
	})
}

// The smaller of the two sides' times counts for both, and for the higher ID 5 s
// more.
func TestBothSidesGiveUpInTime(t *testing.T) {
	for _, times := range [][2]time.Duration{{10 * time.Second, time.Hour}, {time.Hour, 10 * time.Second}} {
		inTime(t, func(t *testing.T, n *memnet.Network, _, _ *Host, near, far *Link, _ <-chan *Link) {
			n.Sever(hereIP, thereIP)
			pass(silenceLimit - heartbeatAfter + 10*time.Second - moment)
			if !near.alive() || !far.alive() {
				t.Errorf("given up too early: %v, %v", near.Err(), far.Err())
			}
			pass(heartbeatAfter + higherWaits + 2*moment)
			if near.alive() || far.alive() {
				t.Errorf("not given up: %v, %v", near.Err(), far.Err())
			}
		}, func(c *Config) {
			c.ResumeTimeout = times[1]
			if c.OnLink == nil { // the one that dials
				c.ResumeTimeout = times[0]
			}
		})
	}
}

// A link that is closed while it is broken stays closed: nobody dials for it.
func TestClosedLinkIsNotDialled(t *testing.T) {
	inTime(t, func(t *testing.T, n *memnet.Network, here, _ *Host, near, far *Link, links <-chan *Link) {
		n.Sever(hereIP, thereIP)
		pass(silenceLimit + moment)
		_ = near.Close()
		n.Heal(hereIP, thereIP)
		pass(time.Minute)
		if len(links) != 0 || len(here.Links()) != 0 {
			t.Error("there is a new link")
		}
		if err := far.Err(); !errors.Is(err, ErrPeerLost) {
			t.Errorf("the other end: %v", err)
		}
	}, func(c *Config) {
		if c.OnLink == nil {
			c.Listen = "" // so that the other side can't ask
		}
	})
}

// When a process has died and another one has its address, the link ends at once.
func TestNextProcessEndsLink(t *testing.T) {
	inTime(t, func(t *testing.T, n *memnet.Network, _, there *Host, near, _ *Link, _ <-chan *Link) {
		n.Kill(thereIP)
		testHost(t, there.cfg.Key, func(c *Config) { c.Listen, c.Network = there.Addr(), n.Host(thereIP) })
		pass(time.Second)
		if err := near.Err(); !errors.Is(err, ErrPeerLost) || isTimeout(err) {
			t.Errorf("got %v", err)
		}
	})
}

// What a break leaves is closed, and so is everything when the hosts are.
func TestConnectionsAreClosed(t *testing.T) {
	inTime(t, func(t *testing.T, n *memnet.Network, here, there *Host, near, far *Link, _ <-chan *Link) {
		for range 5 {
			n.Sever(hereIP, thereIP)
			pass(silenceLimit + moment)
			n.Heal(hereIP, thereIP)
			pass(10 * time.Second)
			if near.Broken() || far.Broken() || n.Open() != 1 {
				t.Fatalf("%d connections are open, %+v", n.Open(), near.Stats())
			}
		}
		_, _ = here.Close(), there.Close()
		if n.Open() != 0 {
			t.Errorf("%d connections are left", n.Open())
		}
	})
}
