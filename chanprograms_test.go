package netchan_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/matveynator/netchan"
)

// The programs here are written for plain channels. Each runs twice: in one process
// without nodes, and over nodes. Only who makes the channels differs.

// plumbing makes the channels by which a program's parts find each other: first all those to
// receive from.
type plumbing[T any] struct {
	send    func(part int) chan<- T
	receive func(part int) <-chan T
}

// over runs a program with each plumbing: parts 0 to n-1 are on nodes of their own, or all
// on one channel.
func over[T any](t *testing.T, n int, program func(t *testing.T, p plumbing[T])) {
	t.Run("one process", func(t *testing.T) {
		c := make(chan T)
		defer close(c)
		program(t, plumbing[T]{func(int) chan<- T { return c }, func(int) <-chan T { return c }})
	})
	t.Run("nodes", func(t *testing.T) {
		nodes := []*netchan.Node{join(t, "0")}
		for i := 1; i < n; i++ {
			nodes = append(nodes, join(t, string(rune('0'+i)), nodes[0].Addr()))
		}
		receivers := 0
		program(t, plumbing[T]{
			func(part int) chan<- T {
				s := sender[T](t, nodes[part], "program")
				connected(t, s, receivers)
				return s.C
			},
			func(part int) <-chan T {
				receivers++
				return receiver[T](t, nodes[part], "program", netchan.KeepOpen()).C
			},
		})
	})
}

// A filter that is to be started: what comes in is passed on if its first number does not
// divide it.
type sieveStage struct {
	In   <-chan int
	Left int // primes that are still to be found, this one included
	// The primes, in the order of their stages: each passes on what those before it have found.
	Found chan<- []int
	So    []int
}

// sieveFilter runs stages, and has others run those behind them.
func sieveFilter(stages <-chan sieveStage, next chan<- sieveStage, ended *sync.WaitGroup) {
	for s := range stages {
		go func() {
			defer ended.Done()
			prime := <-s.In
			so := append(s.So, prime)
			if s.Left == 1 {
				s.Found <- so
				for range s.In {
				}
				return
			}
			out := make(chan int, 32)
			defer close(out)
			next <- sieveStage{out, s.Left - 1, s.Found, so}
			for n := range s.In {
				if n%prime != 0 {
					out <- n
				}
			}
		}()
	}
}

// The first 200 primes, by filters on five nodes.
func TestPrimeSieve(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 30
	}
	var want []int
	for v := 2; len(want) < n; v++ {
		if !slices.ContainsFunc(want, func(p int) bool { return v%p == 0 }) {
			want = append(want, v)
		}
	}
	over(t, 5, func(t *testing.T, p plumbing[sieveStage]) {
		var ended sync.WaitGroup
		ended.Add(n)
		defer ended.Wait()
		var stages []<-chan sieveStage
		for part := range 5 {
			stages = append(stages, p.receive(part))
		}
		for part, in := range stages {
			go sieveFilter(in, p.send(part), &ended)
		}
		numbers, found, enough := make(chan int, 32), make(chan []int), make(chan struct{})
		defer close(enough)
		go func() {
			defer close(numbers)
			for v := 2; ; v++ {
				select {
				case numbers <- v:
				case <-enough:
					return
				}
			}
		}()
		give(t, p.send(0), sieveStage{In: numbers, Left: n, Found: found})
		if got := take(t, found); !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
}

type ping struct {
	N    int
	Pong chan<- int
}

// Each ping brings a channel of its own for the answer.
func TestPingPong(t *testing.T) {
	const players, pings = 4, 100
	over(t, 2, func(t *testing.T, p plumbing[ping]) {
		serve := p.receive(1)
		go func() {
			for q := range serve {
				q.Pong <- -q.N
				close(q.Pong)
			}
		}()
		c := p.send(0)
		var wg sync.WaitGroup
		for player := range players {
			wg.Go(func() {
				for i := range pings {
					pong := make(chan int)
					c <- ping{player*pings + i, pong}
					if got, ok := <-pong; !ok || got != -player*pings-i {
						t.Errorf("%d, %t", got, ok)
					}
					if _, ok := <-pong; ok {
						t.Error("a second answer")
					}
				}
			})
		}
		wg.Wait()
	})
}

// A stage of a pipeline is handed both of its channels.
type pipelineStage struct {
	Add int
	In  <-chan int
	Out chan<- int
}

// Whoever holds the pipeline together makes the channels, and hands each to two stages.
func TestPipeline(t *testing.T) {
	const stages, values = 4, 500
	over(t, stages, func(t *testing.T, p plumbing[pipelineStage]) {
		for part := range stages {
			in := p.receive(part)
			go func() {
				for s := range in {
					go func() {
						defer close(s.Out)
						for v := range s.In {
							s.Out <- v + s.Add
						}
					}()
				}
			}()
		}
		first := make(chan int, 4)
		c, last := p.send(0), first
		for i := range stages {
			next := make(chan int, 4)
			give(t, c, pipelineStage{1 << i, last, next})
			last = next
		}
		go func() {
			for v := range values {
				first <- v
			}
			close(first)
		}()
		want := 0
		for v := range last {
			if v != want+1<<stages-1 {
				t.Fatalf("%d, want %d", v, want+1<<stages-1)
			}
			want++
		}
		if want != values {
			t.Errorf("%d values", want)
		}
	})
}
