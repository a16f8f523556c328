package netchan_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/faultproxy"
)

// toldWithin is how soon a death is to be told that can be known for sure. It is
// much less than the time that a broken link is waited for.
const toldWithin = 10 * time.Second

// holder has receivers that take nothing. Its argument is a seed.
func holder(arg string) error {
	node, err := netchan.Join(context.Background(), netchan.Config{Name: "holder", Seeds: []string{arg}, Logger: quiet()})
	if err != nil {
		return err
	}
	for _, name := range []string{"queue", "once", "all"} {
		if _, err := netchan.NewReceiver[int](node, name, netchan.Buffer(4)); err != nil {
			return err
		}
	}
	fmt.Println("there", node.Self().ID)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A process that had values dies: who sends is told which one it was, long before the
// time is over for which a broken link is waited for. What may go to another receiver
// does.
func TestDeathIsTold(t *testing.T) {
	node := join(t, "boss")
	p := startProcess(t, "holder", node.Addr())
	p.want("there")
	waitFor(t, "the holder to be a member", func() bool { return len(node.Members()) == 2 })
	var dead netchan.Member
	for _, m := range node.Members() {
		if m != node.Self() {
			dead = m
		}
	}
	queue := sender[int](t, node, "queue")
	once := sender[int](t, node, "once", netchan.AtMostOnce())
	all := sender[int](t, node, "all", netchan.Broadcast())
	told := make(chan error, 3)
	for _, s := range []*netchan.Sender[int]{queue, once, all} {
		connected(t, s, 1)
		go func() { told <- s.Deliver(testContext(t), 7) }()
		waitFor(t, "the value to be there", func() bool { return s.Stats().InFlight == 1 })
		if s != queue {
			go func() { told <- s.Flush(testContext(t)) }()
		}
	}
	start := time.Now()
	p.cmd.Process.Kill()
	for range 4 {
		err := take(t, told)
		lost := (*netchan.PeerLostError)(nil)
		if !isErr(err, netchan.ErrPeerLost) || !errors.As(err, &lost) || lost.Node != dead || lost.Node.Name != "holder" {
			t.Errorf("told %v (%+v), want that %+v was lost", err, lost, dead)
		}
	}
	for _, s := range []*netchan.Sender[int]{once, all} {
		st := s.Stats()
		lost := (*netchan.PeerLostError)(nil)
		if st.Dropped != 1 || st.InFlight != 0 || !errors.As(st.LastDrop, &lost) || lost.Node != dead {
			t.Errorf("%+v", st)
		}
		if s.Err() != nil {
			t.Errorf("ended with %v", s.Err())
		}
	}
	waitFor(t, "the value of the queue", func() bool { return queue.Stats().Waiting == 1 })
	other := receiver[int](t, node, "queue")
	if v := take(t, other.C); v != 7 {
		t.Errorf("got %d", v)
	}
	if err := take(t, told); err != nil {
		t.Error(err)
	}
	if st := queue.Stats(); st.Redelivered != 1 || st.Dropped != 0 || st.Acknowledged != 1 {
		t.Errorf("%+v", st)
	}
	if d := time.Since(start); d > toldWithin {
		t.Errorf("told after %v", d)
	}
	waitFor(t, "gossip to know", func() bool { return len(node.Members()) == 1 })
}

// pourer sends numbers for ever, and has a second sender that says nothing. Its
// argument is a seed.
func pourer(arg string) error {
	node, err := netchan.Join(context.Background(), netchan.Config{Name: "pourer", Seeds: []string{arg}, Logger: quiet()})
	if err != nil {
		return err
	}
	if _, err := netchan.NewSender[int](node, "silence"); err != nil {
		return err
	}
	s, err := netchan.NewSender[int](node, "flow", netchan.Buffer(16))
	if err != nil {
		return err
	}
	fmt.Println("there", node.Self().ID)
	for i := 0; ; i++ {
		s.C <- i
	}
}

// A sender dies. What had arrived stays to be read, in order; to its receivers it is as
// if it had not been there: a channel stays open, unless another one has closed it.
func TestSenderDies(t *testing.T) {
	node := join(t, "boss")
	flow := receiver[int](t, node, "flow", netchan.Buffer(64))
	silence := receiver[int](t, node, "silence")
	p := startProcess(t, "pourer", node.Addr())
	p.want("there")
	closes := sender[int](t, node, "silence")
	connected(t, closes, 1)
	waitFor(t, "both to be connected", func() bool { return silence.Stats().Senders == 2 })
	close(closes.C)
	next := 0
	read := func(n int) {
		t.Helper()
		for range n {
			if v := take(t, flow.C); v != next {
				t.Fatalf("got %d, want %d", v, next)
			}
			next++
		}
	}
	read(1000)
	waitFor(t, "the buffer to be full", func() bool { return len(flow.C) == cap(flow.C) })
	select {
	case v, ok := <-silence.C:
		t.Fatalf("%v %v while a sender is there", v, ok)
	default:
	}
	p.cmd.Process.Kill()
	waitFor(t, "the death to be noticed", func() bool { return flow.Stats().Senders == 0 })
	if v, err := netchan.Receive(testContext(t), silence.C); err != io.EOF {
		t.Fatal(v, err)
	}
	if silence.Err() != nil {
		t.Error(silence.Err())
	}
	left := len(flow.C)
	if left < cap(flow.C) {
		t.Errorf("%d values are left of %d", left, cap(flow.C))
	}
	read(left)
	select {
	case v, ok := <-flow.C:
		t.Fatalf("%v %v after the sender's death", v, ok)
	case <-afterQuiet(t):
	}
	if flow.Err() != nil {
		t.Error(flow.Err())
	}
	// It goes on with another one.
	s := sender[int](t, node, "flow")
	give(t, s.C, next)
	read(1)
	close(s.C)
	if v, err := netchan.Receive(testContext(t), flow.C); err != io.EOF {
		t.Fatal(v, err)
	}
}

// tapper listens at an address, its argument, and takes as many values as it is told to.
func tapper(arg string) error {
	_, receive, err := netchan.Listen(arg)
	if err != nil {
		return err
	}
	fmt.Println("there", arg)
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		var n int
		fmt.Sscan(s.Text(), &n)
		for range n {
			fmt.Println("took", <-receive)
		}
	}
	return nil
}

