package peer

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"
)

// insider is a peer that holds the key and speaks the protocol by hand.
type insider struct {
	t     testing.TB
	node  ed25519.PrivateKey
	id    NodeID
	trust *trust
	n     uint64
}

// newInsider makes one whose ID is lower or higher than that of h.
func newInsider(t testing.TB, h *Host, lower bool) *insider {
	t.Helper()
	for {
		pub, node, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		in := &insider{t: t, node: node, id: nodeIDOf(pub)}
		if (in.id.Compare(h.id) < 0) != lower {
			continue
		}
		if in.trust, err = newTrust(node, h.cfg.Key, nil, nil); err != nil {
			t.Fatal(err)
		}
		return in
	}
}

// line is one connection of an insider.
type line struct {
	*tls.Conn
	in *insider
	r  *bufio.Reader
}

func (in *insider) dial(h *Host) *line {
	in.t.Helper()
	raw, err := net.Dial("tcp", h.Addr())
	if err != nil {
		in.t.Fatal(err)
	}
	_ = raw.SetDeadline(time.Now().Add(patience))
	c := tls.Client(raw, in.trust.links)
	if err := c.Handshake(); err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = raw.Close() })
	return &line{Conn: c, in: in, r: bufio.NewReader(c)}
}

func (l *line) put(b []byte) {
	l.in.t.Helper()
	if _, err := l.Write(b); err != nil {
		l.in.t.Logf("writing: %v", err)
	}
}

func (l *line) hello(change ...func(*hello)) {
	l.in.n++
	h := hello{node: l.in.id, number: l.in.n, maxRecord: maxRecord, name: "insider"}
	for _, c := range change {
		c(&h)
	}
	l.put(h.append(nil))
}

func (l *line) wantHello() hello {
	l.in.t.Helper()
	h, err := readHello(l.r)
	if err != nil {
		l.in.t.Fatal(err)
	}
	return h
}

func (l *line) wantAnswer(kind answerKind) answer {
	l.in.t.Helper()
	a, err := readAnswer(l.r)
	if err != nil || a.kind != kind {
		l.in.t.Fatalf("answer %+v, %v, want %d", a, err, kind)
	}
	return a
}

func (l *line) answer(a answer) { l.put(a.encode()) }

// link does a whole handshake and returns its ID.
func (l *line) link(h *Host, change ...func(*hello)) linkID {
	l.in.t.Helper()
	l.hello(change...)
	l.wantHello()
	if l.in.id.Compare(h.id) > 0 {
		a := l.wantAnswer(answerNew)
		l.answer(answer{kind: answerNew, link: a.link, number: l.in.n})
		return a.link
	}
	l.in.n++
	id := newLinkID()
	l.answer(answer{kind: answerNew, link: id, number: l.in.n})
	l.wantAnswer(answerNew)
	return id
}

func (l *line) record(r record, payload string) {
	head := make([]byte, recordHead)
	r.put(head)
	l.put(append(head, payload...))
}

// wantClosed reads to the end of the connection, within what the test's patience
// allows.
func (l *line) wantClosed() {
	l.in.t.Helper()
	if _, err := io.Copy(io.Discard, l.r); isTimeout(err) {
		l.in.t.Errorf("not closed: %v", err)
	}
}

// deafLink is a link that reads from r and writes nowhere, and does not come back.
func deafLink(r io.Reader) *Link {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Host{log: slog.New(slog.DiscardHandler), clock: newClock(), ctx: ctx, cancel: cancel, closed: true, neighbours: map[NodeID]*neighbour{}}
	h.cfg, _ = Config{}.withDefaults()
	a, b := net.Pipe()
	_ = b.Close()
	w := newWire(a, h.clock, &h.buffers)
	w.known.Store(true)
	c := h.carrier(&dialled{wire: w, trust: new(trust), proven: proven{id: NodeID{1}}}, "")
	c.in = bufio.NewReaderSize(r, linkBuffer)
	return newLink(h, c, linkID{1}, 1, &hello{maxRecord: maxRecord})
}
