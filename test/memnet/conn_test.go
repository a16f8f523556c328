package memnet

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestStream(t *testing.T) {
	bubble(t, func(w *world) {
		var a, b net.Conn
		w.took(2*oneWay, func() { a, b = w.connect() })
		if a.RemoteAddr() != b.LocalAddr() || a.LocalAddr().String() != b.RemoteAddr().String() || b.LocalAddr().String() != bob+":7000" {
			t.Errorf("addresses %v %v, %v %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
		if a.LocalAddr().(*net.TCPAddr).IP.String() != alice {
			t.Errorf("dialled from %v", a.LocalAddr())
		}
		w.took(0, func() { w.write(a, "hello") })
		w.took(oneWay, func() { w.read(b, "he") })
		w.took(0, func() { w.read(b, "llo") })
		w.write(b, "you")
		w.took(oneWay, func() { w.read(a, "you") })
		w.reads(a, os.ErrDeadlineExceeded)
		w.write(a, "bye")
		a.Close()
		w.read(b, "bye")
		w.reads(b, io.EOF)
		w.reads(b, io.EOF)
		w.reads(a, net.ErrClosed)
		w.writes(a, net.ErrClosed)
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		b.Close()
		if n := w.Open(); n != 0 {
			t.Errorf("%d connections open", n)
		}
	})
}

func TestCloseWrite(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.write(a, "question")
		if err := a.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		w.writes(a, syscall.EPIPE)
		w.read(b, "question")
		w.reads(b, io.EOF)
		w.write(b, "answer")
		b.Close()
		w.read(a, "answer")
		w.reads(a, io.EOF)
		a.Close()
	})
}

// A close with something unread is a reset, which loses what was written.
func TestCloseUnread(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.write(a, "not read")
		w.write(b, "lost")
		pass(soon)
		b.Close()
		w.write(a, "nobody knows yet")
		pass(oneWay)
		w.reads(a, syscall.ECONNRESET)
		w.writes(a, syscall.ECONNRESET)
		a.Close()
	})
}

// What comes for a connection that is closed is answered with a reset.
func TestWriteToClosed(t *testing.T) {
	for _, flying := range []bool{false, true} {
		bubble(t, func(w *world) {
			a, b := w.connect()
			if flying {
				w.write(a, "on its way")
				b.Close()
			} else {
				b.Close()
				w.reads(a, io.EOF)
				w.write(a, "one more")
			}
			pass(2*oneWay - 1)
			w.write(a, "not told yet")
			pass(1)
			w.writes(a, syscall.ECONNRESET)
			w.reads(a, syscall.ECONNRESET)
			a.Close()
		})
	}
}

func TestWriteBlocks(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		data := make([]byte, 3*window)
		rand.NewChaCha8([32]byte{}).Read(data)
		a.SetWriteDeadline(time.Now().Add(soon))
		w.took(soon, func() {
			if n, err := a.Write(data); n != window || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("wrote %d bytes, %v", n, err)
			}
		})
		a.SetWriteDeadline(time.Time{})
		ended := make(chan error)
		go func() { _, err := a.Write(data[window:]); ended <- err; a.Close() }()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("Write did not wait")
		default:
		}
		got := make([]byte, 2*window)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		rest, err := io.ReadAll(b)
		if got = append(got, rest...); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%v, or other bytes", err)
		}
	})
}

