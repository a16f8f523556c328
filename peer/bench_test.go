package peer

import (
	"fmt"
	"io"
	"testing"
)

func BenchmarkLink(b *testing.B) {
	for _, size := range []int{32, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("12+%d", size), func(b *testing.B) {
			out, in := testPair(b)
			drain(b, out)
			total := int64(b.N) * int64(12+size)
			read := make(chan error, 1)
			go func() {
				_, err := io.CopyN(io.Discard, readerOnly{in}, total)
				read <- err
				_, _ = io.Copy(io.Discard, readerOnly{in})
			}()
			head, body := make([]byte, 12), make([]byte, size)
			b.SetBytes(int64(12 + size))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N { // not Loop: the reader must know the number beforehand
				if err := out.WriteFrame(head, body, false); err != nil {
					b.Fatal(err)
				}
			}
			if err := <-read; err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(max(1, out.Stats().Flushes)), "frames/flush")
			_ = in.Close()
		})
	}
}

// BenchmarkLinkRoundTrip sends one small frame there and back.
func BenchmarkLinkRoundTrip(b *testing.B) {
	near, far := testPair(b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 44)
		for {
			if _, err := io.ReadFull(far, buf); err != nil {
				return
			}
			if far.WriteFrame(buf[:12], buf[12:], false) != nil {
				return
			}
		}
	}()
	buf := make([]byte, 44)
	b.ReportAllocs()
	for b.Loop() {
		if err := near.WriteFrame(buf[:12], buf[12:], false); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(near, buf); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	_ = near.Close()
	<-done
}
