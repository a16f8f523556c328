// Sieve finds primes with a chain of filters, one for each prime, that pass numbers
// on through channels: the concurrent prime sieve, as in many an introduction to Go, with its
// filters on several nodes. A filter is handed the channel that it receives from, in a value,
// makes the one that it sends on, and hands that to the next filter, on whichever node.
//
//	go run ./examples/sieve                  200 primes, with 5 nodes in this process
//	go run ./examples/sieve -n 500 -nodes 9
//
// It ends by itself, and its exit status is 1 when what it found are not the first primes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"time"
)

// limit is for a run that hangs; none comes near it.
const limit = 2 * time.Minute

func main() {
	n := flag.Int("n", 200, "how many primes to find")
	nodes := flag.Int("nodes", 5, "how many nodes to spread them over")
	flag.Parse()
	// The program itself has no way out of a channel that nobody sends on.
	time.AfterFunc(limit, func() {
		fmt.Fprintln(os.Stderr, "sieve: not done in", limit)
		os.Exit(1)
	})
	if err := run(*n, *nodes, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sieve:", err)
		os.Exit(1)
	}
}

// run is the whole program. Its error says what was not as it should be.
func run(n, count int, out io.Writer) (err error) {
	if n < 1 || count < 1 {
		return fmt.Errorf("-n and -nodes can't be less than 1")
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	nodes, err := join(ctx, count)
	defer func() {
		for _, node := range nodes {
			node.Close()
		}
	}()
	if err != nil {
		return err
	}
	start := time.Now()
	primes, perNode, err := spread(ctx, n, nodes)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, primes)
	fmt.Fprintf(out, "%d nodes ran %d to %d filters each, in %.1f s\n",
		count, slices.Min(perNode), slices.Max(perNode), time.Since(start).Seconds())
	if err := check(n, primes); err != nil {
		return err
	}
	fmt.Fprintf(out, "OK: these are the first %d primes\n", n)
	return nil
}

// check says where primes are not the first n, which it finds in another way.
func check(n int, primes []int) error {
	if len(primes) != n {
		return fmt.Errorf("found %d primes, not %d", len(primes), n)
	}
	want := 1
	for i, got := range primes {
		for want++; !big.NewInt(int64(want)).ProbablyPrime(0); {
			want++
		}
		if got != want {
			return fmt.Errorf("prime number %d is %d, not %d", i+1, want, got)
		}
	}
	return nil
}
