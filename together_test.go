package netchan_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/matveynator/netchan"
)

// Whatever is called while whatever else is, also while the nodes end: nothing panics, everything
// returns, and nothing is left.
func TestEverythingAtOnce(t *testing.T) {
	for round := range 3 {
		a := join(t, "a")
		b := join(t, "b", a.Addr())
		ctx, cancel := context.WithTimeout(context.Background(), testTime)
		calls := []func(n *netchan.Node, name string){
			func(n *netchan.Node, name string) { // sends until it can't
				s, err := netchan.NewSender[request](n, name, netchan.Buffer(4))
				for i := 0; err == nil; i++ {
					err = netchan.Send(ctx, s.C, request{i, make(chan response, 1)})
				}
			},
			func(n *netchan.Node, name string) { // closes its C
				if s, err := netchan.NewSender[request](n, name); err == nil {
					_ = s.Deliver(ctx, request{N: 1})
					close(s.C)
					<-s.Done()
				}
			},
			func(n *netchan.Node, name string) { // detaches, from two sides
				if s, err := netchan.NewSender[request](n, name, netchan.Broadcast(), netchan.Lossy()); err == nil {
					go func() { _ = s.Close() }()
					_ = s.Flush(ctx)
					_ = s.Close()
					_ = s.Stats()
				}
			},
			func(n *netchan.Node, name string) { // answers
				r, err := netchan.NewReceiver[request](n, name, netchan.KeepOpen())
				if err != nil {
					return
				}
				for q := range r.C {
					if q.Reply != nil {
						q.Reply <- response{q.N}
					}
				}
				_ = r.Err()
			},
			func(n *netchan.Node, name string) { // comes and goes
				for range 100 {
					r, err := netchan.NewReceiver[request](n, name, netchan.Buffer(2))
					if err != nil {
						return
					}
					select {
					case q := <-r.C:
						netchan.Release(q.Reply)
					case <-n.Changed():
					}
					_ = r.Close()
				}
			},
			func(n *netchan.Node, name string) { // looks
				for range 100 {
					_, _, _ = n.Members(), n.Channels(), n.Stats()
				}
			},
			func(n *netchan.Node, name string) { // changes keys
				key := netchan.GenerateKey()
				_ = n.SetKeys(testKey, key)
				_ = n.SetKeys(testKey)
			},
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for k := range 64 {
			n := []*netchan.Node{a, b}[k%2]
			call := calls[k/2%len(calls)]
			wg.Go(func() {
				<-start
				call(n, fmt.Sprint("name ", k%3))
			})
		}
		var ends sync.WaitGroup
		close(start)
		for { // until enough has begun
			changed := a.Changed()
			if len(a.Channels()) > 10 {
				break
			}
			<-changed
		}
		for k := range 8 {
			n := []*netchan.Node{a, b}[k%2]
			ends.Go(func() {
				if k/2 == round {
					_ = n.Close()
				} else {
					_ = n.Shutdown(ctx)
				}
			})
		}
		ends.Wait()
		wg.Wait()
		if ctx.Err() != nil {
			t.Fatal("something did not return")
		}
		cancel()
	}
}
