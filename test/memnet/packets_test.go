package memnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func addrPortOf(ip string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}

// send sends a packet from alice to bob.
func (w *world) send(text string) {
	w.Helper()
	if n, err := w.alices.WriteTo([]byte(text), w.bobs.LocalAddr()); n != len(text) || err != nil {
		w.Fatalf("sent %d bytes, %v", n, err)
	}
}

// next is the next packet that bob gets, or "nothing".
func (w *world) next() string {
	w.Helper()
	w.bobs.SetReadDeadline(time.Now().Add(soon))
	p := make([]byte, 100)
	n, from, err := w.bobs.ReadFrom(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing"
	}
	if err != nil || from.String() != alice+":7000" {
		w.Fatalf("from %v: %v", from, err)
	}
	return string(p[:n])
}

func (w *world) expect(want ...string) {
	w.Helper()
	for _, text := range want {
		if got := w.next(); got != text {
			w.Fatalf("got %q, want %q", got, text)
		}
	}
}

func TestPackets(t *testing.T) {
	bubble(t, func(w *world) {
		w.took(0, func() { w.send("one"); w.send("two") })
		w.took(oneWay, func() { w.expect("one", "two") })
		w.took(soon, func() { w.expect("nothing") })
		w.send("longer")
		p := make([]byte, 4)
		w.bobs.SetReadDeadline(time.Time{})
		if n, _, err := w.bobs.ReadFrom(p); string(p[:n]) != "long" || err != nil {
			t.Errorf("%q, %v", p[:n], err)
		}
		w.expect("nothing")
		if _, err := w.alices.WriteTo(make([]byte, maxPacket+1), w.bobs.LocalAddr()); !errors.Is(err, syscall.EMSGSIZE) {
			t.Error(err)
		}
		for _, to := range []string{bob + ":7001", carol + ":7000"} { // nobody is there
			a, _ := net.ResolveUDPAddr("udp", to)
			if _, err := w.alices.WriteTo([]byte("x"), a); err != nil {
				t.Error(err)
			}
		}
		for range 2 * maxQueued {
			w.send("many")
		}
		for range maxQueued {
			w.expect("many")
		}
		w.expect("nothing")

		ended := make(chan error)
		go func() { _, _, err := w.alices.ReadFrom(p); ended <- err }()
		synctest.Wait()
		w.alices.SetReadDeadline(time.Unix(1, 0))
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		w.alices.SetReadDeadline(time.Time{})
		go func() { _, _, err := w.alices.ReadFrom(p); ended <- err }()
		synctest.Wait()
		w.alices.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := w.alices.WriteTo(p, w.bobs.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := w.alices.Close(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestPacketsInSilence(t *testing.T) {
	bubble(t, func(w *world) {
		w.send("there")
		pass(oneWay)
		w.send("flying")
		w.Mute(alice, bob)
		w.send("lost")
		w.expect("there", "nothing")
		w.Unmute(alice, bob)
		w.Mute(bob, alice) // packets need no answer
		w.send("again")
		w.expect("again", "nothing")
		w.Sever(alice, bob)
		w.send("lost")
		w.Heal(alice, bob)
		w.send("flying")
		w.Vanish(alice)
		w.send("lost")
		w.expect("nothing")
		_, s := w.listen(w.Host(alice), ":7000")
		w.send("from the past")
		if _, err := s.WriteTo([]byte("anew"), w.bobs.LocalAddr()); err != nil {
			t.Error(err)
		}
		w.expect("anew", "nothing")
		if _, err := s.WriteTo([]byte("flying"), w.bobs.LocalAddr()); err != nil {
			t.Error(err)
		}
		w.Vanish(bob)
		w.expect("nothing")
	})
}

func TestPacketLoss(t *testing.T) {
	bubble(t, func(w *world) {
		w.SetLatency(oneWay, oneWay)
		w.SetLoss(0.2)
		got, overtaken, last := 0, 0, -1
		for i := range 1000 {
			w.send(fmt.Sprint(i))
			pass(oneWay / 10)
		}
		for {
			var i int
			if _, err := fmt.Sscan(w.next(), &i); err != nil {
				break
			}
			if got++; i < last {
				overtaken++
			}
			last = i
		}
		if got < 750 || got > 850 || overtaken < 100 {
			t.Errorf("got %d, %d of them overtaken", got, overtaken)
		}
		w.SetLoss(1)
		w.send("lost")
		a, b := w.connect() // not packets
		w.write(a, "x")
		w.read(b, "x")
		w.expect("nothing")
	})
}
