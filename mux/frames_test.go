package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// cut takes the one frame that b is apart.
func cut(t testing.TB, b []byte) (typ byte, body []byte) {
	t.Helper()
	fr := frameReader{src: bytes.NewReader(b)}
	typ, body, size, err := fr.next()
	if err != nil || size != len(b) {
		t.Fatalf("%v; %d of %d bytes", err, size, len(b))
	}
	return typ, bytes.Clone(body)
}

func TestFramesRoundTrip(t *testing.T) {
	long := strings.Repeat("x", MaxText)
	for _, o := range []Open{
		{Use: 1, First: 1},
		{Use: 1 << 60, Target: Target{long, ID{1}}, End: ID{2}, First: 1 << 50, Flags: 255, Hash: ID{3}, Schema: bytes.Repeat([]byte{7}, maxSchema), Text: long},
	} {
		for _, whole := range []bool{true, false} {
			typ, body := cut(t, appendOpen(nil, &o, whole))
			got, w, err := parseOpen(body)
			expect := o
			if !whole {
				expect.Schema = nil
			} else if expect.Schema == nil {
				expect.Schema = []byte{}
			}
			if typ != frameOpen || err != nil || w != whole || !reflect.DeepEqual(got, expect) {
				t.Errorf("open: %v %+v", err, got)
			}
		}
	}
	_, body := cut(t, appendOpen(nil, &Open{Use: 1, First: 1, Text: long + "y"}, false))
	if o, _, err := parseOpen(body); err != nil || o.Text != long {
		t.Errorf("a text that is too long is cut: %v", err)
	}
	_, body = cut(t, appendAccept(nil, 1, 3, Accept{Limit: 2}))
	if u, n, a, err := parseAccept(body); err != nil || u != 1 || a.Limit != 2 || n != 3 {
		t.Error("accept")
	}
	_, body = cut(t, appendRefuse(nil, 9, Refuse{CodeType, "no"}))
	if u, r, err := parseRefuse(body); err != nil || u != 9 || r != (Refuse{CodeType, "no"}) {
		t.Error("refuse")
	}
	a := Ack{Taken: 1 << 40, Limit: 1<<64 - 1}
	for i := range uint64(maxDropsPerFrame) {
		a.Drops = append(a.Drops, Drop{1<<62 + i, 1, CodeLossy, long})
	}
	frame := appendAck(nil, 1, 2, a)
	if len(frame) > maxBody {
		t.Errorf("an ACK may have %d bytes", len(frame))
	}
	_, body = cut(t, frame)
	if u, n, got, err := parseAck(body); err != nil || u != 1 || n != 2 || !reflect.DeepEqual(got, a) {
		t.Error("ack")
	}
	st := Stop{Code: CodeShutdown, Text: long, UpTo: 1<<64 - 1}
	for i := range uint64(maxRunsPerFrame) {
		st.NotTaken = append(st.NotTaken, Run{1<<62 + 2*i, 1})
	}
	frame = appendStop(nil, 1<<63, st, true)
	if len(frame) > maxBody {
		t.Errorf("a STOP may have %d bytes", len(frame))
	}
	_, body = cut(t, frame)
	if u, got, more, err := parseStop(body); err != nil || u != 1<<63 || !more || !reflect.DeepEqual(got, st) {
		t.Errorf("stop: %v", err)
	}
	_, body = cut(t, appendDone(nil, 300))
	if u, err := parseDone(body); err != nil || u != 300 {
		t.Error("done")
	}
	at := Attach{Target{"n", ID{1}}, ID{2}, long}
	_, body = cut(t, appendAttach(nil, &at))
	if got, err := parseAttach(body); err != nil || got != at {
		t.Error("attach")
	}
	no := Deny{ID{1}, ID{2}, CodeRefused, long}
	_, body = cut(t, appendDeny(nil, &no))
	if got, err := parseDeny(body); err != nil || got != no {
		t.Error("deny")
	}
	_, body = cut(t, appendClose(nil, true))
	if clean, err := parseClose(body); err != nil || !clean {
		t.Error("close")
	}
	if typ, body := cut(t, appendRefs(nil, []byte("r"))); typ != frameRefs || string(body) != "r" {
		t.Error("refs")
	}
	for _, h := range []Hold{{ID{1}, ToReceive, nil}, {ID{1}, ToSend, &Gate{[32]byte{1, 31: 2}, ID{3}, 1<<64 - 1}}} {
		_, body = cut(t, appendHold(nil, h))
		if got, err := parseHold(body); err != nil || !reflect.DeepEqual(got, h) {
			t.Error("hold")
		}
	}
	_, body = cut(t, appendHeld(nil, ref(1), true))
	if r, ok, err := parseHeld(body); err != nil || r != ref(1) || !ok {
		t.Error("held")
	}
	var releases []Release
	var gone []Ref
	for i := range maxRefsPerFrame {
		releases = append(releases, Release{ref(i), maxReleased - uint64(i%2)})
		gone = append(gone, ref(i))
	}
	frame = appendRelease(nil, releases)
	if len(frame) > maxBody {
		t.Errorf("a RELEASE may have %d bytes", len(frame))
	}
	_, body = cut(t, frame)
	if got, err := parseRelease(body); err != nil || !reflect.DeepEqual(got, releases) {
		t.Error("release")
	}
	_, body = cut(t, appendGone(nil, gone))
	if got, err := parseGone(body); err != nil || !reflect.DeepEqual(got, gone) {
		t.Error("gone")
	}
	if typ, body := cut(t, appendSchema(nil, []byte("s"))); typ != frameSchema || string(body) != "s" {
		t.Error("schema")
	}
}

