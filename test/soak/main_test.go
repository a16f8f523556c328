package soak

import (
	"flag"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var soakFor = flag.Duration("soak", 3*time.Second, "for how long the nodes work; go test needs a -timeout some minutes longer")

// warmGoroutines has the runtime take what it keeps of goroutines.
var warmGoroutines = func() {}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reportEvery is how often a line says how it goes.
const reportEvery = 10 * time.Second

// TestSoak: nothing is lost, doubled or reordered whatever happens, and when it is quiet again the
// nodes that have stayed take no more than near the beginning; when they are closed, nothing.
func TestSoak(t *testing.T) {
	if end, ok := t.Deadline(); ok && time.Until(end) < *soakFor+2*patience {
		t.Fatalf("go test would end this before its time: give it -timeout %v", *soakFor+10*time.Minute)
	}
	warmSockets(t)
	warmGoroutines()
	none := descriptors()
	w := newWorld(t)
	w.phase(*soakFor / 10)
	start := w.quiet(nil)
	if !t.Failed() {
		w.phase(*soakFor - *soakFor/10)
	}
	end := w.quiet(start)
	w.close()
	t.Logf("%s\n%s", w.tally(), table(start, end))
	if !eventually(func() bool { return descriptors() <= none }) {
		w.wrong("%d descriptors are open, %d were before", descriptors(), none)
	}
	if t.Failed() {
		t.Logf("the nodes said last:\n%s\n\nwhat is wrong:\n%s", w.log, &w.failed)
	}
}

// eventually waits for what no event tells.
func eventually(ok func() bool) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !ok(); <-look.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// ended waits for goroutines, and says whether they have ended.
func ended(wg *sync.WaitGroup) bool {
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	select {
	case <-all:
		return true
	case <-time.After(patience):
		return false
	}
}
