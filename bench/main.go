// Bench measures netchan beside what people use instead, in separate processes over
// loopback. README.md says what and how.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

type options struct {
	rounds    int
	only      []string
	systems   []string
	time      time.Duration
	quick     bool
	write     bool
	plots     bool
	profiles  string
	out       string
	keepGoing bool
}

// minRounds is how many a table needs that is to be kept.
const minRounds = 5

func main() {
	if os.Getenv(childVar) != "" {
		childMain()
	}
	o, err := parse(os.Args[1:])
	if err == nil {
		err = o.run(os.Stdout)
	}
	if err != nil {
		fatal(err)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.IntVar(&o.rounds, "rounds", minRounds, "how often each measurement is made; at least 5 to rewrite README.md")
	only := f.String("only", "", "the workloads, as 'W1,W5'; empty: all")
	names := f.String("systems", "", "the systems, as 'netchan,ideal-tls'; empty: all")
	f.DurationVar(&o.time, "time", time.Second, "how long a measurement takes, after a warm-up of a third of it")
	f.BoolVar(&o.quick, "quick", false, "one round of short measurements, about a minute; prints the tables only")
	f.BoolVar(&o.write, "write", false, "rewrite the tables in README.md also where that is not done by itself")
	f.BoolVar(&o.plots, "plots", false, "make plots/*.svg instead of tables")
	f.StringVar(&o.profiles, "profiles", "", "a folder for a CPU profile of each process")
	f.StringVar(&o.out, "out", "", "append each measurement to this file, as a line of JSON")
	f.BoolVar(&o.keepGoing, "keep-going", false, "a measurement that fails does not end the run; then the tables are only printed")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.only, o.systems = list(*only), list(*names)
	if slices.Contains(o.only, "W9") { // the wall is a system in two other workloads
		o.only = append(o.only, "W4", "W5")
		if o.systems == nil {
			o.systems = []string{"raw-tls"}
		}
	}
	for _, w := range o.only {
		if w != "W9" && workloadNamed(w) == nil {
			return nil, fmt.Errorf("there is no workload %q", w)
		}
	}
	for _, s := range o.systems {
		if systemNamed(s) == nil {
			return nil, fmt.Errorf("there is no system %q", s)
		}
	}
	if o.quick {
		o.rounds = 1
		o.time = min(o.time, 250*time.Millisecond)
	}
	if o.rounds < 1 || o.time < 10*time.Millisecond {
		return nil, fmt.Errorf("-rounds must be 1 at least, and -time 10ms")
	}
	return o, nil
}

// spec is what a measurement of w gets.
func (o *options) spec(w *workload) spec {
	sp := spec{Profiles: o.profiles, Warm: max(o.time/3, 300*time.Millisecond), Time: o.time}
	switch {
	case o.quick:
		sp.Warm = o.time / 3
		if w.name == "W10" {
			sp.Time = 2 * time.Second
		}
	case w.name == "W10":
		sp.Time = 20 * time.Second
	case w.name == "W6", w.name == "W6b": // 50 nodes that have just joined have much to tell each other
		sp.Warm = max(sp.Warm, 2*time.Second)
	}
	return sp
}

// A result is one measurement.
type result struct {
	Round            int
	Workload, System string
	Metrics          metrics
}

// task is a measurement that is to be made.
type task struct {
	round int
	w     *workload
	s     *system
}

// tasks are all measurements in their order. In each round each workload goes through its
// systems once, and begins with another one than in the round before.
func (o *options) tasks() (all []task) {
	for round := range o.rounds {
		for _, w := range workloads() {
			if o.only != nil && !slices.Contains(o.only, w.name) {
				continue
			}
			var those []*system
			for _, s := range systems() {
				if s.does(w) && (o.systems == nil || slices.Contains(o.systems, s.name)) {
					those = append(those, s)
				}
			}
			for i := range those {
				all = append(all, task{round, w, those[(i+round)%len(those)]})
			}
		}
	}
	return all
}

func (o *options) run(to io.Writer) error {
	if o.plots {
		return o.makePlots(to)
	}
	results, err := o.measureAll(to)
	if err != nil && !o.keepGoing {
		return err
	}
	text := tables(results)
	fmt.Fprint(to, "\n"+text)
	everything := o.only == nil && o.systems == nil && o.rounds >= minRounds
	if err == nil && (o.write || everything && !o.quick) {
		return rewrite("README.md", "table", about(o)+text)
	}
	return err
}

// measureAll also returns results where some failed and it was to keep going.
func (o *options) measureAll(to io.Writer) (results []result, failed error) {
	var raw *json.Encoder
	if o.out != "" {
		f, err := os.OpenFile(o.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		raw = json.NewEncoder(f)
	}
	tasks := o.tasks()
	began := time.Now()
	for i, t := range tasks {
		left := "?"
		if i > 0 {
			left = (time.Since(began) / time.Duration(i) * time.Duration(len(tasks)-i)).Round(time.Second).String()
		}
		fmt.Fprintf(to, "round %d of %d, %d of %d, %s left: %-3s %-13s ", t.round+1, o.rounds, i+1, len(tasks), left, t.w.name, t.s.name)
		m, err := measure(t.s, t.w, o.spec(t.w))
		if err != nil {
			fmt.Fprintln(to, "failed:", err)
			failed = errors.Join(failed, err)
			if o.keepGoing {
				continue
			}
			return nil, err
		}
		for _, f := range t.w.figures {
			fmt.Fprintf(to, " %s %s", number(m[f.key]), f.title)
		}
		fmt.Fprintln(to)
		r := result{t.round, t.w.name, t.s.name, m}
		results = append(results, r)
		if raw != nil {
			if err := raw.Encode(r); err != nil {
				return nil, err
			}
		}
	}
	return results, failed
}
