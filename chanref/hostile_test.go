package chanref

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// feedback lets a test send what no source would.
type feedback struct {
	accepted chan mux.Accept
	refused  chan mux.Refuse
	lost     chan error
}

func newFeedback() *feedback {
	return &feedback{make(chan mux.Accept, 1), make(chan mux.Refuse, 1), make(chan error, 1)}
}

func (f *feedback) Accepted(a mux.Accept) { f.accepted <- a }
func (f *feedback) Refused(r mux.Refuse)  { f.refused <- r }
func (f *feedback) Acked(mux.Ack)         {}
func (f *feedback) Stopped(mux.Stop)      {}
func (f *feedback) Written(*mux.Batch)    {}
func (f *feedback) Lost(err error)        { f.lost <- err }

// bring opens a stream of Ts to sink and sends a frame on it.
func bring[T any](t *testing.T, s *mux.Session, sink interface{ ID() mux.ID }, frame func(*mux.Batch)) *feedback {
	t.Helper()
	schema := writer[T](t).Schema()
	f := newFeedback()
	out := s.Open(mux.Open{Target: to(sink), End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, f)
	receive(t, f.accepted)
	b := mux.NewBatch(schema.Hash())
	frame(b)
	out.Send(b)
	return f
}

// hostile does the same, and the session does not survive it.
func hostile[T any](t *testing.T, s *mux.Session, sink interface{ ID() mux.ID }, frame func(*mux.Batch)) {
	t.Helper()
	receive(t, bring[T](t, s, sink, frame).lost)
}

// A sender that does not keep to the rules loses its session, and nothing of
// what it sent against them reaches the program.
func TestHostileSender(t *testing.T) {
	values := func(n int) func(*mux.Batch) {
		return func(b *mux.Batch) { b.Count = n }
	}
	bytes := func(n int, values ...byte) func(*mux.Batch) {
		return func(b *mux.Batch) { b.B, b.Count = append(b.B, values...), n }
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"a million values without size", func(t *testing.T, w *world) {
			d, sink := sinkIn[struct{}](w, 4)
			hostile[struct{}](t, w.link("evil"), sink, values(1<<20))
			if len(d) != 0 {
				t.Fatalf("%d values came", len(d))
			}
		}},
		{"no value above the limit", func(t *testing.T, w *world) {
			d, sink := sinkIn[uint8](w, 1)
			link := w.link("good")
			bring[uint8](t, link, sink, bytes(2, 1, 2))
			if v := receive(t, d); v != 1 || link.Err() != nil {
				t.Fatalf("got %d, session: %v", v, link.Err())
			}
			if v := receive(t, d); v != 2 {
				t.Fatal(v)
			}
		}},
		{"one value above the limit", func(t *testing.T, w *world) {
			d, sink := sinkIn[uint8](w, 1)
			hostile[uint8](t, w.link("evil"), sink, bytes(3, 1, 2, 3))
			if len(d) != 0 {
				t.Fatalf("%d values came", len(d))
			}
		}},
		{"references before values that have none", func(t *testing.T, w *world) {
			_, sink := sinkIn[uint8](w, 4)
			hostile[uint8](t, w.link("evil"), sink, func(b *mux.Batch) { b.B, b.Count, b.Refs = append(b.B, 1), 1, []byte{1} })
		}},
		{"bytes behind the last value", func(t *testing.T, w *world) {
			_, sink := sinkIn[uint8](w, 4)
			hostile[uint8](t, w.link("evil"), sink, bytes(2, 1, 2, 3))
		}},
		{"a value cut off", func(t *testing.T, w *world) {
			_, sink := sinkIn[string](w, 4)
			hostile[string](t, w.link("evil"), sink, bytes(1, 9, 'x'))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, newWorld(t)) })
		})
	}
}

func TestHostileOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, sink := sinkIn[int](w, 0)
		f := newFeedback()
		w.link("evil").Open(mux.Open{Target: to(sink), End: newID(), First: 1, Schema: []byte("no schema")}, f)
		receive(t, f.lost)
		schema := writer[int](t).Schema()
		f = newFeedback()
		w.link("evil").Open(mux.Open{Target: to(sink), End: newID(), First: 1, Hash: mux.ID{1}, Schema: schema.Bytes()}, f)
		receive(t, f.lost)
		// Numbers near the end of what a number can be.
		g := newFeedback()
		out := w.link("evil").Open(mux.Open{Target: to(sink), End: newID(), First: ^uint64(0), Hash: schema.Hash(), Schema: schema.Bytes()}, g)
		receive(t, g.accepted)
		out.Close(false)
		settled()
		if st := sink.Stats(); st.Senders != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// deafEnd serves one side of a session by the table, and on the other never answers.
type deafEnd struct {
	handler
	deaf *mux.Session
}

func (d *deafEnd) Serve(in *mux.In) {
	if in.Session() == d.deaf {
		<-in.Done()
		return
	}
	d.handler.Serve(in)
}

// TestHostileAsker: a peer that asks one sender for streams without end loses its link, and the
// receivers elsewhere get their values.
func TestHostileAsker(t *testing.T) {
	w := newWorld(t)
	c, src := sourceIn[int](w, 0)
	d, sink := sinkIn[int](w, 1)
	connect(t, src, w.link("good"), sink)
	h := &deafEnd{handler: handler{w.table}}
	evil, b := mux.Pair(h, mux.Config{Peer: "evil", Logger: slog.New(w.log)})
	t.Cleanup(func() { cut(evil); b.Wait() })
	h.deaf = evil
	for i := range maxReceivers + 1 {
		evil.Attach(mux.Attach{Target: mux.Target{Name: "jobs", ID: src.ID()}, End: newID(), Name: "jobs"})
		if i%1000 == 0 {
			send(t, c, i)
			if v := receive(t, d); v != i {
				t.Fatal(v)
			}
		}
	}
	ended(t, "the asker's link", b.Done())
	if err := (*ProtocolError)(nil); !errors.As(b.Err(), &err) || !strings.Contains(err.Error(), "calm down") {
		t.Errorf("ended with %v", b.Err())
	}
	eventually(t, "one receiver is left", func() bool { return src.Stats().Receivers == 1 })
	send(t, c, 7)
	if v := receive(t, d); v != 7 {
		t.Fatal(v)
	}
}

func TestCodeOf(t *testing.T) {
	for err, want := range map[error]mux.Code{
		&codec.ValueError{Err: codec.ErrUnregistered}: mux.CodeUnregistered,
		&codec.ValueError{Err: codec.ErrTooLarge}:     mux.CodeTooLarge,
		&codec.ValueError{}:                           mux.CodeDecode,
	} {
		if got := codeOf(err, mux.CodeDecode); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
