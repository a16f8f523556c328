package peer

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"
)

func someHello() hello {
	h := hello{
		features: 5, node: NodeID{1, 2}, number: 7, held: linkID{3}, offered: linkID{4}, received: 1 << 40,
		resume: 30 * time.Second, maxRecord: maxRecord, name: "näme", addr: "[::1]:7946",
	}
	rand.Read(h.node[:])
	return h
}

func TestHelloRoundTrip(t *testing.T) {
	long := strings.Repeat("x", maxName)
	for _, h := range []hello{someHello(), {number: 1, maxRecord: minRecord}, {number: 1, maxRecord: minRecord, name: long, addr: long}} {
		b := h.append([]byte("before"))[6:]
		if len(b) > maxHello {
			t.Errorf("%d bytes", len(b))
		}
		r := bytes.NewReader(append(b, "after"...))
		got, err := readHello(r)
		if err != nil || got != h {
			t.Errorf("%+v, %v", got, err)
		}
		if r.Len() != 5 {
			t.Errorf("%d bytes left", r.Len())
		}
	}
}

// Every HELLO that is cut short, too long, or changed in what is checked, is
// refused.
func TestHelloRefuses(t *testing.T) {
	h := someHello()
	good := h.append(nil)
	for n := range good {
		if _, err := readHello(bytes.NewReader(good[:n])); err == nil {
			t.Fatalf("%d bytes were enough", n)
		}
		if n > helloHead {
			if _, err := parseHello(good[helloHead:n]); err == nil {
				t.Fatalf("%d bytes were enough to parse", n)
			}
		}
	}
	end := len(good)
	change := map[string]func(b []byte) []byte{
		"magic":          func(b []byte) []byte { b[0] = 'X'; return b },
		"version":        func(b []byte) []byte { b[7] = 2; return b },
		"number":         func(b []byte) []byte { clear(b[48:56]); return b },
		"record":         func(b []byte) []byte { clear(b[100:104]); return b },
		"name length":    func(b []byte) []byte { b[104]++; return b },
		"name text":      func(b []byte) []byte { b[105] = 0xff; return b },
		"name line":      func(b []byte) []byte { b[105] = '\n'; return b },
		"address length": func(b []byte) []byte { b[end-1-len(h.addr)]--; return b },
		"address text":   func(b []byte) []byte { b[end-1] = 0; return b },
		"trailing":       func(b []byte) []byte { b[5]++; return append(b, 0) },
		"length short":   func(b []byte) []byte { b[4], b[5] = 0, 3; return b },
		"length long":    func(b []byte) []byte { b[4], b[5] = 0xff, 0xff; return append(b, make([]byte, 1<<16)...) },
	}
	for name, f := range change {
		if got, err := readHello(bytes.NewReader(f(bytes.Clone(good)))); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	id := linkID{1}
	good := []answer{
		{kind: answerResume, link: id, number: 2, received: 9}, {kind: answerResume, link: id, number: 2},
		{kind: answerNew, link: id, number: 3}, {kind: answerGone, link: id}, {kind: answerStale},
	}
	for _, a := range good {
		if got, err := readAnswer(bytes.NewReader(a.encode())); err != nil || got != a {
			t.Errorf("%+v: %+v, %v", a, got, err)
		}
	}
	bad := []answer{
		{}, {kind: 5}, {kind: 255, link: id}, {kind: answerNew, link: id}, {kind: answerNew, number: 1}, {kind: answerNew, link: id, number: 1, received: 1},
		{kind: answerResume, number: 1}, {kind: answerResume, link: id, received: 1}, {kind: answerGone}, {kind: answerGone, link: id, number: 1},
		{kind: answerGone, link: id, received: 1}, {kind: answerStale, link: id}, {kind: answerStale, number: 1}, {kind: answerStale, received: 1},
	}
	for _, a := range bad {
		if _, err := readAnswer(bytes.NewReader(a.encode())); err == nil {
			t.Errorf("%+v was taken", a)
		}
	}
}

func TestRecords(t *testing.T) {
	for _, r := range []record{
		{kind: recordData, length: 1}, {kind: recordData, length: maxRecord, start: 1 << 60, received: 1 << 61}, {kind: recordAck, start: 3, received: 4}, {kind: recordBye, start: 3},
	} {
		var b [recordHead]byte
		r.put(b[:])
		if got, err := parseRecord(b[:]); err != nil || got != r {
			t.Errorf("%+v: %+v, %v", r, got, err)
		}
	}
	for _, r := range []record{{}, {kind: 4}, {kind: recordBye, length: 1}, {kind: 255, length: 1}, {kind: recordData}, {kind: recordData, length: maxRecord + 1}, {kind: recordData, length: 1<<32 - 1}, {kind: recordAck, length: 1}} {
		var b [recordHead]byte
		r.put(b[:])
		if _, err := parseRecord(b[:]); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	for n := range recordHead + 3 {
		if _, err := parseRecord(make([]byte, n)); err == nil {
			t.Errorf("%d zeros were taken", n)
		}
	}
}

func TestFollows(t *testing.T) {
	r := record{kind: recordData, start: 100, length: 10}
	for _, c := range []struct {
		next     uint64
		first    bool
		received uint64
		known    int
		ok       bool
	}{
		{100, false, 100, 0, true},
		{99, false, 100, 0, false},  // overlaps what this connection has brought
		{101, false, 101, 0, false}, //
		{0, true, 100, 0, true},
		{0, true, 99, 0, false}, // a gap
		{0, true, 104, 4, true},
		{0, true, 110, 10, true},
		{0, true, 500, 10, true},
		{100, false, 500, 10, true},
		{100, false, 99, 0, false},
	} {
		known, err := r.follows(c.next, c.first, c.received)
		if (err == nil) != c.ok || known != c.known {
			t.Errorf("%+v: %d, %v", c, known, err)
		}
	}
}

func FuzzHello(f *testing.F) {
	h := someHello()
	f.Add(h.append(nil))
	f.Add([]byte(helloMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHello(bytes.NewReader(b))
		if err != nil {
			return
		}
		if again := h.append(nil); !bytes.Equal(again, b[:len(again)]) {
			t.Errorf("%x is read as %+v, which is written %x", b, h, again)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add((&answer{kind: answerNew, link: linkID{1}, number: 4}).encode())
	f.Add((&answer{kind: answerStale}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAnswer(bytes.NewReader(b))
		if err != nil {
			return
		}
		if again := a.encode(); !bytes.Equal(again, b[:len(again)]) {
			t.Errorf("%x is read as %+v", b, a)
		}
	})
}

// FuzzRecords feeds any bytes to a link's reader: it must end with an error, and
// hand up only what lies in records that follow each other.
func FuzzRecords(f *testing.F) {
	var ok []byte
	for i, payload := range []string{"hello", "", "world"} {
		r := record{kind: recordData, length: uint32(len(payload)), start: uint64(i/2) * 5}
		if payload == "" {
			r = record{kind: recordAck, start: 5}
		}
		head := make([]byte, recordHead)
		r.put(head)
		ok = append(append(ok, head...), payload...)
	}
	f.Add(ok)
	f.Add(ok[:30])
	f.Add(bytes.Repeat([]byte{recordData}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := deafLink(bytes.NewReader(b))
		got, err := io.ReadAll(readerOnly{l})
		if err == nil {
			t.Error("no error at the end")
		}
		if l.Err() == nil || len(got) > len(b) || uint64(len(got)) != l.received {
			t.Errorf("%d bytes of %d, %v", len(got), len(b), l.Err())
		}
	})
}
