//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A result is what one run of a case has shown.
type result struct {
	name    string
	failed  bool
	took    time.Duration
	times   map[string][]time.Duration // by what was waited for
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

// table is what all runs have shown, case by case.
func table() string {
	results.Lock()
	defer results.Unlock()
	by := make(map[string][]*result)
	for _, r := range results.all {
		by[r.name] = append(by[r.name], r)
	}
	var b strings.Builder
	row := func(cells ...any) {
		fmt.Fprintf(&b, strings.Repeat("| %v ", len(cells))+"|\n", cells...)
	}
	row("case", "passed", "takes", "values", "lost", "doubled", "redelivered", "memory", "measured")
	row("---", "---", "---", "---", "---", "---", "---", "---", "---")
	for _, name := range slices.Sorted(maps.Keys(by)) {
		runs, passed := by[name], 0
		var took []time.Duration
		var v verdict
		var peak int64
		times := make(map[string][]time.Duration)
		for _, r := range runs {
			if !r.failed {
				passed++
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
		row(name, fmt.Sprintf("%d of %d", passed, len(runs)), span(took), v.values, v.lost, v.doubled, v.redelivered, fmt.Sprintf("%d MiB", peak>>20), strings.Join(measured, "; "))
	}
	return b.String()
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
