package netchan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

// inMemory has a node join on a network in memory, at 10.0.0.n.
func inMemory(ctx context.Context, net *memnet.Network, n int, cfg Config) (*Node, error) {
	ip := fmt.Sprintf("10.0.0.%d", n)
	cfg.Listen, cfg.Logger, cfg.network = ip+port, slog.New(slog.DiscardHandler), net.Host(ip)
	if n > 1 {
		cfg.Seeds = []string{"10.0.0.1" + port}
	}
	return Join(ctx, cfg)
}

// The key of a mesh is changed node by node, while values flow: none is lost, none comes
// twice, no link ends but those with who has only the old key, who is out from then on.
func TestKeyIsChangedUnderTraffic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		network := memnet.New(1)
		defer network.Close()
		older, newer := GenerateKey(), GenerateKey()
		var nodes []*Node
		for i := range 4 {
			n, err := inMemory(ctx, network, i+1, Config{Name: string(rune('a' + i)), Key: older})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			nodes = append(nodes, n)
		}
		behind, nodes := nodes[3], nodes[:3]

		var mu sync.Mutex
		var got []int
		var reading sync.WaitGroup
		receive := func(n *Node) {
			r, err := NewReceiver[int](n, "numbers", Buffer(4))
			if err != nil {
				t.Fatal(err)
			}
			reading.Go(func() {
				last := 0
				for v := range r.C {
					if v <= last {
						t.Errorf("%d comes after %d", v, last)
					}
					mu.Lock()
					got = append(got, v)
					mu.Unlock()
					last = v
				}
			})
		}
		receive(nodes[1])
		receive(nodes[2])
		s, err := NewSender[int](nodes[0], "numbers", Buffer(4))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WaitReceivers(ctx, 2); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*Node{nodes[0], behind} { // so that these two are linked
			aside, err := NewReceiver[int](n, "aside "+n.Name())
			if err != nil {
				t.Fatal(err)
			}
			from := nodes[0]
			if n == from {
				from = behind
			}
			to, err := NewSender[int](from, "aside "+n.Name())
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = Send(ctx, to.C, 1) }()
			if _, err := Receive(ctx, aside.C); err != nil {
				t.Fatal(err)
			}
		}
		stop := make(chan bool)
		sent := make(chan int)
		go func() {
			for i := 1; ; i++ {
				select {
				case s.C <- i:
				case <-stop:
					sent <- i - 1
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		flows := func() {
			t.Helper()
			mu.Lock()
			before := len(got)
			mu.Unlock()
			time.Sleep(200 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if len(got) < before+20 {
				t.Errorf("%d values in 200 ms", len(got)-before)
			}
		}
		for step, keys := range [][]Key{{older, newer}, {newer, older}, {newer}} {
			for _, n := range nodes {
				if err := n.SetKeys(keys[0], keys[1:]...); err != nil {
					t.Fatal(err)
				}
				flows()
			}
			if step < 2 && !slices.ContainsFunc(nodes[0].Stats().Links, func(l LinkStats) bool { return l.Node.Name == "d" && !l.Broken }) {
				t.Errorf("step %d: the link with who has the old key is gone", step)
			}
		}
		time.Sleep(time.Minute) // gossip, too, has noticed
		flows()
		close(stop)
		n := <-sent
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		st := s.Stats()
		if st.Redelivered != 0 || st.Dropped != 0 || st.Acknowledged != uint64(n) || st.Receivers != 2 {
			t.Errorf("%d values: %+v", n, st)
		}
		close(s.C)
		reading.Wait()
		slices.Sort(got)
		for i, v := range got {
			if v != i+1 {
				t.Fatalf("%d instead of %d", v, i+1)
			}
		}
		if len(got) != n {
			t.Errorf("%d of %d values", len(got), n)
		}
		breaks := uint64(0)
		for _, l := range nodes[0].Stats().Links {
			if l.Node.Name == "d" {
				t.Errorf("still linked with who has the old key: %+v", l)
			}
			breaks += l.Breaks
		}
		if breaks == 0 {
			t.Error("no connection was made again: those with the old key go on")
		}
		if m := nodes[0].Members(); len(m) != 3 {
			t.Errorf("members: %v", m)
		}
		if n, err := inMemory(ctx, network, 5, Config{Key: older}); !errors.Is(err, ErrKeyMismatch) {
			if err == nil {
				n.Close()
			}
			t.Errorf("with the old key: %v", err)
		}
		if nodes[0].Stats().Refused == 0 {
			t.Error("nobody was counted as refused")
		}
		late, err := inMemory(ctx, network, 6, Config{Key: newer})
		if err != nil {
			t.Fatal(err)
		}
		late.Close()
	})
}
