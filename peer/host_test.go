package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestNewHostRefuses(t *testing.T) {
	key := GenerateKey()
	for name, cfg := range map[string]Config{
		"no key":       {},
		"zero accept":  {Key: key, AcceptKeys: []Key{{}}},
		"long name":    {Key: key, Name: strings.Repeat("x", 256)},
		"name":         {Key: key, Name: "a\nb"},
		"advertise":    {Key: key, Advertise: "\xff"},
		"resume":       {Key: key, ResumeTimeout: -1},
		"no port":      {Key: key, Listen: "127.0.0.1"},
		"not our host": {Key: key, Listen: "192.0.2.1:0"},
	} {
		if h, err := NewHost(cfg); err == nil {
			_ = h.Close()
			t.Errorf("%s was taken", name)
		}
	}
}

func TestOnePortForBoth(t *testing.T) {
	h := testHost(t, GenerateKey())
	if got := h.Packets().LocalAddr().String(); got != h.Addr() {
		t.Errorf("UDP on %s, TCP on %s", got, h.Addr())
	}
	if _, err := NewHost(Config{Key: GenerateKey(), Listen: h.Addr()}); err == nil {
		t.Error("the same port twice")
	}
	// TCP is free there and UDP is not: by number it fails, and leaves nothing.
	held, u := udpOnly(t)
	defer func() { _ = u.Close() }()
	for range 2 {
		if _, err := NewHost(Config{Key: GenerateKey(), Listen: held}); err == nil || !strings.Contains(err.Error(), "udp") {
			t.Errorf("got %v", err)
		}
	}
}

// udpOnly is an address that is taken for UDP, and was free for TCP a moment ago.
func udpOnly(t *testing.T) (addr string, u net.PacketConn) {
	for range listenTries {
		tcp, udp, err := machine{}.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = tcp.Close()
		again, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			_ = again.Close()
			return udp.LocalAddr().String(), udp
		}
		_ = udp.Close()
	}
	t.Fatal("no port is free for TCP")
	return "", nil
}

func TestDialOnly(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 2)
	a := testHost(t, key, func(c *Config) { c.Listen, c.Name = "", "caller" })
	b := testHost(t, key, collect(links), func(c *Config) { c.Name = "called" })
	if a.Addr() != "" || a.Packets() != nil {
		t.Error("listens")
	}
	l, err := a.Link(testCtx(t), b.Addr(), b.ID())
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Remote(); got != (Info{ID: b.ID(), Name: "called", Addr: b.Addr()}) {
		t.Errorf("%+v", got)
	}
	if got := receive(t, links).Remote(); got != (Info{ID: a.ID(), Name: "caller"}) {
		t.Errorf("%+v", got)
	}
}

