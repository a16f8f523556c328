package mux

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// typesOf are the types of the frames in b.
func typesOf(t testing.TB, b []byte) (types []byte) {
	t.Helper()
	fr := frameReader{src: bytes.NewReader(b)}
	for read := 0; read < len(b); {
		typ, _, size, err := fr.next()
		if err != nil {
			t.Fatal(err)
		}
		types, read = append(types, typ), read+size
	}
	return types
}

// batchOf is a batch with a value and references of so many bytes.
func batchOf(value, refs int) *Batch {
	b := NewBatch(ID{1})
	b.B, b.Count = append(b.B, make([]byte, value)...), 1
	b.Refs = append(b.Refs, bytes.Repeat([]byte{7}, refs)...)
	return b
}

// unstarted is an Out of a session without goroutines.
func unstarted() (*writer, *Out) {
	s := newSession(&handler{}, Config{Logger: quiet})
	return &writer{s: s}, s.Open(open("x"), newFeedback())
}

// turn is what the writer does for o in its turn; the batch comes back with true.
func turn(t testing.TB, w *writer, o *Out) ([]byte, bool) {
	t.Helper()
	frames, back := w.take(o)
	if back {
		o.batch = nil
	}
	if len(frames) > yamuxBody/2 {
		t.Errorf("%d bytes in one write", len(frames))
	}
	return typesOf(t, frames), back
}

// TestRefsGoAhead: schemas, then references, then values; small ones in one write.
func TestRefsGoAhead(t *testing.T) {
	const o, s, d, g, p, c, r = frameOpen, frameSchema, frameData, frameBig, framePiece, frameClose, frameRefs
	for _, test := range []struct {
		schemas, refs, value int
		writes               [][]byte
	}{
		{0, 0, 8, [][]byte{{o, d, c}}},
		{0, 20, 8, [][]byte{{o, r, d, c}}},
		{2, 20, 8, [][]byte{{o, s, s, r, d, c}}},
		{1, MaxFrame, 8, [][]byte{{o, s}, {r}, {d, c}}},
		{0, 20, MaxFrame, [][]byte{{o, r}, {d}, {c}}},
		{0, 20, MaxFrame + 1, [][]byte{{o, r, g}, {p}, {p, c}}},
		{0, MaxFrame, MaxFrame + 1, [][]byte{{o}, {r}, {g}, {p}, {p, c}}},
	} {
		w, out := unstarted()
		out.limit = baseWindow // as if it were accepted
		for range test.schemas {
			out.Schema([]byte("schema"))
		}
		b := batchOf(test.value, test.refs)
		out.Send(b)
		out.Close(true)
		var writes [][]byte
		for !out.closeWritten && len(writes) < 20 {
			if !out.due() {
				t.Fatalf("%+v: it stops after %v", test, writes)
			}
			types, _ := turn(t, w, out)
			writes = append(writes, types)
		}
		if !reflect.DeepEqual(writes, test.writes) || b.RefsSent() != (test.refs > 0) {
			t.Errorf("%+v: written %v, references sent: %v", test, writes, b.RefsSent())
		}
	}
}

// TestManySchemasAhead: what goes ahead of values is no longer than a write may be, however much it is.
func TestManySchemasAhead(t *testing.T) {
	w, o := unstarted()
	o.limit = baseWindow // as if it were accepted
	for range 7 {
		o.Schema(make([]byte, maxSchema))
	}
	o.Send(batchOf(8, 8))
	for n := 0; ; n++ {
		if _, back := turn(t, w, o); back {
			break
		}
		if n > 20 {
			t.Fatal("no end")
		}
	}
}

// TestRefsWithinTheLimit: where the byte limit comes between references and values, the
// references leave once, and are known to have left when the use dies there.
func TestRefsWithinTheLimit(t *testing.T) {
	for _, value := range []int{100, MaxFrame + 1} {
		for _, fate := range []string{"dies before", "dies between", "goes on"} {
			w, o := unstarted()
			turn(t, w, o) // OPEN
			b := batchOf(value, 100)
			o.Send(b)
			o.limit = o.sent + 101 // the frame has 102
			if o.due() {
				t.Fatal("due beyond the limit")
			}
			if types, _ := turn(t, w, o); len(types) > 0 || b.RefsSent() {
				t.Fatalf("%v beyond the limit", types)
			}
			if fate == "dies before" {
				o.dead = true
				if types, back := turn(t, w, o); !bytes.Equal(types, []byte{frameClose}) || !back || b.RefsSent() {
					t.Errorf("%v, back %v, references sent: %v", types, back, b.RefsSent())
				}
				continue
			}
			o.limit++
			if !o.due() {
				t.Fatal("not due within the limit")
			}
			if types, back := turn(t, w, o); !bytes.Equal(types, []byte{frameRefs}) || back || o.sent != o.limit {
				t.Fatalf("%v, back %v, %d of %d bytes", types, back, o.sent, o.limit)
			}
			if o.due() {
				t.Fatal("due beyond the limit")
			}
			if fate == "dies between" {
				o.dead = true
				if types, back := turn(t, w, o); !bytes.Equal(types, []byte{frameClose}) || !back || !b.RefsSent() {
					t.Errorf("%v, back %v, references sent: %v", types, back, b.RefsSent())
				}
				continue
			}
			o.limit = 1 << 20
			if types, _ := turn(t, w, o); types[0] == frameRefs || !b.RefsSent() {
				t.Errorf("%v; references sent: %v", types, b.RefsSent())
			}
		}
	}
}