func TestParseRefusesWhatIsWrong(t *testing.T) {
	run := func(first, count uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(nil, first), count)
	}
	stop := func(upTo uint64, runs ...[]byte) error {
		b := append([]byte{1, byte(CodeClosed), 0}, binary.AppendUvarint(nil, upTo)...)
		b = append(b, 0, byte(len(runs)))
		_, _, _, err := parseStop(append(b, bytes.Join(runs, nil)...))
		return err
	}
	if err := stop(10, run(1, 2), run(4, 7)); err != nil {
		t.Fatal(err)
	}
	second := func(_ any, err error) error { return err }
	for what, err := range map[string]error{
		"a run beyond UpTo":      stop(10, run(1, 2), run(4, 8)),
		"runs that overlap":      stop(10, run(1, 4), run(4, 1)),
		"an empty run":           stop(10, run(1, 0)),
		"a run of zero":          stop(10, run(0, 1)),
		"a run that overflows":   stop(1<<64-1, run(2, 1<<64-1)),
		"bytes that are over":    second(parseDone([]byte{1, 0})),
		"a long text":            second(parseAttach(append([]byte{0x81, 2}, make([]byte, 600)...))),
		"a text that is cut off": second(parseAttach([]byte{5, 'a'})),
		"a bool of 2":            second(parseClose([]byte{2})),
		"nothing":                second(parseClose(nil)),
	} {
		if err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	if _, _, _, _, err := parseData(append(make([]byte, 17), 0)); err == nil {
		t.Error("DATA of no values is accepted")
	}
	if _, _, _, _, err := parseBig(append(binary.AppendUvarint(make([]byte, 17), MaxFrame), 1)); err == nil {
		t.Error("BIG of a small value is accepted")
	}
	for what, b := range map[string][]byte{
		"no bytes":                 binary.AppendUvarint(binary.AppendUvarint(make([]byte, 17), 1<<20), 0),
		"more bytes than its size": binary.AppendUvarint(binary.AppendUvarint(make([]byte, 17), 1<<20), 1<<20+1),
		"bytes behind":             append(binary.AppendUvarint(binary.AppendUvarint(make([]byte, 17), 1<<20), 1<<20), 0),
		"an endless size":          binary.AppendUvarint(binary.AppendUvarint(make([]byte, 17), 1<<63), 1<<63),
	} {
		if _, _, _, _, err := parseBig(b); err == nil {
			t.Errorf("BIG of a value with %s is accepted", what)
		}
	}
	if _, _, _, err := parseAck(append([]byte{1, 1, 1, 1}, binary.AppendUvarint(nil, 1<<60)...)); err == nil {
		t.Error("2^60 drops are accepted")
	}
}

