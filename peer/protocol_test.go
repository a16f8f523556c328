package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A member that breaks the rules in the handshake is put out; no link comes of it.
func TestBadHandshakes(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), shortHandshake, collect(links))
	for name, f := range map[string]func(l *line){
		"says nothing": func(l *line) {},
		"other magic":  func(l *line) { l.put([]byte(strings.Repeat("X", 300))) },
		"other node": func(l *line) {
			l.hello(func(h *hello) { h.node[0]++ })
			l.goOn(h)
		},
		"our node":         func(l *line) { l.hello(func(o *hello) { o.node = h.id }) },
		"half a hello":     func(l *line) { l.put([]byte(helloMagic + "\x01\x00")) },
		"no confirmation":  func(l *line) { l.hello() },
		"bad confirmation": func(l *line) { l.hello(); l.answer(answer{kind: 77}) },
		"other link": func(l *line) {
			l.hello()
			if l.in.id.Compare(h.id) > 0 { // from the lower ID it would be a new link
				l.answer(answer{kind: answerNew, link: linkID{9}, number: 1})
			}
		},
		"always gone": func(l *line) {
			held := func(h *hello) { h.held = linkID{9} }
			l.hello(held)
			l.hello(held)
		},
		"resumes": func(l *line) { l.hello(); l.answer(answer{kind: answerResume, link: linkID{9}}) },
		"gone, twice": func(l *line) {
			l.hello()
			l.answer(answer{kind: answerGone, link: linkID{9}})
			l.answer(answer{kind: answerGone, link: linkID{9}})
		},
	} {
		for _, lower := range []bool{true, false} {
			in := newInsider(t, h, lower)
			l := in.dial(h)
			f(l)
			l.wantClosed()
			_ = l.Close()
			t.Logf("%s, lower %v: closed", name, lower)
		}
	}
	if len(links) != 0 {
		t.Error("a link was made")
	}
	_ = h.Close()
	if len(h.neighbours) != 0 {
		t.Error("a node is remembered for nothing")
	}
}

// goOn does what is left of a handshake after HELLO, if the host lets it.
func (l *line) goOn(h *Host) {
	if _, err := readHello(l.r); err != nil {
		return // put out already
	}
	if l.in.id.Compare(h.id) < 0 {
		l.answer(answer{kind: answerNew, link: linkID{9}, number: 9})
	} else if a, err := readAnswer(l.r); err == nil {
		l.answer(answer{kind: answerNew, link: a.link, number: 9})
	}
}

// A member that breaks the rules on a link ends it, with a reason.
func TestBadRecords(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	data := record{kind: recordData, length: 5}
	bad := map[string]func(l *line){
		"gap":             func(l *line) { l.record(record{kind: recordData, length: 5, start: 1}, "hello") },
		"repeated":        func(l *line) { l.record(data, "hello"); l.record(data, "hello") },
		"ack out of turn": func(l *line) { l.record(record{kind: recordAck, start: 4}, "") },
		"unknown type":    func(l *line) { l.record(record{kind: 9, length: 5}, "hello") },
		"empty":           func(l *line) { l.record(record{kind: recordData}, "") },
		"huge":            func(l *line) { l.record(record{kind: recordData, length: 1<<32 - 1}, "hello") },
		"acks the future": func(l *line) { l.record(record{kind: recordAck, received: 1}, "") },
		"bye too early":   func(l *line) { l.record(record{kind: recordBye, start: 1}, "") },
	}
	for name, f := range bad {
		in := newInsider(t, h, name < "f")
		l := in.dial(h)
		l.link(h)
		mine := receive(t, links)
		f(l)
		_, err := io.Copy(io.Discard, readerOnly{mine})
		if !errors.Is(err, ErrPeerLost) || errors.Is(err, io.EOF) || isTimeout(err) {
			t.Errorf("%s: %v", name, err)
		}
		receive(t, mine.Done())
		l.wantClosed()
	}
}

