package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// frame is a frame that a checker can tell apart: number, length,
// and bytes that follow from both.
func frame(writer, number uint32, size int) (head, body []byte) {
	head = make([]byte, 12)
	binary.BigEndian.PutUint32(head, writer)
	binary.BigEndian.PutUint32(head[4:], number)
	binary.BigEndian.PutUint32(head[8:], uint32(size))
	body = bytes.Repeat([]byte{byte(writer*31 + number)}, size)
	return head, body
}

// checkFrames reads n frames of each of writers and reports the first that is
// torn, changed, or out of its writer's order.
func checkFrames(r io.Reader, writers, n int) error {
	next := make([]uint32, writers)
	head := make([]byte, 12)
	for range writers * n {
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		writer, number, size := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
		if int(writer) >= writers || size > maxFrame {
			return fmt.Errorf("torn: head %x", head)
		}
		if number != next[writer] {
			return fmt.Errorf("writer %d: frame %d, want %d", writer, number, next[writer])
		}
		next[writer]++
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		if _, want := frame(writer, number, int(size)); !bytes.Equal(body, want) {
			return fmt.Errorf("writer %d, frame %d: bytes changed", writer, number)
		}
	}
	return nil
}

// checkNext reads the frame of writer 0 with this number.
func checkNext(r io.Reader, number uint32) error {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[8:]))
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if wantHead, want := frame(0, number, len(body)); !bytes.Equal(head, wantHead) || !bytes.Equal(body, want) {
		return fmt.Errorf("frame %x, want number %d", head, number)
	}
	return nil
}

func writeFrames(l *Link, writers, n, maxSize int) error {
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range n {
				head, body := frame(uint32(w), uint32(i), rnd.IntN(maxSize))
				if err := l.WriteFrame(head, body, i%3 > 0); err != nil {
					errs <- err
					return
				}
			}
			l.Flush()
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// swap moves frames both ways at once over a pair, then closes it.
func swap(t *testing.T, a, b *Link, writers, n, maxSize int) {
	t.Helper()
	var work, readers sync.WaitGroup
	for _, l := range []*Link{a, b} {
		work.Go(func() {
			if err := writeFrames(l, writers, n, maxSize); err != nil {
				t.Errorf("writing: %v", err)
				_ = l.Close()
			}
		})
		work.Add(1)
		readers.Go(func() {
			err := checkFrames(l, writers, n)
			work.Done()
			if err != nil {
				t.Errorf("reading: %v", err)
				_ = l.Close()
			}
			// What the other end acknowledges must be read to the end.
			_, _ = io.Copy(io.Discard, readerOnly{l})
		})
	}
	work.Wait()
	sa, sb := a.Stats(), b.Stats()
	if sa.Sent != sb.Received || sb.Sent != sa.Received || sa.Sent == 0 {
		t.Errorf("sent and received do not agree: %+v %+v", sa, sb)
	}
	_ = a.Close()
	_ = b.Close()
	readers.Wait()
}

func TestLinkCarriesFramesBothWays(t *testing.T) {
	a, b := testPair(t)
	swap(t, a, b, 4, 400, 32<<10)
	if a.Lower() == b.Lower() {
		t.Error("both ends have the same role")
	}
}

// With room for one small frame only, every write waits, and still nothing may
// come between the parts of a frame.
func TestFramesStayWholeWithTinyCap(t *testing.T) {
	tiny := func(c *Config) { c.tune.flushCap, c.tune.segments = 100, 2 }
	a, b := testPair(t, tiny)
	swap(t, a, b, 8, 300, 300)
	// Frames longer than the cap, and records shorter than a frame.
	small := func(c *Config) { c.tune.flushCap, c.tune.segments, c.tune.maxRecord = 1000, 3, minRecord }
	a, b = testPair(t, small)
	swap(t, a, b, 4, 60, 100<<10)
}

func TestFrameSize(t *testing.T) {
	a, b := testPair(t)
	drain(t, b)
	if err := a.WriteFrame(make([]byte, 12), make([]byte, maxFrame-12), false); err != nil {
		t.Error(err)
	}
	if err := a.WriteFrame(make([]byte, 13), make([]byte, maxFrame-12), false); !errors.Is(err, errFrameSize) {
		t.Errorf("got %v", err)
	}
	if err := a.WriteFrame(nil, nil, false); err != nil {
		t.Error(err)
	}
}

func TestCloseIsSeenAtBothEnds(t *testing.T) {
	a, b := testPair(t)
	drain(t, b)
	go func() { _ = a.Close() }()
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("own Read: %v", err)
	}
	receive(t, a.Done())
	receive(t, b.Done())
	if err := b.Err(); !errors.Is(err, ErrPeerLost) {
		t.Errorf("other end: %v", err)
	}
	if err := a.Err(); !errors.Is(err, ErrClosed) {
		t.Errorf("own end: %v", err)
	}
	for _, l := range []*Link{a, b} {
		if err := l.WriteFrame([]byte("x"), nil, false); err == nil {
			t.Error("a write after the end succeeded")
		}
		if len(l.host.Links()) != 0 {
			t.Error("an ended link is still listed")
		}
	}
}

