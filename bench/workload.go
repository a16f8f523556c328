package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A workload is what is measured, the same on every system. serve and drive are its two
// sides; what they find is merged.
type workload struct {
	name, title string
	figures     []figure
	derive      func(m metrics) // adds what follows from what both sides found; may be nil
	can         func(*system) bool
	serve       func(e *env, s *system) (metrics, error)
	drive       func(e *env, s *system) (metrics, error)
}

// A figure is a number that a workload brings; the first one is compared with others.
type figure struct {
	key, title string
	less       bool // the smaller, the better
}

const (
	blockSize = 1 << 10
	largeSize = 64 << 10
	answers   = 64 // at once, in W6b and W7
)

// workloads are all there are, in the order of the tables.
func workloads() []*workload {
	values := figure{key: "rate", title: "values/s"}
	bytes := figure{key: "rate", title: "MB/s"}
	requests := figure{key: "rate", title: "requests/s"}
	sized := func(e *env) kind[[]byte] { return blocks(e.blockSize()) }
	return []*workload{
		oneWayWorkload("W1", "one way, int64", values, func(s *system) opener[int64] { return s.ints },
			func(*env) kind[int64] { return ints }),
		oneWayWorkload("W2", "one way, a struct of about 60 bytes", values, func(s *system) opener[event] { return s.events },
			func(*env) kind[event] { return events }),
		oneWayWorkload("W3", "one way, []byte of 1 KiB", bytes, func(s *system) opener[[]byte] { return s.blocks }, sized),
		oneWayWorkload("W4", "one way, []byte of 64 KiB", bytes, func(s *system) opener[[]byte] { return s.blocks }, sized),
		roundTripWorkload(),
		echoWorkload("W6", "50 clients, each one request at a time", requests, 1),
		echoWorkload("W6b", "50 clients, each 64 requests at a time", requests, answers),
		callWorkload(),
		manyWorkload(),
		cutsWorkload(),
	}
}

func (e *env) blockSize() int {
	switch {
	case e.Size > 0:
		return e.Size
	case e.Workload == "W4":
		return largeSize
	}
	return blockSize
}

func workloadNamed(name string) *workload {
	for _, w := range workloads() {
		if w.name == name {
			return w
		}
	}
	return nil
}

// A span is what counts of a run: from after the warm-up for as long as was asked.
type span struct {
	warm, time time.Duration
	began      time.Time
	from, to   time.Time
	first, all int64 // values until from, and until to
}

// tick is called with the number of values until now, the first time with 0. It is true
// once, when the span is over.
func (s *span) tick(n int64) (over bool) {
	now := time.Now()
	switch {
	case s.began.IsZero():
		s.began = now
	case s.from.IsZero():
		if now.Sub(s.began) >= s.warm {
			s.from, s.first = now, n
		}
	case s.to.IsZero():
		if now.Sub(s.from) >= s.time {
			s.to, s.all = now, n
			return true
		}
	}
	return false
}

// rate is values in a second, of a span that is over.
func (s *span) rate() float64 { return float64(s.all-s.first) / s.to.Sub(s.from).Seconds() }

// sample ticks a span from a clock until it is over.
func (s *span) sample(count *atomic.Int64) {
	s.tick(0)
	time.Sleep(s.warm)
	for !s.tick(count.Load()) {
		time.Sleep(max(time.Millisecond, min(s.time, s.time-time.Since(s.from))))
	}
}

// untilOver is true when the other side has its span, and called barrier.
func (e *env) untilOver() *atomic.Bool {
	var over atomic.Bool
	go func() {
		e.barrier()
		over.Store(true)
	}()
	return &over
}

func (e *env) span() span { return span{warm: e.Warm, time: e.Time} }

// memory is heap and stacks in use, garbage aside.
func memory() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}
