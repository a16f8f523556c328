package faultproxy

import (
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"time"
)

func TestCut(t *testing.T) {
	p := start(t)
	var ends []net.Conn
	for range 3 {
		dialer, target := p.connect(t)
		say(t, dialer, "up")
		hear(t, target, "up")
		ends = append(ends, dialer, target)
	}
	p.Cut()
	if n := p.Live(); n != 0 {
		t.Errorf("%d live", n)
	}
	for _, end := range ends {
		hearReset(t, end)
	}
	dialer, target := p.connect(t)
	say(t, target, "down")
	hear(t, dialer, "down")
}

// A connection is cut while both sides write all they can and nobody reads.
func TestCutOfAFullConnection(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	var wg sync.WaitGroup
	for _, end := range []net.Conn{dialer, target} {
		wg.Go(func() { writeUntilError(end) })
	}
	hear(t, dialer, "\x00")
	hear(t, target, "\x00")
	p.Cut()
	wg.Wait()
}

func writeUntilError(conn net.Conn) {
	for err := error(nil); err == nil; {
		_, err = conn.Write(make([]byte, 64<<10))
	}
}

func TestCutEvery(t *testing.T) {
	p := start(t)
	stop := p.CutEvery(time.Millisecond)
	for range 10 {
		p.dialReset(t)
	}
	stop()
	stop()
	p.listener = listen(t) // the old one has a queue of the dead
	p.To(p.listener.Addr().String())
	dialer, target := p.connect(t)
	say(t, dialer, "in peace")
	hear(t, target, "in peace")
}

// The connection dies at the very byte, whichever direction, whatever the size
// of what is written.
func TestCutAt(t *testing.T) {
	const sure = 32 << 10 // fits into any window
	what := random(300 << 10)
	for _, k := range []int64{1, 2, 1000, 200<<10 + 1} {
		for _, dir := range []string{"up", "down"} {
			t.Run(fmt.Sprint(dir, k), func(t *testing.T) {
				p := start(t)
				if dir == "up" {
					p.CutAt(k, -1)
				} else {
					p.CutAt(-1, k)
				}
				dialer, target := p.connect(t)
				from, to := dialer, target
				if dir == "down" {
					from, to = target, dialer
				}
				var wg sync.WaitGroup
				wg.Go(func() { from.Write(what) })
				got := hearReset(t, to)
				if k > int64(len(got)) && k > sure {
					k = int64(len(got)) // behind with reading
				}
				same(t, got, what[:k])
				wg.Wait()
				hearReset(t, from)

				p.CutAt(-1, -1)
				dialer, target = p.connect(t)
				say(t, dialer, "whole")
				hear(t, target, "whole")
			})
		}
	}
}

// None of the bytes is passed on, and a dial may see that already.
func TestCutAtTheVeryBeginning(t *testing.T) {
	p := start(t)
	p.CutAt(0, -1)
	p.dialReset(t)
	p.CutAt(-1, 0)
	p.dialReset(t)
	if err := p.WaitConnections(testContext(t), 2); err != nil {
		t.Fatal(err)
	}
}

func TestCutEach(t *testing.T) {
	p := start(t)
	p.CutEach(func(n int) (up, down int64) {
		if n == 3 {
			return math.MaxInt64, -1
		}
		return -1, int64(n)
	})
	for n := 1; n <= 3; n++ {
		dialer, target := p.connect(t)
		say(t, dialer, "up")
		hear(t, target, "up")
		say(t, target, "down")
		if n == 3 {
			hear(t, dialer, "down")
			continue
		}
		same(t, hearReset(t, dialer), []byte("down")[:n])
	}
	p.CutEach(nil)
	dialer, target := p.connect(t)
	say(t, target, "down")
	hear(t, dialer, "down")
}

// Nothing passes in the direction that is stalled, the other one is as ever,
// and nothing is lost.
func TestStall(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	p.Stall(true, false)
	say(t, dialer, "held")
	say(t, target, "passes")
	hear(t, dialer, "passes")
	hearNothing(t, target)

	p.Stall(false, true)
	hear(t, target, "held")
	say(t, target, "held too")
	say(t, dialer, "passes too")
	hear(t, target, "passes too")
	hearNothing(t, dialer)

	p.Stall(true, true)
	late, lateTarget := p.connect(t)
	say(t, late, "later")
	hearNothing(t, lateTarget)

	p.Stall(false, false)
	hear(t, dialer, "held too")
	hear(t, lateTarget, "later")
}

