package faultproxy

import (
	"net"
	"testing"
	"time"
)

// Packets arrive at the target; none does that was sent while what goes up is held.
func TestPackets(t *testing.T) {
	target, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	p, err := ListenPackets(target.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("udp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send := func(what string) {
		if _, err := conn.Write([]byte(what)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string) {
		t.Helper()
		_ = target.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 100)
		n, err := target.Read(b)
		if got := string(b[:n]); err != nil || got != what {
			t.Fatalf("the target got %q, %v; want %q", got, err, what)
		}
	}
	send("one")
	want("one")
	for i, fault := range []struct{ begin, end func() }{
		{func() { p.Stall(true, false) }, func() { p.Stall(false, false) }},
		{func() { p.Refuse(true) }, func() { p.Refuse(false) }},
	} {
		fault.begin()
		send("lost")
		if err := p.Wait(testContext(t), func() bool { return p.Vanished() > i }); err != nil {
			t.Fatal(err)
		}
		fault.end()
		send("two")
		want("two")
	}
}
