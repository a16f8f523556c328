package hostile

import (
	"encoding/binary"
	"io"
	"log/slog"
	"testing"

	"github.com/matveynator/netchan"
)

// TestStalledUses measures what a peer has a node keep by opening uses of an end that nobody
// reads, and sending on each as much as it may; one byte more ends its link, and all is freed.
func TestStalledUses(t *testing.T) {
	n := 1500
	if *full {
		n = maxStreams - 1 // and the control stream
	}
	s := newScene(t)
	if _, err := netchan.NewReceiver[[]byte](s.node, "bytes"); err != nil { // nobody reads it
		t.Fatal(err)
	}
	schema := schemaOf[[]byte]()
	a := attack(t, s.node, s.key)
	s.healthy(10)
	before := heap()
	value := dataFrame(schema, 1, append(binary.AppendUvarint(nil, 3+1), "abc"...))
	last := uint32(0)
	for i := range n {
		last = a.open("bytes", schema)
		sent := len(a.openFrame("bytes", [16]byte{}, schema)) + len(value)
		a.say(last, append(value, make([]byte, firstWindow-sent-1)...))
		if i%500 == 0 {
			s.healthy(100) // they come on, while that goes on
		}
	}
	until(t, "all has come", func() bool { return a.link.Stats().Kept == 0 })
	s.healthy(100)
	cost := heap() - before
	t.Logf("%d uses that nobody reads: %d MiB, %d KiB each", n, cost/mib, cost/int64(n)/1024)
	if most := int64(n)*(2*firstWindow+10<<10) + 40*mib; cost > most {
		t.Errorf("%d MiB, and %d is the most", cost/mib, most/mib)
	}
	if cost < int64(n)*firstWindow/2 {
		t.Errorf("only %d MiB: the attack does not work", cost/mib)
	}
	a.say(last, make([]byte, 1<<10)) // what was read of its stream it has got back
	ends(t, a)
	until(t, "the reason is logged", func() bool { return s.log.has("broke the protocol", "beyond its window") })
	until(t, "all is freed", func() bool { return heap()-before < 8*mib })
	s.healthy(100)
}

// TestReferences measures what a peer has a node keep by sending channels that the program keeps.
func TestReferences(t *testing.T) {
	values := 5
	if *full {
		values = 36
	}
	const each = 900
	s := newScene(t)
	in, err := netchan.NewReceiver[[]chan<- int](s.node, "chans")
	if err != nil {
		t.Fatal(err)
	}
	schema := schemaOf[[]chan<- int]()
	a := attack(t, s.node, s.key)
	before := heap()
	var kept [][]chan<- int
	for range values { // each in a use of its own: that needs no word from the node
		var refs []byte
		b := binary.AppendUvarint(nil, each+1)
		for i := range uint64(each) {
			refs = append(append(append(refs, 1<<4|1), random(16)...), 1)
			b = binary.AppendUvarint(b, i+1)
		}
		// Two frames of nearly 16 KiB are more than may come before an answer.
		st := a.open("chans", schema)
		a.say(st, frame(frameRefs, refs))
		select { // it is accepted when the references have been read
		case v := <-waitFor(s, func() { a.say(st, dataFrame(schema, 1, b)) }, in.C):
			kept = append(kept, v)
		case <-a.link.Done():
			t.Fatal("the link has ended: ", a.link.Err())
		}
	}
	cost := heap() - before
	held := 0
	for _, k := range kept {
		held += len(k)
	}
	t.Logf("%d channels of a peer that the program keeps: %d KiB, %d bytes each", held, cost>>10, cost/int64(held))
	if held != values*each || cost > int64(held)*8192 {
		t.Errorf("%d channels take %d KiB", held, cost>>10)
	}
	s.healthy(100)
	_ = a.link.Close()
	for _, k := range kept {
		<-netchan.Done(k[0])
	}
	kept = nil
	until(t, "all is freed", func() bool { return heap()-before < 2*mib+int64(held)*256 }) // IDs are remembered for a while
}

// waitFor has send called, after a moment of the healthy node, and returns what to wait for.
func waitFor[T any](s *scene, send func(), c <-chan T) <-chan T {
	s.healthy(50)
	send()
	return c
}

// TestLinks measures what a peer costs that only has a link.
func TestLinks(t *testing.T) {
	s := newScene(t)
	before := heap()
	const n = 20
	for range n {
		attack(t, s.node, s.key)
	}
	until(t, "they are there", func() bool { return len(s.node.Stats().Links) >= n+1 })
	cost := heap() - before
	t.Logf("%d links: %d KiB each, with the attacker's side", n, cost/n>>10)
	if cost/n > mib {
		t.Errorf("%d KiB for a link", cost/n>>10)
	}
	s.healthy(100)
}

// TestStrangers measures what those cost who do not hold the key: they connect and say one byte, or most
// of a long hello. A node comes in beside them.
func TestStrangers(t *testing.T) {
	n := 700
	if *full {
		n = 4000
	}
	for name, say := range map[string][]byte{
		"one byte": {22},
		"a hello":  append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 12<<10)...),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			before := heap()
			for range n {
				conn := stranger(t, s.node.Addr())
				_, _ = conn.Write(say)
			}
			cost := heap() - before
			t.Logf("%d strangers: %d KiB", n, cost>>10)
			if cost > 32*mib {
				t.Errorf("%d MiB for strangers", cost/mib)
			}
			late := s.join("late", []string{s.node.Addr()}, slog.New(slog.DiscardHandler))
			until(t, "it is a member", func() bool { return len(late.Members()) == 3 })
			s.healthy(100)
		})
	}
}

// TestSilentStranger: it is told nothing, and its time ends.
func TestSilentStranger(t *testing.T) {
	s := newScene(t)
	conn := stranger(t, s.node.Addr())
	_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	said, _ := io.ReadAll(conn)
	if len(said) > 64 { // an alert of TLS
		t.Errorf("a stranger is told %q", said)
	}
}
