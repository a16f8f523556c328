package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/matveynator/netchan"
)

// The ends and channels of netchan, in variants that differ in their buffers and links.
func netchanSystems() []*system {
	plain := &system{
		name: "netchan", tls: true, buffer: 1024,
		ints: netchanOneWay[int64], events: netchanOneWay[event], blocks: netchanBlocks,
		duplexes: netchanClients, calls: netchanCalls, many: netchanMany, turns: netchanTurns,
		cuts: netchanCuts,
	}
	variant := func(name string, change func(s *system)) *system {
		s := *plain
		s.name = name
		change(&s)
		return &s
	}
	return []*system{
		plain,
		variant("netchan-16k", func(s *system) { s.buffer, s.only = 16384, []string{"W1", "W2", "W3"} }),
		variant("netchan-1", func(s *system) { s.buffer, s.only = 0, []string{"W5"} }),
		variant("netchan-1link", func(s *system) { s.duplexes, s.only = netchanOneLink, []string{"W6", "W6b"} }),
		variant(cutSystem, func(s *system) { s.only = []string{"W10"} }),
	}
}

var quiet = slog.New(slog.DiscardHandler)

// patience bounds what happens before a measurement.
func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// join makes this process's node. The server tells where it is, the client joins it.
func (e *env) join(name string) (*netchan.Node, error) {
	ctx, cancel := patience()
	defer cancel()
	cfg := netchan.Config{Name: name, Listen: "127.0.0.1:0", Logger: quiet}
	if e.Role == client {
		cfg.Seeds = []string{e.Addr}
	}
	return netchan.Join(ctx, cfg)
}

func netchanOneWay[T any](e *env) (oneWay[T], error) {
	n, err := e.join(e.Role)
	if err != nil {
		return oneWay[T]{}, err
	}
	return netchanEnds[T](e, n)
}

func netchanEnds[T any](e *env, n *netchan.Node) (oneWay[T], error) {
	if e.Role == server {
		r, err := receiver[T](e, n, "values")
		if err == nil {
			e.announce(n.Addr())
		}
		return through(nil, r), err
	}
	s, err := sender[T](e, n, "values")
	return through(s, nil), err
}

func netchanBlocks(e *env) (oneWay[[]byte], error) {
	if e.Workload == "W4" {
		e.Buffer = min(e.Buffer, 64)
	}
	return netchanOneWay[[]byte](e)
}

func receiver[T any](e *env, n *netchan.Node, name string) (<-chan T, error) {
	r, err := netchan.NewReceiver[T](n, name, netchan.Buffer(e.Buffer))
	if err != nil {
		return nil, err
	}
	return r.C, nil
}

// sender waits for the receiver where it is the client.
func sender[T any](e *env, n *netchan.Node, name string) (chan<- T, error) {
	s, err := netchan.NewSender[T](n, name, netchan.Buffer(e.Buffer))
	if err != nil || e.Role == server {
		return senderC(s), err
	}
	ctx, cancel := patience()
	defer cancel()
	return s.C, s.WaitReceivers(ctx, 1)
}

func senderC[T any](s *netchan.Sender[T]) chan<- T {
	if s == nil {
		return nil
	}
	return s.C
}

// netchanClients gives each client a node, and so a link.
func netchanClients(e *env, n int) ([]duplex, error) {
	return netchanDuplexes(e, n, func(i int) (*netchan.Node, error) { return e.join(fmt.Sprint("client ", i)) })
}

// netchanOneLink has all clients on one node.
func netchanOneLink(e *env, n int) ([]duplex, error) {
	node, err := e.join(e.Role)
	if err != nil {
		return nil, err
	}
	return netchanDuplexes(e, n, func(int) (*netchan.Node, error) { return node, nil })
}

// netchanDuplexes has two named channels for each client.
func netchanDuplexes(e *env, n int, nodeOf func(i int) (*netchan.Node, error)) ([]duplex, error) {
	all := make([]duplex, n)
	there, back := "requests of ", "answers for "
	if e.Role == server {
		there, back = back, there
		node, err := nodeOf(0)
		if err != nil {
			return nil, err
		}
		nodeOf = func(int) (*netchan.Node, error) { return node, nil }
		defer func() { e.announce(node.Addr()) }()
	}
	for i := range all {
		node, err := nodeOf(i)
		if err != nil {
			return nil, err
		}
		in, err := receiver[int64](e, node, fmt.Sprint(back, i))
		if err != nil {
			return nil, err
		}
		out, err := sender[int64](e, node, fmt.Sprint(there, i))
		if err != nil {
			return nil, err
		}
		all[i] = duplexOf(out, in)
	}
	return all, nil
}

type request struct {
	N     int64
	Reply chan<- int64
}

// netchanCalls sends a channel of its own with each request, and drops it.
func netchanCalls(e *env) (func(int64) (int64, error), error) {
	w, err := netchanOneWay[request](e)
	if err != nil {
		return nil, err
	}
	if e.Role == server {
		go func() {
			for {
				r, _ := w.recv()
				r.Reply <- r.N * r.N
			}
		}()
		return nil, nil
	}
	return func(n int64) (int64, error) {
		reply := make(chan int64, 1)
		_ = w.send(request{n, reply})
		return <-reply, nil
	}, nil
}

// netchanMany has the server make the channels, and send them to the client in values.
func netchanMany(e *env, n int, take func(int, int64)) (func(int, int64) error, error) {
	node, err := e.join(e.Role)
	if err != nil {
		return nil, err
	}
	if e.Role == server {
		e.announce(node.Addr())
		return nil, netchanGiveOut(e, node, n, take)
	}
	all, err := netchanTakeIn(e, node, n)
	return func(i int, v int64) error { all[i] <- v; return nil }, err
}

func netchanGiveOut(e *env, node *netchan.Node, n int, take func(int, int64)) error {
	out, err := sender[chan<- int64](e, node, "channels")
	for i := range n {
		if err != nil {
			return err
		}
		c := make(chan int64, each)
		go func() {
			for v := range c {
				take(i, v)
			}
		}()
		out <- c
	}
	return err
}

func netchanTakeIn(e *env, node *netchan.Node, n int) ([]chan<- int64, error) {
	in, err := receiver[chan<- int64](e, node, "channels")
	all := make([]chan<- int64, n)
	for i := range all {
		if err == nil {
			all[i] = <-in
		}
	}
	return all, err
}

// netchanTurns has the server answer, by one named channel, what comes by any of the others.
func netchanTurns(e *env, n int) (func(int, int64) (int64, error), error) {
	node, err := e.join(e.Role)
	if err != nil {
		return nil, err
	}
	if e.Role == server {
		back, err := sender[int64](e, node, "answers")
		if err != nil {
			return nil, err
		}
		e.announce(node.Addr())
		return nil, netchanGiveOut(e, node, n, func(_ int, v int64) { back <- v })
	}
	answers, err := receiver[int64](e, node, "answers")
	if err != nil {
		return nil, err
	}
	all, err := netchanTakeIn(e, node, n)
	return func(i int, v int64) (int64, error) { all[i] <- v; return <-answers, nil }, err
}
