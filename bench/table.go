package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// idealSystem is what all are compared with.
const idealSystem = "ideal-tls"

// tables are the results of each workload, as Markdown.
func tables(results []result) string {
	var b strings.Builder
	for _, w := range workloads() {
		t := tableOf(w, results)
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n", w.name, w.title)
		t.write(&b)
	}
	return b.String()
}

// A table has one row for each system that took part.
type table struct {
	w    *workload
	by   map[string]map[int]metrics // by system and round
	rows []*system
}

func tableOf(w *workload, results []result) *table {
	t := &table{w: w, by: map[string]map[int]metrics{}}
	for _, r := range results {
		if r.Workload != w.name {
			continue
		}
		if t.by[r.System] == nil {
			t.by[r.System] = map[int]metrics{}
		}
		t.by[r.System][r.Round] = r.Metrics
	}
	for _, s := range systems() {
		if t.by[s.name] != nil {
			t.rows = append(t.rows, s)
		}
	}
	return t
}

func (t *table) write(b *strings.Builder) {
	hasIdeal, hasPeer := t.by[idealSystem] != nil, slices.ContainsFunc(t.rows, func(s *system) bool { return s.peer && s.tls })
	first, others := t.w.figures[0].key, t.w.figures[1:]
	head := []string{"", t.w.figures[0].title, "lowest to highest"}
	if hasIdeal {
		head = append(head, "to "+idealSystem)
	}
	if hasPeer {
		head = append(head, "to the best peer with TLS")
	}
	for _, f := range others {
		head = append(head, f.title)
	}
	line(b, head)
	line(b, slices.Concat([]string{"---"}, slices.Repeat([]string{"---:"}, len(head)-1)))
	for _, s := range t.rows {
		v := t.values(s.name, first)
		cells := []string{s.name, number(median(v)), number(slices.Min(v)) + " to " + number(slices.Max(v))}
		if hasIdeal {
			cells = append(cells, ratioText(t.ratios(s.name, func(round int) float64 { return t.by[idealSystem][round][first] })))
		}
		if hasPeer {
			cells = append(cells, ratioText(t.ratios(s.name, t.bestPeer)))
		}
		for _, f := range others {
			cells = append(cells, number(median(t.values(s.name, f.key))))
		}
		line(b, cells)
	}
}

func line(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func (t *table) values(system, key string) (all []float64) {
	for _, m := range t.by[system] {
		all = append(all, m[key])
	}
	return all
}

// bestPeer is the best that somebody else's system with TLS did in a round, 0 for none.
func (t *table) bestPeer(round int) float64 {
	f := t.w.figures[0]
	best := 0.0
	for _, s := range t.rows {
		v := t.by[s.name][round][f.key]
		if s.peer && s.tls && v > 0 && (best == 0 || v > best != f.less) {
			best = v
		}
	}
	return best
}

// ratios say how much better a system was than what was best in the same round: more than
// 1 is better, also where less is better.
func (t *table) ratios(system string, to func(round int) float64) (all []float64) {
	f := t.w.figures[0]
	for round, m := range t.by[system] {
		v, other := m[f.key], to(round)
		if v == 0 || other == 0 {
			continue
		}
		if f.less {
			v, other = other, v
		}
		all = append(all, v/other)
	}
	return all
}

func ratioText(ratios []float64) string {
	if len(ratios) == 0 {
		return ""
	}
	return strconv.FormatFloat(median(ratios), 'f', 2, 64)
}

// median is the middle one, or between the middle two.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// number has three digits, and a unit of thousands where it is large.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.Abs(v) >= 999.5e3:
		return digits(v/1e6) + "M"
	case math.Abs(v) >= 9995:
		return digits(v/1e3) + "k"
	}
	return digits(v)
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) || a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// about says when and on what the tables were made.
func about(o *options) string {
	return fmt.Sprintf("\n%s; %s, %d cores, %s/%s; %s; %s. Medians of %d rounds of %v.\n",
		time.Now().UTC().Format("2006-01-02"), processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), strings.Join(versions(), ", "), o.rounds, o.time)
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for l := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	if out, err := exec.Command("sysctl", "-n", "machdep.cpu.brand_string").Output(); err == nil {
		return strings.TrimSpace(string(out))
	}
	return "an unknown processor"
}

// versions are those of the peers, as they were compiled in.
func versions() (all []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "google.golang.org/grpc", "go.nanomsg.org/mangos/v3":
			all = append(all, m.Path+" "+m.Version)
		}
	}
	return all
}

// rewrite puts text between the markers of that name in a file.
func rewrite(file, name, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %q before %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+text+"\n"+end+after), 0o644)
}
