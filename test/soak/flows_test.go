package soak

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/matveynator/netchan"
)

// A value is the Nth of its sender.
type value struct {
	From int
	N    uint64
	Body []byte
}

// numbered makes a value whose body follows from its number: mostly short, some do not fit one frame.
func numbered(from int, n uint64) value {
	return value{from, n, bytes.Repeat([]byte{byte(n)}, []int{0, 8, 100, 17, 3000, 40, 20000}[n%7])}
}

func (v value) whole() bool { return bytes.Equal(v.Body, numbered(v.From, v.N).Body) }

// A flow is a channel with the senders of nodes that stay.
type flow struct {
	name    string
	senders []*netchan.Sender[value]
	sent    []uint64 // by each
	got     *ledger
}

// send opens a sending end that ends with the world.
func send[T any](w *world, n *netchan.Node, name string, buffer int) *netchan.Sender[T] {
	w.t.Helper()
	s, err := netchan.NewSender[T](n, name, netchan.Buffer(buffer))
	if err != nil {
		w.t.Fatal(err)
	}
	w.ends++
	w.closers = append(w.closers, func() { close(s.C) })
	return s
}

func receive[T any](w *world, n *netchan.Node, name string, opts ...netchan.ReceiveOption) *netchan.Receiver[T] {
	w.t.Helper()
	r, err := netchan.NewReceiver[T](n, name, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ends++
	return r
}

// read has f called with each value that comes, until the end.
func read[T any](w *world, r *netchan.Receiver[T], f func(T)) {
	w.readers.Go(func() {
		for v := range r.C {
			f(v)
		}
	})
}

// openFlows joins each node with each other one by channels of two senders and two receivers, and
// makes two channels for guests: on churn they receive, on home they send.
func (w *world) openFlows() {
	for i, buffer := range []int{0, 16, 256} {
		f := &flow{name: fmt.Sprint("flow-", i), got: newLedger(true)}
		w.openFlow(f, buffer, []int{i, i + 1}, []int{i + 2, i + 3})
		w.flows = append(w.flows, f)
	}
	w.churn = &flow{name: "churn", got: newLedger(false)}
	w.openFlow(w.churn, 8, []int{0, 3}, []int{1})
	home := receive[value](w, w.nodes[2], "home", netchan.Buffer(16), netchan.KeepOpen())
	read(w, home, func(v value) { w.came(w.home, 2, v) })
}

func (w *world) openFlow(f *flow, buffer int, from, to []int) {
	for _, i := range from {
		f.senders = append(f.senders, send[value](w, w.nodes[i%4], f.name, buffer))
	}
	f.sent = make([]uint64, len(from))
	for _, i := range to {
		read(w, receive[value](w, w.nodes[i%4], f.name, netchan.Buffer(buffer)), func(v value) { w.came(f.got, i, v) })
	}
}

// came notes a value.
func (w *world) came(l *ledger, receiver int, v value) {
	w.count.values.Add(1)
	if !v.whole() {
		w.fail("value %d of sender %d has come with %d other bytes", v.N, v.From, len(v.Body))
	}
	if err := l.add(receiver, v.From, v.N); err != nil {
		w.fail("%v", err)
	}
}

// send sends, in bursts, until the phase is over; then it waits until all is taken.
func (w *world) send(f *flow, i int) {
	s := f.senders[i]
	for w.pause(5 * time.Millisecond) {
		for range 20 {
			select {
			case s.C <- numbered(i, f.sent[i]):
				f.sent[i]++
			case <-w.stop:
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		w.fail("%s: not all is taken: %v", f.name, err)
	}
}

// balance checks, in quiet, that of what was sent nothing is missing.
func (w *world) balance() {
	w.home.clear() // what is known of guests that were closed
	for _, f := range append(w.flows, w.churn) {
		for i, s := range f.senders {
			var came, twice uint64
			all := func() bool { came, twice = f.got.of(i); return came == f.sent[i] } // the reader may have the last in its hand
			st := s.Stats()
			if w.t.Failed() {
				return // what was cut short need not add up
			}
			if !eventually(all) || st.Dropped != 0 || twice > st.Redelivered || f != w.churn && st.Redelivered != 0 {
				w.wrong("%s: %d sent, %d came, %d of them twice: %+v", f.name, f.sent[i], came, twice, st)
			}
		}
	}
}
