package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// A proxy that does no harm: everything arrives, both ways at once, and each
// side learns of the other's end.
func TestPassesOn(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	what := random(5 << 20)
	var wg sync.WaitGroup
	for _, conn := range []*net.TCPConn{dialer, target} {
		wg.Go(func() {
			if _, err := conn.Write(what); err != nil {
				t.Error(err)
			}
			conn.CloseWrite()
		})
		wg.Go(func() {
			got, err := io.ReadAll(conn)
			if err != nil || string(got) != string(what) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if err := p.Wait(testContext(t), func() bool { return p.Live() == 0 }); err != nil {
		t.Fatal("still live after both ends: ", err)
	}
	if up, down := p.Bytes(); up != 5<<20 || down != 5<<20 {
		t.Errorf("passed on %d up, %d down", up, down)
	}
}

// One direction ends, the other goes on.
func TestPassesOnHalfAnEnd(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	say(t, dialer, "question")
	dialer.CloseWrite()
	hearEOF(t, target, "question")
	say(t, target, "answer")
	target.Close()
	hearEOF(t, dialer, "answer")
}

func TestPassesOnAReset(t *testing.T) {
	for _, side := range []string{"dialer", "target"} {
		t.Run(side, func(t *testing.T) {
			p := start(t)
			one, other := p.connect(t)
			if side == "target" {
				one, other = other, one
			}
			one.SetLinger(0)
			one.Close()
			hearReset(t, other)
		})
	}
}

func TestRefuse(t *testing.T) {
	p := start(t)
	before, _ := p.connect(t)
	p.Refuse(true)
	p.dialReset(t)
	if p.Refused() != 1 || p.Connections() != 1 || p.Live() != 1 {
		t.Errorf("%d refused, %d connections, %d live", p.Refused(), p.Connections(), p.Live())
	}
	p.Cut()
	hearReset(t, before)
	p.Refuse(false)
	dialer, target := p.connect(t)
	say(t, dialer, "again")
	hear(t, target, "again")
}

// After an outage is set nothing is live, however the dials fall.
func TestOutageLetsNothingSlip(t *testing.T) {
	for range 50 {
		p := start(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if conn, err := net.Dial("tcp", p.Addr()); err == nil {
					defer conn.Close()
					io.Copy(io.Discard, conn)
				}
			})
		}
		p.Refuse(true)
		p.Cut()
		if n := p.Live(); n > 0 {
			t.Errorf("%d live", n)
		}
		if err := p.Wait(testContext(t), func() bool { return p.Connections()+p.Refused() == 4 }); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if n := p.Live(); n > 0 {
			t.Errorf("%d live in the end", n)
		}
		p.Close()
	}
}

// What was set, or the end, while the target was being dialled holds too.
func TestTooLateToJoin(t *testing.T) {
	for name, change := range map[string]func(p place){
		"refuse": func(p place) { p.Refuse(true) },
		"to":     func(p place) { p.To("127.0.0.1:1") },
		"close":  func(p place) { p.Close() },
	} {
		p := start(t)
		change(p)
		if c, _, _ := p.join(nil, nil, p.listener.Addr().String()); c != nil {
			t.Errorf("joined after %s", name)
		}
	}
}

func TestTargetIsNotThere(t *testing.T) {
	p := start(t)
	p.listener.Close()
	p.dialReset(t)
	if p.Refused() != 1 || p.Connections() != 0 {
		t.Errorf("%d refused, %d connections", p.Refused(), p.Connections())
	}
}

func TestTo(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	other := listen(t)
	p.To(other.Addr().String())
	moved := place{p.Proxy, other}
	dialer2, target2 := moved.connect(t)
	say(t, dialer, "old")
	say(t, dialer2, "new")
	hear(t, target, "old")
	hear(t, target2, "new")
}

func TestWaitEndsWithItsContext(t *testing.T) {
	p := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitConnections(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	p.connect(t)
	if err := p.WaitConnections(ctx, 1); err != nil {
		t.Errorf("one is there: %v", err)
	}
}

// Close ends what is live, in whatever state, and lets nobody in.
func TestClose(t *testing.T) {
	p := start(t)
	p.Delay(1)
	var ends []net.Conn
	for range 3 {
		dialer, target := p.connect(t)
		ends = append(ends, dialer, target)
	}
	p.Stall(true, false)
	say(t, ends[0], "held")
	p.HangUp()
	dialer, target := p.connect(t)
	say(t, dialer, "held")
	stop := p.CutEvery(patience)
	p.Close()
	p.Close()
	stop()
	hearReset(t, dialer)
	hearReset(t, target)
	if p.Live() != 0 || p.Connections() != 4 {
		t.Errorf("%d live, %d connections", p.Live(), p.Connections())
	}
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		conn.Close()
		t.Error("a closed proxy listens")
	}
	p.CutEvery(patience)()
}
