package chanref

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// mail is a value that may have a channel in it.
type mail struct {
	N     int
	Reply chan<- int
}

const fewRefs = 16

// crowded is a road on which some replies are held, so that one more can't be sent; the
// returned function drops them.
func crowdedRoad(t *testing.T) (*globe, []*land, *road[mail], func()) {
	g, n := newGlobe(t, "a", "b")
	n[0].table.maxRefs = fewRefs
	r := newRoad[mail](n[0], n[1])
	var home []chan int
	held := make([]chan<- int, 0, fewRefs)
	for i := range fewRefs {
		reply := make(chan int, 1)
		home = append(home, reply)
		held = append(held, r.carry(mail{i, reply}).Reply)
	}
	return g, n, r, func() {
		for _, far := range held {
			e, _ := EndingOf(far)
			e.Release()
			ended(t, "a proxy", e.Done())
		}
		runtime.KeepAlive(home)
		held, home = nil, nil
	}
}

// A value with one channel more than a peer may hold waits, and nothing else does.
func TestCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n, r, free := crowdedRoad(t)
		reply := make(chan int, 1)
		send(t, r.out, mail{100, reply})
		send(t, r.out, mail{101, nil}) // behind it
		settled()
		if len(r.in) != 0 || r.src.Stats().Dropped != 0 {
			t.Fatalf("%d came: %+v", len(r.in), r.src.Stats())
		}
		other := newRoad[mail](n[0], n[1])
		if other.carry(mail{7, nil}).N != 7 {
			t.Fatal("a value without a channel, on another channel")
		}
		if carry(n[0], n[1], 8) != 8 {
			t.Fatal("a channel of ints")
		}
		free()
		got := receive(t, r.in)
		if got.N != 100 || receive(t, r.in).N != 101 {
			t.Fatal(got)
		}
		send(t, got.Reply, 5)
		if v := receive(t, reply); v != 5 {
			t.Fatal(v)
		}
		got.Reply = nil
		r.src.Close()
		other.src.Close()
		g.empty()
	})
}

// Deliver and Flush wait with it; a context that ends says so.
func TestCrowdedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, r, free := crowdedRoad(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stalled := (*StallError)(nil)
		if err := r.src.Deliver(ctx, mail{1, make(chan int, 1)}); !errors.As(err, &stalled) {
			t.Fatal(err)
		}
		answer := make(chan error, 2)
		go func() { answer <- r.src.Deliver(testContext(t), mail{2, make(chan int, 1)}) }()
		synctest.Wait()
		go func() { answer <- r.src.Flush(testContext(t)) }()
		synctest.Wait()
		if len(answer) != 0 {
			t.Fatalf("it does not wait: %v", <-answer)
		}
		free()
		receive(t, r.in)
		receive(t, r.in)
		for range 2 {
			if err := <-answer; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A broadcast waits for a crowded receiver, unless that is lossy.
func TestCrowdedBroadcast(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, n, r, free := crowdedRoad(t)
			c := make(chan mail)
			src := NewSource(n[0].table, c, writer[mail](t), SourceConfig{ID: newID(), Name: "news", Broadcast: true, Logger: slog.New(r.src.table.log.Handler())})
			out := make(chan mail, 4)
			sink := NewSink(n[1].table, out, writer[mail](t), SinkConfig{ID: newID(), Name: "news", Lossy: lossy, KeepOpen: true, Logger: n[1].table.log})
			free2 := make(chan mail, 4)
			sink2 := NewSink(n[0].table, free2, writer[mail](t), SinkConfig{ID: newID(), Name: "news", KeepOpen: true, Logger: n[0].table.log})
			src.Connect(n[0].to(n[1]), mux.Target{Name: "news", ID: sink.ID()}, "b")
			src.Connect(n[0].local, mux.Target{Name: "news", ID: sink2.ID()}, "a")
			if err := src.WaitReceivers(testContext(t), 2); err != nil {
				t.Fatal(err)
			}
			answer := make(chan error, 1)
			reply := make(chan int, 1)
			send(t, c, mail{1, reply})
			go func() { answer <- src.Flush(testContext(t)) }()
			if got := receive(t, free2); got.N != 1 || got.Reply != chan<- int(reply) {
				t.Fatal("the one that has room")
			}
			synctest.Wait()
			settled()
			if waits := len(answer) == 0; waits == lossy {
				t.Fatalf("lossy %v, and Flush waits: %v", lossy, waits)
			}
			select {
			case c <- mail{2, nil}:
				if !lossy {
					t.Fatal("the next value is taken")
				}
				receive(t, free2)
			case <-time.After(time.Second):
				if lossy {
					t.Fatal("a lossy receiver is waited for")
				}
			}
			free()
			if !lossy {
				if got := receive(t, out); got.N != 1 {
					t.Fatal(got)
				}
			}
			if err := receive(t, answer); err != nil {
				t.Fatal(err)
			}
			src.Close()
		})
	}
}

// A room that comes about just before it is asked for is found.
func TestCrowdedNoLostWakeup(t *testing.T) {
	_, n := newGlobe(t, "a", "b")
	told := make(chan bool, 1)
	n[0].table.awaitRoom(n[0].to(n[1]), told, func() { told <- true })
	receive(t, told)
}

// A value with more channels than fit into a frame is dropped, and says why; others go on,
// however many there are.
func TestManyChannels(t *testing.T) {
	g, n := newGlobe(t, "a", "b")
	r := newRoad[[]chan<- int](n[0], n[1])
	some := func(n int) (chans []chan<- int) {
		for range n {
			chans = append(chans, make(chan int, 1))
		}
		return chans
	}
	err := r.src.Deliver(testContext(t), some(1000))
	if drop := (*DropError)(nil); !errors.As(err, &drop) || drop.Code != mux.CodeTooLarge || !errors.Is(err, codec.ErrTooLarge) {
		t.Fatal(err)
	}
	if st := n[0].table.RefStats(); st.Exported > 1000 {
		t.Fatal(st)
	}
	for _, k := range []int{1, 700, 1, 300, 500, 0, 800} {
		if got := len(r.carry(some(k))); got != k {
			t.Fatalf("%d of %d channels", got, k)
		}
	}
	go func() {
		for range 50 {
			r.out <- some(30)
		}
	}()
	for range 50 {
		for _, ch := range receive(t, r.in) {
			if ch == nil || doneOf(ch) == nil {
				t.Fatal("no proxy")
			}
		}
	}
	r.src.Close()
	g.empty()
}
