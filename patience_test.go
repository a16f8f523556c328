package netchan

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A handler has 20,000 requests before it, and answers none for half a minute. Then it answers
// them all, each on its own channel, and every answer arrives. So long the channels have no
// goroutine.
func TestPatientHandler(t *testing.T) {
	count := 20_000
	if testing.Short() || raceEnabled {
		count = 1000
	}
	inBubble(t, func(t *testing.T) { beVeryPatient(t, count) })
}

type question struct {
	N     int
	Reply chan<- int
}

func beVeryPatient(t *testing.T, count int) {
	w := newWorld(1, 2)
	defer w.close()
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	asker, server := w.slots[0].node, w.slots[1].node
	in, err := NewReceiver[question](server, "questions", Buffer(64), KeepOpen())
	if err != nil {
		t.Fatal(err)
	}
	out, err := NewSender[question](asker, "questions", Buffer(64))
	if err != nil {
		t.Fatal(err)
	}
	if err := out.WaitReceivers(w.ctx, 1); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var idle, refs atomic.Int64
	go func() {
		var all []question
		for range count {
			all = append(all, <-in.C)
		}
		time.Sleep(30 * time.Second)
		idle.Store(int64(runtime.NumGoroutine() - before))
		refs.Store(int64(server.Stats().Refs.Proxies))
		for _, q := range all {
			q.Reply <- q.N
		}
	}()
	replies := make([]chan int, count)
	for i := range replies {
		replies[i] = make(chan int, 1)
		out.C <- question{i, replies[i]}
	}
	late := time.After(time.Minute)
	for i, reply := range replies {
		select {
		case n := <-reply:
			if n != i {
				t.Fatalf("question %d has the answer to %d", i, n)
			}
		case <-late:
			t.Fatalf("question %d has no answer: asker %+v, server %+v", i, asker.Stats().Refs, server.Stats().Refs)
		}
	}
	if refs.Load() != int64(count) {
		t.Errorf("%d proxies waited, of %d", refs.Load(), count)
	}
	if idle.Load() > 100 {
		t.Errorf("%d goroutines more, when all was idle", idle.Load())
	}
}
