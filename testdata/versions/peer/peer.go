// Package peer is the program whose versions are ../old and ../new: all of it but
// its types.
package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"reflect"
	"time"

	"github.com/matveynator/netchan"
)

// Values is how many values each version sends that fit the other.
const Values = 100

const (
	buffer = 8                      // several values share a frame
	life   = 20 * time.Second       // less than the test waits: who fails says why
	short  = 100 * time.Millisecond // what a call waits where the types don't fit
)

// Version is what makes a version of the program. Other is a type that does not fit
// the one which the other version has there.
type Version[Job, Other any] struct {
	Name, Peer string // of this version, and of the other

	// Job is the nth value. own stands in all that the other version lacks: what
	// comes from there is Job(n, "").
	Job    func(n int, own string) Job
	Misfit Job // the other version can't hold it
}

// Main is the program: it joins, sends its values, takes those of the other
// version, and ends. Its arguments are an address to listen on, and seeds. It says
// how far it is on standard output.
func (v Version[Job, Other]) Main() {
	if err := v.run(os.Args[1], os.Args[2:]); err != nil {
		log.Fatalf("%s failed: %v", v.Name, err)
	}
}

func (v Version[Job, Other]) run(listen string, seeds []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), life)
	defer cancel()
	node, err := netchan.Join(ctx, netchan.Config{Name: v.Name, Listen: listen, Seeds: seeds})
	if err != nil {
		return err
	}
	defer node.Close()
	jobs, err := netchan.NewSender[Job](node, "jobs of "+v.Name, netchan.Buffer(buffer))
	if err != nil {
		return err
	}
	theirs, err := netchan.NewReceiver[Job](node, "jobs of "+v.Peer, netchan.Buffer(buffer))
	if err != nil {
		return err
	}
	others, err := netchan.NewSender[Other](node, "others of "+v.Name)
	if err != nil {
		return err
	}
	if _, err := netchan.NewReceiver[Other](node, "others of "+v.Peer); err != nil {
		return err
	}
	fmt.Println("joined", node.Addr())
	taken := make(chan error, 1)
	go func() { taken <- v.take(ctx, theirs.C) }()
	if err := v.send(ctx, jobs, others); err != nil {
		return err
	}
	if err := <-taken; err != nil {
		return err
	}
	if err := node.Shutdown(ctx); err != nil {
		return err
	}
	fmt.Println("took", Values)
	return nil
}

// send has the trouble in the midst of its values: they go on after it.
func (v Version[Job, Other]) send(ctx context.Context, jobs *netchan.Sender[Job], others *netchan.Sender[Other]) error {
	for n := range Values {
		if n == Values/2 {
			if err := v.dropped(ctx, jobs); err != nil {
				return err
			}
			if err := mismatched(ctx, others); err != nil {
				return err
			}
		}
		if err := netchan.Send(ctx, jobs.C, v.Job(n, "of "+v.Name)); err != nil {
			return err
		}
	}
	if err := jobs.Flush(ctx); err != nil {
		return err
	}
	if st := jobs.Stats(); st.Acknowledged != Values || st.Dropped != 1 {
		return fmt.Errorf("after the last value: %+v", st)
	}
	close(jobs.C)
	fmt.Println("sent", Values)
	return nil
}

// dropped sends the value that does not fit.
func (v Version[Job, Other]) dropped(ctx context.Context, jobs *netchan.Sender[Job]) error {
	err := jobs.Deliver(ctx, v.Misfit)
	if drop := (*netchan.DropError)(nil); !errors.As(err, &drop) {
		return fmt.Errorf("delivering what does not fit: %v", err)
	}
	if st := jobs.Stats(); st.Dropped != 1 {
		return fmt.Errorf("after the value that does not fit: %+v", st)
	}
	fmt.Println("dropped", err)
	return nil
}

// mismatched sends to a receiver of a type that does not fit. A call says so once
// this node has heard of that receiver.
func mismatched[T any](ctx context.Context, s *netchan.Sender[T]) error {
	for {
		shortly, cancel := context.WithTimeout(ctx, short)
		var v T
		err := s.Deliver(shortly, v)
		cancel()
		stalled := (*netchan.StalledError)(nil)
		switch {
		case errors.Is(err, netchan.ErrTypeMismatch):
			fmt.Println("mismatched", err)
			return nil
		case !errors.As(err, &stalled) || ctx.Err() != nil:
			return fmt.Errorf("delivering to a receiver of another type: %v", err)
		}
	}
}

// take reads c to its end, also after a value that is wrong: who sends waits for it.
func (v Version[Job, Other]) take(ctx context.Context, c <-chan Job) error {
	var wrong error
	for n := 0; ; n++ {
		got, err := netchan.Receive(ctx, c)
		switch want := v.Job(n, ""); {
		case err == io.EOF && wrong == nil && n != Values:
			return fmt.Errorf("%d values came", n)
		case err == io.EOF:
			return wrong
		case err != nil:
			return err
		case wrong == nil && !reflect.DeepEqual(got, want):
			wrong = fmt.Errorf("value %d: %s", n, difference(got, want))
		}
	}
}

// difference names the first field in which two structs differ.
func difference(got, want any) string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			return fmt.Sprintf("%s is %s, want %s", g.Type().Field(i).Name, text(a), text(b))
		}
	}
	return "none"
}

// text shows also what pointers point to.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%T %s", v, b)
}
