package chanref

import (
	"encoding/binary"
	"reflect"
	"runtime"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// intruder is a node that sends what no table would.
type intruder struct {
	*globe
	t        *testing.T
	victim   *land
	friend   *land
	self     *land
	s        *mux.Session // from the intruder to the victim
	heard    chan mux.Accept
	original chan int
}

func newIntruder(t *testing.T) *intruder {
	g, n := newGlobe(t, "victim", "friend", "intruder")
	g.rude, n[2].deaf = true, true
	return &intruder{globe: g, t: t, victim: n[0], friend: n[1], self: n[2], s: n[2].to(n[0]), original: make(chan int, 4)}
}

// ref is the friend's reference to the original.
func (x *intruder) ref(dir mux.Direction) mux.Ref {
	x.t.Helper()
	x.victim.table.refs.mu.Lock()
	defer x.victim.table.refs.mu.Unlock()
	for id, e := range x.victim.table.refs.exports {
		if e.ref.Dir == dir {
			return mux.Ref{Channel: id, Dir: dir}
		}
	}
	x.t.Fatal("nothing is exported")
	return mux.Ref{}
}

func (x *intruder) violations() int {
	x.victim.table.refs.mu.Lock()
	defer x.victim.table.refs.mu.Unlock()
	n := 0
	for _, v := range x.victim.table.refs.violations {
		n += v
	}
	return n
}

// open begins a stream of ints to the channel of that ID.
func (x *intruder) open(id mux.ID) *feedback {
	schema := writer[int](x.t).Schema()
	f := newFeedback()
	x.s.Open(mux.Open{Target: mux.Target{ID: id}, End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, f)
	return f
}

// values sends one frame of values with references to a Receiver at the victim, and returns what
// comes there.
func (x *intruder) values(refs []byte, count int, numbers ...uint64) (<-chan chan<- int, *feedback) {
	x.t.Helper()
	c := make(chan chan<- int, 8)
	sink := NewSink(x.victim.table, c, writer[chan<- int](x.t), SinkConfig{ID: newID(), Name: "jobs", KeepOpen: true, Logger: x.victim.table.log})
	schema, f := writer[chan<- int](x.t).Schema(), newFeedback()
	out := x.s.Open(mux.Open{Target: to(sink), End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, f)
	b := mux.NewBatch(schema.Hash())
	b.Refs, b.Count = refs, count
	for _, n := range numbers {
		b.B = binary.AppendUvarint(b.B, n+1)
	}
	out.Send(b)
	return c, f
}

func (x *intruder) linkEnds() {
	x.t.Helper()
	x.s.Wait()
}

func gatesOf(sink refSink) int {
	switch s := sink.(type) {
	case *Sink[int]:
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.gates)
	case *Sink[reflect.Value]:
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.gates)
	}
	return 0
}

// What a peer may not do, and what becomes of it.
func TestHostileRefs(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(*intruder)
	}{
		{"a channel that somebody else holds", func(x *intruder) {
			held := carry[chan<- int](x.victim, x.friend, x.original)
			receive(x.t, x.open(x.ref(mux.ToSend).Channel).refused)
			if x.violations() != 1 || len(x.original) != 0 {
				x.t.Fatal(x.violations())
			}
			runtime.KeepAlive(held)
		}},
		{"a channel to send on that somebody else holds, to receive from", func(x *intruder) {
			held := carry[<-chan int](x.victim, x.friend, x.original)
			id := x.ref(mux.ToReceive).Channel
			x.original <- 7
			x.s.Attach(mux.Attach{Target: mux.Target{ID: id}, End: newID()})
			eventually(x.t, "a violation", func() bool { return x.violations() == 1 })
			receive(x.t, x.open(id).refused)
			if v := receive(x.t, held); v != 7 {
				x.t.Fatal(v)
			}
		}},
		{"the other direction of what it holds", func(x *intruder) {
			held := carry[chan<- int](x.victim, x.self, x.original)
			x.original <- 7
			x.s.Attach(mux.Attach{Target: mux.Target{ID: x.ref(mux.ToSend).Channel}, End: newID()})
			eventually(x.t, "a violation", func() bool { return x.violations() == 1 })
			if len(x.original) != 1 {
				x.t.Fatal("a value was taken")
			}
			runtime.KeepAlive(held)
		}},
		{"a guess, until the link is closed", func(x *intruder) {
			for range maxViolations {
				x.open(newID())
			}
			x.linkEnds()
		}},
		{"guesses in values", func(x *intruder) {
			var refs []byte
			var numbers []uint64
			for i := range maxViolations {
				refs = (&wireRef{kind: refYours, dir: mux.ToSend, id: newID()}).append(refs)
				numbers = append(numbers, uint64(i))
			}
			for range 20 {
				if x.s.Err() != nil {
					return
				}
				_, f := x.values(refs, 5, numbers[:5]...)
				_ = f
			}
			x.linkEnds()
		}},
		{"released without being held", func(x *intruder) {
			held := carry[chan<- int](x.victim, x.friend, x.original)
			x.s.Release(x.ref(mux.ToSend), 1)
			x.linkEnds()
			send(x.t, held, 1)
			receive(x.t, x.original)
		}},
		{"released too often", func(x *intruder) {
			held := carry[chan<- int](x.victim, x.self, x.original)
			x.s.Release(x.ref(mux.ToSend), 2)
			x.linkEnds()
			runtime.KeepAlive(held)
		}},
		{"an answer to nothing", func(x *intruder) {
			x.s.Held(mux.Ref{Channel: newID(), Dir: mux.ToSend}, true)
			x.linkEnds()
		}},
		{"a kind of reference that there is not", func(x *intruder) {
			for _, kind := range []byte{0, 5, 6, 15} {
				_, f := x.values([]byte{kind<<4 | byte(mux.ToSend), 1}, 1, 0)
				receive(x.t, f.lost)
				x.s = x.self.to(x.victim)
			}
		}},
		{"a reference cut off", func(x *intruder) {
			whole := (&wireRef{kind: refOther, dir: mux.ToSend, size: 3, home: x.friend.Self(), gated: true, straight: true, number: 300}).append(nil)
			for n := 1; n < len(whole); n += 7 {
				_, f := x.values(whole[:n], 1, 0)
				receive(x.t, f.lost)
				x.s = x.self.to(x.victim)
			}
		}},
		{"more references than one frame may have", func(x *intruder) {
			refs := make([]byte, mux.MaxFrame)
			for i := range refs {
				refs[i] = byte(refGone)<<4 | byte(mux.ToSend)
			}
			in, _ := x.values(refs[:maxTable], 1, maxTable-1)
			receive(x.t, in)
			_, f := x.values(refs[:maxTable+1], 1, 0)
			receive(x.t, f.lost)
		}},
		{"numbers beyond the table", func(x *intruder) {
			mine := (&wireRef{kind: refMine, dir: mux.ToSend, id: newID(), size: 1}).append(nil)
			in, _ := x.values(mine, 3, 1, 1<<63, 0)
			if ch := receive(x.t, in); ch == nil || len(in) != 0 {
				x.t.Fatal("values that can't be read have come")
			}
		}},
		{"a capacity that nobody has", func(x *intruder) {
			mine := (&wireRef{kind: refMine, dir: mux.ToSend, id: newID(), size: 1 << 60}).append(nil)
			in, _ := x.values(mine, 1, 0)
			if ch := receive(x.t, in); cap(ch) != 1 {
				x.t.Fatalf("a channel with room for %d", cap(ch))
			}
		}},
		{"more channels than it may send", func(x *intruder) {
			x.victim.table.maxHeld = 400
			var refs []byte
			for range 401 {
				refs = (&wireRef{kind: refMine, dir: mux.ToSend, id: newID(), size: 1}).append(refs)
			}
			x.values(refs, 1, 0)
			x.linkEnds()
			eventually(x.t, "nothing is held", func() bool { return x.victim.table.RefStats().Held == 0 })
		}},
		{"an ID of former times", func(x *intruder) {
			held := carry[chan<- int](x.victim, x.self, x.original)
			id := x.ref(mux.ToSend).Channel
			runtime.KeepAlive(held)
			held = nil
			x.empty()
			if r := receive(x.t, x.open(id).refused); r.Code != mux.CodeNoSuch {
				x.t.Fatal(r)
			}
			in, _ := x.values((&wireRef{kind: refYours, dir: mux.ToSend, id: id}).append(nil), 1, 0)
			late := receive(x.t, in)
			ended(x.t, "what comes home too late", doneOf(late))
			for i := range 10 {
				send(x.t, late, i)
			}
			if len(x.original) != 0 || x.violations() != 0 {
				x.t.Fatal("a value has come, or it was taken for an attack")
			}
		}},
		{"home as a channel of another type", func(x *intruder) {
			strings := make(chan string, 1)
			held := carry[chan<- string](x.victim, x.self, strings)
			in, _ := x.values((&wireRef{kind: refYours, dir: mux.ToSend, id: x.ref(mux.ToSend).Channel}).append(nil), 2, 0)
			if x.s.Err() == nil {
				select {
				case ch := <-in:
					x.t.Fatalf("%T", ch)
				default:
				}
			}
			runtime.KeepAlive(held)
		}},
		{"a gate that never opens delays nobody else", func(x *intruder) {
			held := carry[chan<- int](x.victim, x.friend, x.original)
			ref := x.ref(mux.ToSend)
			x.s.Hold(mux.Hold{Channel: ref.Channel, Dir: ref.Dir, Gate: &mux.Gate{Node: x.friend.Self().ID, End: newID(), Number: 1 << 63}})
			eventually(x.t, "it holds the channel", func() bool {
				r := &x.victim.table.refs
				r.mu.Lock()
				defer r.mu.Unlock()
				return len(r.out.held) == 2
			})
			receive(x.t, x.open(ref.Channel).accepted)
			send(x.t, held, 1)
			receive(x.t, x.original)
			cut(x.s)
			eventually(x.t, "no gate is left", func() bool {
				x.victim.table.refs.mu.Lock()
				defer x.victim.table.refs.mu.Unlock()
				for _, e := range x.victim.table.refs.exports {
					if gatesOf(e.sink)+len(e.gates)+len(x.victim.table.refs.waits) > 0 {
						return false
					}
				}
				return true
			})
			runtime.KeepAlive(held)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newIntruder(t)
			c.run(x)
			runtime.KeepAlive(x.original)
		})
	}
}
