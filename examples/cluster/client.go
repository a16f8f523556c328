package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/matveynator/netchan"
)

// runClients is the program with -role client.
func runClients(ctx context.Context, opts options, out io.Writer) error {
	host, _ := os.Hostname()
	wait := startClients(ctx, opts.clients, func(i int) netchan.Config {
		name := fmt.Sprintf("%.40s-%d-%d", host, os.Getpid(), i)
		return netchan.Config{Name: name, Listen: opts.listen, Seeds: opts.seeds, Logger: opts.log}
	})
	done, err := wait()
	fmt.Fprintf(out, "%d tasks done\n", done)
	return err
}

// startClients starts n clients, each a node of its own. The function it
// returns waits until all have ended, and says how many tasks they have done.
func startClients(ctx context.Context, n int, config func(i int) netchan.Config) (wait func() (done int, err error)) {
	errs := make([]error, n)
	tasks := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { tasks[i], errs[i] = client(ctx, config(i+1)) })
	}
	return func() (done int, err error) {
		wg.Wait()
		for _, t := range tasks {
			done += t
		}
		return done, errors.Join(errs...)
	}
}

// client joins, solves tasks until there are no more, and leaves.
func client(ctx context.Context, cfg netchan.Config) (done int, err error) {
	node, err := join(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, part(node)) }()
	tasks, err := netchan.NewReceiver[Task](node, "tasks")
	if err != nil {
		return 0, err
	}
	answers, err := netchan.NewSender[Answer](node, "answers")
	if err != nil {
		return 0, err
	}
	// Ctrl-C: the tasks that wait for us go to another client, the loop ends. An
	// answer that nobody takes, because the server has gone, holds us no longer
	// than our patience.
	patient, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		tasks.Close()
		time.AfterFunc(patience, giveUp)
	})
	defer stop()
	for t := range tasks.C {
		if err := netchan.Send(patient, answers.C, solve(t, node.Name())); err != nil {
			return done, err
		}
		done++
	}
	if ctx.Err() == nil {
		close(answers.C) // the server has finished, and so have we
	}
	return done, tasks.Err()
}
