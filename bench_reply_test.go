package netchan_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/matveynator/netchan"
)

// request asks for the square of N, with a channel for the answer that nobody else has.
type request struct {
	N     int
	Reply chan<- response
}

type response struct{ Square int }

// answering is a node that answers requests, and a sender of them at another one, over
// loopback TLS.
func answering(t testing.TB) (asker, server *netchan.Node, requests chan<- request) {
	asker = join(t, "asker")
	server = join(t, "server", asker.Addr())
	r := receiver[request](t, server, "requests", netchan.Buffer(64), netchan.KeepOpen())
	go func() {
		for q := range r.C {
			q.Reply <- response{q.N * q.N}
		}
	}()
	s := sender[request](t, asker, "requests")
	connected(t, s, 1)
	return asker, server, s.C
}

// ask makes one request, with a channel that it drops. It is false when the answer is wrong.
func ask(requests chan<- request, n int) bool {
	reply := make(chan response, 1)
	requests <- request{n, reply}
	return (<-reply).Square == n*n
}

// BenchmarkRequest brings a fresh channel with each request, and drops it with the answer.
// BenchmarkRoundTrip is the same with two channels that stay.
func BenchmarkRequest(b *testing.B) {
	b.Run("1", func(b *testing.B) { benchRequests(b, 1) })
	b.Run("64", func(b *testing.B) { benchRequests(b, 64) })
}

func benchRequests(b *testing.B, atOnce int) {
	asker, server, requests := answering(b)
	for i := range 100 {
		ask(requests, i)
	}
	before := [2]netchan.Traffic{asker.Traffic(), server.Traffic()}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for k := range atOnce {
		wg.Go(func() {
			for i := k; i < b.N; i += atOnce {
				if !ask(requests, i) {
					b.Error("a wrong answer")
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "requests/s")
	for i, node := range []*netchan.Node{asker, server} {
		did := node.Traffic().Less(before[i])
		name := []string{"asker", "server"}[i]
		b.ReportMetric(float64(did.Frames)/n, name+"-writes/op")
		b.ReportMetric(float64(did.Bytes)/n, name+"-B/op")
	}
	b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
	b.ReportMetric(float64(heap())/(1<<20), "heap-MB")
}

// heap is what is in use, garbage aside, and the stacks.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkOpenChannels has channels of one node held at another, which sends one value on each
// in turn. Both are in one process, so what a channel takes is the sum of both ends.
func BenchmarkOpenChannels(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("channels=%d", n), func(b *testing.B) { benchOpenChannels(b, n) })
	}
}

func benchOpenChannels(b *testing.B, channels int) {
	home := join(b, "home")
	away := join(b, "away", home.Addr())
	in := receiver[chan<- int](b, away, "channels", netchan.Buffer(64), netchan.KeepOpen())
	out := sender[chan<- int](b, home, "channels")
	connected(b, out, 1)
	bytes, goroutines := heap(), runtime.NumGoroutine()
	homes, far := make([]chan int, channels), make([]chan<- int, channels)
	go func() {
		for i := range homes {
			homes[i] = make(chan int, 1)
			out.C <- homes[i]
		}
	}()
	for i := range far {
		far[i] = <-in.C
	}
	perChannel := func() (b, g float64) {
		return float64(int64(heap())-int64(bytes)) / float64(channels), float64(runtime.NumGoroutine()-goroutines) / float64(channels)
	}
	freshBytes, freshGoroutines := perChannel()
	for b.Loop() {
		go func() {
			for i, c := range far {
				c <- i
			}
		}()
		for i, c := range homes {
			if v := <-c; v != i {
				b.Fatalf("channel %d brought %d", i, v)
			}
		}
	}
	b.ReportMetric(float64(b.N*channels)/b.Elapsed().Seconds(), "values/s")
	usedBytes, usedGoroutines := perChannel()
	b.ReportMetric(freshBytes, "fresh-B/channel")
	b.ReportMetric(freshGoroutines, "fresh-goroutines/channel")
	b.ReportMetric(usedBytes, "used-B/channel")
	b.ReportMetric(usedGoroutines, "used-goroutines/channel")
	runtime.KeepAlive(far)
}
