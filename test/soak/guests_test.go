package soak

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan"
)

// visit has nodes come, work and go, one after the other.
func (w *world) visit(r *rand.Rand) {
	for w.pause(time.Duration(r.IntN(50)) * time.Millisecond) {
		w.guest(r)
	}
}

// guest is the life of one node. It goes in good order, or is closed in the middle of its work.
func (w *world) guest(r *rand.Rand) {
	id := int(w.guests.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg := netchan.Config{
		Name: fmt.Sprint("guest-", id), Listen: "127.0.0.1:0", Key: w.key, Logger: slog.New(w.log),
		Seeds: []string{w.nodes[r.IntN(4)].Addr(), w.nodes[r.IntN(2)].Addr()},
	}
	node, err := netchan.Join(ctx, cfg)
	for range 2 { // where the machine is busy the answer of who dials back may be late
		if err == nil {
			break
		}
		w.count.refused.Add(1)
		node, err = netchan.Join(ctx, cfg)
	}
	if err != nil {
		w.fail("guest %d: %v", id, err)
		return
	}
	defer node.Close()
	w.count.joined.Add(1)
	in, err1 := netchan.NewReceiver[value](node, w.churn.name, netchan.Buffer(r.IntN(10)))
	out, err2 := netchan.NewSender[value](node, "home", netchan.Buffer(r.IntN(10)))
	asks, err3 := netchan.NewSender[request](node, requests, netchan.Buffer(r.IntN(10)))
	if err1 != nil || err2 != nil || err3 != nil {
		w.fail("guest %d: %v, %v, %v", id, err1, err2, err3)
		return
	}
	var reader, work sync.WaitGroup
	reader.Go(func() {
		for v := range in.C {
			w.came(w.churn.got, 100+id, v)
		}
	})
	// Who is closed in the middle has its work stopped only after that.
	var sent uint64
	var leaving atomic.Bool
	enough := make(chan struct{})
	asking, hangUp := context.WithCancel(ctx)
	defer hangUp()
	abrupt := r.IntN(2) == 0
	work.Go(func() {
		for {
			select {
			case out.C <- numbered(id, sent):
				sent++
			case <-enough:
				return
			}
		}
	})
	seed := r.Uint64()
	work.Go(func() {
		r := rand.New(rand.NewPCG(seed, 1))
		for {
			select {
			case <-enough:
				return
			default:
			}
			if err := w.askOnce(asking, asks.C, r); err != nil && !leaving.Load() {
				w.fail("guest %d: %v", id, err)
				return
			}
		}
	})
	w.pause(time.Duration(r.IntN(300)) * time.Millisecond)
	if abrupt {
		leaving.Store(true)
		_ = node.Close()
		hangUp() // a request that was sent after that has never left, and so its answer has no end
	}
	close(enough)
	if !ended(&work) {
		w.fail("guest %d: its work does not end", id)
		return
	}
	if !abrupt {
		if err := node.Shutdown(ctx); err != nil {
			w.fail("guest %d: Shutdown: %v", id, err)
		}
	}
	if !ended(&reader) {
		w.fail("guest %d: its receiver is not told of the end", id)
	}
	var came, dropped uint64
	all := func() bool { // what lay in C when the node was closed is looked at, and counted, a little later
		came, _ = w.home.of(id)
		dropped = out.Stats().Dropped
		return came+dropped >= sent
	}
	if !eventually(all) || came > sent || !abrupt && dropped != 0 {
		w.fail("guest %d (closed: %v): %d sent, %d came, %d dropped", id, abrupt, sent, came, dropped)
	}
	if !abrupt {
		w.home.forget(id) // of one that was closed some may come that were counted as dropped
	}
}
