package netchan_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/peer"
)

func TestZeroConfig(t *testing.T) {
	t.Setenv("NETCHAN_KEY", "")
	t.Setenv("NETCHAN_KEY_FILE", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	a, err := netchan.Join(testContext(t), netchan.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	// Another node of this user finds it with nothing but its address.
	b, err := netchan.Join(testContext(t), netchan.Config{Seeds: []string{a.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, r := sender[int](t, a, "zero"), receiver[int](t, b, "zero")
	give(t, s.C, 1)
	if v := take(t, r.C); v != 1 {
		t.Fatal(v)
	}
	if a.Name() == "" || a.Self().Addr != a.Addr() || !strings.HasPrefix(a.Addr(), "127.0.0.1:") {
		t.Fatalf("%+v", a.Self())
	}
}

// Three replicas of one manifest: the seeds name all three, in any order of
// starting.
func TestReplicasOfOneManifest(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}, nil} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			var seeds []string
			for range 3 {
				seeds = append(seeds, unusedAddr(t))
			}
			nodes := make([]*netchan.Node, 3)
			start := func(i int) {
				n, err := netchan.Join(testContext(t), netchan.Config{
					Name: fmt.Sprint(i), Listen: seeds[i], Seeds: seeds, Key: testKey, Logger: quiet()})
				if err != nil {
					t.Error(err)
					return
				}
				nodes[i] = n
			}
			var wg sync.WaitGroup
			for i := range 3 {
				if order != nil {
					start(order[i])
				} else {
					wg.Go(func() { start(i) })
				}
			}
			wg.Wait()
			defer func() {
				for _, n := range nodes {
					if n != nil {
						n.Close()
					}
				}
			}()
			if t.Failed() {
				return
			}
			for _, n := range nodes {
				waitFor(t, "all three to know each other", func() bool { return len(n.Members()) == 3 })
			}
		})
	}
}

func TestJoinTellsWhoCanNotBeReached(t *testing.T) {
	a := join(t, "a")
	// Nobody listens there, so the member that is asked can't reach it.
	start := time.Now()
	_, err := netchan.Join(testContext(t), netchan.Config{
		Listen: "127.0.0.1:0", Advertise: unusedAddr(t), Seeds: []string{a.Addr()}, Key: testKey, Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), "nobody can reach") || !strings.Contains(err.Error(), "Advertise") {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("told after %v", d)
	}
	if n := len(a.Members()); n != 1 {
		t.Errorf("%d members", n)
	}
}

func TestJoinEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), quietTime)
	defer cancel()
	_, err := netchan.Join(ctx, netchan.Config{Seeds: []string{unusedAddr(t)}, Key: testKey, Logger: quiet()})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestChangedAndChannels(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	until := func(what string, cond func() bool) {
		t.Helper()
		timeout := time.After(testTime)
		for {
			changed := a.Changed()
			if cond() {
				return
			}
			select {
			case <-changed:
			case <-timeout:
				t.Fatalf("no change brought %s", what)
			}
		}
	}
	r := receiver[small](t, b, "seen")
	until("the receiver", func() bool {
		c := a.Channels()
		return len(c) == 1 && c[0].Name == "seen" && c[0].Receive && c[0].Node == b.Self() && strings.Contains(c[0].Type, "Score")
	})
	r.Close()
	until("its end", func() bool { return len(a.Channels()) == 0 })
	ctx := testContext(t)
	if err := b.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	until("the node's leaving", func() bool { return len(a.Members()) == 1 })
}

// Who has not the key is refused in time, learns nothing, and disturbs nobody.
func TestStrangersAreRefused(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s, r := sender[int](t, a, "secret name"), receiver[int](t, b, "secret name")
	give(t, s.C, 1)
	take(t, r.C)

	t.Run("wrong key", func(t *testing.T) {
		_, err := netchan.Join(testContext(t), netchan.Config{Seeds: []string{a.Addr()}, Key: netchan.GenerateKey(), Logger: quiet()})
		if !errors.Is(err, netchan.ErrKeyMismatch) {
			t.Fatal(err)
		}
	})
	for name, say := range map[string][]byte{
		"nothing":      nil,
		"random bytes": noise(4096),
		"HTTP":         []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"plaintext":    []byte("NCH1 secret name\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", a.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.Write(say)
			conn.SetReadDeadline(time.Now().Add(testTime))
			start := time.Now()
			heard, err := io.ReadAll(io.LimitReader(conn, 1<<16))
			if errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 6*time.Second {
				t.Errorf("closed after %v, %v", time.Since(start), err)
			}
			if len(heard) > 7 { // one TLS alert is 7 bytes
				t.Errorf("it said %q", heard)
			}
		})
	}
	t.Run("TLS without a certificate", func(t *testing.T) {
		t.Parallel()
		conn, err := tls.Dial("tcp", a.Addr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"netchan/1"}})
		if err != nil {
			return // refused in the handshake
		}
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(testTime))
		if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil || line != "" {
			t.Errorf("it said %q, %v", line, err)
		}
	})
	t.Cleanup(func() {
		s.C <- 2
		if v := <-r.C; v != 2 || len(a.Members()) != 2 {
			t.Errorf("the others were disturbed: %d, %d members", v, len(a.Members()))
		}
	})
}

// What answers at a seed and is no node is a typed error of the Join.
func TestJoinOfSomethingElse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*quietTime)
	defer cancel()
	_, err = netchan.Join(ctx, netchan.Config{Seeds: []string{l.Addr().String()}, Key: testKey, Logger: quiet()})
	handshake := (*peer.HandshakeError)(nil)
	if !errors.As(err, &handshake) || handshake.Addr != l.Addr().String() || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	l.Close()
	<-served
}
