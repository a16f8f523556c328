package soak

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/faultproxy"
	"github.com/matveynator/netchan/test/hostile"
)

// patience ends what hangs; no time is measured with it.
const patience = time.Minute

// collectEvery is how long a dropped channel may lie until the garbage collector looks.
const collectEvery = 250 * time.Millisecond

// counts are of what happened.
type counts struct {
	values, requests, moved, handed, cuts, joined, refused, attacks, strangers atomic.Int64
}

// A world is the nodes that stay, and all that happens to them.
type world struct {
	t     *testing.T
	key   netchan.Key
	log   *tail
	nodes []*netchan.Node     // the last ones are behind doors
	doors []*faultproxy.Proxy // the addresses that others use for these: connections are cut there
	count counts

	flows   []*flow
	churn   *flow // to guests too
	home    *ledger
	ends    int            // named ends of the nodes that stay
	readers sync.WaitGroup // of the nodes that stay
	closers []func()       // end the senders in good order

	asks    []chan<- request // a sender of each node
	lessons []chan<- lesson

	stop   chan struct{} // closed when a phase is over
	failed mistakes
	abort  context.CancelFunc // ends a phase early
	guests atomic.Int64       // numbers them
	attack int                // the next one
}

const (
	stays     = "stays-" // so the names of the nodes that stay begin
	firstDoor = 2        // the first of them that is behind a door
)

// newWorld is four nodes, two of them behind doors.
func newWorld(t *testing.T) *world {
	w := &world{t: t, key: netchan.GenerateKey(), log: &tail{}, home: newLedger(true), abort: func() {}}
	for i := range 4 {
		cfg := netchan.Config{Name: fmt.Sprint(stays, i), Listen: "127.0.0.1:0", Key: w.key, Logger: slog.New(w.log)}
		if i > 0 {
			cfg.Seeds = []string{w.nodes[0].Addr()}
		}
		if i >= firstDoor {
			cfg.Listen = freeAddr(t)
			d, err := faultproxy.ListenPackets(cfg.Listen)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Advertise = d.Addr()
			w.doors = append(w.doors, d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		n, err := netchan.Join(ctx, cfg)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, n)
	}
	w.openFlows()
	w.openRequests()
	w.openLessons()
	for _, n := range w.nodes {
		receive[[]byte](w, n, hostile.Unread) // nobody reads it: for attacks
	}
	return w
}

// close ends all in good order: what is closed is told, and nothing is left.
func (w *world) close() {
	for _, end := range w.closers {
		end()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, n := range w.nodes {
		if err := n.Shutdown(ctx); err != nil {
			w.wrong("Shutdown of %s: %v", n.Self().Name, err)
		}
	}
	if !ended(&w.readers) {
		w.wrong("receivers are not told of the end")
	}
	for _, d := range w.doors {
		d.Close()
	}
}

// phase has everything happen for so long, and returns when all of it has ended.
func (w *world) phase(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	w.abort, w.stop = cancel, make(chan struct{})
	var wg sync.WaitGroup
	actor := func(f func(*rand.Rand)) {
		r := rand.New(rand.NewPCG(rand.Uint64(), 0))
		wg.Go(func() { f(r) })
	}
	for _, f := range append(w.flows, w.churn) {
		for i := range f.senders {
			actor(func(*rand.Rand) { w.send(f, i) })
		}
	}
	for i := range w.nodes {
		actor(func(r *rand.Rand) { w.ask(i, r) })
		actor(func(r *rand.Rand) { w.teach(i, r) })
	}
	for i, d := range w.doors {
		actor(func(r *rand.Rand) { w.hurt(d, w.nodes[firstDoor+i], r) })
	}
	for range 3 {
		actor(w.visit)
	}
	actor(w.stranger)
	actor(func(r *rand.Rand) { w.assault(r, d) })
	actor(func(*rand.Rand) { w.report() })
	quiet, collected := make(chan struct{}), make(chan struct{})
	go collect(quiet, collected)
	<-ctx.Done()
	close(w.stop)
	wg.Wait()
	close(quiet)
	<-collected
	w.balance()
}

// pause waits, and says whether the phase goes on.
func (w *world) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.stop:
		return false
	}
}

// collect has the garbage collected now and then, for who waits until a channel is found dropped
// when little else happens.
func collect(stop <-chan struct{}, stopped chan<- struct{}) {
	defer close(stopped)
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			runtime.GC()
		case <-stop:
			return
		}
	}
}
