package main

import "fmt"

// Native is a channel within one process, for scale.
func nativeSystems() []*system {
	return []*system{{
		name: "native", local: true, buffer: 1024, only: []string{"W1", "W2", "W5", "W8"},
		ints:   func(e *env) (oneWay[int64], error) { return nativeOneWay[int64](e), nil },
		events: func(e *env) (oneWay[event], error) { return nativeOneWay[event](e), nil },
		duplexes: func(e *env, n int) ([]duplex, error) {
			e.announce("")
			all := make([]duplex, n)
			for i := range all {
				there, back := nativeShared[int64](e, fmt.Sprint("there ", i)), nativeShared[int64](e, fmt.Sprint("back ", i))
				if e.Role == server {
					there, back = back, there
				}
				all[i] = duplexOf(there, back)
			}
			return all, nil
		},
		many: func(e *env, n int, take func(int, int64)) (func(int, int64) error, error) {
			all := make([]chan int64, n)
			for i := range all {
				all[i] = nativeShared[int64](e, fmt.Sprint(i))
				if e.Role == server {
					go func() {
						for v := range all[i] {
							take(i, v)
						}
					}()
				}
			}
			e.announce("")
			return func(i int, v int64) error { all[i] <- v; return nil }, nil
		},
	}}
}

func nativeOneWay[T any](e *env) oneWay[T] {
	e.announce("")
	c := nativeShared[T](e, "values")
	return through(c, c)
}

// nativeShared is the channel that both sides know by that name.
func nativeShared[T any](e *env, name string) chan T {
	size := e.Buffer
	if e.Workload == "W8" {
		size = each
	}
	return e.shared(name, func() any { return make(chan T, size) }).(chan T)
}
