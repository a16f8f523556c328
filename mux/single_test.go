package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
)

// openSingle is an Open for single values of the schema of open.
func openSingle(end, first uint64) Open {
	o := open("")
	o.Target, o.First = Target{ID: ID{7}}, first
	binary.BigEndian.PutUint64(o.End[:], end)
	return o
}

// acquaint has the peer of s accept a stream, so that it knows the schema.
func acquaint(t testing.TB, s *Session) {
	t.Helper()
	f := newFeedback()
	o := s.Open(open("x"), f)
	wantEvent[Accept](t, f)
	o.Close(true)
}

// came is one call of Handler.Single.
type came struct {
	in    *In
	value string
	wait  bool
}

// bringing is a handler that passes on what comes; answer says what it does with it.
func bringing(answer func(came) bool) (*handler, chan came) {
	all := make(chan came, 1<<16)
	return &handler{serve: take, single: func(in *In, value []byte, wait bool) bool {
		c := came{in, string(value), wait}
		all <- c
		return answer(c)
	}}, all
}

func takes(c came) bool {
	c.in.Ack(Ack{Taken: c.in.Open().First, Limit: 1})
	c.in.Leave()
	return true
}

func keeps(came) bool { return true }

// quietAfter wants that f hears nothing more: what was said before has come when another use is
// accepted.
func quietAfter(t *testing.T, s *Session, f *feedback) {
	t.Helper()
	acquaint(t, s)
	select {
	case e := <-f.events:
		t.Errorf("then comes %#v", e)
	default:
	}
}

// counted waits until neither side counts a single value that is under way.
func counted(t *testing.T, sessions ...*Session) {
	t.Helper()
	none := func(s *Session) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.singlesOut == 0 && s.singlesIn == 0 && len(s.ins) == 0 && len(s.outs) == 0
	}
	for _, s := range sessions {
		for tries := 0; !none(s); tries++ {
			if <-time.After(time.Millisecond); tries > 10_000 {
				t.Fatalf("%+v are left", s.Stats())
			}
		}
	}
}

func TestSingle(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		h, came := bringing(keeps)
		a, b := connect(h, Config{})
		acquaint(t, a)
		streams := a.Stats().StreamsOpened
		o := openSingle(3, 5)
		o.Flags = 4
		f, value := newFeedback(), []byte("value")
		if a.Single(o, value, f) == nil {
			t.Fatal("it has to take a stream")
		}
		copy(value, "other")
		c := want(t, "the value", came)
		got := c.in.Open()
		if c.value != "value" || c.wait || !c.in.Single() || c.in.Session() != b {
			t.Errorf("%+v", c)
		}
		if got.Target != o.Target || got.End != o.End || got.First != 5 || got.Flags != 4 || got.Hash != o.Hash || string(got.Schema) != "schema" {
			t.Errorf("opened as %+v", got)
		}
		c.in.Ack(Ack{Taken: 4, Limit: 9})
		if a := want(t, "that it has arrived", f.events).(Ack); a.Taken != 4 || a.Limit != 9 {
			t.Errorf("%+v", a)
		}
		if n := a.Stats().Outs; n == 0 {
			t.Error("the use is over before the value is taken")
		}
		c.in.Ack(Ack{Taken: 5, Limit: 10})
		c.in.Leave()
		if a := want(t, "that it was taken", f.events).(Ack); a.Taken != 5 || a.Limit != 10 {
			t.Errorf("%+v", a)
		}
		c.in.Ack(Ack{Taken: 6, Limit: 11}) // after Leave it says nothing
		quietAfter(t, a, f)
		if n := a.Stats().StreamsOpened; n != streams {
			t.Errorf("%d streams more", n-streams)
		}
		counted(t, a, b)
	})
}