// A listener's process dies, and another one takes its address: what the first had not
// taken reaches the second at once, in order. Neither end says that it is over.
func TestListenerIsStartedAgain(t *testing.T) {
	seedKey(t)
	addr := unusedAddr(t)
	first := startProcess(t, "tapper", addr)
	first.want("there")
	ctx, cancel := context.WithCancel(testContext(t))
	to, from, err := netchan.DialContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		<-netchan.Done(to)
	}()
	const n, before = 12, 3
	for i := range n {
		give(t, to, any(i))
	}
	fmt.Fprintln(first.stdin, before)
	for i := range before {
		if v := first.want("took"); v != fmt.Sprint(i) {
			t.Fatalf("took %s, want %d", v, i)
		}
	}
	acknowledged, stop := context.WithTimeout(testContext(t), quietTime)
	err = netchan.Flush(acknowledged, to)
	stop()
	if stalled := (*netchan.StalledError)(nil); !errors.As(err, &stalled) || stalled.Left != n-before {
		t.Fatalf("%v, want %d values left", err, n-before)
	}
	start := time.Now()
	first.cmd.Process.Kill()
	first.cmd.Process.Wait()
	second := startProcess(t, "tapper", addr)
	second.want("there")
	fmt.Fprintln(second.stdin, n-before)
	for i := before; i < n; i++ {
		if v := second.want("took"); v != fmt.Sprint(i) {
			t.Fatalf("took %s, want %d", v, i)
		}
	}
	if d := time.Since(start); d > toldWithin {
		t.Errorf("it took %v", d)
	}
	if err := netchan.Flush(testContext(t), to); err != nil {
		t.Error(err)
	}
	for _, ch := range []any{to, from} {
		if netchan.Err(ch) != nil {
			t.Error(netchan.Err(ch))
		}
	}
}

// joinBehind makes a node that others reach only through a proxy.
func joinBehind(t *testing.T, cfg netchan.Config) (*netchan.Node, *faultproxy.Proxy) {
	t.Helper()
	listen := unusedAddr(t)
	p, err := faultproxy.Listen(listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	cfg.Listen, cfg.Advertise = listen, p.Addr()
	return joinWith(t, cfg), p
}

// Gossip says that a node is dead. While the link with it works, or comes back, that
// means nothing; it ends when it is broken and the node's address refuses.
func TestGossipAloneEndsNoLink(t *testing.T) {
	a, toA := joinBehind(t, netchan.Config{Name: "a"})
	b, toB := joinBehind(t, netchan.Config{Name: "b", Seeds: []string{a.Addr()}})
	s := sender[int](t, a, "n")
	r := receiver[int](t, b, "n", netchan.Buffer(4))
	connected(t, s, 1)
	next := 0
	flow := func() {
		t.Helper()
		for range 100 {
			give(t, s.C, next)
			if v := take(t, r.C); v != next {
				t.Fatalf("got %d, want %d", v, next)
			}
			next++
		}
	}
	flow()
	link := func() (st netchan.LinkStats) {
		for _, l := range a.Stats().Links {
			if l.Node.ID == b.Self().ID {
				st = l
			}
		}
		return st
	}
	if err := b.LeaveMesh(testContext(t)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "gossip to say that b is gone", func() bool { return len(a.Members()) == 1 })
	flow()
	if l := link(); l.Node.ID != b.Self().ID || l.Breaks != 0 {
		t.Fatalf("the link was ended: %+v", l)
	}
	toA.Cut()
	toB.Cut()
	waitFor(t, "the break to be noticed", func() bool { return link().Breaks > 0 })
	flow()
	if err := s.Flush(testContext(t)); err != nil || s.Stats().Redelivered != 0 {
		t.Errorf("%v %+v", err, s.Stats())
	}

	give(t, s.C, next)
	waitFor(t, "a value to lie in C", func() bool { return len(r.C) == 1 })
	start := time.Now()
	toA.Close()
	toB.Close()
	other := receiver[int](t, a, "n")
	if v := take(t, other.C); v != next {
		t.Errorf("got %d, want %d", v, next)
	}
	if d := time.Since(start); d > toldWithin {
		t.Errorf("told after %v", d)
	}
}
