package netchan_test

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/mesh"
	"github.com/matveynator/netchan/peer"
)

// Three replicas of a stage each close their sending end when their input
// ends. The next stage's channel is closed when the last has, after all values.
func TestPromise8ReplicasOfAStage(t *testing.T) {
	const n = 600
	first := join(t, "first")
	last := join(t, "last", first.Addr())
	in := sender[int](t, first, "in", netchan.Buffer(8))
	end := receiver[int](t, last, "out", netchan.Buffer(8))
	var stages sync.WaitGroup
	for i := range 3 {
		node := join(t, fmt.Sprint("stage ", i), last.Addr())
		r := receiver[int](t, node, "in", netchan.Buffer(4))
		out := sender[int](t, node, "out", netchan.Buffer(4))
		connected(t, out, 1)
		stages.Go(func() {
			defer close(out.C)
			for v := range r.C {
				out.C <- -v
			}
			if err := r.Err(); err != nil {
				t.Errorf("a stage's input ended with %v", err)
			}
		})
	}
	connected(t, in, 3)
	go func() {
		for i := 1; i <= n; i++ {
			in.C <- i
		}
		close(in.C)
	}()
	seen := map[int]bool{}
	for v := range end.C {
		if seen[v] || v >= 0 || v < -n {
			t.Fatalf("got %d", v)
		}
		seen[v] = true
	}
	if len(seen) != n || end.Err() != nil {
		t.Fatalf("the channel was closed after %d of %d values, %v", len(seen), n, end.Err())
	}
	stages.Wait()
}

// One sender's close does not close the channel while another is there, be it
// one that the registry names and no stream connects yet.
func TestPromise8OtherSendersCount(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	r := receiver[int](t, b, "count", netchan.Buffer(4))
	s1 := sender[int](t, a, "count")
	s2 := sender[int](t, b, "count")
	connected(t, s1, 1)
	connected(t, s2, 1)
	give(t, s1.C, 1)
	close(s1.C)
	if v := take(t, r.C); v != 1 {
		t.Fatal(v)
	}
	<-s1.Done() // told to all receivers
	give(t, s2.C, 2)
	if v := take(t, r.C); v != 2 {
		t.Fatalf("got %d: closed by one of two senders", v)
	}
	// Close, the method, counts as if s2 had not been there: then s1's close holds.
	s2.Close()
	if v, ok := <-r.C; ok || r.Err() != nil {
		t.Fatalf("%v %v %v", v, ok, r.Err())
	}
}

// The end is told when every value was taken, by whichever receiver.
func TestPromise8ToldWhenAllIsTaken(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[int](t, a, "all", netchan.Buffer(4))
	holds := receiver[int](t, b, "all", netchan.Buffer(4))
	connected(t, s, 1)
	give(t, s.C, 1)
	waitFor(t, "the value to lie in C", func() bool { return len(holds.C) == 1 })
	other := receiver[int](t, b, "all")
	connected(t, s, 2)
	close(s.C)
	ended := make(chan struct{})
	go func() {
		if v, ok := <-other.C; ok {
			t.Errorf("got %d", v)
		}
		close(ended)
	}()
	select {
	case <-ended:
		t.Fatal("told of the end while a value lay in another receiver's channel")
	case <-s.Done():
		t.Fatal("the sender was done while a value lay in a channel")
	case <-afterQuiet(t):
	}
	if v := take(t, holds.C); v != 1 {
		t.Fatal(v)
	}
	<-ended
	if _, ok := <-holds.C; ok || holds.Err() != nil || other.Err() != nil {
		t.Fatal("not closed in good order")
	}
	<-s.Done()
	if s.Err() != netchan.ErrClosed {
		t.Fatal(s.Err())
	}
}