// TestSingleEnds: refused, stopped after it has arrived, given up by its sender.
func TestSingleEnds(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		for what, c := range map[string]struct {
			answer func(*In)
			heard  []any
		}{
			"refused":            {func(in *In) { in.Refuse(CodeNoSuch, "no") }, []any{Refuse{CodeNoSuch, "no"}}},
			"stopped unanswered": {func(in *In) { in.Stop(Stop{Code: CodeClosed, Text: "c"}) }, []any{Refuse{CodeClosed, "c"}}},
			"stopped": {func(in *In) {
				in.Ack(Ack{Limit: 1})
				in.Stop(Stop{Code: CodeClosed, Text: "c", UpTo: 1})
				in.Refuse(CodeNoSuch, "too late")
			}, []any{Ack{Limit: 1}, Stop{Code: CodeClosed, Text: "c", UpTo: 1}}},
			"dropped": {func(in *In) {
				in.Ack(Ack{Taken: 1, Limit: 2, Drops: []Drop{{1, 1, CodeDecode, "d"}}})
				in.Leave()
			}, []any{Ack{Taken: 1, Limit: 2, Drops: []Drop{{1, 1, CodeDecode, "d"}}}}},
		} {
			h, _ := bringing(func(x came) bool { c.answer(x.in); return true })
			a, b := connect(h, Config{})
			acquaint(t, a)
			f := newFeedback()
			a.Single(openSingle(1, 1), nil, f)
			for _, e := range c.heard {
				if got := want(t, what, f.events); fmt.Sprint(got) != fmt.Sprint(e) {
					t.Errorf("%s: %+v in place of %+v", what, got, e)
				}
			}
			quietAfter(t, a, f)
			counted(t, a, b)
		}
		h, all := bringing(keeps)
		a, b := connect(h, Config{})
		acquaint(t, a)
		f := newFeedback()
		a.Single(openSingle(1, 1), nil, f).Close(true)
		c := want(t, "the value", all)
		c.in.Ack(Ack{Taken: 1, Limit: 2})
		c.in.Leave()
		quietAfter(t, a, f)
		counted(t, a, b)
	})
}

// TestSinglesKeepOrder: also with what is said about channels, and with a goodbye.
func TestSinglesKeepOrder(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		const n = 3000
		h, all := bringing(takes)
		var before atomic.Int64
		h.goodbye = func(*Session) { before.Store(int64(len(all))) }
		a, b := connect(h, Config{})
		acquaint(t, a)
		sent, f := 0, newFeedback()
		for i := range uint64(n) {
			if a.Single(openSingle(i, 1), make([]byte, i%MaxSingle), f) != nil {
				sent++
			}
		}
		if err := a.Goodbye(background(t)); err != nil {
			t.Fatal(err)
		}
		if sent != n || before.Load() != n {
			t.Fatalf("of %d, %d were sent, %d before the goodbye", n, sent, before.Load())
		}
		for i := range uint64(n) {
			if c := <-all; binary.BigEndian.Uint64(c.in.Open().End[:]) != i || len(c.value) != int(i%MaxSingle) {
				t.Fatalf("use %x, %d bytes, in place of the one from %d", c.in.Open().End[:8], len(c.value), i)
			}
		}
		counted(t, a, b)
		if a.mu.Lock(); len(a.singles) != 0 || cap(a.singles) > 4*controlBatch {
			t.Errorf("%d of %d bytes are kept", len(a.singles), cap(a.singles))
		}
		a.mu.Unlock()
	})
}

// TestSinglesLeaveNothing: what has left makes room also where some is always waiting.
func TestSinglesLeaveNothing(t *testing.T) {
	s, _, _ := hearing(true, false)
	s.known[ID{1}] = true
	value, f := make([]byte, MaxSingle), newFeedback()
	var all []byte
	for range 300 {
		for range 40 { // more than is taken at a time
			if o := s.Single(openSingle(1, 1), value, f); o != nil {
				o.Close(false) // so that it does not count
			}
		}
		for len(s.singles)-s.singlesAt > 100<<10 {
			all = append(all, s.takeSingles(nil)...)
		}
	}
	if cap(s.singles) > 1<<20 {
		t.Errorf("%d bytes for %d", cap(s.singles), len(s.singles)-s.singlesAt)
	}
	all = append(all, s.takeSingles(nil)...)
	fr := frameReader{src: bytes.NewReader(all)}
	for {
		typ, body, _, err := fr.next()
		if err == io.EOF {
			break
		}
		if _, v, bad := parseSingle(body); err != nil || typ != frameSingle || bad != nil || !bytes.Equal(v, value) {
			t.Fatalf("%v, %v, type %d", err, bad, typ)
		}
	}
}

