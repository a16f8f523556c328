package main

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The program as people start it, with fewer primes.
func TestSieve(t *testing.T) {
	var out bytes.Buffer
	if err := run(40, 3, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"[2 3 5 7 ", " 173]", "3 nodes ran ", "OK: these are the first 40 primes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "ran 0 to ") {
		t.Errorf("a node had no filter:\n%s", &out)
	}
}

// The same sieve, with a plain channel and no node.
func TestSieveWithoutNodes(t *testing.T) {
	stages, ended := make(chan Stage), make(chan int)
	go func() { ended <- work(stages, stages) }()
	primes := sieve(100, stages)
	close(stages)
	if count := <-ended; count != 100 {
		t.Errorf("%d stages", count)
	}
	if err := check(100, primes); err != nil {
		t.Error(err)
	}
}

// The check of the program can fail.
func TestCheck(t *testing.T) {
	for _, primes := range [][]int{nil, {2, 3}, {2, 3, 5, 7}, {2, 3, 7}, {2, 3, 4}, {3, 5, 7}, {2, 2, 3}} {
		if check(3, primes) == nil {
			t.Errorf("%v are taken for the first 3 primes", primes)
		}
	}
	if err := check(3, []int{2, 3, 5}); err != nil {
		t.Error(err)
	}
}

func TestBadFlags(t *testing.T) {
	for _, c := range [][2]int{{0, 1}, {1, 0}, {-1, 5}} {
		if err := run(c[0], c[1], &bytes.Buffer{}); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}

// One node is enough: then no filter's channel leaves it.
func TestOneNode(t *testing.T) {
	nodes, err := join(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer nodes[0].Close()
	primes, _, err := spread(t.Context(), 30, nodes)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(30, primes); err != nil {
		t.Error(err)
	}
}
