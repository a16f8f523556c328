package main

import (
	"fmt"
)

// oneWayWorkload has the client send as fast as it can. The server sees to it that all
// come, in order.
func oneWayWorkload[T any](name, title string, unit figure, open func(*system) opener[T], kindOf func(*env) kind[T]) *workload {
	return &workload{
		name: name, title: title, figures: []figure{unit},
		can:   func(s *system) bool { return open(s) != nil },
		drive: func(e *env, s *system) (metrics, error) { return nil, sendAll(e, open(s), kindOf(e)) },
		serve: func(e *env, s *system) (metrics, error) {
			k := kindOf(e)
			to, err := open(s)(e)
			if err != nil {
				return nil, err
			}
			e.barrier()
			sp, err := receiveAll(e, to.recv, k)
			if err != nil {
				return nil, err
			}
			rate := sp.rate()
			if b, ok := any(k.make(0)).([]byte); ok {
				rate *= float64(len(b)) / 1e6
			}
			return metrics{"rate": rate}, nil
		},
	}
}

func sendAll[T any](e *env, open opener[T], k kind[T]) error {
	to, err := open(e)
	if err != nil {
		return err
	}
	e.barrier()
	over := e.untilOver()
	n := int64(0)
	for ; !over.Load(); n++ {
		if err := to.send(k.make(n)); err != nil {
			return err
		}
	}
	return to.send(k.make(-1 - n))
}

func receiveAll[T any](e *env, recv func() (T, error), k kind[T]) (span, error) {
	sp := e.span()
	for n, next := int64(0), int64(0); ; n++ {
		if n%k.every == 0 && sp.tick(n) {
			go e.barrier() // the sender may stop
		}
		v, err := recv()
		if err != nil {
			return sp, err
		}
		got := k.number(v)
		if got != next {
			if got == -1-n {
				return sp, nil
			}
			return sp, fmt.Errorf("after %d values came number %d, not %d", n, got, next)
		}
		if next++; next == k.room {
			next = 0
		}
	}
}
