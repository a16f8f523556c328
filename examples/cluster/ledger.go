package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// A ledger knows what was handed out and what came back. One goroutine owns it.
type ledger struct {
	start     time.Time
	last      time.Time      // when the last answer came
	open      map[int]Task   // handed out, not answered
	handed    int            // tasks handed out
	answered  int            // tasks answered, each counted once
	again     int            // answers to what was answered already
	strange   int            // answers to what was never asked
	wrong     []error        // answers that are not right
	perClient map[string]int // answers of each client
	clients   int            // the most clients that were there at a time
}

func newLedger() *ledger {
	now := time.Now()
	return &ledger{start: now, last: now, open: make(map[int]Task), perClient: make(map[string]int)}
}

func (l *ledger) handOut(t Task) {
	l.open[t.ID] = t
	l.handed++
}

func (l *ledger) take(a Answer) {
	l.last = time.Now()
	l.perClient[a.Client]++
	t, open := l.open[a.ID]
	switch {
	case open:
		delete(l.open, a.ID)
		l.answered++
		if err := check(t, a); err != nil {
			l.wrong = append(l.wrong, err)
		}
	case a.ID >= 1 && a.ID <= l.handed: // IDs are given in order, from 1
		l.again++
	default:
		l.strange++
	}
}

// spread says how evenly the answers come from clients: the fewest and the
// most that one has given. Those that have given none count too.
func (l *ledger) spread() (fewest, most int) {
	if len(l.perClient) >= l.clients {
		fewest = l.handed + 1
		for _, n := range l.perClient {
			fewest = min(fewest, n)
		}
	}
	for _, n := range l.perClient {
		most = max(most, n)
	}
	return fewest, most
}

// report writes the summary. Its error is the verdict.
func (l *ledger) report(out io.Writer) error {
	fewest, most := l.spread()
	fmt.Fprintf(out, "%d tasks handed out, %d answered in %.1f s by %d clients, %d to %d each\n",
		l.handed, l.answered, l.last.Sub(l.start).Seconds(), max(l.clients, len(l.perClient)), fewest, most)
	if err := l.verdict(); err != nil {
		fmt.Fprintln(out, "FAILED")
		return err
	}
	fmt.Fprintln(out, "OK: every task was answered exactly once, and right")
	return nil
}

// verdict is nil when every task was answered exactly once, and right.
func (l *ledger) verdict() error {
	var errs []error
	complain := func(n int, what string) {
		if n > 0 {
			errs = append(errs, fmt.Errorf("%d %s", n, what))
		}
	}
	if l.handed == 0 {
		errs = append(errs, errors.New("no task was handed out"))
	}
	complain(len(l.open), "tasks were not answered")
	complain(l.again, "answers came again")
	complain(l.strange, "answers were to no task")
	complain(len(l.wrong), "answers were wrong")
	if len(l.wrong) > 0 {
		errs = append(errs, l.wrong[0])
	}
	return errors.Join(errs...)
}
