package netchan_test

import (
	"testing"

	"github.com/matveynator/netchan"
)

// small is the struct of the benchmarks: what a job or an event often is.
type small struct {
	ID    int64
	Name  string
	Score float64
	OK    bool
}

// pairOf connects a sender on one node with a receiver on another, over
// loopback TLS.
func pairOf[T any](b *testing.B, buffer int) (chan<- T, <-chan T) {
	n1 := join(b, "a")
	n2 := join(b, "b", n1.Addr())
	r := receiver[T](b, n2, "bench", netchan.Buffer(buffer))
	s := sender[T](b, n1, "bench", netchan.Buffer(buffer))
	if err := s.WaitReceivers(testContext(b), 1); err != nil {
		b.Fatal(err)
	}
	return s.C, r.C
}

func oneWay[T any](b *testing.B, send chan<- T, receive <-chan T, v T) {
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			send <- v
		}
	}()
	for range b.N {
		<-receive
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "values/s")
}

var smallValue = small{ID: 42, Name: "a small struct", Score: 0.5, OK: true}

func BenchmarkOneWayInt64(b *testing.B) {
	b.Run("netchan", func(b *testing.B) { s, r := pairOf[int64](b, 1024); oneWay(b, s, r, 42) })
	b.Run("native", func(b *testing.B) { c := make(chan int64, 1024); oneWay(b, c, c, 42) })
}

func BenchmarkOneWayInt64Buffer16384(b *testing.B) {
	s, r := pairOf[int64](b, 16384)
	oneWay(b, s, r, 42)
}

func BenchmarkOneWaySmall(b *testing.B) {
	b.Run("netchan", func(b *testing.B) { s, r := pairOf[small](b, 1024); oneWay(b, s, r, smallValue) })
	b.Run("native", func(b *testing.B) { c := make(chan small, 1024); oneWay(b, c, c, smallValue) })
}

func BenchmarkOneWaySmallBuffer16384(b *testing.B) {
	s, r := pairOf[small](b, 16384)
	oneWay(b, s, r, smallValue)
}

// BenchmarkRoundTrip sends a value and waits for it to come back by a second
// channel, nothing buffered.
func BenchmarkRoundTrip(b *testing.B) {
	n1 := join(b, "a")
	n2 := join(b, "b", n1.Addr())
	there, back := sender[int64](b, n1, "there"), sender[int64](b, n2, "back")
	in, out := receiver[int64](b, n2, "there"), receiver[int64](b, n1, "back")
	for _, s := range []*netchan.Sender[int64]{there, back} {
		if err := s.WaitReceivers(testContext(b), 1); err != nil {
			b.Fatal(err)
		}
	}
	go func() {
		for v := range in.C {
			back.C <- v
		}
	}()
	b.Run("netchan", func(b *testing.B) {
		b.ReportAllocs()
		for i := range int64(b.N) {
			there.C <- i
			<-out.C
		}
	})
	b.Run("native", func(b *testing.B) {
		there, back := make(chan int64), make(chan int64)
		go func() {
			for v := range there {
				back <- v
			}
		}()
		b.ReportAllocs()
		for i := range int64(b.N) {
			there <- i
			<-back
		}
		close(there)
	})
}