func TestBatchFrames(t *testing.T) {
	b := NewBatch(ID{5})
	b.Flags = 9
	numbers(b, 1, 300)
	b.Count = 1<<31 - 1 // the longest head must fit the room
	typ, body := cut(t, b.dataHead())
	hash, flags, n, vals, err := parseData(body)
	if typ != frameData || err != nil || hash != (ID{5}) || flags != 9 || n != b.Count || !bytes.Equal(vals, b.B[batchRoom:]) {
		t.Fatalf("%v", err)
	}
	if len(b.dataHead()) != b.wire(-1) {
		t.Errorf("wire says %d", b.wire(-1))
	}
	value := bytes.Repeat([]byte("0123456789"), 5000)
	b.Reset()
	b.B, b.Count = append(b.B, value...), 1
	head := b.bigHead()
	if len(head) != b.wire(-1) {
		t.Errorf("wire says %d", b.wire(-1))
	}
	short := NewBatch(ID{5})
	short.B, short.Count = append(short.B, value...), 1
	if short.Shorten(10); len(short.bigHead()) != short.wire(-1) || len(short.piece(0)) != short.wire(0) {
		t.Errorf("wire says %d and %d of a shortened value", short.wire(-1), short.wire(0))
	}
	typ, body = cut(t, head)
	if _, _, size, total, err := parseBig(body); typ != frameBig || err != nil || size != uint64(len(value)) || total != size {
		t.Fatalf("%v, %d", err, total)
	}
	var got []byte
	for off := 0; off < len(value); off += MaxFrame {
		p := b.piece(off)
		if len(p) != b.wire(off) {
			t.Errorf("wire says %d of %d", b.wire(off), len(p))
		}
		typ, body = cut(t, p)
		if typ != framePiece {
			t.Fatal(typ)
		}
		got = append(got, body...)
	}
	if !bytes.Equal(got, value) {
		t.Fatal("another value")
	}
	b.B = append(b.B, make([]byte, 1<<20)...)
	if b.Reset(); cap(b.B) > 4*MaxFrame || b.Len() != 0 {
		t.Error("a large buffer is kept")
	}
}

