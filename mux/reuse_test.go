package mux

import (
	"fmt"
	"testing"
)

// TestStreamsAreUsedAgain: uses that follow each other share a stream.
func TestStreamsAreUsedAgain(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		got := make(chan uint64, 1)
		a, _ := connect(&handler{serve: func(in *In) {
			in.Accept(Accept{Limit: 10})
			f, err := in.Next()
			if err != nil {
				t.Errorf("Next: %v", err)
			}
			got <- values(t, f)[0]
			if _, err := in.Next(); err == nil || in.Clean() != (in.Open().Use%2 == 0) {
				t.Errorf("use %d: %v, clean %v", in.Open().Use, err, in.Clean())
			}
		}}, Config{})
		for i := range uint64(200) {
			f := newFeedback()
			o := a.Open(open("x"), f)
			o.Send(numbers(NewBatch(ID{1}), i, 1))
			o.Close((i+1)%2 == 0) // uses are numbered from 1
			if n := want(t, "a value", got); n != i {
				t.Fatalf("%d instead of %d", n, i)
			}
			want(t, "Written", f.written)
			waitFor(t, func() bool { return a.Stats().Outs == 0 })
		}
		if st := a.Stats(); st.StreamsOpened != 1 || st.StreamsIdle != 1 || st.Uses != 200 {
			t.Errorf("%+v", st)
		}
	})
}

// TestNoUseWaitsBehindAnother: while the receiver of a use has not let go of it, its
// stream isn't used again, though the sender is through.
func TestNoUseWaitsBehindAnother(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		serving, release := make(chan struct{}, 1), make(chan struct{})
		a, _ := connect(&handler{serve: func(in *In) {
			if in.Open().Target.Name == "slow" {
				serving <- struct{}{}
				select {
				case <-release:
				case <-in.Done():
				}
				in.Refuse(CodeClosed, "")
				return
			}
			take(in)
		}}, Config{})
		for range 3 {
			f := newFeedback()
			o := a.Open(open("slow"), f)
			sendAll(t, o, f, numbers(NewBatch(ID{1}), 1, 1))
			o.Close(true)
			want(t, "Serve", serving)
		}
		prober(t, a, "quick")()
		if st := a.Stats(); st.StreamsOpened != 4 || st.StreamsIdle != 0 {
			t.Errorf("%+v", st)
		}
		close(release)
		waitFor(t, func() bool { return a.Stats().StreamsIdle == 3 })
	})
}

// TestIdleStreamsAreBounded: more than maxIdle are closed, at both sides.
func TestIdleStreamsAreBounded(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		a, b := connect(&handler{serve: func(in *In) { take(in) }}, Config{MaxStreams: 1000})
		for range 3 {
			var outs []*Out
			for range 2 * maxIdle {
				f := newFeedback()
				o := a.Open(open("x"), f)
				outs = append(outs, o)
				wantEvent[Accept](t, f)
			}
			for _, o := range outs {
				o.Close(true)
			}
			waitFor(t, func() bool {
				return a.Stats().Outs == 0 && a.Stats().StreamsIdle == maxIdle && openStreams(a) == maxIdle
			})
			waitFor(t, func() bool { return b.Stats().Ins == 0 })
		}
		if n := a.Stats().StreamsOpened; n != 4*maxIdle {
			t.Errorf("%d streams opened", n)
		}
	})
}

// openStreams is how many streams that s opened are not gone.
func openStreams(s *Session) int {
	switch tr := s.tr.(type) {
	case *yamuxTransport:
		tr.g.mu.Lock()
		defer tr.g.mu.Unlock()
		if tr.client {
			return tr.g.g.ours - 1 // the control stream
		}
		return tr.g.g.ours
	case *pairTransport:
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.pipes)
	}
	panic("another transport")
}

// TestMaxStreams: uses beyond the limit wait for one that ends, in order, and nothing breaks.
func TestMaxStreams(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		const most = 5 // for the client, one of them is the control stream
		a, b := connect(&handler{serve: func(in *In) { take(in) }}, Config{MaxStreams: most})
		var outs []*Out
		var fs []*feedback
		for i := range 40 {
			f := newFeedback()
			fs = append(fs, f)
			outs = append(outs, b.Open(open(fmt.Sprint(i)), f))
		}
		for i := range outs {
			if i == 20 { // these never came to have a stream
				for _, o := range outs[25:30] {
					o.Close(false)
				}
			}
			if i >= 25 && i < 30 {
				continue
			}
			wantEvent[Accept](t, fs[i])
			if n := openStreams(b); n > most {
				t.Fatalf("%d streams", n)
			}
			outs[i].Close(true)
		}
		waitFor(t, func() bool { return b.Stats().Outs == 0 })
		if a.Err() != nil || b.Err() != nil {
			t.Fatal(a.Err(), b.Err())
		}
	})
}

