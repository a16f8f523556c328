// Chat is a room in which everybody hears what anybody says. Who comes sends the room
// two channels of its own, in a value: one that the room sends lines on, one that it
// receives from. Who goes just goes: the room learns it by that channel.
//
//	go run ./examples/chat                   a room and 5 clients in this process
//	go run ./examples/chat -role room -listen 10.0.0.1:7946
//	go run ./examples/chat -role client -name ann -seeds 10.0.0.1:7946
//
// Without -role it ends by itself and says whether everybody has heard every line once;
// its exit status is 1 if not. A client says what it reads from the terminal, and leaves
// at the end of that (Ctrl-D), or at Ctrl-C, as a room does. The nodes need one key: see
// NETCHAN_KEY in the README.
package main

import (
	"bufio"
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

	"github.com/matveynator/netchan"
)

const (
	joinTime = 15 * time.Second // for joining
	patience = 5 * time.Second  // for a client that does not read, and for a node to end in good order
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C is not caught
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	if err != nil && err != flag.ErrHelp {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	role, name, listen string
	seeds              []string
	clients, lines     int
}

// run is the whole program. Its error says what was not as it should be.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	opts, err := parse(args)
	if err != nil {
		return err
	}
	if opts.role == "" {
		return runAll(ctx, opts, out)
	}
	node, err := join(ctx, netchan.Config{Name: opts.name, Listen: opts.listen, Seeds: opts.seeds})
	if err != nil {
		return err
	}
	defer part(node)
	if opts.role == "room" {
		fmt.Fprintf(out, "come in with: -role client -seeds %s -name ...\n", node.Addr())
		return room(ctx, node, out)
	}
	say := make(chan string)
	go func() {
		defer close(say)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			say <- lines.Text()
		}
	}()
	return talk(ctx, node, say, out)
}

func parse(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.StringVar(&opts.role, "role", "", "room or client: be only that (default one room and all clients in this process)")
	flags.StringVar(&opts.name, "name", "", "what a client is called")
	flags.StringVar(&opts.listen, "listen", "", "`host:port` of the node (with -role; default a free port)")
	seeds := flags.String("seeds", "", "`host:port,...` of nodes that are there already (with -role)")
	flags.IntVar(&opts.clients, "clients", 5, "how many clients (without -role)")
	flags.IntVar(&opts.lines, "lines", 20, "how many lines each of them says (without -role)")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if *seeds != "" {
		opts.seeds = strings.Split(*seeds, ",")
	}
	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("what is %q? All arguments are flags", flags.Arg(0))
	case opts.role != "" && opts.role != "room" && opts.role != "client":
		return opts, fmt.Errorf("-role is room or client, not %q", opts.role)
	case opts.role == "client" && (len(opts.seeds) == 0 || opts.name == ""):
		return opts, fmt.Errorf("-role client needs -name, and -seeds: the address that the room prints")
	case opts.role == "" && (len(opts.seeds) > 0 || opts.listen != "" || opts.name != ""):
		return opts, fmt.Errorf("-seeds, -listen and -name need -role: without it all is in this process")
	case opts.clients < 2 || opts.lines < 1:
		return opts, fmt.Errorf("2 -clients and 1 of -lines are the least")
	}
	if opts.role == "room" {
		opts.name = "room"
	}
	return opts, nil
}

// join joins a mesh, within a time.
func join(ctx context.Context, cfg netchan.Config) (*netchan.Node, error) {
	// A line for who has just left is dropped: nothing to warn of.
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	return netchan.Join(ctx, cfg)
}

// part leaves in good order: what was said is still heard.
func part(node *netchan.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
	}
}
