package netchan_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matveynator/netchan"
)

// A bad call returns an error that names what is wrong and says what to do.
func TestPromise15BadCalls(t *testing.T) {
	n := join(t, "a")
	closed := join(t, "closed")
	closed.Close()
	ctx := testContext(t)
	type withFunc struct{ Callback func() }
	type withChan struct{ Reply chan int }
	newSender := func(n *netchan.Node, name string, opts ...netchan.SendOption) error {
		_, err := netchan.NewSender[int](n, name, opts...)
		return err
	}
	newReceiver := func(n *netchan.Node, name string, opts ...netchan.ReceiveOption) error {
		_, err := netchan.NewReceiver[int](n, name, opts...)
		return err
	}
	joining := func(cfg netchan.Config) error {
		cfg.Key = testKey
		node, err := netchan.Join(ctx, cfg)
		if err == nil {
			node.Close()
		}
		return err
	}
	for name, test := range map[string]struct {
		call     func() error
		arg, say string
		is       error
	}{
		"nil node":             {func() error { return newSender(nil, "x") }, "n", "Join", nil},
		"zero node":            {func() error { return newReceiver(&netchan.Node{}, "x") }, "n", "Join", nil},
		"closed node":          {func() error { return newSender(closed, "x") }, "n", "Join again", netchan.ErrClosed},
		"closed node, receive": {func() error { return newReceiver(closed, "x") }, "n", "Join again", net.ErrClosed},
		"empty name":           {func() error { return newSender(n, "") }, "name", "is empty", nil},
		"long name":            {func() error { return newReceiver(n, strings.Repeat("x", 256)) }, "name", "255", nil},
		"bad name":             {func() error { return newReceiver(n, "\xff") }, "name", "UTF-8", nil},
		"negative buffer":      {func() error { return newSender(n, "x", netchan.Buffer(-1)) }, "Buffer", "-1", nil},
		"huge buffer":          {func() error { return newReceiver(n, "x", netchan.Buffer(1<<40)) }, "Buffer", "1048576", nil},
		"lossy sender":         {func() error { return newSender(n, "x", netchan.Lossy()) }, "Lossy", "Broadcast", nil},
		"func":                 {func() error { _, err := netchan.NewSender[withFunc](n, "x"); return err }, "T", "Callback", nil},
		"chan":                 {func() error { _, err := netchan.NewReceiver[withChan](n, "x"); return err }, "T", "Reply: say which way", nil},
		"seed":                 {func() error { return joining(netchan.Config{Seeds: []string{"nowhere"}}) }, "Config.Seeds", "host:port", nil},
		"listen":               {func() error { return joining(netchan.Config{Listen: "1.2.3.4"}) }, "Config.Listen", "host:port", nil},
		"advertise":            {func() error { return joining(netchan.Config{Advertise: "x:y"}) }, "Config.Advertise", "host:port", nil},
		"name of a node":       {func() error { return joining(netchan.Config{Name: strings.Repeat("x", 65)}) }, "Config.Name", "64", nil},
		"resume timeout":       {func() error { return joining(netchan.Config{ResumeTimeout: -1}) }, "Config.ResumeTimeout", "negative", nil},
		"certificates":         {func() error { return joining(netchan.Config{TLS: &tls.Config{}}) }, "Config.TLS", "set Certificates", nil},
		"zero key":             {func() error { return n.SetKeys(netchan.Key{}) }, "key", "GenerateKey", nil},
		"nil channel":          {func() error { return netchan.Send[int](ctx, nil, 1) }, "ch", "nil", nil},
		"nil channel, receive": {func() error { _, err := netchan.Receive[int](ctx, nil); return err }, "ch", "nil", nil},
		"dial":                 {func() error { _, _, err := netchan.Dial("x"); return err }, "addr", "host:port", nil},
		"nil context":          {func() error { _, err := netchan.Join(nil, netchan.Config{}); return err }, "ctx", "Background", nil}, //nolint:staticcheck // that is what is tested
		"nil context, deliver": {func() error { return sender[int](t, n, "nil").Deliver(nil, 1) }, "ctx", "Background", nil},           //nolint:staticcheck // as above
		"listen address":       {func() error { _, _, err := netchan.Listen("x"); return err }, "addr", "host:port", nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.call()
			bad := (*netchan.ArgumentError)(nil)
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want an ArgumentError", err)
			}
			if bad.Arg != test.arg || !strings.Contains(err.Error(), test.say) {
				t.Errorf("%q does not name %q and say %q", err, test.arg, test.say)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
	if left := n.Channels(); len(left) != 1 { // the one of "nil context, deliver"
		t.Errorf("bad calls left %v", left)
	}
}

// Without a key nothing is begun: there is no mode without one.
func TestNoKeyIsAnError(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, env := range map[string]map[string]string{
		"no such file":    {"NETCHAN_KEY_FILE": missing},
		"not a key":       {"NETCHAN_KEY": "secret"},
		"an empty file":   {"NETCHAN_KEY_FILE": os.DevNull},
		"nowhere to make": {"HOME": "", "XDG_CONFIG_HOME": "", "AppData": "", "home": ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"NETCHAN_KEY", "NETCHAN_KEY_FILE"} {
				t.Setenv(v, "")
			}
			for v, is := range env {
				t.Setenv(v, is)
			}
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			_, jerr := netchan.Join(ctx, netchan.Config{Listen: "127.0.0.1:0"})
			_, _, lerr := netchan.ListenContext(ctx, "127.0.0.1:0")
			_, _, derr := netchan.DialContext(ctx, "127.0.0.1:1")
			for what, err := range map[string]error{"Config.Key": jerr, "key": lerr, "key ": derr} {
				bad := (*netchan.ArgumentError)(nil)
				if !errors.As(err, &bad) || bad.Arg != strings.TrimSpace(what) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func TestSendAndReceive(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "calls")
	r := receiver[int](t, b, "calls")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	connected(t, s, 1)
	if err := netchan.Send(ended, s.C, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := netchan.Receive(ended, r.C); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	give(t, s.C, 2)
	if err := netchan.Err(s.C); err != nil {
		t.Fatal(err)
	}
	if v := take(t, r.C); v != 2 {
		t.Fatal(v)
	}
	if err := netchan.Flush(testContext(t), s.C); err != nil {
		t.Fatal(err)
	}
	close(s.C)
	if _, err := netchan.Receive(testContext(t), r.C); err != io.EOF {
		t.Fatal(err)
	}
	<-netchan.Done(r.C)
	<-netchan.Done(s.C)
	if err := netchan.Send(testContext(t), s.C, 3); err != netchan.ErrClosed {
		t.Fatal(err)
	}
	if netchan.Err(r.C) != nil || netchan.Err(s.C) != netchan.ErrClosed {
		t.Fatal(netchan.Err(r.C), netchan.Err(s.C))
	}
	if netchan.Done((chan int)(nil)) != nil {
		t.Fatal("Done of a nil channel is not nil")
	}
	select {
	case <-netchan.Done(make(chan int)):
		t.Fatal("a channel of nobody's is done")
	default:
	}
	// What is there comes first, also when the context has ended.
	plain := make(chan int, 1)
	plain <- 5
	if v, err := netchan.Receive(ended, plain); v != 5 || err != nil {
		t.Fatal(v, err)
	}
}

// A Deliver that gives up takes its value back, if it has not left.
func TestDeliverWithdraws(t *testing.T) {
	a := join(t, "a")
	s := sender[int](t, a, "withdraw")
	ctx, cancel := context.WithTimeout(context.Background(), quietTime)
	defer cancel()
	err := s.Deliver(ctx, 1)
	stalled := (*netchan.StalledError)(nil)
	if !errors.As(err, &stalled) || stalled.Reason != netchan.NoReceiver || stalled.Left != 1 {
		t.Fatal(err)
	}
	r := receiver[int](t, a, "withdraw")
	give(t, s.C, 2)
	if v := take(t, r.C); v != 2 {
		t.Fatalf("got %d", v)
	}
}

func TestZeroValuesAreClosed(t *testing.T) {
	var n *netchan.Node
	for _, n := range []*netchan.Node{n, {}} {
		if err := n.Close(); err != nil || n.Members() != nil || n.Channels() != nil || n.Name() != "" || len(n.Stats().Links) != 0 {
			t.Error(err)
		}
		if err := n.Shutdown(testContext(t)); !errors.Is(err, netchan.ErrClosed) {
			t.Error(err)
		}
	}
	var s netchan.Sender[int]
	var r netchan.Receiver[int]
	if err := s.Flush(testContext(t)); !errors.Is(err, netchan.ErrClosed) || s.Close() != nil || r.Close() != nil || !errors.Is(r.Err(), netchan.ErrClosed) {
		t.Error(err)
	}
	<-s.Done()
}

// What would not fit into the node's list of names is refused.
func TestTooManyNames(t *testing.T) {
	n := join(t, "a")
	long := strings.Repeat("x", 250)
	for i := range 5000 {
		if _, err := netchan.NewReceiver[int](n, fmt.Sprint(long, i)); err != nil {
			bad := (*netchan.ArgumentError)(nil)
			if !errors.As(err, &bad) || bad.Arg != "n" {
				t.Fatal(err)
			}
			waitFor(t, "all to be in the mesh", func() bool { return len(n.Registered()) == i })
			return
		}
	}
	t.Fatal("5000 names of 250 bytes were taken")
}
