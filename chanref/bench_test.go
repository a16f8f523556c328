package chanref

import (
	"fmt"
	"log/slog"
	"testing"
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
		})
	}
}