// TestBatchRefs: what Reset keeps, and what Send refuses.
func TestBatchRefs(t *testing.T) {
	_, o := unstarted()
	b := batchOf(1, MaxFrame)
	b.refsSent = true
	if o.Send(b); b.RefsSent() {
		t.Error("references sent that are yet to go")
	}
	o.batch, b.refsSent = nil, true
	if b.Reset(); len(b.Refs) > 0 || cap(b.Refs) < MaxFrame || b.RefsSent() {
		t.Errorf("%d bytes of %d, sent: %v", len(b.Refs), cap(b.Refs), b.RefsSent())
	}
	long := batchOf(1, 3*MaxFrame)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("overlong references are taken")
			}
		}()
		o.Send(long)
	}()
	if long.Reset(); cap(long.Refs) > 0 {
		t.Error("a large buffer is kept")
	}
}

// TestRefsArrive: Next gives them out, before the values that they belong to.
func TestRefsArrive(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		got := make(chan Frame, 4)
		a, _ := connect(&handler{
			serve: func(in *In) {
				in.Accept(Accept{Limit: 10})
				for {
					f, err := in.Next()
					if err != nil {
						close(got)
						return
					}
					f.Body = bytes.Clone(f.Body)
					got <- f
				}
			},
			discarded: func(*In, []byte) { t.Error("thrown away though read") },
		}, Config{MaxValue: 1 << 20})
		f := newFeedback()
		o := a.Open(open("x"), f)
		for _, value := range []int{1, MaxFrame, MaxFrame + 1, 1<<20 + 1} {
			for _, refs := range []int{1, MaxFrame} {
				b := batchOf(value, refs)
				sendAll(t, o, f, b)
				if f := want(t, "references", got); f.Kind != KindRefs || !bytes.Equal(f.Body, b.Refs) {
					t.Fatalf("kind %d, %d bytes", f.Kind, len(f.Body))
				}
				if f := want(t, "a value", got); f.Kind == KindRefs || f.Count != 1 {
					t.Fatalf("kind %d, %d values", f.Kind, f.Count)
				}
			}
		}
		o.Close(true)
		if f, ok := <-got; ok {
			t.Errorf("kind %d", f.Kind)
		}
	})
}

// TestNoRefsAreOverlooked: each way in which a use may end without that its receiver reads it.
func TestNoRefsAreOverlooked(t *testing.T) {
	for what, serve := range map[string]func(*In){
		"refused":  func(in *In) { in.Refuse(CodeNoSuch, "") },
		"stopped":  func(in *In) { in.Accept(Accept{}); in.Stop(Stop{Code: CodeClosed}); _, _ = in.Next() },
		"too many": nil, // types: Serve is not called
	} {
		t.Run(what, func(t *testing.T) {
			kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
				type thrown struct {
					use  uint64
					refs []byte
				}
				discarded := make(chan thrown, 1)
				// Nothing is said to the sender before all that it sends has come.
				sent := make(chan struct{})
				a, b := connect(&handler{
					serve: func(in *In) {
						if serve == nil {
							t.Error("served")
						}
						<-sent
						serve(in)
					},
					discarded: func(in *In, refs []byte) { discarded <- thrown{in.Open().Use, bytes.Clone(refs)} },
				}, Config{})
				if serve == nil {
					b.mu.Lock()
					b.schemaLen = maxSchemaBytes
					b.mu.Unlock()
				}
				f := newFeedback()
				o := a.Open(open("x"), f)
				batch := batchOf(3, 5)
				sendAll(t, o, f, batch)
				close(sent)
				if batch.RefsSent() { // where the refusal is quicker they may have stayed
					if got := want(t, "what was thrown away", discarded); got.use != o.open.Use || !bytes.Equal(got.refs, batch.Refs) {
						t.Errorf("%+v", got)
					}
				} else if serve != nil {
					t.Error("references were not sent")
				}
				o.Close(false)
				waitFor(t, func() bool { return a.Stats().Outs == 0 })
				if len(discarded) > 0 {
					t.Error("thrown away twice")
				}
			})
		})
	}
}

