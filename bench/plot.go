package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A plot is a chart and what is measured for its lines.
type plot struct {
	file string
	chart
	workload string
	figure   string
	systems  []string
	xs       []int
	longer   int // so many times the usual time; 0: once
	set      func(sp *spec, x int)
}

// inFlight bounds how many bytes lie in the channels of a program.
const inFlight = 4 << 20

func plots() []*plot {
	counts := []int{1, 10, 100, 1000, 10_000}
	channels := func(sp *spec, x int) { sp.Channels = x }
	return []*plot{
		{
			file:     "window.svg",
			chart:    chart{title: "int64 one way: rate against window", x: "Buffer(n) at both ends", y: "values/s"},
			workload: "W1", figure: "rate", systems: []string{"netchan"},
			xs:  []int{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536},
			set: func(sp *spec, x int) { sp.Buffer = x },
		}, {
			file:     "size.svg",
			chart:    chart{title: "[]byte one way: throughput against size", x: "size of a value", y: "MB/s", bytes: true},
			workload: "W3", figure: "rate", systems: []string{"netchan", idealSystem, "nats-tls", "grpc-tls"},
			xs:  []int{8, 64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20},
			set: func(sp *spec, x int) { sp.Size, sp.Buffer = x, max(4, min(1024, inFlight/x)) },
		}, {
			file:     "channels-rate.svg",
			chart:    chart{title: "int64 on many channels in turn: rate", x: "channels", y: "values/s"},
			workload: "W8", figure: "rate", systems: []string{"netchan", idealSystem},
			xs: counts, set: channels,
		}, {
			file:     "channels-latency.svg",
			chart:    chart{title: "int64 on many channels in turn, answered by one: round trip", x: "channels", y: "p50, µs"},
			workload: "turns", figure: "p50", systems: []string{"netchan"},
			xs: counts, set: channels,
			longer: 4, // so that each has had its turn
		},
	}
}

// turnsWorkload has one value under way, by each of many channels in turn.
func turnsWorkload() *workload {
	return &workload{
		name: "turns", can: func(s *system) bool { return s.turns != nil },
		serve: func(e *env, s *system) (metrics, error) {
			_, err := s.turns(e, e.channels())
			e.barrier()
			return nil, err
		},
		drive: func(e *env, s *system) (metrics, error) {
			ask, err := s.turns(e, e.channels())
			if err != nil {
				return nil, err
			}
			e.barrier()
			n := int64(0)
			took, err := e.time(func() error {
				v, err := ask(int(n)%e.channels(), n)
				if err == nil && v != n {
					err = fmt.Errorf("the answer to %d was %d", n, v)
				}
				n++
				return err
			})
			return percentiles(took), err
		},
	}
}

func workloadOfPlot(name string) *workload {
	if t := turnsWorkload(); t.name == name {
		return t
	}
	return workloadNamed(name)
}

// points are the medians of as many rounds, for all systems of the plot.
func (p *plot) measure(to io.Writer, rounds int, each time.Duration) error {
	w := workloadOfPlot(p.workload)
	all := map[string]map[int][]float64{}
	for round := range rounds {
		for _, x := range p.xs {
			for i := range p.systems {
				name := p.systems[(i+round)%len(p.systems)]
				sp := spec{Warm: each / 2, Time: each * time.Duration(max(1, p.longer))}
				p.set(&sp, x)
				m, err := measure(systemNamed(name), w, sp)
				if err != nil {
					return err
				}
				if all[name] == nil {
					all[name] = map[int][]float64{}
				}
				all[name][x] = append(all[name][x], m[p.figure])
				fmt.Fprintf(to, "%s, round %d of %d: %s, %s %d: %s %s\n", p.file, round+1, rounds, name, p.x, x, number(m[p.figure]), p.y)
			}
		}
	}
	for _, name := range p.systems {
		s := series{name: name}
		for _, x := range p.xs {
			s.points = append(s.points, point{float64(x), median(all[name][x])})
		}
		p.lines = append(p.lines, s)
	}
	return nil
}

// makePlots takes three rounds of short measurements, less than four minutes.
func (o *options) makePlots(to io.Writer) error {
	rounds, each := 3, 300*time.Millisecond
	if o.quick {
		rounds, each = 1, o.time
	}
	if err := os.MkdirAll("plots", 0o755); err != nil {
		return err
	}
	for _, p := range plots() {
		if err := p.measure(to, rounds, each); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join("plots", p.file), []byte(p.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
