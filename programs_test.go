package netchan

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/test/history"
)

var (
	programSeed  = flag.Uint64("netchan.seed", 0, "seed of the first random program")
	programCount = flag.Int("netchan.programs", 0, "how many random programs to run; 0: as many as there is time for, or one with a seed")
)

// A mesh serves so many programs, the last of which ends in the middle.
const perMesh = 10

// inBubble runs f in a bubble of virtual time. Before it, and behind it, yamux'
// timers are forgotten: its pool of them is one for all bubbles.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Setenv("GODEBUG", "tlsmlkem=0") // handshakes are a third of the time as it is
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	forget := func() { runtime.GC(); runtime.GC() }
	forget()
	defer forget()
	synctest.Test(t, f)
}

// running is the seed of the program that runs.
var running atomic.Uint64

// hangs is how long, on the wall clock, one program may run. A goroutine that waits for
// a lock which another one holds while it waits itself stops a bubble's time.
const hangs = 2 * time.Minute

// watch tells which program hangs, until the function that it returns is called.
func watch() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		last, since := running.Load(), time.Now()
		for {
			select {
			case <-end:
				return
			case <-time.After(time.Second):
			}
			if seed := running.Load(); seed != last {
				last, since = seed, time.Now()
			} else if time.Since(since) > hangs {
				panic(fmt.Sprintf("the program of seed %d hangs: go test -run TestPrograms -netchan.seed=%d .", seed, seed))
			}
		}
	}()
	return func() { close(end); <-ended }
}

// TestPrograms runs random programs: nodes, senders and receivers, and networks
// that fail. What those who send and receive have seen is compared with what is
// promised.
func TestPrograms(t *testing.T) {
	first, count := *programSeed, *programCount
	switch {
	case count > 0:
	case first > 0:
		count = 1
	case testing.Short() && raceEnabled:
		count = 50
	case testing.Short(), raceEnabled:
		count = 300
	default:
		count = 1000
	}
	var total worldCounts
	defer watch()()
	inBubble(t, func(t *testing.T) {
		for seed, end := first, first+uint64(count); seed < end && !t.Failed(); {
			next := min(end, (seed/perMesh+1)*perMesh)
			c := runMesh(t, seed, next)
			total.breaks, total.backs, total.ends, total.lives = total.breaks+c.breaks, total.backs+c.backs, total.ends+c.ends, total.lives+c.lives
			seed = next
		}
	})
	t.Logf("%d programs: %+v", count, total)
	if count >= 300 && (total.breaks == 0 || total.backs == 0 || total.ends == 0) {
		t.Errorf("links did not break, come back or end: has peer changed what it says of them?")
	}
}

// nodesOf is how many nodes the mesh has in which the program of a seed runs.
func nodesOf(seed uint64) int { return []int{2, 3, 2, 3, 2, 4, 2, 3, 2, 5}[seed/perMesh%10] }

// runMesh runs the programs of some seeds in one mesh.
func runMesh(t *testing.T, first, end uint64) worldCounts {
	w := newWorld(first, nodesOf(first))
	defer w.close()
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	for seed := first; seed < end; seed++ {
		running.Store(seed)
		prog, inPeace := programOf(seed), seed%perMesh < perMesh-1
		h := run(w, fmt.Sprintf("p%d", seed), prog, inPeace)
		if wrong := h.Check(inPeace); len(wrong) > 0 {
			t.Errorf("seed %d, %d nodes: %v\n%s\n\nAgain: go test -run TestPrograms -netchan.seed=%d .\n"+
				"or, behind those before it: go test -run TestPrograms -netchan.seed=%d -netchan.programs=%d .",
				seed, len(w.slots), prog, h.Report(wrong), seed, first, seed-first+1)
			break
		}
	}
	return w.counts
}

// FuzzPrograms is TestPrograms with programs made of any bytes, each in a mesh of its own.
func FuzzPrograms(f *testing.F) {
	fuzzPrograms(f, wheels, programOf, func(w *world, prog program, inPeace bool) (*history.History, []history.Violation) {
		h := run(w, "p", prog, inPeace)
		return h, h.Check(inPeace)
	})
}

// fuzzPrograms has play run what any bytes say, beginning with some programs of of.
func fuzzPrograms(f *testing.F, wheels [][]op, of func(seed uint64) program,
	play func(w *world, prog program, inPeace bool) (*history.History, []history.Violation)) {
	for seed := range uint64(8) {
		f.Add(of(seed).bytes(wheels))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		prog := parseProgram(b[:min(len(b), fuzzBytes)], wheels)
		inBubble(t, func(t *testing.T) {
			w := newWorld(uint64(len(b)), 2+int(prog.kind)/4%2)
			defer w.close()
			if err := w.start(); err != nil {
				t.Fatal(err)
			}
			if h, wrong := play(w, prog, prog.kind%4 > 0); len(wrong) > 0 {
				t.Errorf("%v\n%s", prog, h.Report(wrong))
			}
		})
	})
}

// fuzzBytes bounds the programs that fuzzing tries: 25 steps.
const fuzzBytes = 1 + 4*25

// start has all nodes join.
func (w *world) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, s := range w.slots {
		if err := s.up(ctx); err != nil {
			return err
		}
	}
	return nil
}
