package chanref

import (
	"reflect"
	"runtime"
	"testing"
	"weak"

	"github.com/matveynator/netchan/mux"
)

// Words about one channel may overtake each other: who has released a channel and then is heard
// to ask for it, or to send on it, is late, and no intruder. Others may hold it still.
func TestLateWordsAreNoViolation(t *testing.T) {
	for _, dir := range []mux.Direction{mux.ToSend, mux.ToReceive} {
		g, n := newGlobe(t, "home", "late", "other")
		home, late, other := n[0], n[1], n[2]
		ints := make(chan int, 1)
		var atOther any
		if dir == mux.ToSend {
			atOther = carry[chan<- int](home, other, ints)
			ended(t, "the proxy", released(carry[chan<- int](home, late, ints)))
		} else {
			atOther = carry[<-chan int](home, other, ints)
			ended(t, "the proxy", released(carry[<-chan int](home, late, ints)))
		}
		s := home.to(late)
		var id mux.ID
		eventually(t, "only one to hold it", func() bool {
			r := &home.table.refs
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, e := range r.exports {
				id = e.ref.Channel
				if e.ref.Dir == dir && r.out.of(s, e) == 0 && r.out.isHeld(e) {
					return true
				}
			}
			return false
		})
		if dir == mux.ToReceive {
			home.table.Attach(s, mux.Attach{Target: mux.Target{ID: id}, End: newID()})
		} else {
			schema := writer[int](t).Schema()
			f := newFeedback()
			late.to(home).Open(mux.Open{Target: mux.Target{ID: id}, End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, f)
			if r := receive(t, f.refused); r.Code != mux.CodeNoSuch {
				t.Fatal(r)
			}
		}
		home.table.refs.mu.Lock()
		v := home.table.refs.violations[s]
		home.table.refs.mu.Unlock()
		if v != 0 {
			t.Fatalf("direction %d: %d violations of a node that is late", dir, v)
		}
		cut(s) // the table knows
		home.table.refs.mu.Lock()
		for _, e := range home.table.refs.exports {
			if len(e.former) > 0 {
				t.Error("a session that was lost is kept")
			}
		}
		home.table.refs.mu.Unlock()
		runtime.KeepAlive(atOther)
		runtime.KeepAlive(ints)
		atOther, ints = nil, nil
		g.empty()
	}
}

// released gives a proxy up, and tells of its end.
func released(ch any) <-chan struct{} {
	e, _ := EndingOf(ch)
	e.Release()
	return e.Done()
}

// A proxy that ends while a reference to it is being made is passed on as one that is gone:
// through it nothing would pass, and nobody would say so.
func TestProxyThatEndsWhileItIsPassedOn(t *testing.T) {
	g, n := newGlobe(t, "home", "between", "third")
	home, between, third := n[0], n[1], n[2]
	ints := make(chan int, 1)
	far := carry[chan<- int](home, between, ints)
	ch := reflect.ValueOf(far)
	between.table.refs.mu.Lock()
	p := between.table.refs.byChan[weak.Make(objectIn(ch))]
	between.table.refs.mu.Unlock()
	ended(t, "the proxy", released(far))
	eventually(t, "the proxy's end", func() bool { over, _, _ := p.standing(); return over })
	r := wireRef{kind: refOther, dir: mux.ToSend, home: home.Self(), homeID: p.key.ref.Channel}
	ref, err := between.table.count(between.to(third), &r, objectIn(ch), ch, p, false)
	if err != nil || ref.e != nil || r.kind != refGone {
		t.Fatalf("%+v, %v, kind %d", ref, err, r.kind)
	}
	runtime.KeepAlive(ints)
	far, ch, ints = nil, reflect.Value{}, nil
	g.empty()
}

// A source may not know yet that its session was lost: what it refers to then is held by nobody,
// for nobody would ever give it back.
func TestReferOverALostSession(t *testing.T) {
	g, n := newGlobe(t, "home", "other")
	home, other := n[0], n[1]
	s := home.to(other)
	cut(s)
	s.Wait() // the table knows
	for _, ch := range []any{make(chan<- int), make(<-chan int)} {
		ref, err := home.table.refer(s, patient{}, false, reflect.ValueOf(ch))
		if err != nil || ref.e != nil {
			t.Fatalf("%+v, %v", ref, err)
		}
	}
	g.empty()
}

// Word that a channel is gone may come before the value with the reference: what arrives then is
// a channel that is gone.
func TestGoneBeforeItArrives(t *testing.T) {
	for _, relayed := range []bool{false, true} {
		g, n := newGlobe(t, "home", "between", "third")
		home, between, third := n[0], n[1], n[2]
		g.part(home, third)
		ints := make(chan int, 1)
		from, ch := home, chan<- int(ints)
		if relayed {
			from, ch = between, carry[chan<- int](home, between, ints)
		}
		ref, err := from.table.refer(from.to(third), patient{}, false, reflect.ValueOf(ch))
		if err != nil {
			t.Fatal(err)
		}
		if relayed {
			ended(t, "the proxy", released(ch))
		} else {
			ref.e.over(nil)
		}
		s := third.to(from)
		eventually(t, "word that the channel is gone", func() bool {
			third.table.refs.mu.Lock()
			defer third.table.refs.mu.Unlock()
			return third.table.refs.isEarly(s, ref.e.ref.Channel)
		})
		a := arrivals{table: third.table}
		if err := a.read(s, ref.wire); err != nil {
			t.Fatal(err)
		}
		got, err := a.claim(0, reflect.TypeFor[chan<- int]())
		if err != nil {
			t.Fatal(err)
		}
		a.close()
		ended(t, "what has arrived", doneOf(got.Interface()))
		runtime.KeepAlive(ints)
		ints, ch, ref, got = nil, nil, outRef{}, reflect.Value{}
		g.empty()
	}
}

// Word that a channel is gone comes once more when a reference to it is still under way while
// an earlier one has come to its end.
func TestGoneBetweenTwoReferences(t *testing.T) {
	for _, relayed := range []bool{false, true} {
		g, n := newGlobe(t, "home", "between", "third")
		home, between, third := n[0], n[1], n[2]
		g.part(home, third)
		ints := make(chan int, 1)
		from, ch := home, chan<- int(ints)
		if relayed {
			from, ch = between, carry[chan<- int](home, between, ints)
		}
		var refs [2]outRef
		for i := range refs {
			var err error
			if refs[i], err = from.table.refer(from.to(third), patient{}, false, reflect.ValueOf(ch)); err != nil {
				t.Fatal(err)
			}
		}
		a := arrivals{table: third.table}
		arrive := func(i int) (got any) {
			if err := a.read(third.to(from), refs[i].wire); err != nil {
				t.Fatal(err)
			}
			v, err := a.claim(0, reflect.TypeFor[chan<- int]())
			if err != nil {
				t.Fatal(err)
			}
			a.close()
			return v.Interface()
		}
		first := arrive(0)
		if relayed {
			ended(t, "the proxy", released(ch))
		} else {
			refs[0].e.over(nil)
		}
		ended(t, "what has arrived first", doneOf(first))
		eventually(t, "the first reference's release", func() bool {
			from.table.refs.mu.Lock()
			defer from.table.refs.mu.Unlock()
			return from.table.refs.out.of(from.to(third), refs[0].e) == 1
		})
		ended(t, "what arrives later", doneOf(arrive(1)))
		runtime.KeepAlive(ints)
		ints, ch, refs, first = nil, nil, [2]outRef{}, nil
		g.empty()
	}
}

// Who passes a channel on and gives it up at once has passed it on all the same.
func TestReleasedWhileUnderWay(t *testing.T) {
	g, n := newGlobe(t, "home", "between", "third")
	home, between, third := n[0], n[1], n[2]
	ints := make(chan int, 1)
	far := carry[chan<- int](home, between, ints)
	ref, err := between.table.refer(between.to(third), patient{}, false, reflect.ValueOf(far))
	if err != nil {
		t.Fatal(err)
	}
	ended(t, "the proxy", released(far))
	left := make(chan struct{})
	go func() {
		defer close(left)
		between.table.handOver(t.Context())
	}()
	s := third.to(between)
	eventually(t, "word that the way is gone", func() bool {
		third.table.refs.mu.Lock()
		defer third.table.refs.mu.Unlock()
		return third.table.refs.isEarly(s, ref.e.ref.Channel)
	})
	select {
	case <-left:
		t.Error("the node that passed it on could leave")
	default:
	}
	a := arrivals{table: third.table}
	if err := a.read(s, ref.wire); err != nil {
		t.Fatal(err)
	}
	got, err := a.claim(0, reflect.TypeFor[chan<- int]())
	if err != nil {
		t.Fatal(err)
	}
	a.close()
	got.Interface().(chan<- int) <- 7
	eventually(t, "the value", func() bool { return len(ints) == 1 })
	ended(t, "the wait of who passed it on", left)
	far, got, ref, ints = nil, reflect.Value{}, outRef{}, nil
	g.empty()
}

// patient asks for a number, and is not asked meanwhile.
type patient struct{}

func (patient) awaitNumber(answer <-chan uint64) uint64 { return <-answer }
func (patient) tellAsks()                               {}
