package chanref

import (
	"context"
	"net/url"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// opened is how many streams from has opened to another node.
func opened(from, to *land) uint64 { return from.to(to).Stats().StreamsOpened }

// knows has a value of a type pass from a holder to a home once, so that its schema is known there.
func knows[T any](home, holder *land, v T) {
	home.g.t.Helper()
	c := make(chan T, 1)
	far := carry[chan<- T](home, holder, c)
	send(home.g.t, far, v)
	receive(home.g.t, c)
	flushed(home.g.t, far)
	runtime.KeepAlive(c)
}

func flushed(t testing.TB, far any) {
	t.Helper()
	e, _ := EndingOf(far)
	if err := e.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// isFlushed says whether all that was sent on far is taken.
func isFlushed(far any) bool {
	e, _ := EndingOf(far)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return e.Flush(ctx) == nil
}

// noUses wants that no use is left between two nodes.
func noUses(a, b *land) {
	a.g.t.Helper()
	for _, s := range []*mux.Session{a.to(b), b.to(a)} {
		eventually(a.g.t, "no use is left", func() bool { st := s.Stats(); return st.Ins+st.Outs == 0 })
	}
}

func closesSoon(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	eventually(t, what, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
}

// testSingles runs a test between nodes of these names, of which the first is to be a home: the
// others have sent it an int before.
func testSingles(t *testing.T, test func(t *testing.T, g *globe, n []*land), names ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g, n := newGlobe(t, names...)
		for _, holder := range n[1:] {
			knows(n[0], holder, 1)
		}
		test(t, g, n)
	})
}

// A reply needs no stream, and leaves nothing behind.
func TestReplyWithoutStream(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		before, road := opened(n[1], n[0]), newRoad[chan<- int](n[0], n[1])
		for i := range 100 {
			reply := make(chan int, 1)
			far := road.carry(reply)
			send(t, far, i)
			if v := receive(t, reply); v != i {
				t.Fatal(v)
			}
		}
		if now := opened(n[1], n[0]); now != before {
			t.Errorf("%d streams for replies", now-before)
		}
		road.src.Close()
		ended(t, "the road's source", road.src.Done())
		road.sink.Close()
		g.empty()
		noUses(n[0], n[1])
	}, "a", "b")
}

// What comes behind a value that nobody reads yet lies behind it; none counts as taken.
func TestSecondBehindSingle(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		ints := make(chan int, 10)
		far := carry[chan<- int](n[0], n[1], ints)
		for i := range 5 {
			send(t, far, i)
			synctest.Wait()
		}
		pass(3 * time.Second)
		if len(ints) != 5 || isFlushed(far) {
			t.Fatalf("%d values have come, or are taken already", len(ints))
		}
		for i := range 5 {
			if isFlushed(far) {
				t.Fatalf("all is taken after %d", i)
			}
			if v := receive(t, ints); v != i {
				t.Fatalf("%d in place of %d", v, i)
			}
		}
		flushed(t, far)
		runtime.KeepAlive(far)
		far = nil
		g.empty()
		noUses(n[0], n[1])
		runtime.KeepAlive(ints)
	}, "a", "b")
}

// A value for which there is no room waits, and holds up no other channel.
func TestSingleWithoutRoom(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		before := opened(n[1], n[0])
		none, ints := make(chan int), make(chan int, 1)
		full, far := carry[chan<- int](n[0], n[1], none), carry[chan<- int](n[0], n[1], ints)
		send(t, full, 7)
		send(t, full, 8) // it does not leave before the first is there
		for i := range 5 {
			pass(time.Second)
			send(t, far, i)
			if v := receive(t, ints); v != i {
				t.Fatal(v)
			}
		}
		if isFlushed(full) {
			t.Fatal("what nobody has read is taken")
		}
		for i := 7; i <= 8; i++ {
			if v := receive(t, none); v != i {
				t.Fatal(v)
			}
		}
		flushed(t, full)
		flushed(t, far)
		if now := opened(n[1], n[0]); now != before {
			t.Errorf("%d streams", now-before)
		}
		runtime.KeepAlive(full)
		runtime.KeepAlive(far)
		full, far = nil, nil
		g.empty()
		noUses(n[0], n[1])
		runtime.KeepAlive(none)
	}, "a", "b")
}

// Values that come one at a time never need a stream; some together do, and then again not.
func TestSinglesAndStreams(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		ints := make(chan int, 8)
		far := carry[chan<- int](n[0], n[1], ints)
		sent := 0
		next := func(k int) {
			t.Helper()
			for i := range k {
				send(t, far, sent+i)
			}
			for range k {
				if v := receive(t, ints); v != sent {
					t.Fatalf("%d in place of %d", v, sent)
				}
				sent++
			}
			flushed(t, far)
		}
		for round := range 5 {
			before := opened(n[1], n[0])
			for i := range 20 {
				next(1)
				pass(time.Duration(i%3) * time.Second) // it naps, or not
			}
			if now := opened(n[1], n[0]); now != before {
				t.Errorf("round %d: %d streams", round, now-before)
			}
			alone := g.singles.Load()
			next(5)
			if now := g.singles.Load(); now-alone > 1 {
				t.Errorf("round %d: %d of five values without a stream", round, now-alone)
			}
			pass(3 * time.Second) // its stream is given back
		}
		runtime.KeepAlive(far)
		far = nil
		g.empty()
		noUses(n[0], n[1])
		runtime.KeepAlive(ints)
	}, "a", "b")
}