// TestNoSingle: where a value has to take a stream.
func TestNoSingle(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		h, all := bringing(keeps)
		a, b := connect(h, Config{})
		heard := newFeedback()
		no := func(what string, o Open, n int) {
			t.Helper()
			if a.Single(o, make([]byte, n), heard) != nil {
				t.Errorf("%s goes without a stream", what)
			}
		}
		no("a value of an unknown schema", openSingle(0, 1), 1)
		acquaint(t, a)
		no("a long value", openSingle(0, 1), MaxSingle+1)
		no("a value for a name", open("x"), 1)
		for i := range uint64(maxSingles) {
			if a.Single(openSingle(i, 1), make([]byte, MaxSingle), heard) == nil {
				t.Fatalf("value %d has to take a stream", i)
			}
		}
		no("a value too many", openSingle(maxSingles, 1), 1)
		for range maxSingles {
			takes(want(t, "a value", all))
		}
		counted(t, a, b)
		f := newFeedback()
		if a.Single(openSingle(0, 1), nil, f) == nil {
			t.Error("there is no room again")
		}
		a.Close(nil)
		if e := want(t, "the end", f.events); e != (lost{ErrClosed}) {
			t.Errorf("%#v", e)
		}
		no("a value after the end", openSingle(0, 1), 1)
		a.Wait()
	})
}

// TestSingleLost: at the session's end everybody hears of it who has not closed, and Done is closed
// for who still waits.
func TestSingleLost(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		h, all := bringing(func(c came) bool {
			if c.wait {
				<-c.in.Done()
			}
			return c.wait
		})
		a, b := connect(h, Config{})
		acquaint(t, a)
		f, closed := newFeedback(), newFeedback()
		a.Single(openSingle(1, 1), []byte("waits"), f)
		if c := want(t, "the value", all); c.wait {
			t.Error("it waits at once")
		}
		if c := want(t, "the value again", all); !c.wait || c.value != "waits" {
			t.Errorf("it comes again as %+v", c)
		}
		a.Single(openSingle(2, 1), nil, closed).Close(false)
		want(t, "another value beside", all)
		b.Close(io.ErrClosedPipe)
		b.Wait()
		wantEvent[lost](t, f)
		a.Wait()
		if len(closed.events) > 0 || len(f.events) > 0 {
			t.Error("one that was closed hears of the end, or one hears it twice")
		}
	})
}

// TestSingleWaits: a value that waits holds up nothing else, and keeps its bytes; whoever is told
// to leave does not wait any more.
func TestSingleWaits(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		release := make(chan bool)
		h, all := bringing(func(c came) bool {
			if c.wait {
				if c.in.Open().End[7] == 1 {
					<-release
				} else {
					<-c.in.Done()
				}
				return takes(c)
			}
			return c.value != "waits" && takes(c)
		})
		a, b := connect(h, Config{})
		acquaint(t, a)
		slow, left := newFeedback(), newFeedback()
		a.Single(openSingle(1, 1), []byte("waits"), slow)
		a.Single(openSingle(2, 1), []byte("waits"), left)
		waiting := make(map[byte]*In)
		for len(waiting) < 2 {
			if c := want(t, "a value", all); c.wait {
				waiting[c.in.Open().End[7]] = c.in
			}
		}
		for i := range uint64(100) {
			f := &feedback{events: make(chan any, 9)}
			a.Single(openSingle(9, 1+i), bytes.Repeat([]byte{byte(i)}, 100), f)
			want(t, "an answer", f.events)
		}
		if len(slow.events) > 0 {
			t.Error("it has not waited")
		}
		waiting[2].Leave()
		close(release)
		want(t, "an answer", slow.events)
		counted(t, b)
		a.Close(nil)
		over := make(chan bool)
		go func() { b.Wait(); close(over) }()
		want(t, "the end", over)
	})
}