// A connection that ends without a goodbye is one that broke: the link is waited
// for, for as long as the peer allows, then it ends by time-out.
func TestBrokenConnections(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.tune.higher = time.Millisecond })
	for name, f := range map[string]func(l *line){
		"ends":           func(l *line) { _ = l.CloseWrite() },
		"ends in a head": func(l *line) { l.put(make([]byte, 3)); _ = l.CloseWrite() },
		"ends in a body": func(l *line) { l.record(record{kind: recordData, length: 5}, "hel"); _ = l.CloseWrite() },
		"not TLS":        func(l *line) { _, _ = io.WriteString(l.NetConn(), strings.Repeat("x", 100)) },
		"reset":          func(l *line) { _ = l.NetConn().(*net.TCPConn).SetLinger(0); _ = l.NetConn().Close() },
	} {
		l := newInsider(t, h, name == "ends").dial(h)
		l.link(h, func(h *hello) { h.resume = 20 * time.Millisecond })
		mine := receive(t, links)
		f(l)
		b, err := io.ReadAll(readerOnly{mine})
		var late *ResumeError
		if !errors.Is(err, ErrPeerLost) || !errors.As(err, &late) || !isTimeout(err) || len(b) > 3 {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if s := mine.Stats(); s.Breaks != 1 || s.Broken {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// Where the peer is known to leave, a connection that breaks is the end, and so is one
// that was broken before: nobody dials.
func TestPart(t *testing.T) {
	for _, before := range []bool{true, false} {
		a, b := testPair(t)
		drain(t, b)
		if !before {
			a.Part()
			if err := a.WriteFrame([]byte("head"), []byte("body"), false); err != nil {
				t.Fatal("it is used no more:", err)
			}
		}
		drain(t, a)
		_ = a.current().wire.Close()
		if before {
			until(t, func() bool { return a.Stats().Breaks > 0 })
			a.Part()
			if c := a.current(); c != nil { // it was back already
				_ = c.wire.Close()
			}
		}
		receive(t, a.Done())
		who := (*LostError)(nil)
		if err := a.Err(); !errors.As(err, &who) || who.Node != a.Remote() || !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if s := a.Stats(); !before && s.Breaks > 0 {
			t.Errorf("%+v", s)
		}
		receive(t, b.Done()) // it hears so when it dials
	}
}

// A host that is leaving makes no link, and keeps those that it has.
func TestLeave(t *testing.T) {
	a, b := testPair(t)
	drain(t, a)
	drain(t, b)
	a.host.Leave(testCtx(t))
	other := testHost(t, a.host.cfg.Key)
	if l, err := other.Link(testCtx(t), a.host.Addr(), a.host.ID()); err == nil {
		t.Errorf("a link was made: %+v", l.Remote())
	}
	if l, err := a.host.Link(testCtx(t), other.Addr(), other.ID()); err == nil {
		t.Errorf("a link was dialled: %+v", l.Remote())
	}
	_ = a.current().wire.Close()
	until(t, func() bool { return a.Stats().Breaks > 0 && !a.Broken() })
	if b.Err() != nil {
		t.Error(b.Err())
	}
}

// A member that begins one handshake after the other does not keep a host from leaving.
func TestLeaveAmongHandshakes(t *testing.T) {
	h := testHost(t, GenerateKey(), shortHandshake)
	h.carrier(&dialled{proven: proven{id: NodeID{1}}}, "") // there is always one
	left := make(chan struct{})
	go func() { h.Leave(context.Background()); close(left) }()
	receive(t, left)
}

// The peer's goodbye is told as io.EOF within ErrPeerLost, after its data.
func TestPeerEndsLink(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	l := newInsider(t, h, false).dial(h)
	l.link(h)
	mine := receive(t, links)
	l.record(record{kind: recordData, length: 5}, "hello")
	l.record(record{kind: recordBye, start: 5}, "")
	b, err := io.ReadAll(readerOnly{mine})
	if string(b) != "hello" || !errors.Is(err, ErrPeerLost) || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", b, err)
	}
}

// A link that ends when it is back and nothing has been sent again says goodbye where
// the peer stands.
func TestGoodbyeBeforeTheFirstRecord(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.tune.heartbeat = time.Hour })
	l := newInsider(t, h, false).dial(h)
	l.link(h)
	mine := receive(t, links)
	if err := mine.WriteFrame(nil, []byte("hello"), false); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(l.r, make([]byte, recordHead+5)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { mine.mu.Lock(); defer mine.mu.Unlock(); return mine.out.written == 5 })
	mine.mu.Lock()
	mine.rewind = true // as attach does for a peer that has heard nothing
	mine.mu.Unlock()
	go mine.Close() //nolint:errcheck // always nil
	b := make([]byte, recordHead)
	if _, err := io.ReadFull(l.r, b); err != nil {
		t.Fatal(err)
	}
	if r, err := parseRecord(b); err != nil || r.kind != recordBye || r.start != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A peer that holds a link which is not here is told so, and gets a new one over
// the same connection.
func TestGone(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	in := newInsider(t, h, false)
	l := in.dial(h)
	l.hello(func(h *hello) { h.held = linkID{9} })
	if got := l.wantHello(); got.held != (linkID{}) || got.offered == (linkID{}) || got.node != h.id {
		t.Errorf("%+v", got)
	}
	if a := l.wantAnswer(answerGone); a.link != (linkID{9}) {
		t.Errorf("%+v", a)
	}
	l.hello()
	a := l.wantAnswer(answerNew)
	l.answer(answer{kind: answerNew, link: a.link, number: in.n})
	if mine := receive(t, links); mine.Remote().ID != in.id || mine.Remote().Name != "insider" {
		t.Errorf("%+v", mine.Remote())
	}
}

// A host with the higher ID believes a peer that says the link is gone.
func TestGoneAtTheHigherID(t *testing.T) {
	links := make(chan *Link, 2)
	h := testHost(t, GenerateKey(), collect(links))
	in := newInsider(t, h, true)
	id := in.dial(h).link(h)
	old := receive(t, links)
	l := in.dial(h)
	l.hello()
	if got := l.wantHello(); got.held != id || got.offered != (linkID{}) {
		t.Errorf("%+v", got)
	}
	l.answer(answer{kind: answerGone, link: id})
	receive(t, old.Done())
	if got := l.wantHello(); got.held != (linkID{}) {
		t.Errorf("%+v", got)
	}
	in.n++
	l.answer(answer{kind: answerNew, link: linkID{7}, number: in.n})
	l.wantAnswer(answerNew)
	if next := receive(t, links); next == old || next.Err() != nil {
		t.Error("no new link")
	}
}

// A new link takes the place of one that the peer has given up without a word.
func TestPeerForgotTheLink(t *testing.T) {
	for _, lower := range []bool{true, false} {
		links := make(chan *Link, 2)
		h := testHost(t, GenerateKey(), collect(links))
		in := newInsider(t, h, lower)
		in.dial(h).link(h)
		old := receive(t, links)
		in.dial(h).link(h)
		next := receive(t, links)
		receive(t, next.ready) // it is listed from here on
		receive(t, old.Done())
		if err := old.Err(); !errors.Is(err, ErrPeerLost) {
			t.Error(err)
		}
		if all := h.Links(); len(all) != 1 || all[0] != next || next.Err() != nil {
			t.Errorf("%d links", len(all))
		}
	}
}

// What has been received is acknowledged at each quarter of a megabyte, also when
// nothing else is written and no heartbeat is due.
func TestReceivedIsAcknowledged(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.tune.heartbeat = time.Hour })
	l := newInsider(t, h, true).dial(h)
	l.link(h)
	drain(t, receive(t, links))
	const part = 64 << 10
	for i := range 9 {
		l.record(record{kind: recordData, length: part, start: uint64(i * part)}, strings.Repeat("x", part))
		if i != 3 && i != 7 {
			continue
		}
		head := make([]byte, recordHead)
		if _, err := io.ReadFull(l.r, head); err != nil {
			t.Fatal(err)
		}
		if r, err := parseRecord(head); err != nil || r.kind != recordAck || r.received != uint64(i+1)*part {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}

// Quiet links say that they are there; silent ones break.
func TestHeartbeatAndSilence(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) {
		c.tune.heartbeat, c.tune.silence, c.tune.higher = 30*time.Millisecond, time.Second, time.Millisecond
	})
	l := newInsider(t, h, true).dial(h)
	l.link(h)
	mine := receive(t, links)
	drain(t, mine)
	// While we answer each heartbeat the link lives, far beyond its limit.
	for range 40 {
		head := make([]byte, recordHead)
		if _, err := io.ReadFull(l.r, head); err != nil {
			t.Fatal(err)
		}
		if r, err := parseRecord(head); err != nil || r.kind != recordAck || r.start != 0 || r.received != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		l.record(record{kind: recordAck}, "")
	}
	if mine.Err() != nil {
		t.Fatal(mine.Err())
	}
	// Then we say nothing more, though we go on reading.
	l.wantClosed()
	receive(t, mine.Done())
	if err := mine.Err(); mine.Stats().Breaks != 1 || !isTimeout(err) {
		t.Errorf("%+v, %v", mine.Stats(), err)
	}
}

