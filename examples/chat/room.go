package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/matveynator/netchan"
)

// Join is what a client sends the room.
type Join struct {
	Name string
	Hear chan<- Line   // gets every line from now on
	Say  <-chan string // the client's own lines; closed when it will say no more
}

// Line is what everybody hears.
type Line struct {
	From, Text string
	Here       []string // from the room itself, when somebody has come or gone: who is here now
}

// A hall knows who is in the room. One goroutine owns it.
type hall struct {
	names map[chan<- Line]string // by the channel that a client hears on
	out   io.Writer
}

// room serves until ctx ends; then it closes the channels of all who are here.
func room(ctx context.Context, node *netchan.Node, out io.Writer) error {
	joins, err := netchan.NewReceiver[Join](node, "joins", netchan.KeepOpen())
	if err != nil {
		return err
	}
	h := &hall{make(map[chan<- Line]string), out}
	said, gone := make(chan Line), make(chan chan<- Line)
	for {
		select {
		case j := <-joins.C:
			if j.Hear == nil || j.Say == nil {
				continue // nobody that we could talk with
			}
			h.names[j.Hear] = j.Name
			h.tell(Line{Text: j.Name + " has come", Here: h.here()})
			go attend(ctx, j, said, gone)
		case line := <-said:
			h.tell(line)
		case hear := <-gone:
			h.leave(hear)
		case <-ctx.Done():
			for hear := range h.names {
				close(hear)
			}
			return nil
		}
	}
}

// attend passes on what a client says, and tells when it has gone: when the channel on
// which it hears is no more.
func attend(ctx context.Context, j Join, said chan<- Line, gone chan<- chan<- Line) {
	for text := range j.Say {
		select {
		case said <- Line{From: j.Name, Text: text}:
		case <-ctx.Done():
			return
		}
	}
	select {
	case <-netchan.Done(j.Hear):
	case <-ctx.Done():
		return
	}
	select {
	case gone <- j.Hear:
	case <-ctx.Done():
	}
}

// tell sends a line to all. Who does not read for too long is shown the door.
func (h *hall) tell(line Line) {
	fmt.Fprintln(h.out, line)
	for hear := range h.names {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := netchan.Send(ctx, hear, line)
		cancel()
		if err != nil && netchan.Err(hear) == nil {
			close(hear)
		}
	}
}

func (h *hall) leave(hear chan<- Line) {
	name := h.names[hear]
	delete(h.names, hear)
	h.tell(Line{Text: name + " has left", Here: h.here()})
}

// here is who is in the room.
func (h *hall) here() []string { return slices.Sorted(maps.Values(h.names)) }

func (l Line) String() string {
	if l.From == "" {
		return fmt.Sprintf("* %s: %d are here", l.Text, len(l.Here))
	}
	return l.From + ": " + l.Text
}
