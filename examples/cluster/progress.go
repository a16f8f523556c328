package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows how far the tasks are: on a terminal a line that is written
// over and over, elsewhere a line a second.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	shown    bool
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, every: time.Second}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if p.terminal {
		p.every = time.Second / 10
	}
	return p
}

func (p *progress) line(l *ledger) {
	fewest, most := l.spread()
	text := fmt.Sprintf("%6d tasks done, %6.0f/s, %d clients, %d to %d each",
		l.answered, float64(l.answered)/time.Since(l.start).Seconds(), l.clients, fewest, most)
	if p.terminal {
		// Back to the start of the line, and clear what was there.
		fmt.Fprintf(p.out, "\r\x1b[K%s", text)
	} else {
		fmt.Fprintln(p.out, text)
	}
	p.shown = true
}

// end leaves the last line standing.
func (p *progress) end() {
	if p.terminal && p.shown {
		fmt.Fprintln(p.out)
	}
}
