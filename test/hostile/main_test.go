package hostile

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/matveynator/netchan"
)

// full makes what is measured as large as it can get.
var full = flag.Bool("full", false, "attack with all that one peer, and strangers, can bring about")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience ends tests that hang; no test measures time with it.
const patience = 30 * time.Second

// record keeps what a node logs.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }
func (r *record) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *record) WithGroup(string) slog.Handler            { return r }
func (r *record) Handle(_ context.Context, line slog.Record) error {
	text := line.Message
	line.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, text)
	return nil
}

// has says whether a line holds all parts, and forgets what was logged if so.
func (r *record) has(parts ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
lines:
	for _, line := range r.lines {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		r.lines = nil
		return true
	}
	return false
}

// until waits for what no event tells.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !ok(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("it does not become so: %s", what)
		}
	}
}

// attack makes an attacker of a node.
func attack(t testing.TB, node *netchan.Node, key netchan.Key) *Attacker {
	t.Helper()
	a, err := NewAttacker(t.Context(), node.Self(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// ends waits until the attacker's link has ended.
func ends(t testing.TB, a *Attacker) {
	t.Helper()
	select {
	case <-a.Done():
	case <-time.After(patience):
		t.Fatal("the link goes on")
	}
}

// stranger connects to a node without anything to show.
func stranger(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// scene is a node that is attacked, and a healthy one whose values it takes meanwhile.
type scene struct {
	t    *testing.T
	key  netchan.Key
	log  *record
	node *netchan.Node
	good *netchan.Sender[int]
	got  chan int // values of the healthy node, one by one
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, key: netchan.GenerateKey(), log: &record{}, got: make(chan int)}
	s.node = s.join("victim", nil, slog.New(s.log))
	friend := s.join("friend", []string{s.node.Addr()}, slog.New(slog.DiscardHandler))
	in, err := netchan.NewReceiver[int](s.node, "healthy")
	if err != nil {
		t.Fatal(err)
	}
	if s.good, err = netchan.NewSender[int](friend, "healthy"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case s.good.C <- i:
			case <-stop:
				return
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case v := <-in.C:
				select {
				case s.got <- v:
				case <-stop:
					return
				}
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); wg.Wait() })
	s.healthy(10)
	return s
}

func (s *scene) join(name string, seeds []string, log *slog.Logger) *netchan.Node {
	s.t.Helper()
	node, err := netchan.Join(s.t.Context(), netchan.Config{Name: name, Listen: "127.0.0.1:0", Key: s.key, Seeds: seeds, Logger: log})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = node.Close() })
	return node
}

// healthy waits until n more of the healthy node's values have come: none is lost, and none late for good.
func (s *scene) healthy(n int) {
	s.t.Helper()
	last := -1
	for range n {
		select {
		case v := <-s.got:
			if last >= 0 && v != last+1 {
				s.t.Fatalf("%d came after %d", v, last)
			}
			last = v
		case <-time.After(patience):
			s.t.Fatal("the healthy node's values don't come")
		}
	}
}

// heap is how many bytes live, after a collection; what a goroutine's stack takes too.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

const mib = 1 << 20
