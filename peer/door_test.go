package peer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

func TestDoor(t *testing.T) {
	const ms = time.Millisecond
	now := time.Duration(0)
	d := newDoor(5, 3)
	come := func(source string, spoken bool, want entry) (g, out *guest) {
		t.Helper()
		g = &guest{wire: new(wire), source: source}
		g.wire.spoken.Store(spoken)
		e, out := d.enter(g, now)
		if e != want {
			t.Errorf("%v: %s gets %d, not %d", now, source, e, want)
		}
		return g, out
	}
	a1, _ := come("a", true, comesIn)
	a2, _ := come("a", false, comesIn)
	come("a", true, comesIn)
	if _, out := come("a", true, turnedAway); out != nil {
		t.Error("who does not dawdle has to go")
	}
	b1, _ := come("b", true, comesIn)
	come("b", true, comesIn)
	if _, out := come("c", true, comesLater); out != nil {
		t.Error("who does not dawdle has to go")
	}
	now = silentGrace - ms
	come("a", true, turnedAway)
	now += ms
	if _, out := come("c", true, comesIn); out != a2 {
		t.Error("it is not who has said nothing that has to go, or not where most are")
	}
	now = handshakeGrace - ms
	come("c", true, comesLater)
	now += ms
	if _, out := come("c", true, comesIn); out != a1 && out != b1 {
		t.Error("it is not the oldest of the most that has to go")
	}
	if d.n != 5 {
		t.Errorf("%d have places", d.n)
	}
	for _, all := range d.guests {
		for _, g := range append([]*guest(nil), all...) {
			d.leave(g)
			d.leave(g)
		}
	}
	if d.n != 0 || len(d.guests) != 0 || len(d.freed) != 1 {
		t.Errorf("%d have places at the end: %v", d.n, d.guests)
	}
}

func TestSourceOf(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.7:99": "10.0.0.7", "[::ffff:10.0.0.7]:99": "10.0.0.7",
		"[2001:db8:1:2:3:4:5:6]:9": "2001:db8:1:2::/64", "[fe80::1%eth0]:9": "fe80::/64",
	} {
		if got := sourceOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))); got != want {
			t.Errorf("%s is %s, not %s", addr, got, want)
		}
	}
	if got := sourceOf(&net.UnixAddr{Name: "x"}); got != "x" {
		t.Error(got)
	}
}

// Strangers who connect, say one byte and wait delay nobody who holds the key, at another
// address or at one of theirs, and are closed within the time of a handshake.
func TestHostileStrangers(t *testing.T) {
	const strangers, sources = 4000, 40
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(1)
		n.SetLatency(0, 0)
		key := GenerateKey()
		var most int
		log := slog.New(slog.DiscardHandler)
		h := testHost(t, key, func(c *Config) { c.Listen, c.Network, c.Logger = hereIP+":1", n.Host(hereIP), log })
		from := make([]*memnet.Host, sources)
		for i := range from {
			from[i] = n.Host(fmt.Sprintf("10.1.0.%d", 1+i))
		}
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range strangers {
			conn, err := from[i%sources].Dial(context.Background(), h.Addr())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte{22})
			wg.Go(func() { // it waits, for as long as it may
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			})
			if i%100 == 99 { // as fast as one of them becomes a dawdler
				<-time.After(silentGrace / 4)
				synctest.Wait()
				h.door.mu.Lock()
				most = max(most, h.door.n)
				h.door.mu.Unlock()
			}
		}
		for _, at := range []*memnet.Host{n.Host(thereIP), from[0]} {
			friend := testHost(t, key, func(c *Config) { c.Listen, c.Network, c.Logger = "", at, log })
			if _, err := friend.Link(t.Context(), h.Addr(), h.ID()); err != nil {
				t.Errorf("from %s: %v", at.IP(), err)
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("two who hold the key were let in %v after the first stranger", took)
		}
		synctest.Wait()
		if open := n.Open(); most > maxHalfOpen || open > maxHalfOpen+2 {
			t.Errorf("%d connections in their handshake, %d are open", most, open)
		}
		wg.Wait()
		if took := time.Since(begin); took > handshakeLimit+time.Second {
			t.Errorf("strangers were there for %v", took)
		}
		synctest.Wait()
		if h.door.n != 0 {
			t.Errorf("%d are left", h.door.n)
		}
		_ = h.Close()
		for _, l := range h.Links() {
			_ = l.Close()
		}
	})
}

// What a stranger may have us read and keep is bounded: TLS alone would take a
// certificate of 256 KiB.
func TestTalkativeStranger(t *testing.T) {
	a, w := talker(t, false)
	n, err := io.Copy(io.Discard, readerOnly{w})
	if err != errTalkative || n > handshakeBytes+wireReadSmall || len(w.in) > wireReadSmall {
		t.Errorf("%d bytes were read, then: %v", n, err)
	}
	_ = a.Close()
	a, w = talker(t, true)
	if n, err := io.Copy(io.Discard, readerOnly{w}); err != nil || n != 1<<20 {
		t.Errorf("of who holds the key: %d bytes, %v", n, err)
	}
	_ = a.Close()
}

// talker is who says a megabyte, and has proved, or not, that he holds the key.
func talker(t *testing.T, known bool) (net.Conn, *wire) {
	a, b := net.Pipe()
	w := newWire(a, newClock(), new(bufferPool))
	w.known.Store(known)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.Write(make([]byte, 1<<20))
		_ = b.Close()
	}()
	t.Cleanup(func() { <-done })
	return a, w
}
