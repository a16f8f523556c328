package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/matveynator/netchan"
)

// A lesson hands out a channel to receive from. Its pupil takes so many values, tells which,
// and does with the channel what Then says.
type lesson struct {
	Words  <-chan int
	Take   int
	Then   int
	Report chan<- []int
}

const (
	drop = iota // the garbage collector finds it
	release
	passOn // to another pupil, which takes the rest
	ways
)

const words = 40

// openLessons has a pupil at each node, and a further one for what is passed on.
func (w *world) openLessons() {
	for i, n := range w.nodes {
		w.lessons = append(w.lessons, send[lesson](w, n, fmt.Sprint("pupil-", (i+1)%4), 4).C)
		further := send[lesson](w, n, fmt.Sprint("further-", (i+2)%4), 4)
		read(w, receive[lesson](w, n, fmt.Sprint("further-", i), netchan.KeepOpen()), learn)
		read(w, receive[lesson](w, n, fmt.Sprint("pupil-", i), netchan.KeepOpen()), func(l lesson) {
			learn(l)
			switch l.Then {
			case release:
				netchan.Release(l.Words)
			case passOn:
				further.C <- lesson{l.Words, words, drop, l.Report}
			}
		})
	}
}

func learn(l lesson) {
	got := []int{}
	for len(got) < l.Take {
		v, ok := <-l.Words
		if !ok {
			break
		}
		got = append(got, v)
	}
	l.Report <- got
}

// teach gives lessons until the phase is over.
func (w *world) teach(node int, r *rand.Rand) {
	for w.pause(5 * time.Millisecond) {
		then := r.IntN(ways)
		if err := w.teachOnce(w.lessons[node], then, r.IntN(words)); err != nil {
			w.fail("node %d hands out a channel (%d): %v", node, then, err)
			return
		}
		w.count.handed.Add(1)
	}
}

// teachOnce hands a channel to a pupil that takes some of it; what it has not taken comes to
// the next one, each value once.
func (w *world) teachOnce(pupil chan<- lesson, then, take int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, report := make(chan int, 4), make(chan []int, 2) // passed on, both pupils report
	go func() {
		defer close(out)
		for i := range words {
			select {
			case out <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	back := netchan.Done(out)
	if err := netchan.Send(ctx, pupil, lesson{out, take, then, report}); err != nil {
		return err
	}
	var seen [words]bool
	learned := func() error {
		got, err := netchan.Receive(ctx, report)
		if err != nil {
			return fmt.Errorf("no report: %w", err)
		}
		for _, v := range got {
			if v < 0 || v >= words || seen[v] {
				return fmt.Errorf("%d came, twice or never sent", v)
			}
			seen[v] = true
		}
		return nil
	}
	if err := learned(); err != nil {
		return err
	}
	if then != passOn {
		select {
		case <-back:
		case <-ctx.Done():
			return fmt.Errorf("it is dropped, and its home is not told: %w", errNever)
		}
		report = make(chan []int, 1) // a fresh one: the first was dropped, and its end is told until it arrives again
		if err := netchan.Send(ctx, pupil, lesson{out, words, release, report}); err != nil {
			return err
		}
	}
	if err := learned(); err != nil {
		return err
	}
	for v, ok := range seen {
		if !ok {
			return fmt.Errorf("lost: %d of %d words", v, words)
		}
	}
	return nil
}