// TestSchemaGoesOnce: once a use was accepted, the next ones bring the hash alone, and the
// receiver sees the schema all the same.
func TestSchemaGoesOnce(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		schema := make([]byte, 10<<10)
		a, _ := connect(&handler{serve: func(in *In) {
			if len(in.Open().Schema) != len(schema) {
				t.Errorf("a schema of %d bytes", len(in.Open().Schema))
			}
			take(in)
		}}, Config{})
		for i := range uint64(10) {
			before := a.Stats().BytesOut
			f := newFeedback()
			op := open("x")
			op.Schema = schema
			a.Open(op, f)
			wantEvent[Accept](t, f)
			if n := a.Stats().BytesOut - before; (n > 10<<10) != (i == 0) {
				t.Errorf("use %d: %d bytes", i+1, n)
			}
		}
	})
}

// TestTooManySchemas: a peer that brings more types than a session keeps is refused, and nothing else.
func TestTooManySchemas(t *testing.T) {
	a, _ := connectPair(t, &handler{serve: func(in *In) { take(in) }}, Config{})
	for i := range maxSchemaBytes/maxSchema + 2 {
		f := newFeedback()
		o := open("x")
		o.Hash, o.Schema = ID{byte(i), byte(i >> 8)}, make([]byte, maxSchema)
		a.Open(o, f)
		if e := want(t, "an answer", f.events); e != any(Accept{Limit: 1 << 40}) {
			if r, ok := e.(Refuse); !ok || r.Code != CodeLimit || i < maxSchemaBytes/maxSchema {
				t.Fatalf("schema %d: %#v", i, e)
			}
		} else if i > maxSchemaBytes/maxSchema {
			t.Fatal("more bytes are kept than may be")
		}
	}
}

// TestPreparedUse: OPEN leaves with the first batch, or when Begin is called; the number of the
// use is given only then, so that another use may have had the stream before.
func TestPreparedUse(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		served, got := make(chan uint64, 1), make(chan uint64, 1)
		a, _ := connect(&handler{serve: func(in *In) {
			in.Accept(Accept{Limit: 10})
			served <- in.Open().Use
			if f, err := in.Next(); err == nil {
				got <- values(t, f)[0]
			}
		}}, Config{})
		use := func(o *Out, f *feedback, begins bool, v, number uint64) {
			t.Helper()
			if begins {
				o.Begin()
				if n := want(t, "an OPEN", served); n != number {
					t.Fatalf("use %d, want %d", n, number)
				}
			}
			writes := a.Stats().FramesOut
			o.Send(numbers(NewBatch(ID{1}), v, 1))
			o.Close(false)
			if !begins {
				if n := want(t, "an OPEN", served); n != number {
					t.Fatalf("use %d, want %d", n, number)
				}
			}
			if n := want(t, "a value", got); n != v {
				t.Fatalf("%d instead of %d", n, v)
			}
			want(t, "Written", f.written)
			waitFor(t, func() bool { return a.Stats().Outs <= 2 })
			if n := a.Stats().FramesOut - writes; n > 2 { // CLOSE may come later
				t.Errorf("%d writes", n)
			}
		}
		f1, f2, f3 := newFeedback(), newFeedback(), newFeedback()
		first, second := a.Prepare(open("x"), f1), a.Prepare(open("x"), f2)
		third := a.Open(open("x"), f3)
		if n := want(t, "an OPEN", served); n != 1 {
			t.Fatalf("use %d", n)
		}
		third.Send(numbers(NewBatch(ID{1}), 7, 1))
		third.Close(false)
		if n := want(t, "a value", got); n != 7 {
			t.Fatal(n)
		}
		want(t, "Written", f3.written)
		waitFor(t, func() bool { return a.Stats().StreamsIdle == 1 })
		use(second, f2, true, 8, 2)
		waitFor(t, func() bool { return a.Stats().StreamsIdle == 1 })
		use(first, f1, false, 9, 3)
		waitFor(t, func() bool { return a.Stats().Outs == 0 })
		given := a.Prepare(open("x"), newFeedback())
		given.Close(false) // nothing was said
		waitFor(t, func() bool { return a.Stats().Outs == 0 })
		if st := a.Stats(); st.Uses != 3 || st.StreamsOpened != 1 || a.Err() != nil {
			t.Errorf("%+v, %v", st, a.Err())
		}
	})
}