// A peer that acknowledges nothing stops writers at the bound of the kept
// buffer, and the link's end frees them.
func TestKeptBufferIsBounded(t *testing.T) {
	a, b := testPair(t, func(c *Config) { c.tune.segments = 2 })
	_ = b // nobody reads it
	done := make(chan error)
	go func() {
		for {
			if err := a.WriteFrame(nil, make([]byte, 60<<10), false); err != nil {
				done <- err
				return
			}
		}
	}()
	a.mu.Lock()
	for a.ticket == a.turn || a.out.unsent() > 0 || a.out.fits(60<<10) {
		a.mu.Unlock()
		a.mu.Lock()
	}
	kept, segs := a.out.kept(), len(a.out.segs)
	a.mu.Unlock()
	if kept > 2*segmentSize || segs > 2 {
		t.Errorf("%d bytes kept in %d segments", kept, segs)
	}
	_ = a.Close()
	if err := receive(t, done); !errors.Is(err, ErrClosed) {
		t.Errorf("the waiting writer got %v", err)
	}
}

func TestAdapt(t *testing.T) {
	for _, c := range []struct {
		limit, n int
		micros   int
		want     int
	}{
		{128 << 10, 128 << 10, 2000, 64 << 10},
		{128 << 10, 100 << 10, 2000, 64 << 10},
		{128 << 10, 10 << 10, 2000, 128 << 10}, // not full
		{16 << 10, 16 << 10, 2000, 16 << 10},
		{16 << 10, 16 << 10, 100, 32 << 10},
		{128 << 10, 128 << 10, 100, 128 << 10},
		{64 << 10, 64 << 10, 500, 64 << 10},
		{64 << 10, 1 << 10, 10, 64 << 10},
	} {
		if got := adapt(c.limit, c.n, time.Duration(c.micros)*time.Microsecond); got != c.want {
			t.Errorf("adapt(%d, %d, %dµs) = %d, want %d", c.limit, c.n, c.micros, got, c.want)
		}
	}
}

// What is written while a Flush is writing leaves when that is done, though the flusher has been in
// vain meanwhile.
func TestWrittenDuringFlush(t *testing.T) {
	near, far := testPair(t, func(c *Config) { c.tune.heartbeat, c.tune.silence = time.Hour, time.Hour })
	write := func(i uint32, more bool) {
		head, body := frame(0, i, 10)
		if err := near.WriteFrame(head, body, more); err != nil {
			t.Fatal(err)
		}
	}
	write(0, true)
	turn := &near.current().wire.mu
	turn.Lock()
	flushed := make(chan struct{})
	go func() { defer close(flushed); near.Flush() }()
	until(t, func() bool {
		near.mu.Lock()
		defer near.mu.Unlock()
		return near.writing
	})
	write(1, false)
	for range 10_000 { // the flusher looks, and finds that somebody writes
		runtime.Gosched()
	}
	turn.Unlock()
	receive(t, flushed)
	read := make(chan error)
	go func() { read <- checkFrames(far, 1, 2) }()
	if err := receive(t, read); err != nil {
		t.Error(err)
	}
	drain(t, near)
	drain(t, far)
}
