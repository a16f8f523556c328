package peer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// impostor listens with certificates that are not a node's under the key, and says
// whether anybody has told it anything.
func impostor(t *testing.T, cert tls.Certificate) (addr string, heard <-chan int) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequestClientCert, NextProtos: []string{alpnLink, alpnGossip},
	})
	if err != nil {
		t.Fatal(err)
	}
	bytes, done := make(chan int, 100), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			bytes <- len(b)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), bytes
}

// Who dials an impostor tells it nothing, and gets a typed error.
func TestImpostors(t *testing.T) {
	key := GenerateKey()
	h := testHost(t, key)
	_, node, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() ed25519.PrivateKey {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	made := func(authority, node ed25519.PrivateKey) tls.Certificate {
		c, err := issue(authority, node)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	stolen := made(authorityOf(key), node)
	stolen.PrivateKey = fresh()
	ca := authorityOf(key)
	for name, test := range map[string]struct {
		cert tls.Certificate
		want error // nil: any HandshakeError
	}{
		"self-made":                        {made(node, node), ErrKeyMismatch},
		"another key's":                    {made(authorityOf(GenerateKey()), node), ErrKeyMismatch},
		"the authority itself":             {made(ca, ca), ErrKeyMismatch},
		"a company's":                      {newCompany(t).issue(spiffeA), ErrKeyMismatch},
		"a node's, without its key":        {stolen, nil},
		"a node's, and one that is not it": {tls.Certificate{Certificate: append(made(ca, node).Certificate, made(node, node).Certificate...), PrivateKey: node}, ErrKeyMismatch},
	} {
		addr, heard := impostor(t, test.cert)
		_, lerr := h.Link(testCtx(t), addr, NodeID{})
		_, _, gerr := h.DialGossip(testCtx(t), addr)
		for _, err := range []error{lerr, gerr} {
			var he *HandshakeError
			if !errors.As(err, &he) || !errors.Is(err, test.want) && test.want != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := receive(t, heard); n != 0 {
				t.Errorf("%s: was told %d bytes", name, n)
			}
		}
	}
}

// A node that speaks another version, of another form even, is told apart from one
// that speaks nonsense, by both sides.
func TestOtherVersion(t *testing.T) {
	var log lockedBuffer
	h := testHost(t, GenerateKey(), func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, n := range []int{2, helloFixed + 2, maxHello - helloHead} {
		in := newInsider(t, h, n%2 == 0)
		l := in.dial(h)
		b := append([]byte(helloMagic), 0, 0)
		binary.BigEndian.PutUint16(b[4:], uint16(n))
		b = append(b, make([]byte, n)...)
		binary.BigEndian.PutUint16(b[6:], 7)
		l.put(b)
		l.wantHello() // so the other side knows ours
		l.wantClosed()
	}
	until(t, func() bool { return h.Stats().Refused == 3 })
	if got := log.String(); !strings.Contains(got, "version 7") || !strings.Contains(got, "this one 1") {
		t.Errorf("logged: %s", got)
	}
	// And the dialling side.
	key := GenerateKey()
	a := testHost(t, key)
	_, node, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	next, err := newTrust(node, key, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", next.server)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write(append([]byte(helloMagic), 0, 2, 0, 9))
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}()
	_, err = a.Link(testCtx(t), l.Addr().String(), NodeID{})
	_ = l.Close()
	receive(t, done)
	var he *HandshakeError
	var version *VersionError
	if !errors.As(err, &he) || !errors.As(err, &version) || *version != (VersionError{Ours: helloVersion, Theirs: 9}) {
		t.Errorf("%v", err)
	}
}

// countLines counts what is logged.
type countLines struct {
	slog.Handler
	lines chan slog.Record
}

func (c countLines) Enabled(context.Context, slog.Level) bool { return true }
func (c countLines) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "turned away") {
		c.lines <- r.Clone()
	}
	return nil
}

// Many strangers are all counted, and do not fill the log.
func TestStrangersAreCounted(t *testing.T) {
	const strangers = 60
	lines := make(chan slog.Record, 2*strangers)
	key := GenerateKey()
	h := testHost(t, key, func(c *Config) { c.Logger = slog.New(countLines{slog.DiscardHandler, lines}) })
	wrong := testHost(t, GenerateKey())
	for i := range strangers {
		if i%2 == 0 {
			_, _ = wrong.Link(testCtx(t), h.Addr(), h.ID())
			continue
		}
		c, err := net.Dial("tcp", h.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
	until(t, func() bool { return h.Stats().Refused == strangers })
	began := h.clock.now() // of all that follows nothing is logged any more
	if n, most := len(lines), 2*(1+int(began/noiseEvery)); n == 0 || n > most {
		t.Errorf("%d lines in %v", n, began)
	}
	good := testHost(t, key)
	for range 100 { // each hangs up where it likes, also with something unread
		if err := good.Probe(testCtx(t), h.Addr(), h.ID()); err != nil {
			t.Fatal(err)
		}
	}
	good.Close()
	h.Close() // so that all were looked at
	if n := h.Stats().Refused; n > strangers {
		t.Errorf("%d refused", n)
	}
}
