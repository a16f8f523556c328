package chanref

import (
	"testing"
	"time"
)

// While many channels are held garbage is collected often when they are new ones, seldom when
// they stay the same, and not so seldom while somebody waits for fewer.
func TestNudges(t *testing.T) {
	count := func(perSecond uint64, crowd bool) (n int) {
		k := &keeper{t: &Table{maxRefs: MaxRefs}}
		now, made := time.Unix(1e9, 0), uint64(0)
		for range 600 { // a minute
			if k.nudgeDue(now, made, crowd) {
				n++
			}
			now, made = now.Add(scanEvery), made+perSecond/10
		}
		return n
	}
	if n := count(50_000, false); n < 200 {
		t.Errorf("%d collections in a minute, with 50,000 new channels each second", n)
	}
	if n := count(0, false); n < 10 || n > 25 {
		t.Errorf("%d collections in a minute, of channels that stay the same", n)
	}
	if n := count(0, true); n < 50 || n > 70 {
		t.Errorf("%d collections in a minute, of channels that stay the same, where somebody waits", n)
	}
}