// Any bytes are a sign of life, also part of a record.
func TestSilenceCountsRawBytes(t *testing.T) {
	w := newWire(nil, newClock(), nil)
	if w.silent(time.Hour) != 0 {
		t.Error("silent while nobody reads")
	}
	a, b := net.Pipe()
	w.Conn = a
	read := make(chan struct{})
	go func() { _, _ = w.Read(make([]byte, 1)); close(read) }()
	for !w.waiting.Load() {
	}
	if s := w.silent(w.clock.now() + time.Hour); s < time.Hour {
		t.Errorf("silent for %v", s)
	}
	w.restart(2 * time.Hour)
	if s := w.silent(2*time.Hour + 5); s != 5 {
		t.Errorf("silent for %v after a new start", s)
	}
	_, _ = b.Write([]byte{1})
	receive(t, read)
	if w.silent(time.Hour) != 0 {
		t.Error("silent while nobody reads")
	}
	_, _ = a.Close(), b.Close()
}

func TestJudge(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		silent, quiet time.Duration
		want          verdict
	}{
		{0, 0, verdict{next: 1000 * ms}},
		{0, 900 * ms, verdict{next: 100 * ms}},
		{0, 1000 * ms, verdict{beat: true, next: 1000 * ms}},
		{2900 * ms, 0, verdict{next: 100 * ms}},
		{2900 * ms, 5000 * ms, verdict{beat: true, next: 100 * ms}},
		{3000 * ms, 0, verdict{silent: true, next: 0}},
	} {
		if got := judge(c.silent, c.quiet, 3*time.Second, time.Second); got != c.want {
			t.Errorf("judge(%v, %v) = %+v, want %+v", c.silent, c.quiet, got, c.want)
		}
	}
}
