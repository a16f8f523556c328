package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"
)

// childVar in its environment makes the program a child: it reads its spec from the
// standard input, says messages on the standard output, and ends when its input does.
const childVar = "NETCHAN_BENCH_CHILD"

const (
	server = "server" // receives, or answers
	client = "client" // sends, or asks
	broker = "broker"
	both   = "both" // server and client in one process
)

// spec is what a child is to do.
type spec struct {
	System, Workload, Role string
	Addr                   string // of the server, for the client
	Broker                 string
	Warm, Time             time.Duration
	Buffer, Channels       int
	Size                   int // of a block; 0: the workload's
	Cert, Key              []byte
	Profiles               string // a folder for a CPU profile of each child; empty: none
}

// metrics are what a measurement found, by name.
type metrics map[string]float64

// message is what a child says: one of the fields is set.
type message struct {
	Addr    string
	Barrier bool
	Done    bool
	Metrics metrics
	Err     string
}

// env is one side of a measurement, as systems and workloads see it.
type env struct {
	spec
	cut      bool
	announce func(addr string)                      // the server can be dialled from now on
	barrier  func()                                 // returns when both sides have called it
	shared   func(name string, make func() any) any // what both sides of a local system know by that name
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// childMain does what the spec on the standard input says.
func childMain() {
	lines := bufio.NewReader(os.Stdin)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		fatal(err)
	}
	var s spec
	if err := json.Unmarshal(first, &s); err != nil {
		fatal(err)
	}
	stop := s.profile()
	goOn := make(chan struct{}, 1)
	go func() {
		for {
			if _, err := lines.ReadBytes('\n'); err != nil {
				stop()
				os.Exit(0)
			}
			goOn <- struct{}{}
		}
	}()
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(m message) {
		mu.Lock()
		defer mu.Unlock()
		if err := out.Encode(m); err != nil {
			fatal(err)
		}
	}
	e := &env{spec: s,
		announce: func(addr string) { say(message{Addr: addr}) },
		barrier:  func() { say(message{Barrier: true}); <-goOn },
	}
	m, err := e.run()
	if err != nil {
		say(message{Err: err.Error()})
	} else {
		say(message{Done: true, Metrics: m})
	}
	select {} // until the input ends
}

// profile begins a CPU profile, if one is wanted.
func (s *spec) profile() (stop func()) {
	if s.Profiles == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(s.Profiles, fmt.Sprintf("%s-%s-%s.cpu", s.Workload, s.System, s.Role)))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}

func (e *env) run() (metrics, error) {
	s, w := systemNamed(e.System), workloadOfPlot(e.Workload)
	if s == nil || w == nil {
		return nil, fmt.Errorf("no system %q or workload %q", e.System, e.Workload)
	}
	e.cut = s.name == cutSystem
	switch e.Role {
	case broker:
		return nil, s.broker(e)
	case server:
		return w.serve(e, s)
	case client:
		return w.drive(e, s)
	}
	return runBoth(e, s, w)
}

// runBoth is for systems within one process.
func runBoth(e *env, s *system, w *workload) (metrics, error) {
	var mu sync.Mutex
	things := map[string]any{}
	meet := make(chan struct{})
	var addr sync.Once
	listening := make(chan struct{})
	results := make(chan error, 2)
	all := metrics{}
	for _, role := range []string{server, client} {
		side := *e
		side.Role = role
		side.announce = func(string) { addr.Do(func() { close(listening) }) }
		side.barrier = func() {
			if role == server {
				<-meet
			} else {
				meet <- struct{}{}
			}
		}
		side.shared = func(name string, make func() any) any {
			mu.Lock()
			defer mu.Unlock()
			if things[name] == nil {
				things[name] = make()
			}
			return things[name]
		}
		go func() {
			run := w.serve
			if role == client {
				<-listening
				run = w.drive
			}
			m, err := run(&side, s)
			mu.Lock()
			for k, v := range m {
				all[k] = v
			}
			mu.Unlock()
			results <- err
		}()
	}
	err := errors.Join(<-results, <-results)
	mu.Lock()
	defer mu.Unlock()
	return all, err
}
