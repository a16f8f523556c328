package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/matveynator/netchan"
)

const (
	joinTime = 15 * time.Second // for joining, and for the clients of one process to be there
	patience = 5 * time.Second  // for the last answers, counted from the last one
	partTime = 5 * time.Second  // for a node to end in good order
)

// runServer is the program with -role server.
func runServer(ctx context.Context, opts options, out io.Writer) error {
	node, err := join(ctx, netchan.Config{Name: "server", Listen: opts.listen, Seeds: opts.seeds, Logger: opts.log})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "start clients with: -role client -seeds %s\n", node.Addr())
	return errors.Join(serve(ctx, node, opts, out), part(node))
}

// serve hands out tasks on one channel and collects the answers from another,
// and reports.
func serve(ctx context.Context, node *netchan.Node, opts options, out io.Writer) error {
	tasks, err := netchan.NewSender[Task](node, "tasks")
	if err != nil {
		return err
	}
	answers, err := netchan.NewReceiver[Answer](node, "answers", netchan.Buffer(64))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "waiting for %d clients ...\n", opts.clients)
	if err := tasks.WaitReceivers(ctx, opts.clients); err != nil {
		return err
	}
	start := time.Now()
	l := exchange(ctx, tasks, answers, opts, newProgress(out, start))
	fewest, most := l.spread(tasks.Stats().Receivers)
	fmt.Fprintf(out, "%d tasks handed out, %d answered in %.1f s by %d clients, %d to %d each\n",
		l.handed, l.answered, time.Since(start).Seconds(), len(l.perClient), fewest, most)
	if err := l.verdict(); err != nil {
		fmt.Fprintln(out, "FAILED")
		return err
	}
	fmt.Fprintln(out, "OK: every task was answered exactly once, and right")
	return nil
}

// exchange is the server's loop: both channels, the clock and Ctrl-C in one
// select. When the last task is out it closes its channel; the clients' loops
// end then, they close theirs, and so ours ends.
func exchange(ctx context.Context, tasks *netchan.Sender[Task], answers *netchan.Receiver[Answer], opts options, show *progress) *ledger {
	l := newLedger(opts.clients)
	next, handOut := newTask(1), tasks.C
	var late <-chan time.Time // not while there are tasks
	last := func() {
		if handOut != nil {
			close(handOut)
			handOut = nil
			late = time.After(patience)
		}
	}
	end, tick, stop := time.After(opts.time), time.Tick(show.every), ctx.Done()
	for {
		select {
		case handOut <- next:
			l.handOut(next)
			if next.ID == opts.tasks {
				last()
			}
			next = newTask(next.ID + 1)
		case a, more := <-answers.C:
			if !more {
				show.end()
				return l
			}
			l.take(a)
			if late != nil {
				late = time.After(patience)
			}
		case <-tick:
			show.line(l, tasks.Stats().Receivers)
		case <-end:
			last()
		case <-stop:
			stop = nil
			last()
		case <-late:
			show.end()
			return l
		}
	}
}

// join joins a mesh, within a time.
func join(ctx context.Context, cfg netchan.Config) (*netchan.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	return netchan.Join(ctx, cfg)
}

// part leaves in good order: what was sent still arrives.
func part(node *netchan.Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), partTime)
	defer cancel()
	return node.Shutdown(ctx)
}
