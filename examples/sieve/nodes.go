package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/matveynator/netchan"
)

// spread runs the sieve with its stages on some nodes, and finds n primes. It says how
// many stages each node has run.
func spread(ctx context.Context, n int, nodes []*netchan.Node) (primes, perNode []int, err error) {
	perNode = make([]int, len(nodes))
	var wg sync.WaitGroup
	var stages []*netchan.Sender[Stage]
	for i, node := range nodes {
		in, err := netchan.NewReceiver[Stage](node, "stages")
		if err != nil {
			return nil, nil, err
		}
		out, err := netchan.NewSender[Stage](node, "stages")
		if err != nil {
			return nil, nil, err
		}
		wg.Go(func() { perNode[i] = work(in.C, out.C) })
		stages = append(stages, out)
	}
	for _, out := range stages {
		if err := out.WaitReceivers(ctx, len(nodes)); err != nil {
			return nil, nil, err
		}
	}
	primes = sieve(n, stages[0].C)
	for _, out := range stages {
		close(out.C) // the last stage was started
	}
	wg.Wait()
	return primes, perNode, nil
}

// work runs stages until there are no more and the last has ended. It says how many
// there were.
func work(in <-chan Stage, out chan<- Stage) (count int) {
	var wg sync.WaitGroup
	for s := range in {
		wg.Go(func() { filter(s, out) })
		count++
	}
	wg.Wait()
	return count
}

// join makes nodes that know each other. Their key is made here, so that they meet
// nobody else.
func join(ctx context.Context, n int) (mesh []*netchan.Node, err error) {
	cfg := netchan.Config{
		Listen: "127.0.0.1:0", Key: netchan.GenerateKey(),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for i := range n {
		cfg.Name = fmt.Sprintf("node-%d", i+1)
		node, err := netchan.Join(ctx, cfg)
		if err != nil {
			return mesh, err
		}
		mesh = append(mesh, node)
		cfg.Seeds = []string{mesh[0].Addr()}
	}
	return mesh, nil
}
