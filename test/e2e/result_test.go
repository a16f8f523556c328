//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A result is what one run of a case has shown.
type result struct {
	name    string
	failed  bool
	took    time.Duration
	times   map[string][]time.Duration // by what was waited for
	judged  bool                       // it has come that far
	verdict verdict
	peak    int64 // the most memory that a process has had, of those that left in good order
}

// results are those of this process.
var results struct {
	sync.Mutex
	all []*result
}

func (r *result) keep() {
	results.Lock()
	defer results.Unlock()
	results.all = append(results.all, r)
}

// table is what some runs have shown, case by case.
func table(results []*result) string {
	by := make(map[string][]*result)
	for _, r := range results {
		by[r.name] = append(by[r.name], r)
	}
	var b strings.Builder
	row := func(cells ...any) {
		fmt.Fprintf(&b, strings.Repeat("| %v ", len(cells))+"|\n", cells...)
	}
	row("case", "passed", "takes", "values", "lost", "doubled", "redelivered", "memory", "measured")
	row("---", "---", "---", "---", "---", "---", "---", "---", "---")
	for _, name := range slices.Sorted(maps.Keys(by)) {
		runs, passed, judged := by[name], 0, 0
		var took []time.Duration
		var v verdict
		var peak int64
		times := make(map[string][]time.Duration)
		for _, r := range runs {
			if !r.failed {
				passed++
			}
			if r.judged {
				judged++
			}
			took = append(took, r.took)
			v.values += r.verdict.values
			v.lost += r.verdict.lost
			v.doubled += r.verdict.doubled
			v.redelivered += r.verdict.redelivered
			peak = max(peak, r.peak)
			for what, d := range r.times {
				times[what] = append(times[what], d...)
			}
		}
		var measured []string
		for _, what := range slices.Sorted(maps.Keys(times)) {
			measured = append(measured, what+" "+span(times[what]))
		}
		counted := func(n int) string { // of what was not judged nobody knows
			switch judged {
			case len(runs):
				return fmt.Sprint(n)
			case 0:
				return "?"
			}
			return fmt.Sprint(n, " + ?")
		}
		row(name, fmt.Sprintf("%d of %d", passed, len(runs)), span(took), counted(v.values), counted(v.lost), counted(v.doubled), counted(v.redelivered), fmt.Sprintf("%d MiB", peak>>20), strings.Join(measured, "; "))
	}
	return b.String()
}

// What was not judged has lost nothing that is known of, and not nothing.
func TestTable(t *testing.T) {
	t.Parallel()
	failed := &result{name: "x", failed: true, took: time.Second}
	passed := &result{name: "x", judged: true, took: time.Second, verdict: verdict{values: 7, doubled: 2}}
	for want, runs := range map[string][]*result{
		"| x | 0 of 1 | 1 s | ? | ? | ? | ? |":                          {failed},
		"| x | 1 of 1 | 1 s | 7 | 0 | 2 | 0 |":                          {passed},
		"| x | 1 of 2 | 1 s (1 to 1) | 7 + ? | 0 + ? | 2 + ? | 0 + ? |": {passed, failed},
	} {
		if got := table(runs); !strings.Contains(got, want) {
			t.Errorf("the table has no %q:\n%s", want, got)
		}
	}
}

// span is the median of some times, and from where to where they go.
func span(d []time.Duration) string {
	slices.Sort(d)
	short := func(d time.Duration) string {
		if d > 10*time.Second {
			return fmt.Sprintf("%.0f", d.Seconds())
		}
		return fmt.Sprintf("%.2g", d.Seconds())
	}
	if len(d) == 1 {
		return short(d[0]) + " s"
	}
	return fmt.Sprintf("%s s (%s to %s)", short(d[len(d)/2]), short(d[0]), short(d[len(d)-1]))
}
