package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/matveynator/netchan"
)

// runClients is the program with -role client.
func runClients(ctx context.Context, opts options, out io.Writer) error {
	host, _ := os.Hostname()
	config := func(i int) netchan.Config {
		name := fmt.Sprintf("%.40s-%d-%d", host, os.Getpid(), i)
		return netchan.Config{Name: name, Listen: opts.listen, Seeds: opts.seeds, Logger: opts.log}
	}
	return startClients(ctx, opts.clients, config, out)()
}

// startClients starts n clients, each a node of its own. The function it
// returns waits until all have ended.
func startClients(ctx context.Context, n int, config func(i int) netchan.Config, out io.Writer) (wait func() error) {
	errs := make([]error, n)
	done := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { done[i], errs[i] = client(ctx, config(i+1)) })
	}
	return func() error {
		wg.Wait()
		total := 0
		for _, d := range done {
			total += d
		}
		fmt.Fprintf(out, "%d clients ended, %d tasks done\n", n, total)
		return errors.Join(errs...)
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
	// Ctrl-C: the tasks that wait for us go to another client, the loop ends.
	stop := context.AfterFunc(ctx, func() { tasks.Close() })
	defer stop()
	for t := range tasks.C {
		answers.C <- solve(t, node.Name())
		done++
	}
	if ctx.Err() == nil {
		close(answers.C) // the server has finished, and so have we
	}
	return done, tasks.Err()
}
