package chanref

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/mux"
)

// What a lost receiver had not taken goes to another one, and counts as
// delivered again where it may have been taken.
func TestLossRedelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dying := w.link("dying")
		c, src := sourceIn[int](w, 20)
		d, sink := sinkIn[int](w, 4, keepOpen)
		connect(t, src, dying, sink)
		for i := range 20 {
			send(t, c, i)
		}
		for i := range 3 {
			if v := receive(t, d); v != i {
				t.Fatal(v)
			}
		}
		settled()
		if st := src.Stats(); st.Acknowledged != 3 || st.InFlight != 8 {
			t.Fatalf("%+v", st)
		}
		cut(dying)
		synctest.Wait()
		if st := src.Stats(); st.Receivers != 0 || st.Waiting != 8 || st.InFlight != 0 {
			t.Fatalf("%+v", st)
		}
		// Of the dead one's channel its program can still read; the books are closed.
		if len(d) != 4 || sink.Stats().Senders != 0 {
			t.Fatalf("%d values lie there, %+v", len(d), sink.Stats())
		}
		e, other := sinkIn[int](w, 3)
		connect(t, src, w.link("other"), other)
		close(c)
		if got := closed(t, e); !slices.Equal(got, upTo(20)[3:]) {
			t.Fatalf("%v came to the other receiver", got)
		}
		synctest.Wait()
		if st := src.Stats(); st.Redelivered != 8 || st.Dropped != 0 || st.Acknowledged != 20 {
			t.Fatalf("%+v", st)
		}
		// They stay to be read also when that receiver is closed: nobody takes them back.
		sink.Close()
		if got := closed(t, d); !slices.Equal(got, []int{3, 4, 5, 6}) {
			t.Fatalf("%v could be read", got)
		}
	})
}

// What may have been taken by a lost receiver is not sent again where the
// sender does not want that, and a broadcast goes to nobody else.
func TestLossDrops(t *testing.T) {
	for _, mode := range []struct {
		name   string
		option func(*SourceConfig)
	}{{"broadcast", broadcast}, {"at most once", atMostOnce}} {
		t.Run(mode.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				dying := w.link("dying")
				c, src := sourceIn[int](w, 20, mode.option)
				d, sink := sinkIn[int](w, 4, keepOpen)
				connect(t, src, dying, sink)
				for i := range 20 {
					send(t, c, i)
				}
				receive(t, d)
				settled()
				flushed := make(chan error, 1)
				go func() { flushed <- src.Flush(testContext(t)) }()
				synctest.Wait()
				cut(dying)
				synctest.Wait()
				st := src.Stats()
				var drop *DropError
				if st.Acknowledged != 1 || st.Dropped != 8 || st.Waiting != 0 || !errors.As(st.LastDrop, &drop) || drop.Code != mux.CodeLost {
					t.Fatalf("%+v", st)
				}
				if lines := w.log.with("dropped with a receiver"); len(lines) != 1 {
					t.Fatalf("the log says %q", w.log.with(""))
				}
				e, other := sinkIn[int](w, 3)
				connect(t, src, w.link("other"), other)
				close(c)
				if got := closed(t, e); !slices.Equal(got, upTo(20)[9:]) {
					t.Fatalf("%v came to the other receiver", got)
				}
				if err := receive(t, flushed); !errors.As(err, &drop) {
					t.Fatalf("Flush: %v", err)
				}
				synctest.Wait()
				if st := src.Stats(); st.Redelivered != 0 || st.Dropped != 8 || st.Acknowledged != 12 {
					t.Fatalf("%+v", st)
				}
			})
		})
	}
}

