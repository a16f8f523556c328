//go:build linux

package e2e

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// again is how to run a case again. What goes wrong by the order of goroutines comes back in some
// of many runs, if at all.
func (c *cluster) again() string {
	s := fmt.Sprintf("go test -v ./test/e2e -run 'TestCluster/%s$'", c.name)
	if c.chance {
		s += fmt.Sprintf(" -seed %d", c.seed)
	} else {
		s += " -count 20"
	}
	if *inDocker {
		return s + " -docker"
	}
	return s + " -all"
}

// report is what people want to know of a case that is over.
func (c *cluster) report() string {
	c.mu.Lock()
	faults := slices.Clone(c.faults)
	c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "again: %s\n\nwhat was done:\n", c.again())
	for _, f := range faults {
		fmt.Fprintf(&b, "%s %s\n", f.at.Format(time.StampMicro), f.what)
	}
	switch v := c.result.verdict; {
	case !c.result.judged:
		b.WriteString("\nnot judged: the case has not come that far\n")
	case len(v.wrong) == 0:
		b.WriteString("\njudged: all that was promised is so\n")
	default:
		fmt.Fprintf(&b, "\njudged, by the time since %s:\n%s", c.zero().Format(time.StampMicro), v.report)
	}
	fmt.Fprintf(&b, "\n%s", table([]*result{c.result}))
	return b.String()
}

// zero is when the first line was written, from which the history's times count.
func (c *cluster) zero() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := int64(math.MaxInt64)
	for _, h := range c.hosts {
		for _, l := range h.history {
			first = min(first, l.At)
		}
	}
	return time.Unix(0, first)
}