func TestPromise8KeepOpenAndClose(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	keeps := receiver[int](t, b, "keep", netchan.KeepOpen())
	for i := range 3 {
		s := sender[int](t, a, "keep")
		give(t, s.C, i)
		close(s.C)
		if v := take(t, keeps.C); v != i {
			t.Fatal(v)
		}
		<-s.Done()
	}
	// A Sender that detaches alone leaves the channel open too.
	plain := receiver[int](t, b, "plain")
	s := sender[int](t, a, "plain")
	give(t, s.C, 7)
	s.Close()
	if v := take(t, plain.C); v != 7 {
		t.Fatal(v)
	}
	<-s.Done()
	for _, r := range []*netchan.Receiver[int]{keeps, plain} {
		select {
		case v, ok := <-r.C:
			t.Fatalf("%v %v", v, ok)
		case <-afterQuiet(t):
		}
	}
	// The end of the node closes it.
	b.Close()
	for _, r := range []*netchan.Receiver[int]{keeps, plain} {
		if _, ok := <-r.C; ok || !isErr(r.Err(), netchan.ErrClosed) {
			t.Fatal(r.Err())
		}
	}
}

// After its end a sender's channel takes what is sent, and counts it.
func TestSendsAfterTheEndComplete(t *testing.T) {
	a := join(t, "a")
	s := sender[int](t, a, "after")
	a.Close()
	<-s.Done()
	for i := range 10 {
		s.C <- i // must not block
	}
	waitFor(t, "the values to be counted", func() bool { return s.Stats().Dropped == 10 })
}

// A close is told also when it comes right behind the making of the Sender, or
// right before the node's Shutdown.
func TestPromise8CloseAtOnce(t *testing.T) {
	a := join(t, "a")
	for range 10 {
		b := join(t, "b", a.Addr())
		r := receiver[int](t, a, "at once")
		s := sender[int](t, b, "at once")
		close(s.C)
		if v, err := netchan.Receive(testContext(t), r.C); err != io.EOF {
			t.Fatal(v, err)
		}
		r = receiver[int](t, a, "and shut down")
		s = sender[int](t, b, "and shut down")
		go func() {
			s.C <- 1
			close(s.C)
			b.Shutdown(testContext(t))
		}()
		if v := take(t, r.C); v != 1 {
			t.Fatal(v)
		}
		if v, err := netchan.Receive(testContext(t), r.C); err != io.EOF {
			t.Fatal(v, err)
		}
	}
}

// A sender that the registry names counts as there, though no stream of it is.
func TestPromise8NamedSendersCount(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	mute := joinMute(t, a.Addr(), mesh.End{ID: [16]byte{1}, Name: "named"})
	waitFor(t, "the mute node's sender to be known", func() bool { return len(b.Channels()) == 1 })
	r := receiver[int](t, b, "named")
	s := sender[int](t, a, "named")
	connected(t, s, 1)
	close(s.C)
	<-s.Done()
	select {
	case v, ok := <-r.C:
		t.Fatalf("%v %v though a named sender has not closed", v, ok)
	case <-afterQuiet(t):
	}
	if err := mute.Leave(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if v, err := netchan.Receive(testContext(t), r.C); err != io.EOF {
		t.Fatal(v, err)
	}
}

// joinMute has a node join that says it has these ends, and does nothing else.
func joinMute(t *testing.T, seed string, ends ...mesh.End) *mesh.Mesh {
	t.Helper()
	host, err := peer.NewHost(peer.Config{
		Listen: "127.0.0.1:0", Key: testKey, Logger: quiet(),
		OnLink: func(l *peer.Link) { go io.Copy(io.Discard, l) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	m, err := netchan.NewMesh(host, testKey, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.Join(testContext(t)); err != nil {
		t.Fatal(err)
	}
	m.Publish(ends)
	return m
}

// A receiver whose node knew of the sender hears of its close, though the
// sender had finished before it heard of the receiver.
func TestPromise8LateReceiver(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	for i := range 10 {
		name := fmt.Sprint("late ", i)
		s := sender[int](t, a, name)
		waitFor(t, "b to know the sender", func() bool {
			for _, c := range b.Channels() {
				if c.Name == name {
					return true
				}
			}
			return false
		})
		rb := receiver[int](t, b, name)
		ra := receiver[int](t, a, name)
		go func() {
			s.C <- 1
			close(s.C)
		}()
		var got atomic.Int32
		var ended sync.WaitGroup
		for _, r := range []*netchan.Receiver[int]{ra, rb} {
			ended.Go(func() {
				for range r.C {
					got.Add(1)
				}
			})
		}
		ended.Wait()
		if got.Load() != 1 {
			t.Fatalf("%d values", got.Load())
		}
	}
}
