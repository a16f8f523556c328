package chanref

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// BenchmarkOneReceiver is one source and one sink over a session in memory.
func BenchmarkOneReceiver(b *testing.B) {
	for _, buffer := range []int{0, 64, 1024, 16384} {
		b.Run(fmt.Sprintf("buffer=%d", buffer), func(b *testing.B) {
			w := newWorld(b)
			c, src := sourceIn[int64](w, buffer)
			d, sink := sinkIn[int64](w, buffer)
			connect(b, src, w.link("b"), sink)
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for i := range int64(b.N) {
					c <- i
				}
			}()
			for i := range int64(b.N) {
				if v := <-d; v != i {
					b.Fatalf("got %d, want %d", v, i)
				}
			}
		})
	}
}

// BenchmarkReceivers is one source whose values go to one of many sinks each.
func BenchmarkReceivers(b *testing.B) { benchmarkReceivers(b, false) }

// BenchmarkBroadcast gives each value to all; one operation is one value sent.
func BenchmarkBroadcast(b *testing.B) { benchmarkReceivers(b, true) }

func benchmarkReceivers(b *testing.B, broadcast bool) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("receivers=%d", n), func(b *testing.B) {
			w := newWorld(b)
			link := w.link("b")
			before := inUse()
			into := make(chan int64, 1024) // what the sinks' programs have taken
			c, src := sourceIn[int64](w, 64, func(c *SourceConfig) { c.Broadcast = broadcast })
			for range n {
				d := make(chan int64, 16)
				sink := NewSink(w.table, d, writer[int64](b), SinkConfig{ID: newID(), Name: "jobs", Logger: slog.New(w.log)})
				src.Connect(link, to(sink), "b")
				go func() {
					for v := range d {
						into <- v
					}
				}()
			}
			if err := src.WaitReceivers(testContext(b), n); err != nil {
				b.Fatal(err)
			}
			each := 1
			if broadcast {
				each = n
			}
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for i := range int64(b.N) {
					c <- i
				}
			}()
			for range b.N * each {
				<-into
			}
			b.StopTimer()
			b.ReportMetric(float64(int64(inUse())-int64(before))/float64(n), "B/receiver")
			runtime.KeepAlive(src)
		})
	}
}

// inUse is what is in use, garbage aside, and the stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkConnectMany connects a source to many sinks, asks for each again, as the matcher does
// with each change in the mesh, and closes the channel, which all are told.
func BenchmarkConnectMany(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 4000} {
		b.Run(fmt.Sprintf("receivers=%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b)
				link := w.link("b")
				c, src := sourceIn[int64](w, 0, func(c *SourceConfig) { c.Knows = true })
				known := make(map[mux.Target]string)
				for range n {
					_, sink := sinkIn[int64](w, 0)
					known[to(sink)] = "b"
				}
				b.StartTimer()
				for range 10 {
					for t := range known {
						src.Connect(link, t, "b")
					}
					src.Know(known)
				}
				if err := src.WaitReceivers(testContext(b), n); err != nil {
					b.Fatal(err)
				}
				close(c)
				<-src.Done()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/receiver")
		})
	}
}