// Ends and resets are held as bytes are; also one that the proxy learns of by
// writing.
func TestStallHoldsEnds(t *testing.T) {
	for _, how := range []string{"end", "reset", "reset, written to"} {
		t.Run(how, func(t *testing.T) {
			p := start(t)
			dialer, target := p.connect(t)
			p.Stall(true, false)
			if how != "end" {
				dialer.SetLinger(0)
			}
			dialer.Close()
			if how == "reset, written to" {
				say(t, target, "hello?")
			}
			hearNothing(t, target)
			p.Stall(false, false)
			if how == "end" {
				hearEOF(t, target, "")
			} else {
				hearReset(t, target)
			}
		})
	}
}

func TestCutOfAStalledConnection(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	p.Stall(true, true)
	say(t, dialer, "lost")
	say(t, target, "lost")
	p.Cut()
	same(t, hearReset(t, target), nil)
	same(t, hearReset(t, dialer), nil)
}

func TestSlice(t *testing.T) {
	p := start(t)
	p.Slice(1)
	dialer, target := p.connect(t)
	say(t, dialer, "slices")
	for _, c := range "slices" {
		hear(t, target, string(c))
	}
	// Whoever reads fast sees the borders: that depends on the machine, so it is
	// the writes that are looked at.
	w := way{left: -1}
	if n := w.size(p.faults.Load(), 100); n != 1 {
		t.Errorf("%d bytes in a write", n)
	}
	p.Slice(0)
	if n := w.size(p.faults.Load(), 100); n != 100 {
		t.Errorf("%d bytes in a write", n)
	}
	say(t, dialer, "whole")
	hear(t, target, "whole")
}

// At 100000 bytes a second 20000 take 200 ms; 10 ms of them are for free. That
// the machine is slow can only make it longer.
func TestRate(t *testing.T) {
	p := start(t)
	p.Rate(100_000)
	dialer, target := p.connect(t)
	what := random(20_000)
	began := time.Now()
	say(t, dialer, string(what))
	hear(t, target, string(what))
	if took := time.Since(began); took < 180*time.Millisecond {
		t.Errorf("took %v", took)
	}

	// A change wakes up what waits: this would take hours.
	p.Rate(1)
	say(t, dialer, string(what))
	hear(t, target, string(what[:1]))
	p.Rate(0)
	hear(t, target, string(what[1:]))
}

func TestDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	p := start(t)
	p.Delay(delay)
	dialer, target := p.connect(t)
	began := time.Now()
	say(t, dialer, "there")
	hear(t, target, "there")
	say(t, target, "and back")
	hear(t, dialer, "and back")
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %v", took)
	}

	// It is a delay and no bound of the rate: the chunks of 2 MiB would take
	// seconds if one waited for another.
	what := random(2 << 20)
	began = time.Now()
	go dialer.Write(what)
	hear(t, target, string(what))
	if took := time.Since(began); took > 2<<20/lateChunk*delay/4 {
		t.Errorf("2 MiB took %v", took)
	}

	began = time.Now()
	target.Close()
	hearEOF(t, dialer, "")
	if took := time.Since(began); took < delay {
		t.Errorf("the end took %v", took)
	}
}

// Both sides are told politely, after what was said, whatever they do then; also
// when the proxy is just waiting for something.
func TestHangUp(t *testing.T) {
	for _, fault := range []string{"none", "stall", "rate", "delay"} {
		t.Run(fault, func(t *testing.T) {
			p := start(t)
			if fault == "delay" {
				p.Delay(time.Hour)
			}
			dialer, target := p.connect(t)
			heard := ""
			switch fault {
			case "none":
				say(t, target, "before")
				hear(t, dialer, "before")
			case "stall":
				p.Stall(true, true)
			case "rate":
				p.Rate(1)
				heard = "h"
			}
			say(t, dialer, "hello")
			hear(t, target, heard)
			if fault == "none" {
				hear(t, target, "hello")
			}
			p.HangUp()
			hearEOF(t, dialer, "")
			if _, err := io.ReadAll(target); err != nil { // a second "e" when we are slow
				t.Error(err)
			}
			say(t, dialer, string(random(10<<20)))
			say(t, target, "vanishes")
			if p.Live() != 1 {
				t.Errorf("%d live before both have closed", p.Live())
			}
			dialer.Close()
			target.Close()
			if err := p.Wait(testContext(t), func() bool { return p.Live() == 0 }); err != nil {
				t.Fatal("still live after both have closed: ", err)
			}
		})
	}
}

// The proxy is writing to somebody who does not read when it is told to hang up.
func TestHangUpOnAFullConnection(t *testing.T) {
	p := start(t)
	dialer, target := p.connect(t)
	var wg sync.WaitGroup
	wg.Go(func() { writeUntilError(dialer) })
	hear(t, target, "\x00")
	p.HangUp()
	if _, err := io.Copy(io.Discard, target); err != nil {
		t.Error(err)
	}
	hearEOF(t, dialer, "")
	p.Cut()
	wg.Wait()
}
