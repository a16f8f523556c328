package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/matveynator/netchan"
)

const (
	requests = "requests" // what a guest asks, too
	relayed  = "relayed"
)

// A request brings the channel for its answer. With Hops it is passed on to another node.
type request struct {
	N, Hops int
	Reply   chan<- response
}

type response struct{ N, Square int }

// openRequests has two nodes answer what all ask, or pass it on to a third.
func (w *world) openRequests() {
	answer := func(q request) { q.Reply <- response{q.N, q.N * q.N} }
	for _, i := range []int{1, 2} {
		further := send[request](w, w.nodes[i], relayed, 16)
		read(w, receive[request](w, w.nodes[i], requests, netchan.Buffer(16), netchan.KeepOpen()), func(q request) {
			if q.Hops == 0 {
				answer(q)
				return
			}
			q.Hops--
			further.C <- q
		})
	}
	for _, i := range []int{0, 3} {
		read(w, receive[request](w, w.nodes[i], relayed, netchan.Buffer(16), netchan.KeepOpen()), func(q request) {
			w.count.moved.Add(1)
			answer(q)
		})
	}
	for _, n := range w.nodes {
		w.asks = append(w.asks, send[request](w, n, requests, 16).C)
	}
}

// ask asks until the phase is over.
func (w *world) ask(node int, r *rand.Rand) {
	for w.pause(time.Millisecond) {
		if err := w.askOnce(context.Background(), w.asks[node], r); err != nil {
			w.fail("node %d: %v", node, err)
			return
		}
	}
}

// askOnce makes one request; some do not wait for the answer, and drop the channel.
func (w *world) askOnce(ctx context.Context, asks chan<- request, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, reply := r.IntN(1000), make(chan response, 1)
	if err := netchan.Send(ctx, asks, request{n, r.IntN(2), reply}); err != nil {
		return fmt.Errorf("a request can't be sent: %w", err)
	}
	if r.IntN(8) == 0 {
		return nil
	}
	got, err := netchan.Receive(ctx, reply)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if got.N != n || got.Square != n*n {
		return fmt.Errorf("asked for the square of %d, told %+v", n, got)
	}
	w.count.requests.Add(1)
	return nil
}
