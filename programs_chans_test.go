package netchan

import (
	"fmt"
	"testing"

	"github.com/matveynator/netchan/test/history"
)

// TestChanPrograms runs random programs in which nodes make channels, send them to each other in
// values and over each other, pass on what they hold, use it, close it and drop it, while
// connections break and nodes end.
func TestChanPrograms(t *testing.T) {
	first, count := *programSeed, *programCount
	switch {
	case count > 0:
	case first > 0:
		count = 1
	case testing.Short() && raceEnabled:
		count = 20
	case testing.Short(), raceEnabled:
		count = 50
	default:
		count = 80
	}
	defer watch()()
	inBubble(t, func(t *testing.T) {
		for seed, end := first, first+uint64(count); seed < end && !t.Failed(); {
			next := min(end, (seed/perMesh+1)*perMesh)
			runChanMesh(t, seed, next)
			seed = next
		}
	})
}

// runChanMesh runs the programs of some seeds in one mesh.
func runChanMesh(t *testing.T, first, end uint64) {
	w := newWorld(first, max(2, nodesOf(first)))
	defer w.close()
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	for seed := first; seed < end; seed++ {
		running.Store(seed)
		prog, inPeace := chanProgramOf(seed), seed%perMesh < perMesh-1
		p := runChans(w, fmt.Sprintf("p%d", seed), prog, inPeace)
		if wrong := p.ch.Check(inPeace); len(wrong) > 0 {
			t.Errorf("seed %d, %d nodes: %v\n%s\n\nAgain: go test -run TestChanPrograms -netchan.seed=%d .\n"+
				"or, behind those before it: go test -run TestChanPrograms -netchan.seed=%d -netchan.programs=%d .",
				seed, len(w.slots), prog, p.h.Report(wrong), seed, first, seed-first+1)
			break
		}
	}
}

// FuzzChanPrograms is TestChanPrograms with programs made of any bytes, each in a mesh of its own.
func FuzzChanPrograms(f *testing.F) {
	fuzzPrograms(f, chanWheels, chanProgramOf, func(w *world, prog program, inPeace bool) (*history.History, []history.Violation) {
		p := runChans(w, "p", prog, inPeace)
		return p.h, p.ch.Check(inPeace)
	})
}

// chanStories are programs that were written to the end of one thing each.
var chanStories = []struct {
	name  string
	nodes int
	steps []step
}{
	{"passed to itself", 2, []step{
		{opMake, 0, 3, 0}, {opMake, 0, 3, 0}, {opMake, 0, 3, 0}, // the third is not closed at the end
		{opPass, 4, 1, 1}, {opWait, 12, 0, 0}, {opPass, 6, 1, 1}, {opWait, 12, 0, 0}, {opTell, 3, 5, 0},
	}},
	{"there and back again", 3, []step{
		{opMake, 0, 3, 0}, {opMake, 0, 3, 0}, {opMake, 0, 3, 0},
		{opPass, 4, 1, 1}, {opWait, 12, 0, 0}, {opPass, 6, 2, 1}, {opWait, 12, 0, 0},
		{opPass, 7, 1, 1}, {opWait, 12, 0, 0}, {opPass, 6, 2, 1}, {opWait, 12, 0, 0}, {opTell, 4, 5, 0},
	}},
	{"woken by another link", 3, []step{
		{opMake, 0, 3, 0}, {opMake, 0, 3, 0}, {opMake, 0, 3, 0},
		{opPass, 4, 1, 1}, {opWait, 14, 0, 0}, {opMake, 2, 3, 0}, {opPass, 7, 1, 1}, {opWait, 14, 0, 0},
	}},
	{"gone, and passed on", 3, []step{
		{opMake, 0, 3, 0}, {opPass, 0, 1, 1}, {opWait, 12, 0, 0}, {opEnd, 0, 0, 0}, {opWait, 3, 0, 0}, {opTell, 1, 3, 0}, {opWait, 12, 0, 0},
		{opPass, 2, 2, 1}, {opWait, 12, 0, 0}, {opPass, 3, 1, 1}, {opDrop, 2, 0, 0}, {opPass, 2, 1, 1}, {opWait, 12, 0, 0},
	}},
	{"who got it from one that is cut off comes behind that one", 3, []step{
		{opMake, 0, 6, 0}, {opMake, 0, 6, 0}, {opPass, 2, 2, 1}, {opWait, 12, 0, 0}, {opPass, 0, 1, 1}, {opWait, 12, 0, 0},
		{opMake, 1, 6, 0}, {opPass, 6, 2, 1}, {opWait, 12, 0, 0}, // now all are linked
		{opSever, 0, 1, 3}, {opTell, 3, 9, 0}, {opPass, 5, 2, 1}, {opWait, 12, 0, 0}, {opTell, 6, 5, 0}, {opWait, 14, 0, 0},
	}},
	{"passed on to nobody", 3, []step{
		{opMake, 0, 3, 0}, {opMake, 2, 6, 0}, {opPass, 0, 2, 1}, {opWait, 12, 0, 0}, {opPass, 2, 1, 1}, {opPass, 3, 1, 1}, {opWait, 12, 0, 0},
		{opHear, 1, 0, 0}, {opEnd, 0, 0, 0}, {opWait, 3, 0, 0}, {opPass, 3, 0, 0}, {opWait, 12, 0, 0}, {opTell, 3, 9, 0}, {opWait, 12, 0, 0}, {opDrop, 1, 0, 0},
	}},
	{"not read, and dropped", 2, []step{
		{opMake, 0, 3, 0}, {opPass, 1, 1, 1}, {opWait, 12, 0, 0}, {opHear, 0, 0, 0}, {opHear, 1, 0, 0}, {opWait, 3, 0, 0},
		{opTell, 0, 4, 0}, {opWait, 12, 0, 0}, {opDrop, 2, 0, 0}, {opWait, 12, 0, 0},
	}},
	{"not read, and passed on", 3, []step{
		{opMake, 0, 3, 0}, {opPass, 1, 1, 1}, {opWait, 12, 0, 0}, {opHear, 0, 0, 0}, {opHear, 1, 0, 0}, {opWait, 3, 0, 0},
		{opTell, 0, 4, 0}, {opWait, 12, 0, 0}, {opPass, 2, 2, 1}, {opWait, 3, 0, 0}, {opDrop, 2, 0, 1}, {opWait, 12, 0, 0},
	}},
}

func TestChanStories(t *testing.T) {
	for _, story := range chanStories {
		t.Run(story.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(1, story.nodes)
				defer w.close()
				if err := w.start(); err != nil {
					t.Fatal(err)
				}
				p := runChans(w, "p", program{steps: story.steps}, true)
				if wrong := p.ch.Check(true); len(wrong) > 0 {
					t.Errorf("%s", p.h.Report(wrong))
				}
			})
		})
	}
}
