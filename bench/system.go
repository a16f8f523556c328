package main

import (
	"slices"
	"strings"
)

// A system is one way to carry values from process to process. What it can't do is nil,
// and then it takes no part in the workloads that need it. Each function is called in both
// processes, with env.role saying in which, and fills in that side's part.
type system struct {
	name   string
	tls    bool
	peer   bool     // somebody else's, to be compared with
	local  bool     // both sides in one process
	buffer int      // values in each channel of the program
	only   []string // the workloads that it is for; nil: all that it can do

	broker   func(e *env) error // runs in a process of its own, before the others
	ints     opener[int64]
	events   opener[event]
	blocks   opener[[]byte]
	cuts     opener[int64] // over connections that env.cut breaks
	duplexes func(e *env, n int) ([]duplex, error)
	calls    func(e *env) (call func(int64) (int64, error), err error)
	turns    func(e *env, n int) (ask func(ch int, v int64) (int64, error), err error)
	many     func(e *env, n int, take func(ch int, v int64)) (send func(ch int, v int64) error, err error)
}

// An opener connects one way for values: send is for the client, recv for the server.
type opener[T any] func(e *env) (oneWay[T], error)

type oneWay[T any] struct {
	send   func(T) error
	recv   func() (T, error)
	breaks func() uint64 // of connections, for W10
}

// A duplex is one client's connection, or one end of it at the server.
type duplex struct {
	send func(int64) error
	recv func() (int64, error)
}

// through makes a oneWay of ordinary channels, either of which may be nil.
func through[T any](out chan<- T, in <-chan T) oneWay[T] {
	return oneWay[T]{
		send: func(v T) error { out <- v; return nil },
		recv: func() (T, error) { return <-in, nil },
	}
}

func duplexOf(out chan<- int64, in <-chan int64) duplex {
	w := through(out, in)
	return duplex{w.send, w.recv}
}

// systems are all there are, in the order of the tables.
func systems() []*system {
	return slices.Concat(netchanSystems(), idealSystems(), natsSystems(), grpcSystems(), mangosSystems(), rawSystems(), nativeSystems())
}

func (s *system) does(w *workload) bool {
	return (s.only == nil || slices.Contains(s.only, w.name)) && w.can(s)
}

func systemNamed(name string) *system {
	for _, s := range systems() {
		if s.name == name {
			return s
		}
	}
	return nil
}

// list splits the value of a flag; nothing stays nil.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
