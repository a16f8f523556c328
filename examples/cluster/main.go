// Cluster factorizes numbers: a server hands out tasks, clients solve them and
// send the answers back, over two named channels.
//
//	go run ./examples/cluster                   one server and 50 clients in this process
//	go run ./examples/cluster -role server -listen 10.0.0.1:7946
//	go run ./examples/cluster -role client -seeds 10.0.0.1:7946
//	go run ./examples/cluster -role watcher -seeds 10.0.0.1:7946
//
// It ends by itself and says whether every task was answered exactly once, and
// right; its exit status is 1 if not. With -role the nodes are on their own, on
// as many machines as you like, and need one key: see NETCHAN_KEY in the
// README. Ctrl-C ends each in good order; a second one at once. A watcher shows
// who is there and how the work goes. compose.yaml has all that in containers.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C is not caught
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && err != flag.ErrHelp {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	time    time.Duration
	clients int
	tasks   int
	listen  string
	seeds   []string
	role    string
	log     *slog.Logger
}

// run is the whole program. Its error says what was not as it should be.
func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := parse(args)
	if err != nil {
		return err
	}
	switch opts.role {
	case "server":
		return runServer(ctx, opts, out)
	case "client":
		return runClients(ctx, opts, out)
	case "watcher":
		return runWatcher(ctx, opts, out)
	}
	return runAll(ctx, opts, out)
}

func parse(args []string) (options, error) {
	level := &slog.LevelVar{}
	level.Set(slog.LevelWarn)
	opts := options{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.DurationVar(&opts.time, "time", 10*time.Second, "how long to hand out tasks; 0: until Ctrl-C")
	flags.IntVar(&opts.clients, "clients", 0, "how many clients: to start, or for a server how many to wait for first (default 50; with -role 1)")
	flags.IntVar(&opts.tasks, "tasks", 0, "how many tasks to hand out (default as many as -time allows)")
	flags.StringVar(&opts.listen, "listen", "", "`host:port` of the server, or with -role of the client or watcher (default a free port)")
	seeds := flags.String("seeds", "", "`host:port,...` of nodes that are there already (with -role)")
	flags.StringVar(&opts.role, "role", "", "server, client or watcher: be only that (default one server and all clients in this process)")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if *seeds != "" {
		opts.seeds = strings.Split(*seeds, ",")
	}
	if opts.role != "" {
		level.Set(slog.LevelInfo) // links that break and come back, too
	}
	if opts.clients == 0 {
		opts.clients = 50
		if opts.role != "" {
			opts.clients = 1
		}
	}
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("what is %q? All arguments are flags", flags.Arg(0))
	case opts.role != "" && opts.role != "server" && opts.role != "client" && opts.role != "watcher":
		return opts, fmt.Errorf("-role is server, client or watcher, not %q", opts.role)
	case opts.clients < 1 || opts.tasks < 0 || opts.time < 0:
		return opts, fmt.Errorf("-clients, -tasks and -time can't be negative")
	case opts.role == "" && len(opts.seeds) > 0:
		return opts, fmt.Errorf("-seeds needs -role: without it this process is a cluster of its own, with a key of its own")
	case (opts.role == "client" || opts.role == "watcher") && len(opts.seeds) == 0:
		return opts, fmt.Errorf("-role %s needs -seeds: the address that the server prints", opts.role)
	case opts.role == "client" && opts.clients > 1 && opts.listen != "":
		return opts, fmt.Errorf("-listen is for one client; %d can't share it", opts.clients)
	}
	return opts, nil
}
