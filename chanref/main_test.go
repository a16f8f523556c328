package chanref

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for: only one that fails comes near it.
const patience = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// world is a table and the sessions that lead back to it: each joins two ends
// of the table as a link between two nodes would.
type world struct {
	t     testing.TB
	table *Table
	log   *logs
}

// handler is the table as a session calls it.
type handler struct{ *Table }

func (handler) Goodbye(*mux.Session)            {}
func (h handler) Ended(s *mux.Session, _ error) { h.Table.Ended(s) }

func newWorld(t testing.TB) *world {
	w := &world{t: t, log: &logs{}}
	w.table = NewTable(peers{}, slog.New(w.log))
	t.Cleanup(func() { w.table.Close(ErrClosed) })
	return w
}

// peers are the nodes: each has its name for an ID, and none can be reached that
// is not linked already.
type peers struct{}

func (peers) Self() Node { return Node{Name: "self", ID: [32]byte{'s', 'e', 'l', 'f'}} }
func (peers) Node(s *mux.Session) (n Node) {
	n.Name, _ = s.Peer.(string)
	copy(n.ID[:], n.Name)
	return n
}
func (peers) Reach(_ Node, then func(*mux.Session)) { then(nil) }

// link is a pair of sessions to a node of that name. What is opened on the
// returned one is served by the table.
func (w *world) link(node string) *mux.Session {
	a, b := mux.Pair(handler{w.table}, mux.Config{Peer: node, Logger: slog.New(w.log)})
	w.t.Cleanup(func() { cut(a); b.Wait() })
	return a
}

// cut ends a session, and waits until all that used it know.
func cut(s *mux.Session) {
	s.Close(nil)
	s.Wait()
}

func newID() (id mux.ID) {
	rand.Read(id[:])
	return id
}

func sourceIn[T any](w *world, buffer int, options ...func(*SourceConfig)) (chan<- T, *Source[T]) {
	w.t.Helper()
	cfg := SourceConfig{ID: newID(), Name: "jobs", Logger: slog.New(w.log)}
	for _, o := range options {
		o(&cfg)
	}
	c := make(chan T, buffer)
	return c, NewSource(w.table, c, writer[T](w.t), cfg)
}

func broadcast(c *SourceConfig)  { c.Broadcast = true }
func atMostOnce(c *SourceConfig) { c.AtMostOnce = true }
func lossySource(c *SourceConfig) {
	c.Broadcast, c.Lossy = true, true
}

func sinkIn[T any](w *world, buffer int, options ...func(*SinkConfig)) (<-chan T, *Sink[T]) {
	w.t.Helper()
	cfg := SinkConfig{ID: newID(), Name: "jobs", Logger: slog.New(w.log)}
	for _, o := range options {
		o(&cfg)
	}
	c := make(chan T, buffer)
	return c, NewSink(w.table, c, writer[T](w.t), cfg)
}

func lossySink(c *SinkConfig) { c.Lossy = true }
func keepOpen(c *SinkConfig)  { c.KeepOpen = true }

func writer[T any](t testing.TB) *codec.Writer[T] {
	t.Helper()
	w, err := codec.NewWriter[T]()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// to is how a source reaches sink.
func to(sink interface{ ID() mux.ID }) mux.Target { return mux.Target{Name: "jobs", ID: sink.ID()} }

// connect has src send to sink over s, and waits until it may.
func connect[T, U any](t testing.TB, src *Source[T], s *mux.Session, sink *Sink[U]) {
	t.Helper()
	n := src.Stats().Receivers
	src.Connect(s, to(sink), s.Peer.(string))
	if err := src.WaitReceivers(testContext(t), n+1); err != nil {
		t.Fatal(err)
	}
}

// logs keeps what is logged.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }
func (l *logs) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	l.lines = append(l.lines, line)
	l.mu.Unlock()
	return nil
}

// with returns the lines that hold part.
func (l *logs) with(part string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			lines = append(lines, line)
		}
	}
	return lines
}

// pass lets time go by, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// settled waits until everything in the bubble rests and the clocks of the
// sinks have looked at what was taken.
func settled() {
	pass(3 * tickLast)
	synctest.Wait()
}

// hold keeps the source's goroutine from doing anything until the returned
// function is called, in a bubble.
func hold[T any](src *Source[T]) (release func()) {
	synctest.Wait()
	held := make(chan bool)
	src.call(func() { <-held })
	synctest.Wait()
	return func() { close(held) }
}

// receive gets one value, which must come.
func receive[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatal("the channel is closed")
		}
		return v
	case <-time.After(patience):
		t.Fatal("no value comes")
	}
	return v
}

// send gives one value away, which must go.
func send[T any](t testing.TB, c chan<- T, v T) {
	t.Helper()
	select {
	case c <- v:
	case <-time.After(patience):
		t.Fatalf("can't send %v", v)
	}
}

// closed waits for the end of c and returns what it held.
func closed[T any](t testing.TB, c <-chan T) (values []T) {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case v, ok := <-c:
			if !ok {
				return values
			}
			values = append(values, v)
		case <-late:
			t.Fatal("the channel is not closed")
		}
	}
}

func ended(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s has not ended", what)
	}
}

// noise is n bytes that can't be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func upTo(n int) (values []int) {
	for i := range n {
		values = append(values, i)
	}
	return values
}
