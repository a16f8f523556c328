package peer

import (
	"io"
	"testing"
	"time"
)

// patient is said by a peer that waits for a broken link.
func patient(h *hello) { h.resume = time.Minute }

// greetAgain exchanges HELLOs on another connection of a link.
func (l *line) greetAgain(id linkID) {
	l.in.t.Helper()
	l.hello(patient, func(h *hello) { h.held = id })
	if got := l.wantHello(); got.held != id {
		l.in.t.Fatalf("the host holds %x, want %x", got.held, id)
	}
}

// resume takes a link over to this connection, for a peer that has received so
// many bytes, and returns how many the host has.
func (l *line) resume(h *Host, id linkID, received uint64) (told uint64) {
	l.in.t.Helper()
	l.greetAgain(id)
	if l.in.id.Compare(h.id) > 0 {
		told = l.wantAnswer(answerResume).received
		l.answer(answer{kind: answerResume, link: id, number: l.in.n, received: received})
		return told
	}
	l.in.n++
	l.answer(answer{kind: answerResume, link: id, number: l.in.n, received: received})
	return l.wantAnswer(answerResume).received
}

func (l *line) wantRecord() record {
	l.in.t.Helper()
	head := make([]byte, recordHead)
	if _, err := io.ReadFull(l.r, head); err != nil {
		l.in.t.Fatalf("no record: %v", err)
	}
	r, err := parseRecord(head)
	if err == nil {
		_, err = io.CopyN(io.Discard, l.r, int64(r.length))
	}
	if err != nil {
		l.in.t.Fatal(err)
	}
	return r
}

func wantBytes(t *testing.T, l *Link, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(l, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v, want %q", b, err, want)
	}
}

// A peer may come with another connection while the one that it had looks whole
// from here: the link goes over to the new one, and the old one is closed. What
// comes on the new one may begin with bytes that are known; they are handed up
// once.
func TestOverlapIsCut(t *testing.T) {
	for _, lower := range []bool{true, false} {
		links := make(chan *Link, 1)
		h := testHost(t, GenerateKey(), collect(links))
		in := newInsider(t, h, lower)
		first := in.dial(h)
		id := first.link(h, patient)
		mine := receive(t, links)
		first.record(record{kind: recordData, length: 5}, "hello")
		wantBytes(t, mine, "hello")
		second := in.dial(h)
		if told := second.resume(h, id, 0); told != 5 {
			t.Fatalf("the host has %d bytes, it says", told)
		}
		if r := second.wantRecord(); r.kind != recordAck || r.received != 5 {
			t.Errorf("%+v", r)
		}
		second.record(record{kind: recordData, length: 3}, "hel")
		second.record(record{kind: recordData, start: 3, length: 4}, "lo w")
		second.record(record{kind: recordData, start: 7, length: 4}, "orld")
		wantBytes(t, mine, " world")
		first.wantClosed()
		if s := mine.Stats(); s.Received != 11 || s.Breaks != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// Bytes that are still in hand when the link is taken off their connection do not
// count: the peer was told that it must send them again.
func TestDetachedConnectionCountsNoMore(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	first := newInsider(t, h, true).dial(h)
	first.link(h, patient)
	mine := receive(t, links)
	first.record(record{kind: recordData, length: 5}, "hello")
	c, p := mine.from, make([]byte, 3)
	n, err := mine.readFrom(c, p)
	if err != nil || n != 3 {
		t.Fatal(n, err)
	}
	told, err := mine.detach(mine.number + 1)
	if err != nil {
		t.Fatal(err)
	}
	if mine.count(c, n) || mine.Stats().Received != told {
		t.Errorf("%d bytes are received, the peer was told %d", mine.Stats().Received, told)
	}
}

// A RESUME that comes late, when the link has gone over to a later connection,
// moves nothing.
func TestOldResumeMovesNothing(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links))
	in := newInsider(t, h, true)
	id := in.dial(h).link(h, patient)
	mine := receive(t, links)
	late := in.dial(h)
	late.greetAgain(id)
	number := in.n
	second := in.dial(h)
	second.resume(h, id, 0)
	second.wantRecord()
	late.answer(answer{kind: answerResume, link: id, number: number})
	if a, err := readAnswer(late.r); err == nil {
		t.Fatalf("an old RESUME was confirmed: %+v", a)
	}
	second.record(record{kind: recordData, length: 5}, "hello")
	wantBytes(t, mine, "hello")
	if s := mine.Stats(); s.Breaks != 1 {
		t.Errorf("%+v", s)
	}
}

// Whoever ends a link says so, with the last record: the peer need not wait for
// it to come back.
func TestGoodbyeIsSaid(t *testing.T) {
	for _, all := range []bool{true, false} {
		links := make(chan *Link, 1)
		h := testHost(t, GenerateKey(), collect(links))
		l := newInsider(t, h, true).dial(h)
		l.link(h, patient)
		mine := receive(t, links)
		if err := mine.WriteFrame(nil, []byte("hello"), false); err != nil {
			t.Fatal(err)
		}
		sent := uint64(l.wantRecord().length)
		closed := make(chan error)
		go func() {
			if all {
				closed <- h.Close()
			} else {
				closed <- mine.Close()
			}
		}()
		r := l.wantRecord()
		for ; r.kind != recordBye; r = l.wantRecord() {
			sent += uint64(r.length)
		}
		if r.start != sent {
			t.Errorf("%+v after %d bytes", r, sent)
		}
		_ = l.Close()
		if err := receive(t, closed); err != nil {
			t.Error(err)
		}
	}
}

// A connection that falls silent in the middle of a resume does not stand in the way
// of the next one until its time is over; what it says later counts for nothing.
func TestStalledResume(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.tune.handshake = time.Hour })
	in := newInsider(t, h, false)
	id := in.dial(h).link(h, patient)
	mine := receive(t, links)
	stalled := in.dial(h)
	stalled.greetAgain(id)
	stalled.wantAnswer(answerResume)
	next := in.dial(h)
	next.resume(h, id, 0)
	next.record(record{kind: recordData, length: 5}, "hello")
	wantBytes(t, mine, "hello")
	stalled.answer(answer{kind: answerResume, link: id, number: in.n})
	stalled.wantClosed()
	next.record(record{kind: recordData, length: 5, start: 5}, "again")
	wantBytes(t, mine, "again")
	if s := mine.Stats(); s.Broken || mine.Err() != nil {
		t.Errorf("%+v, %v", s, mine.Err())
	}
}
