package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

// channels is how many there are in W8, unless the spec says otherwise.
const channels = 10_000

// each is the capacity of a channel in W8.
const each = 16

func (e *env) channels() int {
	if e.Channels > 0 {
		return e.Channels
	}
	return channels
}

// manyWorkload has one goroutine send on many channels in turn, which are received from
// each by its own goroutine.
func manyWorkload() *workload {
	return &workload{
		name: "W8", title: "10,000 channels, one int64 on each in turn",
		figures: []figure{{key: "rate", title: "values/s"},
			{key: "kb", title: "KB/channel", less: true},
			{key: "kb-client", title: "at the sender", less: true}, {key: "kb-server", title: "at the receiver", less: true},
			{key: "go-client", title: "goroutines/channel at the sender", less: true}, {key: "go-server", title: "at the receiver", less: true}},
		derive: func(m metrics) { m["kb"] = m["kb-client"] + m["kb-server"] },
		can:    func(s *system) bool { return s.many != nil },
		serve:  serveMany,
		drive:  driveMany,
	}
}

// usage is what this process takes for n channels, more than before.
type usage struct {
	bytes      float64
	goroutines int
}

func usageNow() usage { return usage{memory(), runtime.NumGoroutine()} }

func (u usage) perChannel(e *env) metrics {
	n := float64(e.channels())
	return metrics{
		"kb-" + e.Role: (memory() - u.bytes) / n / 1024,
		"go-" + e.Role: float64(runtime.NumGoroutine()-u.goroutines) / n,
	}
}

func driveMany(e *env, s *system) (metrics, error) {
	before := usageNow()
	n := e.channels()
	send, err := s.many(e, n, nil)
	if err != nil {
		return nil, err
	}
	e.barrier()
	value := int64(0)
	round := func(v int64) error {
		for i := range n {
			if err := send(i, v); err != nil {
				return err
			}
		}
		value++
		return nil
	}
	if err := round(value); err != nil {
		return nil, err
	}
	m := before.perChannel(e)
	e.barrier()
	for over := e.untilOver(); !over.Load(); {
		if err := round(value); err != nil {
			return nil, err
		}
	}
	return m, round(-1 - value)
}

func serveMany(e *env, s *system) (metrics, error) {
	before := usageNow()
	n := e.channels()
	next := make([]int64, n)
	var count, ended atomic.Int64
	firstRound, end := make(chan struct{}), make(chan struct{})
	take := func(ch int, v int64) {
		switch {
		case v == next[ch]:
			next[ch]++
			if count.Add(1) == int64(n) {
				close(firstRound)
			}
		case v == -1-next[ch]:
			if ended.Add(1) == int64(n) {
				close(end)
			}
		default:
			fatal(fmt.Errorf("channel %d brought %d, not %d", ch, v, next[ch]))
		}
	}
	if _, err := s.many(e, n, take); err != nil {
		return nil, err
	}
	e.barrier()
	<-firstRound
	m := before.perChannel(e)
	e.barrier()
	sp := e.span()
	sp.sample(&count)
	e.barrier()
	<-end
	m["rate"] = sp.rate()
	return m, nil
}
