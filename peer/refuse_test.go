package peer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func shortHandshake(c *Config) { c.tune.handshake = 300 * time.Millisecond }

// Whatever a stranger sends, the connection is closed within the limit, all it
// gets to see is a TLS alert, and other links go on.
func TestStrangersAreRefused(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 10)
	h := testHost(t, key, shortHandshake, collect(links))
	friend := testHost(t, key)
	good, err := friend.Link(testCtx(t), h.Addr(), h.ID())
	if err != nil {
		t.Fatal(err)
	}
	drain(t, good)
	drain(t, receive(t, links))
	random := make([]byte, 4000)
	rand.Read(random)
	for name, sent := range map[string]string{
		"nothing":     "",
		"http":        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"plain hello": helloMagic + strings.Repeat("\x00", 200),
		"random":      string(random),
		"tls start":   "\x16\x03\x01\x40\x00\x01",
		"tls huge":    "\x16\x03\x01\xff\xff" + strings.Repeat("A", 70000),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", h.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = io.WriteString(c, sent)
			got, err := io.ReadAll(c)
			if isTimeout(err) {
				t.Error("not closed")
			}
			if len(got) > 7 || (len(got) > 0 && got[0] != 21) {
				t.Errorf("told %q", got)
			}
		})
	}
	if good.Err() != nil || len(links) != 0 {
		t.Error("other links were touched")
	}
}

// A TLS client without a certificate, or with one of its own making, gets
// nothing but the refusal.
func TestTLSStrangers(t *testing.T) {
	h := testHost(t, GenerateKey(), shortHandshake)
	other, err := newTrust(testHost(t, GenerateKey()).node, GenerateKey(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	anonymous := other.links.Clone()
	anonymous.Certificates = nil
	stranger := other.links.Clone()
	for _, c := range []*tls.Config{anonymous, stranger} {
		c.VerifyConnection = nil
	}
	noALPN := stranger.Clone()
	noALPN.NextProtos = nil
	old := stranger.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, cfg := range map[string]*tls.Config{"anonymous": anonymous, "stranger": stranger, "no alpn": noALPN, "old": old} {
		c, err := tls.Dial("tcp", h.Addr(), cfg)
		if err != nil {
			continue
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, helloMagic)
		b, err := io.ReadAll(c)
		if len(b) != 0 || err == nil || isTimeout(err) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		_ = c.Close()
	}
}

// A member that shows the agreed certificate but asks for no protocol of ours.
func TestUnknownProtocol(t *testing.T) {
	h := testHost(t, GenerateKey())
	in := newInsider(t, h, true)
	cfg := in.trust.links.Clone()
	cfg.NextProtos = nil
	c, err := tls.Dial("tcp", h.Addr(), cfg)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(c); len(b) != 0 || isTimeout(err) {
		t.Errorf("%q, %v", b, err)
	}
}

// Keys that do not match are told to who dials, whichever side refuses: the
// dialler at once, the listener only after TLS is done on the dialling side.
func TestKeyMismatch(t *testing.T) {
	k1, k2 := GenerateKey(), GenerateKey()
	wide := func(c *Config) { c.AcceptKeys = []Key{k2} }
	for _, c := range []struct {
		name   string
		dial   *Host
		listen *Host
	}{
		{"both refuse", testHost(t, k1), testHost(t, k2)},
		{"the dialler refuses", testHost(t, k1), testHost(t, k2, func(c *Config) { c.AcceptKeys = []Key{k1} })},
		{"the listener refuses", testHost(t, k1, wide), testHost(t, k2)},
	} {
		for range 20 { // the late refusal must not get lost when the connection is reset
			ctx := testCtx(t)
			if _, err := c.dial.Link(ctx, c.listen.Addr(), c.listen.ID()); !errors.Is(err, ErrKeyMismatch) {
				t.Fatalf("%s: Link: %v", c.name, err)
			}
			if _, _, err := c.dial.DialGossip(ctx, c.listen.Addr()); !errors.Is(err, ErrKeyMismatch) {
				t.Fatalf("%s: DialGossip: %v", c.name, err)
			}
		}
		if len(c.dial.Links())+len(c.listen.Links()) != 0 {
			t.Errorf("%s: a link was made", c.name)
		}
	}
	// Each accepts the other's key: fine, in both directions.
	a, b := testHost(t, k1, wide), testHost(t, k2, func(c *Config) { c.AcceptKeys = []Key{k1} })
	if _, err := a.Link(testCtx(t), b.Addr(), b.ID()); err != nil {
		t.Error(err)
	}
}

// Who dials something else than a host gets a typed error within the limit.
func TestDiallingStrangers(t *testing.T) {
	h := testHost(t, GenerateKey(), shortHandshake)
	for name, serve := range map[string]func(net.Conn){
		"silent": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"http":   func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"closes": func(net.Conn) {},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serve(c)
				_ = c.Close()
			}
		}()
		_, lerr := h.Link(testCtx(t), l.Addr().String(), NodeID{})
		_, _, gerr := h.DialGossip(testCtx(t), l.Addr().String())
		perr := h.Probe(testCtx(t), l.Addr().String(), NodeID{})
		for _, err := range []error{lerr, gerr, perr} {
			var he *HandshakeError
			if !errors.As(err, &he) || he.Addr != l.Addr().String() {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if he.Timeout() != (name == "silent") {
				t.Errorf("%s: Timeout is %v: %v", name, he.Timeout(), err)
			}
		}
		_ = l.Close()
		receive(t, served)
		// Nobody listens any more.
		var op *net.OpError
		if _, err := h.Link(testCtx(t), l.Addr().String(), NodeID{}); !errors.As(err, &op) {
			t.Errorf("%s: refused: %v", name, err)
		}
	}
}

// While all places for handshakes are taken by those who do not dawdle, others wait;
// they are let in when there is room, and nobody is refused.
func TestHalfOpenConnectionsQueue(t *testing.T) {
	key := GenerateKey()
	h := testHost(t, key, func(c *Config) { c.tune.halfOpen = 1 })
	silent, err := net.Dial("tcp", h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	_, _ = silent.Write(append([]byte{22, 3, 1, 0x40, 0}, make([]byte, helloBytes)...)) // most of it is to come
	// This one would be closed at once if it were accepted.
	next, err := net.Dial("tcp", h.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = next.Close() }()
	_, _ = io.WriteString(next, "GET / HTTP/1.1\r\n\r\n")
	_ = next.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := next.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("accepted beyond the bound: %v", err)
	}
	friend := testHost(t, key)
	result := make(chan error, 1)
	go func() {
		_, err := friend.Link(testCtx(t), h.Addr(), h.ID())
		result <- err
	}()
	_ = silent.Close()
	if err := receive(t, result); err != nil {
		t.Error(err)
	}
}

func TestFiftyNodesBehindOneAddress(t *testing.T) {
	key := GenerateKey()
	var readers sync.WaitGroup
	h := testHost(t, key, func(c *Config) {
		c.tune.halfOpen = 3
		c.OnLink = func(l *Link) { readers.Go(func() { _, _ = io.Copy(io.Discard, readerOnly{l}) }) }
	})
	defer readers.Wait()
	defer func() { _ = h.Close() }()
	n := 50
	if raceEnabled {
		n = 20
	}
	errs := make(chan error, n)
	for range n {
		friend := testHost(t, key, func(c *Config) { c.Listen, c.tune.handshake = "", patience })
		go func() {
			_, err := friend.Link(testCtx(t), h.Addr(), h.ID())
			errs <- err
		}()
	}
	for range n {
		if err := receive(t, errs); err != nil {
			t.Error(err)
		}
	}
}

// One who holds the key can be many nodes: there are no more links than there may be, those that are
// there go on, and there is room again when one has ended.
func TestLinksAreBounded(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 4)
	h := testHost(t, key, collect(links), func(c *Config) { c.tune.links = 2 })
	var mine *Link
	for range 2 {
		l := newInsider(t, h, true).dial(h)
		l.link(h)
		mine = receive(t, links)
		drain(t, mine)
	}
	more := testHost(t, key)
	if l, err := more.Link(testCtx(t), h.Addr(), h.ID()); err == nil {
		drain(t, l)
		receive(t, l.Done()) // it had the lower ID, and could not know yet
	}
	if _, err := h.Link(testCtx(t), more.Addr(), more.ID()); !errors.Is(err, errManyLinks) {
		t.Errorf("one more: %v", err)
	}
	if n := len(h.Links()); n != 2 || mine.Err() != nil {
		t.Errorf("%d links; %v", n, mine.Err())
	}
	_ = mine.Close()
	if _, err := h.Link(testCtx(t), more.Addr(), more.ID()); err != nil {
		t.Errorf("when one has ended: %v", err)
	}
}

