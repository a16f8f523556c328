package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/matveynator/netchan"
)

// runAll is the program without -role: the server and its clients in one
// process, each a node of its own, joined through the server's address. Their
// key is made here, so that they need nothing and meet nobody else.
func runAll(ctx context.Context, opts options, out io.Writer) error {
	key := netchan.GenerateKey()
	listen := opts.listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	node, err := join(ctx, netchan.Config{Name: "server", Listen: listen, Key: key, Logger: opts.log})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the server is a node at %s, and every client is one\n", node.Addr())
	// Ctrl-C is for the server; it tells the clients by closing its channel.
	clientsCtx, stopClients := context.WithCancel(context.WithoutCancel(ctx))
	defer stopClients()
	wait := startClients(clientsCtx, opts.clients, func(i int) netchan.Config {
		return netchan.Config{Name: fmt.Sprintf("client-%02d", i), Seeds: []string{node.Addr()}, Key: key, Logger: opts.log}
	})
	l, err := serve(ctx, node, opts, out)
	stopClients() // those that are still there, after a failure
	_, clientErr := wait()
	if err := errors.Join(err, clientErr, part(node)); err != nil {
		return err
	}
	return l.report(out)
}