// Who gets a channel from another holder sends behind what that one has sent.
func TestSingleAfterHandoff(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		a, b, c := n[0], n[1], n[2]
		ints := make(chan int, 4)
		atB := carry[chan<- int](a, b, ints)
		b.table.Away(b.to(a), true) // what it sends does not leave
		send(t, atB, 1)
		alone := g.singles.Load()
		atC := carry(b, c, atB)
		send(t, atC, 2)
		pass(3 * time.Second)
		if len(ints) > 0 {
			t.Fatal("a value has come before the one that was sent before it")
		}
		if g.singles.Load() != alone+1 {
			t.Fatal("it has not left, or with a stream")
		}
		b.table.Away(b.to(a), false)
		for i := 1; i <= 2; i++ {
			if v := receive(t, ints); v != i {
				t.Fatalf("%d in place of %d", v, i)
			}
		}
		flushed(t, atB)
		flushed(t, atC)
		runtime.KeepAlive(atB)
		runtime.KeepAlive(atC)
		atB, atC = nil, nil
		g.empty()
		noUses(a, b)
		noUses(a, c)
		runtime.KeepAlive(ints)
	}, "a", "b", "c")
}

// Through a third node, and with two nodes that send on one channel.
func TestSinglesByOthers(t *testing.T) {
	for _, apart := range []bool{false, true} {
		testSingles(t, func(t *testing.T, g *globe, n []*land) {
			a, b, c := n[0], n[1], n[2]
			knows(b, c, 1)
			if apart {
				g.part(a, c)
			}
			ints := make(chan int, 1)
			atB := carry[chan<- int](a, b, ints)
			atC := carry(b, c, atB)
			last := [2]int{-1, -1}
			for i := range 20 {
				send(t, atB, 2*i)
				send(t, atC, 2*i+1)
				for range 2 {
					v := receive(t, ints)
					if v/2 <= last[v%2] {
						t.Fatalf("%d comes after %d", v/2, last[v%2])
					}
					last[v%2] = v / 2
				}
				flushed(t, atB)
				flushed(t, atC)
			}
			runtime.KeepAlive(atB)
			runtime.KeepAlive(atC)
			atB, atC = nil, nil
			g.empty()
			noUses(a, b)
			noUses(b, c)
			runtime.KeepAlive(ints)
		}, "a", "b", "c")
	}
}

// What may not go as a single value takes a stream: a long one, one with a channel in it, one that
// the program encodes.
func TestNoSingles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGlobe(t, "a", "b")
		text := make(chan string, 1)
		far := carry[chan<- string](n[0], n[1], text)
		want := int64(0)
		for i, size := range []int{1, mux.MaxSingle - 2, mux.MaxSingle, 100 << 10, 1} {
			send(t, far, string(noise(size)))
			if v := receive(t, text); len(v) != size {
				t.Fatal(len(v))
			}
			flushed(t, far)
			pass(3 * time.Second)
			if i > 0 && size < mux.MaxSingle {
				want++
			}
			if got := g.singles.Load(); got != want {
				t.Errorf("%d bytes: %d single values, not %d", size, got, want)
			}
		}
		chans, coded := make(chan chan<- int, 1), make(chan url.URL, 1)
		farChans, farCoded := carry[chan<- chan<- int](n[0], n[1], chans), carry[chan<- url.URL](n[0], n[1], coded)
		for range 3 {
			send(t, farChans, make(chan<- int, 1))
			receive(t, chans)
			flushed(t, farChans)
			send(t, farCoded, url.URL{Path: "path"})
			receive(t, coded)
			flushed(t, farCoded)
			pass(3 * time.Second)
		}
		if got := g.singles.Load(); got != want {
			t.Errorf("%d single values with channels, or of a type that encodes itself", got-want)
		}
		runtime.KeepAlive(far)
		runtime.KeepAlive(farChans)
		runtime.KeepAlive(farCoded)
	})
}

// A close right behind a value, and behind one that nobody has read yet.
func TestCloseBehindSingle(t *testing.T) {
	for _, unread := range []bool{false, true} {
		testSingles(t, func(t *testing.T, g *globe, n []*land) {
			ints := make(chan int, 2)
			far := carry[chan<- int](n[0], n[1], ints)
			send(t, far, 1)
			if unread {
				pass(3 * time.Second)
			}
			close(far)
			if unread {
				pass(3 * time.Second)
			}
			if got := closed(t, ints); !slices.Equal(got, []int{1}) {
				t.Fatal(got)
			}
			ended(t, "the proxy", doneOf(far))
			if err := errOf(far); err != ErrClosed {
				t.Fatal(err)
			}
			g.empty()
			noUses(n[0], n[1])
		}, "a", "b")
	}
}

