package faultproxy

import (
	"io"
	"net"
	"testing"
)

// What the proxy costs while it does no harm: through it, and without it.
func BenchmarkThroughput(b *testing.B) {
	const chunk = 128 << 10
	p := start(b)
	for name, addr := range map[string]string{"proxy": p.Addr(), "direct": p.listener.Addr().String()} {
		b.Run(name, func(b *testing.B) {
			conn, err := net.Dial("tcp", addr)
			dialer := keep(b, conn, err)
			conn, err = p.listener.Accept()
			target := keep(b, conn, err)
			b.SetBytes(chunk)
			go func() {
				buf := make([]byte, chunk)
				for range b.N {
					dialer.Write(buf)
				}
				dialer.CloseWrite()
			}()
			io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{target}, make([]byte, chunk))
		})
	}
}