// nudged is a stream that does something before it is read.
type nudged struct {
	*pipe
	before func()
}

func (n nudged) Read(b []byte) (int, error) {
	n.before()
	return n.pipe.Read(b)
}

// TestRefsReadByAStoppedNext: references that Next has read, and does not return because the
// use was stopped meanwhile.
func TestRefsReadByAStoppedNext(t *testing.T) {
	var thrown [][]byte
	s := newSession(&handler{discarded: func(_ *In, refs []byte) { thrown = append(thrown, bytes.Clone(refs)) }}, Config{Logger: quiet})
	p := newPipe(nil)
	var in *In
	is := &inStream{stream: nudged{p, func() { in.Stop(Stop{Code: CodeClosed}) }}}
	is.fr.src, is.rs.phase = is.stream, inUse
	in = newIn(s, is, Open{Use: 1})
	_, _ = p.Write(appendClose(appendRefs(nil, []byte("refs")), false))
	if f, err := in.Next(); err != ErrStopped {
		t.Fatalf("%+v, %v", f, err)
	}
	if len(thrown) != 1 || string(thrown[0]) != "refs" {
		t.Fatalf("thrown away: %q", thrown)
	}
	if err := in.discard(); err != nil || len(thrown) != 1 {
		t.Errorf("%v; thrown away: %q", err, thrown)
	}
}

// ref is the channel of that number.
func ref(n int) Ref { return Ref{ID{byte(n), byte(n >> 8)}, Direction(1 + n%2)} }