// TestUnheardAnswers: a peer that does not listen can't have us keep answers without end.
func TestUnheardAnswers(t *testing.T) {
	s := newSession(&handler{single: func(in *In, v []byte, _ bool) bool {
		if len(v) > 0 {
			in.Refuse(CodeClosed, "closed")
			return true
		}
		return takes(came{in: in})
	}}, Config{Logger: quiet})
	s.schemas[ID{1}] = []byte("schema")
	single := func(use uint64) error {
		o := openSingle(use, 1)
		o.Use = use
		typ, body := cut(t, appendSingle(nil, &o, make([]byte, use%2)))
		return s.hear(typ, body)
	}
	for i := range uint64(maxSingles) {
		if err := single(1 + i); err != nil {
			t.Fatal(err)
		}
	}
	var pe *ProtocolError
	if err := single(maxSingles + 1); !errors.As(err, &pe) {
		t.Fatalf("one more: %v", err)
	}
	for len(s.takeControl(nil)) > 0 {
	}
	if err := single(maxSingles + 2); err != nil || s.singlesIn != 1 {
		t.Fatalf("when they were written: %v, %d", err, s.singlesIn)
	}
}

// TestSingleControlFrames: what may be said of a single value's use, and what may not.
func TestSingleControlFrames(t *testing.T) {
	stop := appendStop(nil, 2, Stop{Code: CodeClosed}, false)
	arrived, taken := appendAck(nil, 2, 0, Ack{Limit: 1}), appendAck(nil, 2, 0, Ack{Taken: 1, Limit: 2})
	refuse := appendRefuse(nil, 2, Refuse{Code: CodeType})
	for what, c := range map[string]struct {
		frames [][]byte // all but the last are fine
		ok     bool
		heard  int
	}{
		"arrived, taken":          {[][]byte{arrived, taken}, true, 2},
		"taken, then nobody":      {[][]byte{taken, taken, stop, refuse}, true, 1},
		"refused, then nobody":    {[][]byte{refuse, taken}, true, 1},
		"arrived, stopped":        {[][]byte{arrived, stop, stop}, true, 2},
		"accepted":                {[][]byte{appendAccept(nil, 2, 1, Accept{Limit: 1})}, false, 0},
		"accepted when arrived":   {[][]byte{arrived, appendAccept(nil, 2, 1, Accept{Limit: 1})}, false, 1},
		"refused when arrived":    {[][]byte{arrived, refuse}, false, 1},
		"done":                    {[][]byte{appendDone(nil, 2)}, false, 0},
		"done when taken":         {[][]byte{taken, appendDone(nil, 2)}, false, 1},
		"acknowledged before use": {[][]byte{appendAck(nil, 3, 0, Ack{Limit: 1})}, false, 0},
	} {
		s, _, _ := hearing(true, false)
		s.known[ID{1}] = true
		f := newFeedback()
		s.Single(openSingle(1, 1), nil, f)
		for i, frame := range c.frames {
			err := s.hear(frameOf(frame))
			if pe := (*ProtocolError)(nil); i < len(c.frames)-1 && err != nil || i == len(c.frames)-1 && errors.As(err, &pe) == c.ok {
				t.Errorf("%s: frame %d: %v", what, i, err)
			}
		}
		if len(f.events) != c.heard {
			t.Errorf("%s: %d were heard", what, len(f.events))
		}
		if c.ok && s.singlesOut != 0 {
			t.Errorf("%s: %d are counted", what, s.singlesOut)
		}
	}
}

