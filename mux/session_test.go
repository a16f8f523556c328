package mux

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestOneUse(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		got := make(chan []uint64, 1)
		h := &handler{serve: func(in *In) {
			o := in.Open()
			if o.Target.Name != "jobs" || string(o.Schema) != "schema" || o.Text != "text" || o.First != 1 || o.Hash != (ID{1}) {
				t.Errorf("open %+v", o)
			}
			in.Accept(Accept{Limit: 100})
			var all []uint64
			for {
				f, err := in.Next()
				if err != nil {
					if err != io.EOF || !in.Clean() {
						t.Errorf("%v, clean %v", err, in.Clean())
					}
					break
				}
				if f.Kind == KindSchema {
					if string(f.Body) != "another" {
						t.Errorf("schema %q", f.Body)
					}
					continue
				}
				if f.Hash != (ID{1}) || f.Flags != 3 {
					t.Errorf("frame %+v", f)
				}
				all = append(all, values(t, f)...)
				in.Ack(Ack{Taken: uint64(len(all)), Limit: uint64(len(all)) + 100})
			}
			got <- all
		}}
		a, _ := connect(h, Config{})
		f := newFeedback()
		out := a.Open(open("jobs"), f)
		b := numbers(NewBatch(ID{1}), 1, 10)
		b.Flags = 3
		sendAll(t, out, f, b)
		if e := want(t, "event", f.events); e != any(Accept{Limit: 100}) {
			t.Fatalf("%#v", e)
		}
		out.Schema([]byte("another"))
		b.Reset()
		numbers(b, 11, 20).Flags = 3
		sendAll(t, out, f, b)
		for {
			if e := wantEvent[any](t, f); e.(Ack).Taken == 30 {
				break
			}
		}
		out.Close(true)
		all := want(t, "the values", got)
		var expect []uint64
		for i := range uint64(30) {
			expect = append(expect, i+1)
		}
		if !slices.Equal(all, expect) {
			t.Fatalf("got %v", all)
		}
	})
}

func TestRefuse(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		h := &handler{serve: func(in *In) { in.Refuse(CodeType, "other types") }}
		a, _ := connect(h, Config{})
		f := newFeedback()
		out := a.Open(open("x"), f)
		out.Send(numbers(NewBatch(ID{1}), 1, 1))
		if r := wantEvent[Refuse](t, f); r.Code != CodeType || r.Text != "other types" {
			t.Fatalf("%+v", r)
		}
		want(t, "the batch", f.written)
		out.Send(numbers(NewBatch(ID{1}), 1, 1))
		want(t, "the batch after the end", f.written)
	})
}

func TestStop(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		st := Stop{Code: CodeClosed, Text: "bye", UpTo: 1 << 40}
		for i := range uint64(3*maxRunsPerFrame + 7) { // needs several frames
			st.NotTaken = append(st.NotTaken, Run{First: 1 + i*10, Count: 1 + i%9})
		}
		var drops []Drop
		for i := range uint64(3*maxDropsPerFrame + 5) {
			drops = append(drops, Drop{First: 1 + 2*i, Count: 1, Code: CodeDecode, Text: "no"})
		}
		h := &handler{serve: func(in *In) {
			in.Accept(Accept{Limit: 1})
			in.Ack(Ack{Taken: 7, Limit: 9, Drops: drops})
			in.Stop(st)
			<-in.Done()
			if _, err := in.Next(); err != ErrStopped {
				t.Errorf("Next: %v", err)
			}
		}}
		a, _ := connect(h, Config{})
		f := newFeedback()
		a.Open(open("x"), f)
		if e := want(t, "Accepted", f.events); e != any(Accept{Limit: 1}) {
			t.Fatalf("%#v", e)
		}
		var heard []Drop
		for {
			e := want(t, "event", f.events)
			if ack, ok := e.(Ack); ok {
				if ack.Taken != 7 || ack.Limit != 9 {
					t.Fatalf("%+v", ack)
				}
				heard = append(heard, ack.Drops...)
				continue
			}
			got := e.(Stop)
			if got.Code != st.Code || got.Text != st.Text || got.UpTo != st.UpTo || !slices.Equal(got.NotTaken, st.NotTaken) {
				t.Fatalf("stop %d %q %d, %d runs", got.Code, got.Text, got.UpTo, len(got.NotTaken))
			}
			break
		}
		if !slices.Equal(heard, drops) {
			t.Fatalf("%d drops heard of %d", len(heard), len(drops))
		}
	})
}