func TestAdvertise(t *testing.T) {
	key := GenerateKey()
	a := testHost(t, key)
	b := testHost(t, key, func(c *Config) { c.Advertise = "b.example:1" })
	for _, c := range []struct{ set, want string }{
		{"", "b.example:1"}, {"other.example:2", "other.example:2"}, {strings.Repeat("x", 300), b.Addr()},
	} {
		if c.set != "" {
			b.SetAdvertise(c.set)
		}
		l, err := a.Link(testCtx(t), b.Addr(), b.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Remote().Addr; got != c.want {
			t.Errorf("told %q, want %q", got, c.want)
		}
		back := b.linkTo(a.ID())
		_ = l.Close()
		if back != nil {
			drain(t, back)
			receive(t, back.Done())
		}
	}
}

func TestGossipConnections(t *testing.T) {
	key := GenerateKey()
	a, b := testHost(t, key), testHost(t, key)
	type dialled struct {
		c   net.Conn
		id  NodeID
		err error
	}
	ch := make(chan dialled, 1)
	go func() {
		c, id, err := a.DialGossip(testCtx(t), b.Addr())
		ch <- dialled{c, id, err}
	}()
	in := receive(t, b.GossipConns())
	out := receive(t, ch)
	if out.err != nil || out.id != b.ID() {
		t.Fatal(out.err)
	}
	_, _ = io.WriteString(out.c, "ping")
	_ = out.c.(interface{ CloseWrite() error }).CloseWrite()
	if got, err := io.ReadAll(in); string(got) != "ping" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_, _ = io.WriteString(in, "pong")
	_ = in.Close()
	if got, err := io.ReadAll(out.c); string(got) != "pong" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_ = out.c.Close()
	if len(a.Links())+len(b.Links()) != 0 {
		t.Error("gossip made a link")
	}
}

// One that nobody takes is closed.
func TestGossipConnectionNobodyTakes(t *testing.T) {
	key := GenerateKey()
	a, b := testHost(t, key), testHost(t, key, shortHandshake)
	c, _, err := a.DialGossip(testCtx(t), b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("still open")
	}
	_ = c.Close()
}

// A key is changed in three steps. The last one closes the connections that hang
// on the old key; links with nodes that have the new one go on, others end.
func TestSetKeys(t *testing.T) {
	old, next := GenerateKey(), GenerateKey()
	links := make(chan *Link, 2)
	a, b := testHost(t, old), testHost(t, old, collect(links))
	ctx := testCtx(t)
	l, err := a.Link(ctx, b.Addr(), b.ID())
	if err != nil {
		t.Fatal(err)
	}
	back := receive(t, links)
	drain(t, l)
	drain(t, back)
	behind := testHost(t, old, func(c *Config) { c.ResumeTimeout, c.tune.higher = 2*time.Second, time.Millisecond })
	without, err := behind.Link(ctx, b.Addr(), b.ID())
	if err != nil {
		t.Fatal(err)
	}
	drain(t, without)
	lost := receive(t, links)
	drain(t, lost)
	for _, set := range []func(h *Host) error{
		func(h *Host) error { return h.SetKeys(old, next) },
		func(h *Host) error { return h.SetKeys(next, old) },
	} {
		for _, h := range []*Host{a, b} {
			if err := set(h); err != nil {
				t.Fatal(err)
			}
			if err := a.Probe(ctx, b.Addr(), b.ID()); err != nil {
				t.Fatal(err)
			}
			if err := b.Probe(ctx, a.Addr(), a.ID()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if l.Err() != nil || back.Err() != nil {
		t.Fatal("ended before its time")
	}
	if err := a.SetKeys(Key{}); err == nil {
		t.Error("no key was taken")
	}
	for _, h := range []*Host{a, b} {
		if err := h.SetKeys(next); err != nil {
			t.Fatal(err)
		}
	}
	receive(t, without.Done())
	receive(t, lost.Done())
	if err := lost.Err(); !errors.Is(err, ErrPeerLost) || !errors.Is(err, ErrKeyMismatch) {
		t.Errorf("a node that has only the old key: %v", err)
	}
	next1, _ := newTrust(a.node, next, nil, nil)
	until(t, func() bool {
		c, d := l.current(), back.current()
		return c != nil && d != nil && next1.accepts(c.who.ca) && next1.accepts(d.who.ca)
	})
	if l.Err() != nil || back.Err() != nil || l.Stats().Breaks == 0 {
		t.Errorf("%v, %v, %+v", l.Err(), back.Err(), l.Stats())
	}
	// Under the new key it stays when the keys are set once more.
	breaks := l.Stats().Breaks
	if err := a.SetKeys(next, old); err != nil || l.Stats().Breaks != breaks {
		t.Errorf("%v, %+v", err, l.Stats())
	}
	late := testHost(t, old)
	if _, err := late.Link(ctx, b.Addr(), b.ID()); !errors.Is(err, ErrKeyMismatch) {
		t.Errorf("the old key: %v", err)
	}
}

// A dropped key also counts for a handshake that is just under way.
func TestSetKeysDuringHandshake(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	l := newInsider(t, h, false).dial(h)
	l.hello()
	l.wantHello()
	a := l.wantAnswer(answerNew)
	if err := h.SetKeys(GenerateKey()); err != nil {
		t.Fatal(err)
	}
	l.answer(answer{kind: answerNew, link: a.link, number: l.in.n})
	l.wantClosed()
	if len(links) != 0 {
		t.Error("a link was made")
	}
}

// And for a link that comes back just then: it does not go on under that key.
func TestSetKeysWhileResuming(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	in := newInsider(t, h, false)
	in.dial(h).link(h, func(h *hello) { h.resume = time.Minute })
	mine := receive(t, links)
	ca := mine.current().who.ca
	if _, err := mine.detach(99); err != nil {
		t.Fatal(err)
	}
	if err := h.SetKeys(GenerateKey()); err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer b.Close()                      //nolint:errcheck // a test's
	w := newWire(a, h.clock, &h.buffers) // on which nothing ever goes through
	next := h.carrier(&dialled{wire: w, tls: tls.Client(w, h.trust.links), trust: h.trust, proven: proven{id: in.id, ca: ca}}, "")
	if err := mine.attach(next, 99, 0); err != nil {
		t.Fatal(err)
	}
	if mine.current() != nil {
		t.Error("it goes on")
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	before := goleak.IgnoreCurrent()
	key := GenerateKey()
	links := make(chan *Link, 4)
	long := func(c *Config) { c.tune.silence = time.Hour } // nothing ends by itself
	a, b := testHost(t, key, collect(links), long), testHost(t, key, collect(links), long)
	ctx := testCtx(t)
	if _, err := a.Link(ctx, b.Addr(), b.ID()); err != nil {
		t.Fatal(err)
	}
	mine, theirs := receive(t, links), receive(t, links)
	read := make(chan error, 2)
	for _, l := range []*Link{mine, theirs} {
		go func() { _, err := l.Read(make([]byte, 1)); read <- err }()
	}
	// A connection in its handshake at b, an attempt of a, a gossip connection
	// that nobody takes.
	silent, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	black, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	attempt := make(chan error, 2)
	go func() { _, err := a.Link(context.Background(), black.Addr().String(), NodeID{}); attempt <- err }()
	go func() { _, _, err := a.DialGossip(context.Background(), black.Addr().String()); attempt <- err }()
	var held []net.Conn
	for range 2 {
		c, err := black.Accept()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	gossip, _, err := a.DialGossip(ctx, b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Host{a, b} {
		for range 2 {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for range 2 {
		if err := receive(t, read); err == nil {
			t.Error("a Read outlived its host")
		}
		if err := receive(t, attempt); !errors.Is(err, ErrClosed) {
			t.Errorf("the attempt: %v", err)
		}
	}
	if _, err := a.Link(ctx, b.Addr(), b.ID()); !errors.Is(err, ErrClosed) {
		t.Errorf("Link: %v", err)
	}
	if _, _, err := a.DialGossip(ctx, b.Addr()); !errors.Is(err, ErrClosed) {
		t.Errorf("DialGossip: %v", err)
	}
	if err := a.Probe(ctx, b.Addr(), b.ID()); !errors.Is(err, ErrClosed) {
		t.Errorf("Probe: %v", err)
	}
	if err := a.SetKeys(key); !errors.Is(err, ErrClosed) {
		t.Errorf("SetKeys: %v", err)
	}
	if len(a.Links()) != 0 || len(a.neighbours) != 0 {
		t.Error("links are left")
	}
	_, _, _ = silent.Close(), black.Close(), gossip.Close()
	for _, c := range held {
		_ = c.Close()
	}
	goleak.VerifyNone(t, before)
}
