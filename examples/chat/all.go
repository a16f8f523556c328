package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/matveynator/netchan"
)

// limit is for a run that hangs; none comes near it.
const limit = time.Minute

// runAll is the program without -role: a room and its clients, each a node of its own.
func runAll(ctx context.Context, opts options, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	key := netchan.GenerateKey() // so they need nothing, and meet nobody else
	node, err := join(ctx, netchan.Config{Name: "room", Listen: "127.0.0.1:0", Key: key})
	if err != nil {
		return err
	}
	defer node.Close()
	roomCtx, closeRoom := context.WithCancel(ctx)
	closed := make(chan error, 1)
	go func() { closed <- room(roomCtx, node, out) }()

	errs := make([]error, opts.clients)
	var wg sync.WaitGroup
	for i := range opts.clients {
		wg.Go(func() {
			node, err := join(ctx, netchan.Config{Name: fmt.Sprintf("client-%d", i+1), Seeds: []string{node.Addr()}, Key: key})
			if err == nil {
				// The first one leaves, and the others wait until they hear that.
				err = visit(ctx, node, opts, i > 0)
				part(node)
			}
			if err != nil {
				errs[i] = fmt.Errorf("client-%d: %w", i+1, err)
			}
		})
	}
	wg.Wait()
	closeRoom()
	if err := errors.Join(append(errs, <-closed)...); err != nil {
		return err
	}
	fmt.Fprintf(out, "OK: %d clients have each heard all %d lines once and in order, and that one has left\n",
		opts.clients, opts.clients*opts.lines)
	return nil
}

// visit is one client: it waits for the others, says its lines, and checks what it hears.
func visit(ctx context.Context, node *netchan.Node, opts options, stay bool) error {
	say := make(chan string)
	defer close(say)
	hear, err := enter(ctx, node, say)
	if err != nil {
		return err
	}
	var talk chan<- string // not before all are here
	said, heard := 0, newTally(opts)
	for !heard.all() || stay {
		select {
		case talk <- fmt.Sprintf("line %d", said+1):
			if said++; said == opts.lines {
				talk = nil
			}
		case line := <-hear:
			switch {
			case line.From != "":
				if err := heard.take(line); err != nil {
					return err
				}
			case len(line.Here) == opts.clients:
				talk = say
			case slices.Contains(line.Here, "client-1"):
			case said > 0:
				stay = false // it was here, and has left
			}
		case <-ctx.Done():
			return fmt.Errorf("heard %v: %w", heard.next, ctx.Err())
		}
	}
	return nil
}

// A tally counts what was heard of whom.
type tally struct {
	opts options
	next map[string]int // lines heard so far
}

func newTally(opts options) *tally { return &tally{opts, make(map[string]int)} }

func (t *tally) take(l Line) error {
	t.next[l.From]++
	if want := fmt.Sprintf("line %d", t.next[l.From]); l.Text != want || t.next[l.From] > t.opts.lines {
		return fmt.Errorf("%s says %q, and not %q", l.From, l.Text, want)
	}
	return nil
}

// all says whether nothing is missing.
func (t *tally) all() bool {
	for _, n := range t.next {
		if n < t.opts.lines {
			return false
		}
	}
	return len(t.next) == t.opts.clients
}