// A delivery whose receiver dies goes on to another one; where it may not, it
// returns the reason.
func TestDeliverOverLoss(t *testing.T) {
	for _, once := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			dying := w.link("dying")
			_, src := sourceIn[int](w, 0, func(c *SourceConfig) { c.AtMostOnce = once })
			_, sink := sinkIn[int](w, 1, keepOpen)
			connect(t, src, dying, sink)
			result := make(chan error, 1)
			go func() { result <- src.Deliver(testContext(t), 7) }()
			settled()
			cut(dying)
			if once {
				var drop *DropError
				if err := receive(t, result); !errors.As(err, &drop) {
					t.Fatal(err)
				}
				return
			}
			synctest.Wait()
			d, other := sinkIn[int](w, 0)
			connect(t, src, w.link("other"), other)
			if v := receive(t, d); v != 7 {
				t.Fatal(v)
			}
			if err := receive(t, result); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// When the same sender comes again over another session, the new stream counts
// and the old one is told.
func TestReplacedUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		old, young := w.link("b"), w.link("b")
		d, sink := sinkIn[int](w, 2)
		id := newID()
		same := func(c *SourceConfig) { c.ID = id }
		c, src := sourceIn[int](w, 8, same)
		connect(t, src, old, sink)
		for i := range 8 { // two lie there, two are on their way
			send(t, c, i)
		}
		settled()
		// Another source of the same ID stands for the sender's new session.
		again, srcAgain := sourceIn[int](newWorld(t), 8, same)
		connect(t, srcAgain, young, sink)
		settled()
		if st := src.Stats(); st.Receivers != 0 || st.Waiting != 2 {
			t.Fatalf("the old stream: %+v", st)
		}
		if st := sink.Stats(); st.Senders != 1 {
			t.Fatalf("%+v", st)
		}
		for i := range 8 {
			send(t, again, 100+i)
		}
		close(again)
		want := []int{0, 1, 100, 101, 102, 103, 104, 105, 106, 107}
		if got := closed(t, d); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		ended(t, "the source", srcAgain.Done())
		if st := srcAgain.Stats(); st.Acknowledged != 8 {
			t.Fatalf("%+v", st)
		}
	})
}

// A stream that was replaced does not push what it still has, room or not.
func TestReplacedUsePushesNoMore(t *testing.T) {
	_, sink := sinkIn[int](newWorld(t), 1)
	u := &use{replaced: make(chan struct{})}
	for range 10 {
		if !sink.lock(u) {
			t.Fatal("no right to push")
		}
		sink.unlock()
	}
	close(u.replaced)
	if sink.lock(u) {
		t.Fatal("a replaced stream may push")
	}
}

// evil is a peer whose receiving end does as it likes.
type evil struct{ serve func(*mux.In) }

func (e evil) Serve(in *mux.In)                  { e.serve(in) }
func (evil) Denied(*mux.Session, mux.Deny)       {}
func (evil) Attach(*mux.Session, mux.Attach)     {}
func (evil) Goodbye(*mux.Session)                {}
func (evil) Single(*mux.In, []byte, bool) bool   { return true }
func (evil) Discarded(*mux.In, []byte)           {}
func (evil) Hold(*mux.Session, mux.Hold)         {}
func (evil) Held(*mux.Session, mux.Ref, bool)    {}
func (evil) Release(*mux.Session, []mux.Release) {}
func (evil) Gone(*mux.Session, []mux.Ref)        {}
func (evil) Ended(s *mux.Session, reason error)  {}

// A peer that breaks the protocol loses its session, and what was with it goes
// elsewhere, whatever else it has said before the source listens.
func TestProtocolErrorFreesTheLane(t *testing.T) {
	for _, said := range []string{"nothing", "stop", "lost"} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				speak := make(chan bool)
				a, b := mux.Pair(evil{func(in *mux.In) {
					in.Accept(mux.Accept{Limit: 4})
					<-speak
					in.Ack(mux.Ack{Taken: 5})
					if said == "stop" {
						in.Stop(mux.Stop{Code: mux.CodeClosed, UpTo: 4})
					}
				}}, mux.Config{Peer: "evil"})
				defer b.Wait()
				defer cut(a)
				c, src := sourceIn[int](w, 4)
				src.Connect(a, mux.Target{Name: "jobs"}, "evil")
				for i := range 4 {
					send(t, c, i)
				}
				release := hold(src)
				close(speak)
				synctest.Wait()
				if said == "lost" {
					cut(a)
				}
				release()
				ended(t, "the session", a.Done())
				var protocol *ProtocolError
				if err := a.Err(); said != "lost" && !errors.As(err, &protocol) {
					t.Fatal(err)
				}
				synctest.Wait()
				if st := src.Stats(); st.Waiting != 4 || st.Receivers != 0 {
					t.Fatalf("%+v", st)
				}
				d, sink := sinkIn[int](w, 1)
				connect(t, src, w.link("good"), sink)
				close(c)
				if got := closed(t, d); !slices.Equal(got, upTo(4)) {
					t.Fatalf("got %v", got)
				}
			})
		})
	}
}
