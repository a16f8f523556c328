package netchan_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// usedWithin is how soon a new receiver is to get values of senders that are there.
const usedWithin = 2 * time.Second

// Receivers join and leave at random while values flow, on nodes that are there and on
// nodes that come with them: each is used soon, and no value is lost or doubled.
func TestReceiversComeAndGo(t *testing.T) {
	const rounds = 20
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	standing := []*netchan.Node{join(t, "a")}
	for i := range 2 {
		standing = append(standing, join(t, fmt.Sprint("b", i), standing[0].Addr()))
	}
	var done tally
	s := sender[int](t, standing[0], "flow", netchan.Buffer(4))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pace := time.NewTicker(burstEvery)
		defer pace.Stop()
		for v := 0; ; v++ {
			if v%(20*burst) == 0 {
				<-pace.C
			}
			select {
			case s.C <- v:
				done.add(fmt.Sprint(v), -1)
			case <-stop:
				return
			}
		}
	}()

	var takes sync.WaitGroup
	var leaves []func() // of each receiver that is there
	come := func(node *netchan.Node, leave func()) {
		in := receiver[int](t, node, "flow", netchan.Buffer(r.IntN(10)))
		if leave == nil {
			leave = func() { in.Close() }
		}
		leaves = append(leaves, leave)
		start, first := time.Now(), make(chan struct{})
		takes.Go(func() {
			v, ok := <-in.C
			close(first)
			for ; ok; v, ok = <-in.C {
				done.add(fmt.Sprint(v), 1)
			}
		})
		<-first
		if d := time.Since(start); d > usedWithin {
			t.Errorf("a receiver on %s was used after %v", node.Name(), d)
		}
	}
	come(standing[1], nil)
	for n := range rounds {
		for came := false; !came || r.IntN(2) == 0; came = true {
			if k := r.IntN(2 * len(standing)); k < len(standing) {
				come(standing[k], nil)
				continue
			}
			node := join(t, fmt.Sprint("guest ", n), standing[0].Addr())
			come(node, func() {
				if err := node.Shutdown(testContext(t)); err != nil {
					t.Error(err)
				}
			})
		}
		for len(leaves) > 1 && r.IntN(4) > 0 {
			k := r.IntN(len(leaves))
			leaves[k]()
			leaves = append(leaves[:k], leaves[k+1:]...)
		}
	}
	close(stop)
	<-stopped
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	close(s.C)
	takes.Wait()
	done.check(t)
	if st := s.Stats(); st.Acknowledged != st.Sent || st.Redelivered != 0 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}