// Whatever ends a connection ends the calls that wait.
func TestWaitersEnd(t *testing.T) {
	cases := map[string]struct {
		end         func(w *world, a net.Conn)
		read, write error
	}{
		"close":         {func(_ *world, a net.Conn) { a.Close() }, net.ErrClosed, net.ErrClosed},
		"deadline":      {func(_ *world, a net.Conn) { a.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		"next deadline": {func(_ *world, a net.Conn) { a.SetDeadline(time.Now().Add(time.Hour)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		"cut":           {func(w *world, _ net.Conn) { w.Cut(bob, alice) }, syscall.ECONNRESET, syscall.ECONNRESET},
		"kill":          {func(w *world, _ net.Conn) { w.Kill(alice) }, syscall.ECONNRESET, syscall.ECONNRESET},
		"kill other":    {func(w *world, _ net.Conn) { w.Kill(bob) }, syscall.ECONNRESET, syscall.ECONNRESET},
		"cut after":     {func(w *world, _ net.Conn) { w.CutAfter(bob, alice, 0) }, syscall.ECONNRESET, syscall.ECONNRESET},
		"network":       {func(w *world, _ net.Conn) { w.Close() }, syscall.ECONNRESET, syscall.ECONNRESET},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				a, _ := w.connect()
				w.write(a, string(make([]byte, window)))
				a.SetDeadline(time.Now().Add(2 * time.Hour))
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() {
						if _, err := a.Read(make([]byte, 1)); !errors.Is(err, c.read) {
							t.Errorf("Read: %v", err)
						}
					})
					all.Go(func() {
						if _, err := a.Write(make([]byte, 1)); !errors.Is(err, c.write) {
							t.Errorf("Write: %v", err)
						}
					})
				}
				synctest.Wait()
				start := time.Now()
				c.end(w, a)
				all.Wait()
				if d := time.Since(start); name != "next deadline" && d > soon {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}

func TestDeadlineMoves(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		a.SetReadDeadline(time.Now().Add(time.Second))
		go func() { pass(500 * time.Millisecond); a.SetReadDeadline(time.Now().Add(time.Second)) }()
		w.took(1500*time.Millisecond, func() {
			_, err := a.Read(make([]byte, 1))
			if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
		w.write(b, "late")
		pass(soon)
		if _, err := a.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		a.SetReadDeadline(time.Time{})
		w.read(a, "late")
	})
}

// One Write's bytes stay together, whoever else writes.
func TestWritesDoNotMix(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		const size = window + window/3
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				if _, err := a.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
					t.Error(err)
				}
			})
		}
		go func() { all.Wait(); a.Close() }()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != 4*size {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		for i := 0; i < len(got); i += size {
			if part := got[i : i+size]; !bytes.Equal(part, bytes.Repeat(part[:1], size)) {
				t.Errorf("writes are mixed")
			}
		}
	})
}

// The order is kept with jitter, and nothing comes too early or late.
func TestJitter(t *testing.T) {
	bubble(t, func(w *world) {
		const base, jitter = 20 * time.Millisecond, 10 * time.Millisecond
		w.SetLatency(base, jitter)
		a, b := w.connect()
		sent := make(chan time.Time, 1000)
		go func() {
			for i := range cap(sent) {
				sent <- time.Now()
				w.write(a, string([]byte{byte(i)}))
				pass(time.Millisecond)
			}
		}()
		seen := make(map[time.Duration]bool)
		for i := range cap(sent) {
			var p [1]byte
			if _, err := b.Read(p[:]); err != nil || p[0] != byte(i) {
				t.Fatalf("byte %d: %d, %v", i, p[0], err)
			}
			d := time.Since(<-sent)
			if d < base || d > base+jitter {
				t.Errorf("took %v", d)
			}
			seen[d] = true
		}
		if len(seen) < 100 {
			t.Errorf("%d different delays", len(seen))
		}
	})
}

func TestTLS(t *testing.T) {
	bubble(t, func(w *world) {
		_, key, _ := ed25519.GenerateKey(nil)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"bob"}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(cert)
		a, b := w.connect()
		client := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "bob", MinVersion: tls.VersionTLS13})
		server := tls.Server(b, &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13,
		})
		// Both sides at once: a handshake holds a mutex while it waits, and who waits
		// for that mutex keeps the bubble's time from going on.
		handshake := make(chan error)
		go func() { handshake <- server.Handshake() }()
		if err := errors.Join(client.Handshake(), <-handshake); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{}).Read(data)
		go func() {
			if _, err := io.Copy(server, server); err != nil {
				t.Error(err)
			}
			server.Close()
		}()
		go func() {
			if _, err := client.Write(data); err != nil {
				t.Error(err)
			}
			client.CloseWrite()
		}()
		got, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		client.Close()
		synctest.Wait()
		if n := w.Open(); n != 0 {
			t.Errorf("%d connections open", n)
		}
	})
}

// Outside of a bubble it works too; this is for its speed and the race detector.
func BenchmarkStream(b *testing.B) {
	n := New(1)
	defer n.Close()
	n.SetLatency(0, 0)
	l, _, err := n.Host(bob).Listen(":7000")
	if err != nil {
		b.Fatal(err)
	}
	c, err := n.Host(alice).Dial(b.Context(), bob+":7000")
	if err != nil {
		b.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	done := make(chan error)
	go func() { _, err := io.Copy(io.Discard, d); done <- err }()
	for b.Loop() {
		if _, err := c.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
