package mux

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// memConn is one end of an ordered connection in memory with room for a few frames.
type memConn struct{ in, out *memQueue }

type memQueue struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    []byte
	closed bool
	room   int
	frames func(head, body []byte) // sees what is written
}

func newMemQueue(room int) *memQueue {
	q := &memQueue{room: room}
	q.cond.L = &q.mu
	return q
}

func memConns(room int) (a, b *memConn) {
	x, y := newMemQueue(room), newMemQueue(room)
	return &memConn{in: x, out: y}, &memConn{in: y, out: x}
}

func (c *memConn) Read(p []byte) (int, error) {
	q := c.in
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buf) == 0 && !q.closed {
		q.cond.Wait()
	}
	if len(q.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, q.buf)
	if q.buf = q.buf[n:]; len(q.buf) == 0 {
		q.buf = nil
	}
	q.cond.Broadcast()
	return n, nil
}

func (c *memConn) Flush() {}

func (c *memConn) WriteFrame(head, body []byte, _ bool) error {
	q := c.out
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.frames != nil {
		q.frames(head, body)
	}
	for len(q.buf) >= q.room && !q.closed {
		q.cond.Wait()
	}
	if q.closed {
		return io.ErrClosedPipe
	}
	q.buf = append(append(q.buf, head...), body...)
	q.cond.Broadcast()
	return nil
}

func (c *memConn) Close() error {
	for _, q := range []*memQueue{c.in, c.out} {
		q.mu.Lock()
		q.closed = true
		q.cond.Broadcast()
		q.mu.Unlock()
	}
	return nil
}

// handler is a Handler made of functions, any of which may be nil.
type handler struct {
	serve     func(*In)
	single    func(in *In, value []byte, wait bool) bool
	attach    func(*Session, Attach)
	goodbye   func(*Session)
	ended     func(*Session, error)
	discarded func(*In, []byte)
	said      func(s *Session, what any) // Hold, held, Release or Ref, one at a time
}

// held is what Handler.Held says.
type held struct {
	Ref
	ok bool
}

func (h *handler) Serve(in *In) {
	if h.serve != nil {
		h.serve(in)
		return
	}
	in.Refuse(CodeNoSuch, "")
}
func (h *handler) Single(in *In, value []byte, wait bool) bool {
	if h.single != nil {
		return h.single(in, value, wait)
	}
	in.Refuse(CodeNoSuch, "")
	return true
}
func (h *handler) Attach(s *Session, a Attach) {
	if h.attach != nil {
		h.attach(s, a)
	}
}
func (h *handler) Denied(s *Session, d Deny) { h.says(s, d) }
func (h *handler) Goodbye(s *Session) {
	if h.goodbye != nil {
		h.goodbye(s)
	}
}
func (h *handler) Discarded(in *In, refs []byte) {
	if h.discarded != nil {
		h.discarded(in, refs)
	}
}
func (h *handler) says(s *Session, what any) {
	if h.said != nil {
		h.said(s, what)
	}
}
func (h *handler) Hold(s *Session, hold Hold)      { h.says(s, hold) }
func (h *handler) Held(s *Session, r Ref, ok bool) { h.says(s, held{r, ok}) }
func (h *handler) Release(s *Session, rs []Release) {
	for _, r := range rs {
		h.says(s, r)
	}
}
func (h *handler) Gone(s *Session, rs []Ref) {
	for _, r := range rs {
		h.says(s, r)
	}
}
func (h *handler) Ended(s *Session, err error) {
	if h.ended != nil {
		h.ended(s, err)
	}
}

// feedback notes what it hears and passes it on as events.
type feedback struct {
	events  chan any // Accept, Refuse, Ack, Stop, lost
	written chan *Batch
}

type lost struct{ err error }

func newFeedback() *feedback {
	return &feedback{events: make(chan any, 1<<16), written: make(chan *Batch, 16)}
}

func (f *feedback) Accepted(a Accept) { f.events <- a }
func (f *feedback) Refused(r Refuse)  { f.events <- r }
func (f *feedback) Acked(a Ack)       { f.events <- a }
func (f *feedback) Stopped(st Stop)   { f.events <- st }
func (f *feedback) Written(b *Batch)  { f.written <- b }
func (f *feedback) Lost(err error)    { f.events <- lost{err} }

const patience = 20 * time.Second // for what should come at once: only failures wait so long

// want returns the next value of ch.
func want[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("%s doesn't come", what)
	}
	return v
}

// wantEvent returns the next event of kind T, passing over Acks.
func wantEvent[T any](t testing.TB, f *feedback) T {
	t.Helper()
	for {
		e := want(t, "an event", f.events)
		if v, ok := e.(T); ok {
			return v
		}
		if _, ok := e.(Ack); !ok {
			t.Fatalf("event %#v", e)
		}
	}
}

// kinds runs a test over yamux and over a Pair.
func kinds(t *testing.T, test func(t *testing.T, connect func(h Handler, cfg Config) (a, b *Session))) {
	t.Run("pair", func(t *testing.T) {
		test(t, func(h Handler, cfg Config) (a, b *Session) { return connectPair(t, h, cfg) })
	})
	t.Run("yamux", func(t *testing.T) {
		test(t, func(h Handler, cfg Config) (a, b *Session) { return connectYamux(t, h, cfg) })
	})
}

func connectPair(t testing.TB, h Handler, cfg Config) (a, b *Session) {
	cfg.Logger = quiet
	a, b = Pair(h, cfg)
	t.Cleanup(func() { a.Close(nil); a.Wait(); b.Wait() })
	return a, b
}

func connectYamux(t testing.TB, h Handler, cfg Config) (a, b *Session) {
	cfg.Logger = quiet
	x, y := memConns(256 << 10)
	a, b = New(x, true, h, cfg), New(y, false, h, cfg)
	t.Cleanup(func() { a.Close(nil); b.Close(nil); a.Wait(); b.Wait() })
	return a, b
}

// numbers appends the numbers from .. from+count-1 as values of 8 bytes.
func numbers(b *Batch, from, count uint64) *Batch {
	for i := range count {
		b.B = binary.BigEndian.AppendUint64(b.B, from+i)
		b.Count++
	}
	return b
}

// values reads them back.
func values(t testing.TB, f Frame) []uint64 {
	t.Helper()
	if len(f.Body) != 8*f.Count {
		t.Errorf("%d bytes for %d values", len(f.Body), f.Count)
		return nil
	}
	var vs []uint64
	for b := f.Body; len(b) > 0; b = b[8:] {
		vs = append(vs, binary.BigEndian.Uint64(b))
	}
	return vs
}

// open is an Open for tests.
func open(name string) Open {
	return Open{Target: Target{Name: name}, First: 1, Hash: ID{1}, Schema: []byte("schema"), Text: "text"}
}

// sendAll sends batches one after the other.
func sendAll(t testing.TB, o *Out, f *feedback, batches ...*Batch) {
	t.Helper()
	for _, b := range batches {
		o.Send(b)
		if got := want(t, "Written", f.written); got != b {
			t.Fatal("another batch came back")
		}
	}
}

func background(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// waitFor waits until ok, which changes by itself.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it doesn't happen")
		}
	}
}
