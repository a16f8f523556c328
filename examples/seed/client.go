package main

import "github.com/matveynator/netchan"

// client says hello, and sends back whatever it receives.
func client(addr string) error {
	send, receive, err := netchan.Dial(addr) // waits for the server
	if err != nil {
		return err
	}
	send <- hello
	for message := range receive {
		send <- message
	}
	close(send)
	return nil
}