// The home closes a channel, or drops it, while a value lies in it or waits for room.
func TestHomeEndsBeforeSingleIsTaken(t *testing.T) {
	for name, end := range map[string]func(ints *chan int){
		"closed":  func(ints *chan int) { close(*ints) },
		"dropped": func(ints *chan int) { *ints = nil },
	} {
		for _, size := range []int{0, 3} {
			if name == "closed" && size == 0 {
				continue // a race of the program's own
			}
			t.Run(name, func(t *testing.T) {
				testSingles(t, func(t *testing.T, g *globe, n []*land) {
					ints := make(chan int, size)
					far := carry[chan<- int](n[0], n[1], ints)
					send(t, far, 1)
					pass(3 * time.Second)
					end(&ints)
					for i := range 2 { // a close is found by pushing
						select {
						case far <- i:
						case <-time.After(time.Second):
						}
					}
					closesSoon(t, "the proxy has ended", doneOf(far))
					if errOf(far) == nil {
						t.Error("it does not say why")
					}
					g.empty()
					noUses(n[0], n[1])
					if dropped := n[1].table.RefStats().Dropped; name == "dropped" && dropped == 0 {
						t.Error("what nobody has read is not counted")
					}
				}, "a", "b")
			})
		}
	}
}

// The session ends while a value lies in the channel, or waits for room.
func TestSessionEndsBeforeSingleIsTaken(t *testing.T) {
	for _, size := range []int{0, 1} {
		testSingles(t, func(t *testing.T, g *globe, n []*land) {
			g.rude = true
			ints := make(chan int, size)
			far := carry[chan<- int](n[0], n[1], ints)
			send(t, far, 1)
			pass(3 * time.Second)
			cut(n[0].to(n[1]))
			closesSoon(t, "the proxy has ended", doneOf(far))
			closesSoon(t, "the original has ended", doneOf(ints))
			if errOf(far) == nil || n[1].table.RefStats().Dropped != 1 {
				t.Errorf("%v, %d dropped", errOf(far), n[1].table.RefStats().Dropped)
			}
			if len(ints) != size {
				t.Errorf("%d values lie in the channel", len(ints))
			}
			g.empty()
		}, "a", "b")
	}
}

// A proxy that is dropped while its value is not read waits for that, and nobody waits with it.
func TestDroppedBeforeSingleIsTaken(t *testing.T) {
	testSingles(t, func(t *testing.T, g *globe, n []*land) {
		ints, others := make(chan int, 1), make(chan int, 1)
		func() {
			far := carry[chan<- int](n[0], n[1], ints)
			send(t, far, 1)
		}()
		far := carry[chan<- int](n[0], n[1], others)
		for range 20 {
			runtime.GC()
			pass(time.Second)
		}
		if n[1].awake() > 1 {
			t.Error("more is awake than waits")
		}
		send(t, far, 2) // the keeper wakes it
		if v := receive(t, others); v != 2 {
			t.Fatal(v)
		}
		if v := receive(t, ints); v != 1 {
			t.Fatal(v)
		}
		closesSoon(t, "the original has ended", doneOf(ints))
		runtime.KeepAlive(far)
		far = nil
		g.empty()
		noUses(n[0], n[1])
		runtime.KeepAlive(others)
	}, "a", "b")
}

// A home whose channel is of another version of the element type: what can't be had is dropped and
// counted, and the next one goes on.
func TestSinglesOfAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGlobe(t, "a", "b")
		small := make(chan int8, 2)
		out, in := make(chan chan<- int8), make(chan chan<- int64, 1)
		src := NewSource(n[0].table, out, writer[chan<- int8](t), SourceConfig{ID: newID(), Name: "jobs", Logger: n[0].table.log})
		sink := NewSink(n[1].table, in, writer[chan<- int64](t), SinkConfig{ID: newID(), Name: "jobs", KeepOpen: true, Logger: n[1].table.log})
		src.Connect(n[0].to(n[1]), mux.Target{Name: "jobs", ID: sink.ID()}, "b")
		send(t, out, chan<- int8(small))
		far := receive(t, in)
		var streams uint64
		for round := range 3 {
			send(t, far, 7)
			if v := receive(t, small); v != 7 {
				t.Fatal(v)
			}
			flushed(t, far)
			send(t, far, 300)
			pass(time.Second)
			if len(small) > 0 {
				t.Fatal("300 has come")
			}
			isFlushed(far)
			if d := len(g.log.with("can't be decoded")); d == 0 {
				t.Fatal("nothing is said of what can't be decoded")
			}
			if now := opened(n[1], n[0]); round > 0 && now != streams {
				t.Errorf("%d streams", now-streams)
			} else {
				streams = now
			}
		}
		send(t, far, 8)
		if v := receive(t, small); v != 8 {
			t.Fatal(v)
		}
		flushed(t, far)
		src.Close()
		runtime.KeepAlive(far)
		far = nil
		g.empty()
		noUses(n[0], n[1])
		runtime.KeepAlive(small)
	})
}
