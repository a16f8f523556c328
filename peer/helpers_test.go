package peer

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"
)

// patience ends tests that hang; no test measures time with it.
const patience = 20 * time.Second

func testCtx(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// testHost makes a host on loopback that is closed with the test.
func testHost(t testing.TB, key Key, change ...func(*Config)) *Host {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", Key: key, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	h, err := NewHost(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// collect makes a host hand its new links to the channel.
func collect(links chan<- *Link) func(*Config) {
	return func(c *Config) { c.OnLink = func(l *Link) { links <- l } }
}

// testPair is two hosts and the two ends of the link between them.
func testPair(t testing.TB, change ...func(*Config)) (a, b *Link) {
	t.Helper()
	key := GenerateKey()
	links := make(chan *Link, 1)
	ha := testHost(t, key, change...)
	hb := testHost(t, key, append(change, collect(links))...)
	a, err := ha.Link(testCtx(t), hb.Addr(), hb.ID())
	if err != nil {
		t.Fatal(err)
	}
	return a, receive(t, links)
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("not reached")
	}
}

// until waits for what no event tells.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	ctx := testCtx(t)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatal("it does not become so")
		}
	}
}

// drain reads a link to its end, as somebody always should.
func drain(t testing.TB, l *Link) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, readerOnly{l})
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
}

type readerOnly struct{ io.Reader }
