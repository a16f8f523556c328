package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// callWorkload has requests whose answers come by a way of their own: a fresh channel, a
// reply subject, a unary call.
func callWorkload() *workload {
	return &workload{
		name: "W7", title: "request with a fresh reply channel, 1 and 64 at a time",
		figures: []figure{{key: "many", title: "64: requests/s"}, {key: "one", title: "1: requests/s"}, {key: "p50", title: "1: p50, µs", less: true}},
		can:     func(s *system) bool { return s.calls != nil },
		serve: func(e *env, s *system) (metrics, error) {
			_, err := s.calls(e)
			e.barrier()
			return nil, err
		},
		drive: func(e *env, s *system) (metrics, error) {
			call, err := s.calls(e)
			if err != nil {
				return nil, err
			}
			e.barrier()
			ask := func(n int64) error {
				v, err := call(n)
				if err == nil && v != n*n {
					err = fmt.Errorf("the square of %d was %d", n, v)
				}
				return err
			}
			next := int64(0)
			took, err := e.time(func() error { next++; return ask(next) })
			if err != nil {
				return nil, err
			}
			m := percentiles(took)
			m["one"] = float64(len(took)) / sum(took).Seconds()
			m["many"], err = e.atOnce(ask)
			return m, err
		},
	}
}

func sum(all []time.Duration) (sum time.Duration) {
	for _, d := range all {
		sum += d
	}
	return sum
}

// atOnce is the rate of 64 that ask.
func (e *env) atOnce(ask func(n int64) error) (float64, error) {
	var stop atomic.Bool
	var count atomic.Int64
	ended := make(chan error)
	for k := range int64(answers) {
		go func() {
			var err error
			for n := k; err == nil && !stop.Load(); n++ {
				err = ask(n)
				count.Add(1)
			}
			ended <- err
		}()
	}
	sp := e.span()
	sp.sample(&count)
	stop.Store(true)
	for range answers {
		if err := <-ended; err != nil {
			return 0, err
		}
	}
	return sp.rate(), nil
}