func TestAttachAndGoodbye(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		type heard struct {
			s *Session
			a Attach
		}
		attached, bye := make(chan heard, 1), make(chan *Session, 1)
		h := &handler{
			attach:  func(s *Session, a Attach) { attached <- heard{s, a} },
			goodbye: func(s *Session) { bye <- s },
		}
		a, b := connect(h, Config{Peer: "peer"})
		at := Attach{Target: Target{Name: "jobs", ID: ID{7}}, End: ID{9}, Name: "r"}
		b.Attach(at)
		if got := want(t, "Attach", attached); got.s != a || got.a != at || got.s.Peer != "peer" {
			t.Fatalf("%+v", got)
		}
		if err := a.Goodbye(background(t)); err != nil {
			t.Fatal(err)
		}
		if s := want(t, "Goodbye", bye); s != b {
			t.Fatal("another session")
		}
		if err := b.Goodbye(background(t)); err != nil { // both may
			t.Fatal(err)
		}
	})
}

// TestGoodbyeIsLast: what was queued before a goodbye is heard before it.
func TestGoodbyeIsLast(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		const n = 2000 // more than is written at a time
		heard := 0     // the control goroutine's
		bye := make(chan int, 1)
		a, _ := connect(&handler{
			attach:  func(*Session, Attach) { heard++ },
			goodbye: func(*Session) { bye <- heard },
		}, Config{})
		for range n {
			a.Attach(Attach{Name: strings.Repeat("x", MaxText)})
		}
		if err := a.Goodbye(background(t)); err != nil {
			t.Fatal(err)
		}
		if got := want(t, "Goodbye", bye); got != n {
			t.Errorf("%d of %d came before", got, n)
		}
	})
}

// TestEnd: the end of one session ends all that is under way at both sides.
func TestEnd(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		served, ends := make(chan error, 2), make(chan error, 2)
		started := make(chan struct{}, 2)
		h := &handler{
			serve: func(in *In) {
				started <- struct{}{}
				if in.Open().Target.Name == "blocked" {
					<-in.Done()
				}
				_, err := in.Next()
				served <- err
			},
			ended: func(_ *Session, err error) { ends <- err },
		}
		a, b := connect(h, Config{})
		f, g := newFeedback(), newFeedback()
		a.Open(open("blocked"), f)
		b.Open(open("waiting"), g)
		want(t, "Serve", started)
		want(t, "Serve", started)
		reason := errors.New("reason")
		a.Close(reason)
		a.Wait()
		b.Wait()
		if a.Err() != reason || b.Err() == nil {
			t.Fatalf("%v, %v", a.Err(), b.Err())
		}
		for range 2 {
			if err := want(t, "Next", served); err == nil || err == io.EOF {
				t.Errorf("Next: %v", err)
			}
			want(t, "Ended", ends)
		}
		if l := wantEvent[lost](t, f); l.err != reason {
			t.Errorf("lost: %v", l.err)
		}
		wantEvent[lost](t, g)
		late := newFeedback()
		a.Open(open("late"), late).Send(numbers(NewBatch(ID{}), 1, 1))
		wantEvent[lost](t, late)
		if err := a.Goodbye(background(t)); err != reason {
			t.Errorf("goodbye: %v", err)
		}
		if !errors.Is(ErrClosed, net.ErrClosed) {
			t.Error("ErrClosed doesn't match net.ErrClosed")
		}
	})
}