func TestWrongNodeAndSelf(t *testing.T) {
	key := GenerateKey()
	a, b, c := testHost(t, key), testHost(t, key), testHost(t, key)
	ctx := testCtx(t)
	var wrong *WrongNodeError
	if _, err := a.Link(ctx, b.Addr(), c.ID()); !errors.As(err, &wrong) || wrong.Want != c.ID() || wrong.Got != b.ID() {
		t.Errorf("Link: %v", err)
	}
	if err := a.Probe(ctx, b.Addr(), c.ID()); !errors.As(err, &wrong) {
		t.Errorf("Probe: %v", err)
	}
	if err := a.Probe(ctx, b.Addr(), b.ID()); err != nil {
		t.Errorf("Probe: %v", err)
	}
	if _, err := a.Link(ctx, a.Addr(), NodeID{}); !errors.Is(err, ErrSelf) {
		t.Errorf("own address: %v", err)
	}
	if _, err := a.Link(ctx, b.Addr(), a.ID()); !errors.Is(err, ErrSelf) {
		t.Errorf("own ID: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.Link(ended, b.Addr(), b.ID()); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	// Whoever answers: found to be linked already, under any address.
	l, err := a.Link(ctx, b.Addr(), NodeID{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.Link(ctx, b.Addr(), NodeID{})
	if err != nil || again != l {
		t.Errorf("another link: %v", err)
	}
	if again, err := a.Link(ctx, "nowhere:1", b.ID()); err != nil || again != l {
		t.Errorf("another link: %v", err)
	}
	if back, err := b.Link(ctx, "", a.ID()); err != nil || back.Remote().ID != a.ID() {
		t.Errorf("back: %v", err)
	}
	if _, err := a.Link(ctx, "no port", NodeID{}); err == nil {
		t.Error("a bad address was taken")
	}
}
