package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/matveynator/netchan"
)

// enter goes into the room with a channel of lines to say, and returns the one on which it
// hears. It waits for the room.
func enter(ctx context.Context, node *netchan.Node, say <-chan string) (<-chan Line, error) {
	joins, err := netchan.NewSender[Join](node, "joins")
	if err != nil {
		return nil, err
	}
	hear := make(chan Line, 16)
	return hear, joins.Deliver(ctx, Join{node.Name(), hear, say})
}

// talk says what comes on say, and prints what it hears, until say is closed, or ctx or the room
// ends.
func talk(ctx context.Context, node *netchan.Node, say <-chan string, out io.Writer) error {
	words, ended := make(chan string), make(chan struct{})
	hear, err := enter(ctx, node, words)
	if err != nil {
		return err
	}
	go func() {
		defer close(ended)
		defer close(words)
		for text := range say {
			select {
			case words <- text:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case line, ok := <-hear:
			if !ok {
				return errors.New("the room has closed")
			}
			fmt.Fprintln(out, line)
		case <-netchan.Done(hear): // the room does not have it any more
			return errors.New("the room is gone")
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