// controlFrames takes all that a session without goroutines has to say, and hears it with h.
func controlFrames(t testing.TB, s *Session, h *handler) (types []byte) {
	t.Helper()
	hears := newSession(h, Config{Logger: quiet})
	for {
		b := s.takeControl(nil)
		if len(b) == 0 {
			return types
		}
		if len(b) > yamuxBody/2 {
			t.Errorf("%d bytes in one write", len(b))
		}
		fr := frameReader{src: bytes.NewReader(b)}
		for read := 0; read < len(b); {
			typ, body, size, err := fr.next()
			if err != nil {
				t.Fatal(err)
			}
			types, read = append(types, typ), read+size
			if typ >= frameHold {
				if err := hears.hear(typ, body); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestWordsAboutChannels: they are heard in order, those of a kind that follow each other in
// one frame, and before an ACK and a goodbye that were said later; but what is gone goes behind the ACK.
func TestWordsAboutChannels(t *testing.T) {
	const H, A, R, G = frameHold, frameHeld, frameRelease, frameGone
	gate := &Gate{Node: [32]byte{1, 31: 2}, End: ID{3}, Number: 1 << 60}
	for _, test := range []struct {
		say   []any
		types []byte
	}{
		{[]any{Hold{ID{1}, ToSend, nil}, Hold{ID{1}, ToReceive, gate}}, []byte{H, H, frameAccept}},
		{[]any{held{ref(1), true}, held{ref(1), false}, ref(1)}, []byte{A, A, frameAccept, G}},
		{[]any{Release{ref(1), 1}, Release{ref(2), maxReleased}, ref(1), ref(2), ref(3)}, []byte{R, frameAccept, G}},
		{[]any{held{ref(2), true}, Release{ref(1), 2}, Hold{ID{1}, ToSend, nil}, Release{ref(1), 3}}, []byte{A, R, H, R, frameAccept}},
	} {
		s := newSession(&handler{}, Config{Logger: quiet})
		for _, what := range test.say {
			say(s, what)
		}
		in := newIn(s, &inStream{stream: newPipe(nil)}, Open{Use: 1})
		in.Accept(Accept{Limit: 1})
		s.bye.wanted = true
		var heard []any
		types := controlFrames(t, s, &handler{said: func(_ *Session, what any) { heard = append(heard, what) }})
		if !bytes.Equal(types, append(test.types, frameGoodbye)) || !reflect.DeepEqual(heard, test.say) {
			t.Errorf("frames %v; heard %+v of %+v", types, heard, test.say)
		}
	}
}

// say says what a handler's said is to hear.
func say(s *Session, what any) {
	switch what := what.(type) {
	case Hold:
		s.Hold(what)
	case held:
		s.Held(what.Ref, what.ok)
	case Release:
		s.Release(what.Ref, what.Count)
	case Ref:
		s.Gone(what)
	}
}

// TestManyWordsAboutChannels: lists longer than a frame, counts larger than an entry; ACKs
// and the goodbye wait for all of them.
func TestManyWordsAboutChannels(t *testing.T) {
	s := newSession(&handler{}, Config{Logger: quiet})
	const n = 3*maxRefsPerFrame + 1
	for i := range n {
		s.Release(ref(i), 1)
	}
	for i := range n {
		s.Gone(ref(i))
	}
	s.Release(ref(1), 1)
	s.Release(ref(2), 2*maxReleased+5)
	s.Release(ref(3), 1)
	s.Release(ref(4), 0)
	newIn(s, &inStream{stream: newPipe(nil)}, Open{Use: 1}).Accept(Accept{Limit: 1})
	s.bye.wanted = true
	var counts [5]uint64
	i, gone := 0, 0
	types := controlFrames(t, s, &handler{said: func(_ *Session, what any) {
		r, ok := what.(Release)
		switch {
		case !ok:
			gone++
		case i < n:
			if r != (Release{ref(i), 1}) {
				t.Fatalf("release %d: %+v", i, r)
			}
			i++
		default:
			if r.Count > maxReleased {
				t.Errorf("%d in one entry", r.Count)
			}
			counts[r.Channel[0]] += r.Count
		}
	}})
	R, G := byte(frameRelease), byte(frameGone)
	if expect := []byte{R, R, R, R, R, R, R, frameAccept, G, G, G, G, frameGoodbye}; !bytes.Equal(types, expect) {
		t.Errorf("frames %v", types)
	}
	if gone != n || counts != [5]uint64{0, 1, 2*maxReleased + 5, 1, 0} {
		t.Errorf("%d gone, counts %d", gone, counts)
	}
}

// TestWordsAboutChannelsEnd: after a session's end nothing is kept; a peer that goes on
// asking and takes no answer ends it.
func TestWordsAboutChannelsEnd(t *testing.T) {
	s := newSession(&handler{}, Config{Logger: quiet})
	for round := range 2 { // answers that left don't count
		for range maxAnswers {
			s.Held(ref(1), false)
		}
		if s.Err() != nil {
			t.Fatalf("round %d: %v", round, s.Err())
		}
		if round == 0 {
			controlFrames(t, s, &handler{})
		}
	}
	s.Release(ref(1), 1) // of these we hold as many as there are
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	s.Held(ref(1), false)
	var pe *ProtocolError
	if !errors.As(s.Err(), &pe) {
		t.Fatalf("%d answers wait: %v", maxAnswers+1, s.Err())
	}
	n := s.refs.len()
	for _, what := range []any{Hold{ID{1}, ToSend, nil}, held{ref(1), true}, Release{ref(1), 1}, ref(1)} {
		if say(s, what); s.refs.len() != n {
			t.Errorf("%+v is kept after the end", what)
		}
	}
	if s.lose(); s.refs.len()+s.gones.len() > 0 {
		t.Error("words are kept after the end")
	}
	defer func() {
		if recover() == nil {
			t.Error("a reference without direction is taken")
		}
	}()
	s.Gone(Ref{})
}

// TestHoldOverALink: question and answer, both ways.
func TestHoldOverALink(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		heard := make(chan string, 10)
		a, b := connect(&handler{said: func(s *Session, what any) {
			switch what := what.(type) {
			case Hold:
				s.Held(Ref{what.Channel, what.Dir}, what.Gate != nil && what.Gate.Number == 9)
				s.Gone(Ref{what.Channel, what.Dir})
				heard <- "Hold"
			case held:
				s.Release(what.Ref, 3)
				heard <- fmt.Sprintf("held %v", what.ok)
			case Release:
				heard <- "Release"
			case Ref:
				heard <- "Ref"
			}
		}}, Config{})
		for _, s := range []*Session{a, b} {
			s.Hold(Hold{ID{1}, ToReceive, &Gate{Number: 9}})
			var all []string // of both sides
			for range 4 {
				all = append(all, want(t, "a word", heard))
			}
			slices.Sort(all)
			if !slices.Equal(all, []string{"Hold", "Ref", "Release", "held true"}) {
				t.Fatalf("heard %v", all)
			}
		}
	})
}

// TestGoodbyeWaitsForWordsAboutChannels: they are more than one write takes.
func TestGoodbyeWaitsForWordsAboutChannels(t *testing.T) {
	s := newSession(&handler{}, Config{Logger: quiet})
	for i := range 2000 {
		s.Held(ref(i), true)
	}
	s.bye.wanted = true
	heard := 0
	types := controlFrames(t, s, &handler{said: func(*Session, any) { heard++ }})
	if n := bytes.IndexByte(types, frameGoodbye); heard != 2000 || n != 2000 {
		t.Errorf("%d words, the goodbye behind %d of them", heard, n)
	}
}
