package mux

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// benchFeedback sends its batch again as soon as it comes back, until all are through.
type benchFeedback struct {
	out   *Out
	left  int
	start sync.Mutex // until out is set
}

func (f *benchFeedback) Accepted(Accept) {}
func (f *benchFeedback) Refused(Refuse)  {}
func (f *benchFeedback) Acked(Ack)       {}
func (f *benchFeedback) Stopped(Stop)    {}
func (f *benchFeedback) Lost(error)      {}
func (f *benchFeedback) Written(b *Batch) {
	f.start.Lock()
	defer f.start.Unlock()
	if f.left--; f.left > 0 {
		f.out.Send(b)
	} else {
		f.out.Close(true)
	}
}

// BenchmarkBatches moves batches of 8-byte values, each acknowledged: of outs uses at a time,
// each with one batch of size values at a time.
func BenchmarkBatches(b *testing.B) {
	for _, kind := range []string{"pair", "yamux"} {
		for _, c := range []struct{ outs, size int }{{1, 1}, {1, 16}, {1, 1024}, {100, 16}, {1000, 16}, {1, 2048}} {
			b.Run(fmt.Sprintf("%s/outs=%d/size=%d", kind, c.outs, c.size), func(b *testing.B) {
				benchBatches(b, kind, c.outs, c.size)
			})
		}
	}
}

func benchBatches(b *testing.B, kind string, outs, size int) {
	var done sync.WaitGroup
	var received atomic.Int64
	done.Add(outs)
	h := &handler{serve: func(in *In) {
		defer done.Done()
		in.Accept(Accept{Limit: 1 << 60})
		var n uint64
		for {
			f, err := in.Next()
			if err != nil {
				break
			}
			n += uint64(f.Count)
			in.Ack(Ack{Taken: n, Limit: n + 1<<30})
		}
		received.Add(int64(n))
	}}
	var a *Session
	if kind == "pair" {
		a, _ = connectPair(b, h, Config{})
	} else {
		a, _ = connectYamux(b, h, Config{})
	}
	each := b.N/(outs*size) + 1
	b.ReportAllocs()
	b.ResetTimer()
	for range outs {
		f := &benchFeedback{left: each}
		f.start.Lock()
		f.out = a.Open(open("bench"), f)
		f.out.Send(numbers(NewBatch(ID{1}), 1, uint64(size)))
		f.start.Unlock()
	}
	done.Wait()
	b.StopTimer()
	if n := received.Load(); n != int64(each*size*outs) {
		b.Fatalf("%d values came", n)
	}
	b.ReportMetric(float64(each*size*outs)/b.Elapsed().Seconds(), "values/s")
	b.ReportMetric(0, "ns/op")
}
