package main

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// clients is how many there are in W6, unless the spec says otherwise.
const clients = 50

// echoing is the server's side: it sends back what comes, as long as it lives.
func echoing(n func(*env) int) func(e *env, s *system) (metrics, error) {
	return func(e *env, s *system) (metrics, error) {
		all, err := s.duplexes(e, n(e))
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			go func() {
				for {
					v, err := d.recv()
					if err == nil {
						err = d.send(v)
					}
					if err != nil {
						fatal(err)
					}
				}
			}()
		}
		e.barrier()
		return nil, nil
	}
}

func canEcho(s *system) bool { return s.duplexes != nil }

// roundTripWorkload has one value there and back, and then the next.
func roundTripWorkload() *workload {
	one := func(*env) int { return 1 }
	return &workload{
		name: "W5", title: "round trip of one int64",
		figures: []figure{{key: "p50", title: "p50, µs", less: true}, {key: "p99", title: "p99, µs", less: true}},
		can:     canEcho,
		serve:   echoing(one),
		drive: func(e *env, s *system) (metrics, error) {
			all, err := s.duplexes(e, 1)
			if err != nil {
				return nil, err
			}
			e.barrier()
			next := int64(0)
			took, err := e.time(func() error {
				err := ask(all[0], next)
				next++
				return err
			})
			return percentiles(took), err
		},
	}
}

func ask(d duplex, n int64) error {
	if err := d.send(n); err != nil {
		return err
	}
	return answered(d, n)
}

func answered(d duplex, n int64) error {
	v, err := d.recv()
	if err == nil && v != n {
		err = fmt.Errorf("the answer to %d was %d", n, v)
	}
	return err
}

// time calls f over and over, and says how long each call in the span took.
func (e *env) time(f func() error) (took []time.Duration, err error) {
	begin := time.Now()
	from := begin.Add(e.Warm)
	for before := begin; ; {
		if err := f(); err != nil {
			return nil, err
		}
		now := time.Now()
		if before.After(from) {
			took = append(took, now.Sub(before))
			if now.Sub(from) > e.Time {
				return took, nil
			}
		}
		before = now
	}
}

func percentiles(took []time.Duration) metrics {
	slices.Sort(took)
	if len(took) == 0 {
		return nil
	}
	at := func(q int) float64 { return float64(took[(len(took)-1)*q/100].Nanoseconds()) / 1e3 }
	return metrics{"p50": at(50), "p99": at(99)}
}

// echoWorkload has many clients, each with so many requests under way.
func echoWorkload(name, title string, unit figure, window int) *workload {
	return &workload{
		name: name, title: title, figures: []figure{unit},
		can:   canEcho,
		serve: echoing((*env).clients),
		drive: func(e *env, s *system) (metrics, error) {
			all, err := s.duplexes(e, e.clients())
			if err != nil {
				return nil, err
			}
			e.barrier()
			var stop atomic.Bool
			var count atomic.Int64
			ended := make(chan error)
			for _, d := range all {
				go func() { ended <- keepAsking(d, int64(window), &stop, &count) }()
			}
			sp := e.span()
			sp.sample(&count)
			stop.Store(true)
			for range all {
				if err := <-ended; err != nil {
					return nil, err
				}
			}
			return metrics{"rate": sp.rate()}, nil
		},
	}
}

func (e *env) clients() int {
	if e.Channels > 0 {
		return min(e.Channels, clients)
	}
	return clients
}

// keepAsking has window requests under way until stop, then waits for the last.
func keepAsking(d duplex, window int64, stop *atomic.Bool, count *atomic.Int64) error {
	sent, next := int64(0), int64(0)
	for ; sent < window; sent++ {
		if err := d.send(sent); err != nil {
			return err
		}
	}
	for ; next < sent; next++ {
		if err := answered(d, next); err != nil {
			return err
		}
		count.Add(1)
		if !stop.Load() {
			if err := d.send(sent); err != nil {
				return err
			}
			sent++
		}
	}
	return nil
}
