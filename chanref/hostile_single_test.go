package chanref

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// answers is a mux.Feedback that keeps what it hears.
type answers struct{ heard chan any }

func (a answers) Accepted(v mux.Accept) { a.heard <- v }
func (a answers) Refused(v mux.Refuse)  { a.heard <- v }
func (a answers) Acked(v mux.Ack)       { a.heard <- v }
func (a answers) Stopped(v mux.Stop)    { a.heard <- v }
func (answers) Written(*mux.Batch)      {}
func (a answers) Lost(err error)        { a.heard <- err }

// taken waits until all values up to n are acknowledged.
func (a answers) taken(t testing.TB, n uint64) {
	t.Helper()
	for {
		switch v := receive(t, a.heard).(type) {
		case mux.Ack:
			if v.Taken >= n {
				return
			}
		case mux.Accept:
		default:
			t.Fatalf("%#v", v)
		}
	}
}

// learn has the victim accept ints from x, which holds the channel of that ID.
func (x *intruder) learn(id mux.ID) {
	schema, a := writer[int](x.t).Schema(), answers{make(chan any, 9)}
	out := x.s.Open(mux.Open{Target: mux.Target{ID: id}, End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, a)
	receive(x.t, a.heard)
	out.Close(false)
	x.nothingWaits()
}

// single sends b to the channel of that ID.
func (x *intruder) single(id, end mux.ID, first uint64, b ...byte) answers {
	x.t.Helper()
	schema := writer[int](x.t).Schema()
	a := answers{make(chan any, 100)}
	open := mux.Open{Target: mux.Target{ID: id}, End: end, First: first, Hash: schema.Hash(), Schema: schema.Bytes()}
	if x.s.Single(open, b, a) == nil {
		x.t.Fatal("no single value")
	}
	return a
}

// ints opens a stream to the channel of that ID, and sends so many values.
func (x *intruder) ints(id, end mux.ID, first uint64, b ...byte) answers {
	schema := writer[int](x.t).Schema()
	a := answers{make(chan any, 100)}
	out := x.s.Open(mux.Open{Target: mux.Target{ID: id}, End: end, First: first, Hash: schema.Hash(), Schema: schema.Bytes()}, a)
	batch := mux.NewBatch(schema.Hash())
	batch.B, batch.Count = append(batch.B, b...), len(b)
	out.Send(batch)
	return a
}

// nothingWaits waits until the victim has no use of x any more.
func (x *intruder) nothingWaits() {
	x.t.Helper()
	s := x.victim.to(x.self)
	eventually(x.t, "nothing waits", func() bool { st := s.Stats(); return st.Ins == 0 })
}

func (x *intruder) violated() {
	x.t.Helper()
	eventually(x.t, "a violation", func() bool { return x.violations() == 1 })
}

// What a peer may not do with single values, and what becomes of it.
func TestHostileSingles(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(x *intruder, id mux.ID)
	}{
		{"for a channel that nobody has", func(x *intruder, _ mux.ID) {
			if r, ok := receive(x.t, x.single(newID(), newID(), 1, 2).heard).(mux.Refuse); !ok || r.Code != mux.CodeNoSuch {
				x.t.Fatalf("%+v", r)
			}
			x.violated()
		}},
		{"for a channel that somebody else holds", func(x *intruder, _ mux.ID) {
			other := make(chan int, 1)
			held := carry[chan<- int](x.victim, x.friend, other)
			id := x.idOf(other)
			if r, ok := receive(x.t, x.single(id, newID(), 1, 2).heard).(mux.Refuse); !ok || r.Code != mux.CodeNoSuch {
				x.t.Fatalf("%+v", r)
			}
			x.violated()
			runtime.KeepAlive(held)
		}},
		{"for a channel to receive from", func(x *intruder, _ mux.ID) {
			other := make(chan int, 1)
			held := carry[<-chan int](x.victim, x.self, other)
			if r, ok := receive(x.t, x.single(x.ref(mux.ToReceive).Channel, newID(), 1, 2).heard).(mux.Refuse); !ok {
				x.t.Fatalf("%+v", r)
			}
			x.violated()
			if len(other) != 0 {
				x.t.Fatal("it has come")
			}
			runtime.KeepAlive(held)
		}},
		{"guesses, until the link is closed", func(x *intruder, _ mux.ID) {
			for range maxViolations {
				x.single(newID(), newID(), 1, 2)
			}
			x.linkEnds()
		}},
		{"that are no values", func(x *intruder, id mux.ID) {
			x.single(id, newID(), 1, 0xff)
			x.linkEnds()
		}},
		{"with bytes behind", func(x *intruder, id mux.ID) {
			x.single(id, newID(), 1, 2, 2)
			x.linkEnds()
		}},
		{"from the last number there is", func(x *intruder, id mux.ID) {
			a := x.single(id, newID(), 1<<64-1, 2)
			receive(x.t, x.original)
			receive(x.t, a.heard)
		}},
		{"that leave numbers out", func(x *intruder, id mux.ID) {
			end := newID()
			a := x.single(id, end, 5, 2)
			receive(x.t, x.original)
			a.taken(x.t, 5)
			b := x.single(id, end, 9, 4)
			receive(x.t, b.heard) // it has arrived, and is not taken
			c := x.ints(id, end, 20, 6, 8)
			for i := 2; i <= 4; i++ {
				if v := receive(x.t, x.original); v != i {
					x.t.Fatalf("%d in place of %d", v, i)
				}
			}
			c.taken(x.t, 21)
		}},
		{"of the same end beside each other", func(x *intruder, id mux.ID) {
			end := newID()
			for range 10 { // there is room for four
				x.single(id, end, 1, 2)
			}
			eventually(x.t, "all have come", func() bool { return x.singles.Load() == 10 })
			b := x.ints(id, end, 1, 4)
			for range 4 {
				receive(x.t, x.original)
			}
			eventually(x.t, "the stream's value", func() bool {
				select {
				case v := <-x.original:
					return v == 2
				default:
					return false
				}
			})
			b.taken(x.t, 1)
		}},
		{"of the same end, until the link ends", func(x *intruder, id mux.ID) {
			end := newID()
			for range 10 {
				x.single(id, end, 1, 2)
			}
			cut(x.s)
			x.victim.to(x.self)
			eventually(x.t, "the channel has ended", func() bool {
				select {
				case <-doneOf(x.original):
					return true
				default:
					return false
				}
			})
		}},
		{"more than may wait", func(x *intruder, id mux.ID) {
			a := answers{make(chan any, 1<<14)}
			schema := writer[int](x.t).Schema()
			open := mux.Open{Target: mux.Target{ID: id}, First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}
			for range 5000 {
				open.End = newID()
				if one := x.s.Single(open, []byte{2}, a); one != nil {
					one.Close(false) // it counts no more, here
				}
			}
			x.linkEnds()
		}},
		{"released while they wait", func(x *intruder, id mux.ID) {
			for range 10 {
				x.single(id, newID(), 1, 2)
			}
			eventually(x.t, "some have come", func() bool { return len(x.original) == 4 })
			done := doneOf(x.original)
			x.s.Release(mux.Ref{Channel: id, Dir: mux.ToSend}, 1)
			ended(x.t, "the channel", done)
			x.nothingWaits()
			if len(x.original) != 4 {
				x.t.Fatalf("%d values", len(x.original))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newIntruder(t)
			held := carry[chan<- int](x.victim, x.self, x.original)
			id := x.ref(mux.ToSend).Channel
			x.learn(id)
			c.run(x, id)
			runtime.KeepAlive(held)
			runtime.KeepAlive(x.original)
		})
	}
}

// idOf is the ID of a channel of the victim.
func (x *intruder) idOf(ch chan int) (id mux.ID) {
	x.t.Helper()
	r := &x.victim.table.refs
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.exports {
		if e.own.id.Value() == objectOf(ch) {
			return id
		}
	}
	x.t.Fatal("it is not exported")
	return id
}

// slow is a value that the program decodes, and that it may do for as long as it likes.
type slow struct{ n byte }

var slowly = make(chan bool)

func (s slow) MarshalBinary() ([]byte, error) { return []byte{s.n}, nil }

func (s *slow) UnmarshalBinary(b []byte) error {
	if len(b) != 1 {
		return errors.New("not slow")
	}
	if s.n = b[0]; s.n > 1 {
		<-slowly
	}
	return nil
}

// A value that is decoded by the program holds up no other, though its sender sends it so that it
// should not.
func TestSingleThatIsDecodedSlowly(t *testing.T) {
	x := newIntruder(t)
	slows := make(chan slow, 4)
	held := carry[chan<- slow](x.victim, x.self, slows)
	id := x.ref(mux.ToSend).Channel
	w := writer[slow](t)
	value, err := w.Append(nil, &slow{1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := mux.Open{Target: mux.Target{ID: id}, End: newID(), First: 1, Hash: w.Schema().Hash(), Schema: w.Schema().Bytes()}
	first := answers{make(chan any, 9)}
	out := x.s.Open(open, first)
	b := mux.NewBatch(open.Hash)
	b.B, b.Count = append(b.B, value...), 1
	out.Send(b)
	receive(t, slows)
	first.taken(t, 1)
	value[len(value)-1] = 2
	open.End = newID()
	waits := answers{make(chan any, 9)}
	if x.s.Single(open, value, waits) == nil {
		t.Fatal("no single value")
	}
	other := carry[chan<- int](x.victim, x.self, x.original)
	for i := range 5 {
		send(t, other, i)
		receive(t, x.original)
	}
	if len(waits.heard)+len(slows) > 0 {
		t.Fatal("it has not waited")
	}
	slowly <- true
	if v := receive(t, slows); v.n != 2 {
		t.Fatal(v)
	}
	waits.taken(t, 1)
	runtime.KeepAlive(held)
	runtime.KeepAlive(other)
}

// A value inside any, by a schema that was sent on no stream of its own, can't be had; the next can.
func TestSingleWithAny(t *testing.T) {
	x := newIntruder(t)
	anys := make(chan any, 4)
	held := carry[chan<- any](x.victim, x.self, anys)
	id := x.ref(mux.ToSend).Channel
	schema := writer[any](t).Schema()
	send(t, held, any(1))
	receive(t, anys)
	open := mux.Open{Target: mux.Target{ID: id}, End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}
	a := answers{make(chan any, 9)}
	value := append([]byte{1}, make([]byte, 16)...)
	value = append(binary.AppendUvarint(value, 1), 0)
	eventually(t, "the schema is known", func() bool { return x.s.Single(open, value, a) != nil })
	switch v := receive(t, a.heard).(type) {
	case mux.Ack:
		if len(v.Drops) != 1 || !strings.Contains(v.Drops[0].Text, "any") && v.Drops[0].Code != mux.CodeUnregistered && v.Drops[0].Code != mux.CodeDecode {
			t.Fatalf("%+v", v)
		}
	default:
		x.linkEnds()
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(anys)
}
