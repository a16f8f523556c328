package chanref

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// testDrops sends values of which some can't be had at the receiver: they are
// dropped, counted and named, and the channel goes on.
func testDrops[S, R comparable](t *testing.T, good, bad S, goodThere R, code mux.Code, text string) {
	forBuffers(t, func(t *testing.T, buffer int) {
		w := newWorld(t)
		c, src := sourceIn[S](w, buffer)
		d, sink := sinkIn[R](w, buffer)
		connect(t, src, w.link("b"), sink)
		var got []R
		var reading sync.WaitGroup
		reading.Go(func() { got = closed(t, d) })
		for range 3 {
			send(t, c, good)
			send(t, c, bad)
		}
		var drop *DropError
		if err := src.Deliver(testContext(t), bad); !errors.As(err, &drop) || drop.Code != code || !strings.Contains(drop.Text, text) {
			t.Fatalf("Deliver: %v", err)
		}
		if err := src.Deliver(testContext(t), good); err != nil {
			t.Fatalf("Deliver of a good value: %v", err)
		}
		flushed := make(chan error, 1)
		send(t, c, bad)
		go func() { flushed <- src.Flush(testContext(t)) }()
		receive(t, flushed) // nil if the drop was heard of before the call
		settled()
		if err := src.Flush(testContext(t)); err != nil {
			t.Fatalf("Flush after it: %v", err)
		}
		close(c)
		reading.Wait()
		if want := slices.Repeat([]R{goodThere}, 4); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		ended(t, "the source", src.Done())
		if st := src.Stats(); st.Sent != 9 || st.Acknowledged != 4 || st.Dropped != 5 || !errors.As(st.LastDrop, &drop) {
			t.Fatalf("%+v", st)
		}
		if st := sink.Stats(); st.Received != 4 || st.Dropped != 5 {
			t.Fatalf("%+v", st)
		}
		if len(w.log.with("can't be decoded")) == 0 || len(w.log.with("dropped by a receiver")) == 0 {
			t.Fatalf("the log says %q", w.log.with(""))
		}
	})
}

func TestDropOfWhatDoesNotFit(t *testing.T) {
	testDrops[int64, int8](t, 7, 300, 7, mux.CodeDecode, "300")
}

// hidden is not registered.
type hidden struct{ A, B, C, D int }

func TestDropOfTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[string](w, 0)
		d, sink := sinkIn[string](w, 0)
		a, b := mux.Pair(handler{w.table}, mux.Config{Peer: "b", MaxValue: 100 << 10})
		defer b.Wait()
		defer cut(a)
		connect(t, src, a, sink)
		go func() {
			for _, n := range []int{10, 200 << 10, 50 << 10} {
				c <- strings.Repeat("x", n)
			}
			close(c)
		}()
		if got := closed(t, d); len(got) != 2 || len(got[0]) != 10 || len(got[1]) != 50<<10 {
			t.Fatalf("%d values came", len(got))
		}
		ended(t, "the source", src.Done())
		var drop *DropError
		if st := src.Stats(); st.Dropped != 1 || !errors.As(st.LastDrop, &drop) || drop.Code != mux.CodeTooLarge {
			t.Fatalf("%+v", st)
		}
	})
}

// A value that can't be written is dropped where it is.
func TestDropOfUnsendable(t *testing.T) {
	for _, mode := range []func(*SourceConfig){func(*SourceConfig) {}, broadcast} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			c, src := sourceIn[any](w, 0, mode)
			d, sink := sinkIn[any](w, 8)
			connect(t, src, w.link("b"), sink)
			send(t, c, any(1))
			send(t, c, any(hidden{}))
			if err := src.Deliver(testContext(t), hidden{}); !errors.Is(err, codec.ErrUnregistered) {
				t.Fatal(err)
			}
			if v := receive(t, d); v != any(1) {
				t.Fatal(v)
			}
			send(t, c, any("two"))
			send(t, c, any(hidden{})) // the last one, with an empty frame left
			close(c)
			if got := closed(t, d); !slices.Equal(got, []any{"two"}) {
				t.Fatalf("got %v", got)
			}
			ended(t, "the source", src.Done())
			if st := src.Stats(); st.Sent != 5 || st.Acknowledged != 2 || st.Dropped != 3 || !errors.Is(st.LastDrop, codec.ErrUnregistered) {
				t.Fatalf("%+v", st)
			}
			if len(w.log.with("can't be sent")) == 0 {
				t.Fatalf("the log says %q", w.log.with(""))
			}
		})
	}
}

// A Flush ends with the value that it waits for also when that one is dropped
// on this side.
func TestFlushOfUnsendable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[any](w, 4)
		send(t, c, any(hidden{}))
		flushed := make(chan error, 1)
		go func() { flushed <- src.Flush(testContext(t)) }()
		synctest.Wait()
		_, sink := sinkIn[any](w, 0)
		src.Connect(w.link("b"), to(sink), "b")
		if err := receive(t, flushed); !errors.Is(err, codec.ErrUnregistered) {
			t.Fatal(err)
		}
	})
}

// far is a registered type whose schema is too long to travel in each value.
type far struct {
	First, Second, Third, Fourth, Fifth, Sixth, Seventh int
	Name                                                string
}

// The schema of a type met for the first time waits until what is being
// written is written: a large value has many frames, and nothing may come
// between them.
func TestNewTypeBehindLargeValue(t *testing.T) {
	codec.RegisterName[far]("chanref_test.far")
	for _, mode := range []func(*SourceConfig){func(*SourceConfig) {}, broadcast} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			link := w.link("b")
			c, src := sourceIn[any](w, 0, mode)
			d, sink := sinkIn[any](w, 4)
			connect(t, src, link, sink)
			// Four fill the channel and one waits to be pushed, so that nobody reads
			// the stream and the large one stops half-way.
			for i := range 5 {
				send(t, c, any(i))
				synctest.Wait()
			}
			send(t, c, any(noise(300<<10)))
			synctest.Wait()
			send(t, c, any(far{First: 7}))
			synctest.Wait()
			for i := range 5 {
				if v := receive(t, d); v != any(i) {
					t.Fatal(v)
				}
			}
			if v, ok := receive(t, d).([]byte); !ok || len(v) != 300<<10 {
				t.Fatalf("got a %T, session: %v", v, link.Err())
			}
			if v := receive(t, d); v != any(far{First: 7}) {
				t.Fatalf("got %v, session: %v", v, link.Err())
			}
		})
	}
}

// Many values that can't be had, each for its own reason, behind one that the
// program does not take.
func TestManyDropsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 3000
		w := newWorld(t)
		link := w.link("b")
		c, src := sourceIn[int64](w, 0)
		d, sink := sinkIn[int8](w, buffer)
		connect(t, src, link, sink)
		send(t, c, 1)
		for i := range int64(2*buffer - 1) {
			send(t, c, 1000+i)
		}
		settled()
		if st := src.Stats(); st.InFlight != 2*buffer || st.Acknowledged+st.Dropped > 0 {
			t.Fatalf("%+v", st)
		}
		receive(t, d)
		settled()
		if st := src.Stats(); st.Acknowledged != 1 || st.Dropped != 2*buffer-1 || link.Err() != nil {
			t.Fatalf("%+v, %v", st, link.Err())
		}
	})
}
