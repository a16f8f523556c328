package main

import (
	"fmt"
	"math/big"
	"math/rand/v2"
)

// Task asks for the prime factors of Number.
type Task struct {
	ID     int
	Number uint64
}

// Answer is what a client found.
type Answer struct {
	ID      int
	Client  string
	Factors []uint64
}

// newTask makes a task that takes some milliseconds: the product of two primes
// of about 20 bits.
func newTask(id int) Task {
	return Task{ID: id, Number: randomPrime() * randomPrime()}
}

func randomPrime() uint64 {
	for {
		if n := 1<<19 + rand.Uint64N(1<<19); isPrime(n) {
			return n
		}
	}
}

// isPrime is exact for 64 bits.
func isPrime(n uint64) bool { return new(big.Int).SetUint64(n).ProbablyPrime(0) }

// solve finds the factors by trying every divisor: slow on purpose.
func solve(t Task, client string) Answer {
	a := Answer{ID: t.ID, Client: client}
	rest := t.Number
	for d := uint64(2); d*d <= rest; d++ {
		for rest%d == 0 {
			a.Factors = append(a.Factors, d)
			rest /= d
		}
	}
	if rest > 1 {
		a.Factors = append(a.Factors, rest)
	}
	return a
}

// check says what is wrong with an answer to t.
func check(t Task, a Answer) error {
	product := uint64(1)
	for _, f := range a.Factors {
		if !isPrime(f) {
			return fmt.Errorf("task %d: %d is not prime", t.ID, f)
		}
		product *= f
	}
	if product != t.Number {
		return fmt.Errorf("task %d: %v are the factors of %d, not of %d", t.ID, a.Factors, product, t.Number)
	}
	return nil
}
