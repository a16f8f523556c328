package netchan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/peer"
)

// seedKey gives Listen and Dial a key of the test's own.
func seedKey(t testing.TB) {
	t.Setenv("NETCHAN_KEY", testKey.Secret())
}

// unusedAddr is an address on loopback that nobody listens on.
func unusedAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestListenAndDial(t *testing.T) {
	seedKey(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	addr := unusedAddr(t)
	send, receive, err := netchan.ListenContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	to, from, err := netchan.DialContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	give(t, to, any("question"))
	if v := take(t, receive); v != "question" {
		t.Fatal(v)
	}
	give(t, send, any(42))
	if v := take(t, from); v != 42 {
		t.Fatal(v)
	}
	if err := netchan.Flush(testContext(t), to); err != nil {
		t.Fatal(err)
	}
	cancel()
	for _, ch := range []any{send, receive, to, from} {
		<-netchan.Done(ch)
		if !errors.Is(netchan.Err(ch), context.Canceled) {
			t.Errorf("ended with %v", netchan.Err(ch))
		}
	}
	if _, ok := <-from; ok {
		t.Error("a value after the end")
	}
}

// Fifty dialers are served each value once, and share one link.
func TestFiftyDialsShareOneLink(t *testing.T) {
	const dialers, values = 50, 2000
	seedKey(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	addr := unusedAddr(t)
	// The dialers are there before the listener.
	var wg sync.WaitGroup
	for i := range dialers {
		wg.Go(func() {
			to, from, err := netchan.DialContext(ctx, addr)
			if err != nil {
				t.Errorf("Dial: %v", err)
				return
			}
			to <- "hello"
			for v := range from {
				to <- fmt.Sprint(i, " ", v)
			}
			close(to)
		})
	}
	send, receive, err := netchan.ListenContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	for range dialers { // who comes when all is done would wait for another listener
		if v := take(t, receive); v != "hello" {
			t.Fatal(v)
		}
	}
	go func() {
		for i := range values {
			send <- i
		}
		close(send)
	}()
	seen := map[int]bool{}
	workers := map[int]bool{}
	for v := range receive {
		var worker, n int
		fmt.Sscan(v.(string), &worker, &n)
		if seen[n] {
			t.Fatalf("%d came twice", n)
		}
		seen[n], workers[worker] = true, true
		if len(seen) == values/2 {
			if n := netchan.SharedLinks(); n != 1 {
				t.Errorf("%d links, want 1", n)
			}
		}
	}
	if len(seen) != values || netchan.Err(receive) != nil {
		t.Fatalf("%d values of %d, %v", len(seen), values, netchan.Err(receive))
	}
	wg.Wait()
	if len(workers) < 2 {
		t.Errorf("only %d dialers got values", len(workers))
	}
	// The port is free again.
	waitFor(t, "the listener to let its port go", func() bool {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			l.Close()
		}
		return err == nil
	})
}

func TestDialWaitsAndGivesUp(t *testing.T) {
	seedKey(t)
	ctx, cancel := context.WithTimeout(context.Background(), quietTime)
	defer cancel()
	if _, _, err := netchan.DialContext(ctx, unusedAddr(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	// Another key can't heal.
	l, err := peer.NewHost(peer.Config{Listen: "127.0.0.1:0", Key: netchan.GenerateKey(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, _, err := netchan.DialContext(testContext(t), l.Addr()); !errors.Is(err, netchan.ErrKeyMismatch) {
		t.Fatal(err)
	}
}

// A dialer goes on when its listener is started again, at the same address.
func TestDialReconnects(t *testing.T) {
	seedKey(t)
	addr := unusedAddr(t)
	dialCtx, stopDial := context.WithCancel(testContext(t))
	defer stopDial()
	listenCtx, stopListen := context.WithCancel(testContext(t))
	_, receive, err := netchan.ListenContext(listenCtx, addr)
	if err != nil {
		t.Fatal(err)
	}
	to, from, err := netchan.DialContext(dialCtx, addr)
	if err != nil {
		t.Fatal(err)
	}
	give(t, to, any(1))
	take(t, receive)
	if err := netchan.Flush(testContext(t), to); err != nil {
		t.Fatal(err)
	}
	stopListen()
	<-netchan.Done(receive)
	give(t, to, any(2))

	listenCtx, stopListen = context.WithCancel(testContext(t))
	defer stopListen()
	var send chan<- any
	waitFor(t, "the port", func() bool {
		send, receive, err = netchan.ListenContext(listenCtx, addr)
		return err == nil
	})
	if v := take(t, receive); v != 2 {
		t.Fatal(v)
	}
	give(t, send, any("again"))
	if v := take(t, from); v != "again" {
		t.Fatal(v)
	}
}

// A dialer's close ends that dialer: what it had not read goes to another.
func TestDialerCloseGivesBack(t *testing.T) {
	seedKey(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	addr := unusedAddr(t)
	send, _, err := netchan.ListenContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	to, from, err := netchan.DialContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		give(t, send, any(i))
	}
	waitFor(t, "the values to arrive", func() bool { return len(from) == 3 })
	close(to)
	<-netchan.Done(from)
	if _, err := netchan.Receive(testContext(t), from); err != io.EOF {
		t.Fatal(err)
	}
	_, other, err := netchan.DialContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if v := take(t, other); v != i {
			t.Fatal(v)
		}
	}
}

func TestListenOnATakenPort(t *testing.T) {
	seedKey(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, _, err := netchan.Listen(l.Addr().String()); err == nil {
		t.Fatal("two listeners on one port")
	}
}

// A dialer whose context ends gives back what its program has not taken.
func TestDialContextGivesBack(t *testing.T) {
	seedKey(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	addr := unusedAddr(t)
	send, _, err := netchan.ListenContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	dialCtx, stop := context.WithCancel(ctx)
	_, from, err := netchan.DialContext(dialCtx, addr)
	if err != nil {
		t.Fatal(err)
	}
	const n = 10
	for i := range n {
		give(t, send, any(i))
	}
	waitFor(t, "the values to arrive", func() bool { return len(from) == n })
	stop()
	<-netchan.Done(from)
	if v, err := netchan.Receive(testContext(t), from); !errors.Is(err, context.Canceled) {
		t.Fatal(v, err)
	}
	_, other, err := netchan.DialContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if v := take(t, other); v != i {
			t.Fatalf("got %v, want %d", v, i)
		}
	}
}

// A close is seen also where nobody is at the other side.
func TestCloseOfListenerAndDialerAlone(t *testing.T) {
	seedKey(t)
	addr := unusedAddr(t)
	send, receive, err := netchan.ListenContext(testContext(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	close(send)
	if _, err := netchan.Receive(testContext(t), receive); err != io.EOF {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(testContext(t))
	defer stop()
	waitFor(t, "the port", func() bool {
		_, receive, err = netchan.ListenContext(ctx, addr)
		return err == nil
	})
	to, from, err := netchan.DialContext(testContext(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	<-netchan.Done(receive)
	close(to)
	if _, err := netchan.Receive(testContext(t), from); err != io.EOF {
		t.Fatal(err)
	}
}

func TestDialOfANodeSaysWhy(t *testing.T) {
	seedKey(t)
	n := join(t, "a")
	ctx, cancel := context.WithTimeout(context.Background(), 3*quietTime)
	defer cancel()
	if _, _, err := netchan.DialContext(ctx, n.Addr()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nobody listens there") {
		t.Fatal(err)
	}
}
