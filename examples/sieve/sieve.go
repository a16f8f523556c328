package main

// This file is the sieve, and knows nothing of nodes: whoever receives a stage runs it.

// A Stage is a filter that is still to be started. The first number that comes in is a
// prime; of the others it passes on those that the prime does not divide.
type Stage struct {
	Number int // from 1
	Last   int // the number of the last one: it passes nothing on
	In     <-chan int
	Found  chan<- Prime // gets the stage's prime
}

// Prime is what a stage finds.
type Prime struct{ Stage, Value int }

// ahead is how many numbers a stage may be ahead of the next one.
const ahead = 32

// generate makes the numbers from 2 on, until done is closed.
func generate(done <-chan struct{}) <-chan int {
	numbers := make(chan int, ahead)
	go func() {
		defer close(numbers)
		for n := 2; ; n++ {
			select {
			case numbers <- n:
			case <-done:
				return
			}
		}
	}()
	return numbers
}

// filter runs a stage, until its In is closed. It has the next one started, by a send on
// stages.
func filter(s Stage, stages chan<- Stage) {
	prime := <-s.In
	s.Found <- Prime{s.Number, prime}
	if s.Number == s.Last {
		for range s.In {
		}
		return
	}
	out := make(chan int, ahead)
	defer close(out)
	stages <- Stage{s.Number + 1, s.Last, out, s.Found}
	for n := range s.In {
		if n%prime != 0 {
			out <- n
		}
	}
}

// sieve finds the first n primes. It has the first stage started; when it returns, the last one
// was.
func sieve(n int, stages chan<- Stage) []int {
	done, found := make(chan struct{}), make(chan Prime)
	defer close(done) // then the numbers end, and so do the stages, one after the other
	stages <- Stage{1, n, generate(done), found}
	primes := make([]int, n)
	for range n {
		p := <-found // from many senders: one stage may be heard of before the one ahead of it
		primes[p.Stage-1] = p.Value
	}
	return primes
}