// TestReaderChunks: frames come whole, however the bytes come.
func TestReaderChunks(t *testing.T) {
	var stream []byte
	var sizes []int
	for _, n := range []int{0, 1, 127, 128, 3, 124, 125, 126, maxBody, 200, 0, 1000, 5, 120, 16384} {
		sizes = append(sizes, n)
		stream = append(stream, frameSchema)
		stream = binary.AppendUvarint(stream, uint64(n))
		stream = append(stream, bytes.Repeat([]byte{byte(n)}, n)...)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "bytes": iotest.OneByteReader(bytes.NewReader(stream)),
		"halves": iotest.HalfReader(bytes.NewReader(stream)), "data and error": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		fr := frameReader{src: r}
		for _, n := range sizes {
			_, body, _, err := fr.next()
			if err != nil || !bytes.Equal(body, bytes.Repeat([]byte{byte(n)}, n)) {
				t.Fatalf("%s: frame of %d bytes: %v, got %d", name, n, err, len(body))
			}
		}
		if _, _, _, err := fr.next(); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
	for _, n := range []int{1, 2, 50, 140} {
		fr := frameReader{src: bytes.NewReader(append([]byte{frameSchema, 0x90, 1}, make([]byte, 500)...)[:n])}
		if _, _, _, err := fr.next(); err != io.ErrUnexpectedEOF {
			t.Errorf("cut off at %d: %v", n, err)
		}
	}
	for _, b := range [][]byte{{1, 0xff, 0xff, 0x7f}, {1, 0x80, 0x80, 0x80, 0x80, 1}, {1, 0xff, 0xff, 0xff, 0xff}} {
		fr := frameReader{src: bytes.NewReader(b)}
		var pe *ProtocolError
		if _, _, _, err := fr.next(); !errors.As(err, &pe) {
			t.Errorf("length % x: %v", b[1:], err)
		}
	}
}

// FuzzParse: no body makes a parser panic, and what is accepted is what would be sent.
func FuzzParse(f *testing.F) {
	o := Open{Use: 3, Target: Target{"jobs", ID{1}}, First: 1, Schema: []byte("s"), Text: "t"}
	for _, frame := range [][]byte{
		appendOpen(nil, &o, true), appendOpen(nil, &o, false), appendAccept(nil, 1, 3, Accept{Limit: 2}), appendDone(nil, 8),
		appendRefuse(nil, 1, Refuse{CodeType, "no"}), appendAck(nil, 1, 2, Ack{3, 4, []Drop{{5, 6, CodeDecode, "d"}}}),
		appendStop(nil, 1, Stop{CodeClosed, "c", 9, []Run{{1, 2}, {5, 1}}}, false), appendClose(nil, true),
		appendAttach(nil, &Attach{Target: Target{Name: "x"}}), numbers(NewBatch(ID{}), 1, 4).dataHead(),
		appendHold(nil, Hold{ID{1}, ToSend, nil}), appendHold(nil, Hold{ID{1}, ToReceive, &Gate{End: ID{2}, Number: 3}}),
		appendHeld(nil, ref(1), true), appendRelease(nil, []Release{{ref(1), 1}, {ref(2), maxReleased}}), appendGone(nil, []Ref{ref(1), ref(2)}),
		appendSingle(nil, &o, []byte("value")), appendDeny(nil, &Deny{ID{1}, ID{2}, CodeRefused, "no"}),
	} {
		typ, body := cut(f, frame)
		f.Add(typ, body)
	}
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		var again []byte
		switch typ {
		case frameOpen:
			if o, whole, err := parseOpen(body); err == nil {
				again = appendOpen(nil, &o, whole)
			}
		case frameAccept:
			if u, n, a, err := parseAccept(body); err == nil {
				again = appendAccept(nil, u, n, a)
			}
		case frameRefuse:
			if u, r, err := parseRefuse(body); err == nil {
				again = appendRefuse(nil, u, r)
			}
		case frameAck:
			if u, n, a, err := parseAck(body); err == nil {
				again = appendAck(nil, u, n, a)
			}
		case frameStop:
			if u, st, more, err := parseStop(body); err == nil {
				again = appendStop(nil, u, st, more)
			}
		case frameAttach:
			if a, err := parseAttach(body); err == nil {
				again = appendAttach(nil, &a)
			}
		case frameDeny:
			if d, err := parseDeny(body); err == nil {
				again = appendDeny(nil, &d)
			}
		case frameHold:
			if h, err := parseHold(body); err == nil {
				again = appendHold(nil, h)
			}
		case frameHeld:
			if r, ok, err := parseHeld(body); err == nil {
				again = appendHeld(nil, r, ok)
			}
		case frameRelease:
			if rs, err := parseRelease(body); err == nil {
				again = appendRelease(nil, rs)
			}
		case frameGone:
			if rs, err := parseGone(body); err == nil {
				again = appendGone(nil, rs)
			}
		case frameSingle:
			if o, v, err := parseSingle(body); err == nil {
				again = appendSingle(nil, &o, v)
			}
		case frameData:
			_, _, _, _, _ = parseData(body)
		case frameBig:
			_, _, _, _, _ = parseBig(body)
		}
		// A number may come in more bytes than it needs; what is sent is never longer.
		if again != nil && len(again) > headGap+len(body) {
			t.Errorf("type %d: % x became % x", typ, body, again)
		}
	})
}

// TestLargeBuffers: what a batch has given up may be another's, and is its own no more.
func TestLargeBuffers(t *testing.T) {
	const n = 5 * MaxFrame
	one, other := NewBatch(ID{1}), NewBatch(ID{2})
	fill := func(b *Batch, v byte) { b.B, b.Count = append(b.B, bytes.Repeat([]byte{v}, n)...), 1 }
	for i := range byte(100) {
		one.Room(n)
		fill(one, i)
		one.Reset()
		fill(one, i)
		other.Room(n)
		fill(other, 255)
		if v := one.Values(); len(v) != n || v[0] != i || v[n-1] != i {
			t.Fatalf("round %d: one batch has written into another's buffer", i)
		}
		other.Reset()
		one.Reset()
	}
}
