package netchan_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/matveynator/netchan"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		runRole(role) // another process of a test: see process_test.go
		return
	}
	goleak.VerifyTestMain(m)
}

// testTime bounds what a test waits for: only one that fails comes near it.
const testTime = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	t.Cleanup(cancel)
	return ctx
}

var testKey = netchan.GenerateKey()

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// join makes a node that is closed with the test.
func join(t testing.TB, name string, seeds ...string) *netchan.Node {
	t.Helper()
	return joinWith(t, netchan.Config{Name: name, Seeds: seeds})
}

func joinWith(t testing.TB, cfg netchan.Config) *netchan.Node {
	t.Helper()
	if cfg.Key.IsZero() {
		cfg.Key = testKey
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	n, err := netchan.Join(testContext(t), cfg)
	if err != nil {
		t.Fatalf("Join %s: %v", cfg.Name, err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func sender[T any](t testing.TB, n *netchan.Node, name string, opts ...netchan.SendOption) *netchan.Sender[T] {
	t.Helper()
	s, err := netchan.NewSender[T](n, name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func receiver[T any](t testing.TB, n *netchan.Node, name string, opts ...netchan.ReceiveOption) *netchan.Receiver[T] {
	t.Helper()
	r, err := netchan.NewReceiver[T](n, name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// waitFor returns when cond holds. What it waits for gives no event.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(testTime); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// take receives one value, or fails.
func take[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	v, err := netchan.Receive(testContext(t), c)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return v
}

// give sends one value, or fails.
func give[T any](t testing.TB, c chan<- T, v T) {
	t.Helper()
	if err := netchan.Send(testContext(t), c, v); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func connected[T any](t testing.TB, s *netchan.Sender[T], n int) {
	t.Helper()
	if err := s.WaitReceivers(testContext(t), n); err != nil {
		t.Fatal(err)
	}
}

func TestTwoNodes(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "n", netchan.Buffer(16))
	r := receiver[int](t, b, "n", netchan.Buffer(16))
	go func() {
		for i := range 1000 {
			s.C <- i
		}
		close(s.C)
	}()
	want := 0
	for v := range r.C {
		if v != want {
			t.Fatalf("got %d, want %d", v, want)
		}
		want++
	}
	if want != 1000 || r.Err() != nil {
		t.Fatalf("got %d values, err %v", want, r.Err())
	}
	<-s.Done()
	if s.Err() != netchan.ErrClosed {
		t.Fatal(s.Err())
	}
}

// afterQuiet is closed after quietTime: a test that nothing happens watches so long.
func afterQuiet(t testing.TB) <-chan time.Time { return time.After(quietTime) }

// noise is n bytes that can't be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func isErr(err, target error) bool { return errors.Is(err, target) }
