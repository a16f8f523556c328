package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Of a history is told what happened to nodes and ends, and to values near what is
// wrong first.
const (
	reported = 300
	nearby   = 60
)

// Report is what was wrong, of which there is something, and the history near it, for people.
func (h *History) Report(wrong []Violation) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, v := range wrong {
		fmt.Fprintf(&b, "%12v  %v\n", v.at, v)
	}
	near, _ := slices.BinarySearchFunc(h.events, wrong[0].at, func(e event, at time.Duration) int {
		return cmp.Compare(e.at, at)
	})
	near = max(near, wrong[0].seq)
	fmt.Fprintln(&b)
	told, out := 0, 0
	leftOut := func() {
		if out > 0 {
			fmt.Fprintf(&b, "%14s  %d left out\n", "…", out)
		}
		out = 0
	}
	for i, e := range h.events {
		if told == reported || e.value && (i < near-nearby || i > near+nearby/4) {
			out++
			continue
		}
		leftOut()
		told++
		fmt.Fprintf(&b, "%14v  %s\n", e.at, e.text())
	}
	leftOut()
	return b.String()
}
