package main

import (
	"fmt"
	"io"

	"github.com/matveynator/netchan"
)

// hello is what a client sends first.
const hello = "hello"

// server sends messages to whichever clients are ready, and checks that each
// came back once. It closes listening as soon as it does, or can't.
func server(addr string, clients, messages int, out io.Writer, listening chan<- struct{}) error {
	send, receive, err := netchan.Listen(addr)
	close(listening)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on %s, waiting for %d clients\n", addr, clients)
	for greeted := 0; greeted < clients; greeted++ {
		if message, ok := <-receive; message != hello {
			return fmt.Errorf("the server received %v (%t) where a client says hello", message, ok)
		}
	}
	go func() {
		for message := range messages {
			send <- message
		}
		close(send) // no more from us: the clients' loops end
	}()
	back := make([]int, messages)
	for message := range receive { // until the last client has gone
		number, ok := message.(int)
		if !ok || number < 0 || number >= messages {
			return fmt.Errorf("the server received %v, which it never sent", message)
		}
		back[number]++
	}
	for number, times := range back {
		if times != 1 {
			return fmt.Errorf("message %d came back %d times", number, times)
		}
	}
	fmt.Fprintf(out, "OK: %d messages went out to %d clients, each came back once\n", messages, clients)
	return nil
}
