// Seed is the smallest cluster: one server that listens, 50 clients that dial,
// and messages that go out and come back over plain channels of any. Half of
// the clients dial before there is a server, half after. It ends by itself, and
// its exit status is 1 when not every message came back exactly once.
//
//	go run ./examples/seed
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	headStart = 200 * time.Millisecond // for the clients that dial before there is a server
	limit     = 30 * time.Second       // for a run that hangs; none comes near it
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9876", "`host:port` where the server listens")
	clients := flag.Int("clients", 50, "how many clients dial")
	messages := flag.Int("messages", 2000, "how many messages the server sends")
	flag.Parse()
	if err := run(*addr, *clients, *messages, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
}

// run starts half of the clients, then the server, then the other clients, and
// waits until all have ended.
func run(addr string, clients, messages int, out io.Writer) error {
	ended := make(chan error, clients+1)
	start := func(n int) {
		for range n {
			go func() { ended <- client(addr) }()
		}
	}
	start(clients / 2)
	time.Sleep(headStart)
	listening := make(chan struct{})
	go func() { ended <- server(addr, clients, messages, out, listening) }()
	<-listening
	start(clients - clients/2)

	var errs []error
	timeout := time.After(limit)
	for range cap(ended) {
		select {
		case err := <-ended:
			errs = append(errs, err)
		case <-timeout:
			return errors.Join(append(errs, fmt.Errorf("not done in %v", limit))...)
		}
	}
	return errors.Join(errs...)
}
