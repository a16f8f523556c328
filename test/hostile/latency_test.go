package hostile

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// TestLatency measures how long a healthy node's Deliver takes in peace, and while another peer does
// everything it can think of, again and again, by link after link. That each returns is
// what is tested; how long it took is told.
func TestLatency(t *testing.T) {
	calls := 200
	if *full {
		calls = 5000
	}
	key := netchan.GenerateKey()
	join := func(name string, seeds ...string) *netchan.Node {
		node, err := netchan.Join(t.Context(), netchan.Config{Name: name, Listen: "127.0.0.1:0", Key: key, Seeds: seeds, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = node.Close() })
		return node
	}
	victim := join("victim")
	friend := join("friend", victim.Addr())
	in, err := netchan.NewReceiver[int](victim, "healthy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := netchan.NewReceiver[[]byte](victim, Unread); err != nil {
		t.Fatal(err)
	}
	out, err := netchan.NewSender[int](friend, "healthy")
	if err != nil {
		t.Fatal(err)
	}
	var reading, attacking sync.WaitGroup
	reading.Go(func() {
		for range in.C {
		}
	})
	defer reading.Wait()
	defer func() { _ = in.Close() }()
	measure := func() (half, most time.Duration) {
		var took []time.Duration
		for i := range calls {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if err := out.Deliver(ctx, i); err != nil {
				t.Fatal(err)
			}
			cancel()
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		return took[len(took)/2], took[len(took)*99/100]
	}
	measure() // the link is made
	half, most := measure()

	ctx, stop := context.WithCancel(t.Context())
	attacks := 0
	attacking.Go(func() {
		for ctx.Err() == nil {
			for _, c := range Attacks() {
				a, err := NewAttacker(ctx, victim.Self(), key)
				if err != nil {
					continue
				}
				c.Do(a)
				select {
				case <-a.Done():
				case <-ctx.Done():
				}
				a.Close()
				attacks++
			}
		}
	})
	thenHalf, thenMost := measure()
	stop()
	attacking.Wait()
	t.Logf("Deliver, %d times: in peace p50 %v, p99 %v; beside %d attacks p50 %v (%.2f), p99 %v (%.2f)",
		calls, half, most, attacks, thenHalf, float64(thenHalf)/float64(half), thenMost, float64(thenMost)/float64(most))
}
