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
	l, err := serve(ctx, node, opts, out)
	err = errors.Join(err, part(node))
	if l == nil {
		return err
	}
	return errors.Join(err, l.report(out))
}

// serve hands out tasks on one channel and collects the answers from another.
func serve(ctx context.Context, node *netchan.Node, opts options, out io.Writer) (*ledger, error) {
	tasks, err := netchan.NewSender[Task](node, "tasks")
	if err != nil {
		return nil, err
	}
	answers, err := netchan.NewReceiver[Answer](node, "answers", netchan.Buffer(64))
	if err != nil {
		return nil, err
	}
	watchers, err := netchan.NewSender[News](node, "news", netchan.Broadcast(), netchan.Lossy())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "waiting for %d clients ...\n", opts.clients)
	if err := waitFor(ctx, tasks, opts); err != nil {
		return nil, err
	}
	news := make(chan News)
	defer close(news)
	go tell(watchers, news)
	return exchange(ctx, tasks, answers, news, opts, out), nil
}

// waitFor waits for the clients: with -role until somebody starts them.
func waitFor(ctx context.Context, tasks *netchan.Sender[Task], opts options) error {
	if opts.role == "" {
		bounded, cancel := context.WithTimeout(ctx, joinTime)
		defer cancel()
		ctx = bounded
	}
	return tasks.WaitReceivers(ctx, opts.clients)
}

// exchange is the server's loop: both channels, the clock and Ctrl-C in one
// select. When the last task is out it closes its channel; the clients' loops
// end then, they close theirs, and so ours ends.
func exchange(ctx context.Context, tasks *netchan.Sender[Task], answers *netchan.Receiver[Answer], news chan<- News, opts options, out io.Writer) *ledger {
	l := newLedger()
	l.clients = opts.clients // that many are there
	show := newProgress(out)
	next, handOut := newTask(1), tasks.C
	var late <-chan time.Time // not while there are tasks
	last := func() {
		if handOut != nil {
			close(handOut)
			handOut = nil
			late = time.After(patience)
		}
	}
	tick, tock, stop := time.Tick(show.every), time.Tick(newsEvery), ctx.Done()
	var end <-chan time.Time
	if opts.time > 0 {
		end = time.After(opts.time)
	}
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
			l.clients = max(l.clients, tasks.Stats().Receivers)
			show.line(l)
		case <-tock:
			select {
			case news <- l.news():
			default: // nobody has heard the last ones
			}
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