// TestSingleFrame: byte by byte, and what is wrong with others.
func TestSingleFrame(t *testing.T) {
	target, end, hash := bytes.Repeat([]byte{0xc1}, 16), bytes.Repeat([]byte{0xee}, 16), bytes.Repeat([]byte{0xaa}, 16)
	o := Open{Use: 300, Target: Target{ID: ID(target)}, End: ID(end), First: 1, Flags: 4, Hash: ID(hash)}
	frame := appendSingle(nil, &o, []byte("value"))
	if expect := slices.Concat([]byte{28, 57, 0xac, 2}, target, end, []byte{1, 4}, hash, []byte("value")); !bytes.Equal(frame, expect) {
		t.Errorf("it is\n% x, not\n% x", frame, expect)
	}
	_, body := cut(t, frame)
	if got, v, err := parseSingle(body); err != nil || got.Use != 300 || got.First != 1 || got.Flags != 4 || string(v) != "value" {
		t.Errorf("%+v, %q, %v", got, v, err)
	}
	for n := range len(body) - len("value") {
		if _, _, err := parseSingle(body[:n]); err == nil {
			t.Errorf("%d bytes of it are accepted", n)
		}
	}
	size := func(n int) error {
		_, _, err := parseSingle(append(bytes.Clone(body[:len(body)-5]), make([]byte, n)...))
		return err
	}
	if err := errors.Join(size(0), size(MaxSingle)); err != nil || size(MaxSingle+1) == nil {
		t.Errorf("the longest: %v; one that is longer: %v", err, size(MaxSingle+1))
	}
	for what, bad := range map[string]Open{"use 0": {First: 1}, "a first value 0": {Use: 1}} {
		_, body := cut(t, appendSingle(nil, &bad, nil))
		if _, _, err := parseSingle(body); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

// TestHostileSingles: the session ends with a reason; nothing panics and nothing is left.
func TestHostileSingles(t *testing.T) {
	single := func(dst []byte, use, end uint64, value []byte) []byte {
		o := openSingle(end, 1)
		o.Use = use
		return appendSingle(dst, &o, value)
	}
	for name, attack := range map[string]func() []byte{
		"a use number again": func() []byte { return single(single(nil, 2, 1, nil), 2, 2, nil) },
		"a schema nobody knows": func() []byte {
			return appendSingle(nil, &Open{Use: 2, First: 1, Hash: ID{9}}, nil)
		},
		"a long value":     func() []byte { return single(nil, 2, 1, make([]byte, MaxSingle+1)) },
		"a piece of one":   func() []byte { return []byte{frameSingle, 3, 1, 2, 3} },
		"an empty one":     func() []byte { return appendEmpty(nil, frameSingle) },
		"use 0":            func() []byte { return single(nil, 0, 1, nil) },
		"no schema at all": func() []byte { return appendSingle(nil, &Open{Use: 1, First: 1}, nil) },
		"too many": func() (b []byte) {
			for i := range uint64(maxSingles + 1) {
				b = single(b, 2+i, 1, []byte("waits"))
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			x, y := memConns(1 << 20)
			known := make(chan bool)
			h := &handler{serve: func(in *In) { close(known); take(in) }, single: func(in *In, v []byte, wait bool) bool {
				if wait {
					<-in.Done()
				}
				return wait || string(v) != "waits"
			}}
			s := New(y, false, h, Config{Logger: quiet})
			cfg := yamux.DefaultConfig()
			cfg.LogOutput, cfg.EnableKeepAlive, cfg.StreamOpenTimeout, cfg.StreamCloseTimeout = io.Discard, false, 0, 0
			peer, err := yamux.Client(rawConn{x}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctl, _ := peer.OpenStream()
			data, _ := peer.OpenStream()
			o := open("x")
			o.Use = 1
			_, _ = data.Write(appendOpen(nil, &o, true))
			want(t, "the schema", known)
			for b := attack(); len(b) > 0; {
				n := min(len(b), yamuxBody)
				_, _ = ctl.Write(b[:n])
				b = b[n:]
			}
			want(t, "the end", s.Done())
			s.Wait()
			var pe *ProtocolError
			if !errors.As(s.Err(), &pe) {
				t.Errorf("ended with %v", s.Err())
			}
			_ = peer.Close()
		})
	}
}
