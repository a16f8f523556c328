package chanref

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// collected waits until a garbage collection has made ok true. Cleanups run on a
// goroutine of the runtime.
func collected(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("%s is not collected", what)
		}
		runtime.GC()
		runtime.Gosched()
	}
}

// A weak hold gives the very channel back while somebody has it, and nothing
// afterwards, for all kinds of channels.
func TestWeakChan(t *testing.T) {
	t.Run("int", testWeak[int])
	t.Run("nothing", testWeak[struct{}])
	t.Run("pointer", testWeak[*int])
	t.Run("any", testWeak[any])
	t.Run("large", testWeak[[1000]byte])
}

func testWeak[T any](t *testing.T) {
	for _, buffer := range []int{0, 1, 100} {
		c := make(chan T, buffer)
		w := holdWeakly(c)
		runtime.GC()
		if w.get() != c {
			t.Fatal("the channel that comes back is another one")
		}
		for range buffer {
			var v T
			c <- v
		}
		runtime.GC()
		if got := w.get(); len(got) != buffer || cap(got) != buffer {
			t.Fatalf("%d of %d values are left", len(got), cap(got))
		}
		runtime.KeepAlive(c)
		c = nil
		collected(t, "a channel held weakly", func() bool { return w.get() == nil })
	}
}

// Sends on an ended channel complete and are counted; when the program drops
// the channel nothing keeps it.
func TestDrain(t *testing.T) {
	for _, buffer := range []int{0, 3} {
		c := make(chan int, buffer)
		for i := range buffer {
			c <- i
		}
		var n atomic.Int64
		drainChan(c, func() { n.Add(1) })
		if int(n.Load()) != buffer {
			t.Fatalf("%d values were taken out, want %d", n.Load(), buffer)
		}
		for i := range 50 {
			send(t, c, i)
		}
		collected(t, "the last value", func() bool { return int(n.Load()) == 50+buffer })
		w := holdWeakly(c)
		runtime.KeepAlive(c)
		c = nil
		collected(t, "a drained channel", func() bool { return w.get() == nil })
	}
}

// Nobody waits until the senders on an ended channel have had enough.
func TestDrainOfEndless(t *testing.T) {
	c := make(chan int, 1)
	c <- 0
	n := 0
	done := make(chan struct{})
	drainChan(c, func() {
		if n++; n < drainBurst+100 {
			c <- n // the next one is there at once
			return
		}
		close(done)
	})
	select {
	case <-done:
		t.Fatal("it went on as long as there was something")
	default:
	}
	ended(t, "what was sent", done)
}

// A channel that is closed after its end is looked at no more.
func TestDrainOfClosed(t *testing.T) {
	c := make(chan int, 2)
	c <- 1
	close(c)
	n := 0
	drainChan(c, func() { n++ })
	if n != 1 {
		t.Fatalf("%d values were counted", n)
	}
}

// A source's and a sink's channel are found in all their forms.
func TestEndingOf(t *testing.T) {
	w := newWorld(t)
	c, src := sourceIn[int](w, 0)
	d, sink := sinkIn[int](w, 1)
	sinkChan := sink.grip.(chanOf[int]).c
	both := make(chan int)
	type named chan<- int
	bothSrc := NewSource(w.table, both, writer[int](t), SourceConfig{ID: newID(), Logger: slog.New(w.log)})
	for _, ch := range []struct {
		ch   any
		want *Ending
	}{
		{c, &src.ending}, {named(c), &src.ending}, {d, sink.ending}, {sinkChan, sink.ending},
		{both, &bothSrc.ending}, {(<-chan int)(both), &bothSrc.ending}, {(chan<- int)(both), &bothSrc.ending},
		{make(chan int), nil},
	} {
		if e, ok := EndingOf(ch.ch); !ok || e != ch.want {
			t.Fatalf("%T: %p, %v, want %p", ch.ch, e, ok, ch.want)
		}
	}
	for _, ch := range []any{nil, 7, "x", (chan int)(nil), (<-chan int)(nil), &c} {
		if e, ok := EndingOf(ch); ok || e != nil {
			t.Fatalf("%T: %v, %v", ch, e, ok)
		}
	}
	e, _ := EndingOf(c)
	if e.Err() != nil {
		t.Fatal(e.Err())
	}
	if err := e.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	src.Close()
	ended(t, "the source", e.Done())
	if e.Err() != ErrClosed || e.Flush(testContext(t)) != nil {
		t.Fatal(e.Err())
	}
	connect(t, bothSrc, w.link("b"), sink)
	close(both)
	closed(t, d)
	if e, _ := EndingOf(d); e.Err() != nil || e.Flush(testContext(t)) != nil {
		t.Fatal(e.Err())
	}
}

// What is known of a channel goes with it: entries, and the channel of a source
// that has ended while its program may still send.
func TestIndexForgets(t *testing.T) {
	entries := func() int {
		endings.mu.Lock()
		defer endings.mu.Unlock()
		return len(endings.byID)
	}
	collected(t, "what other tests left", func() bool { return entries() == 0 })
	const n = 200
	kept := make([]chan int, n)
	for i := range kept {
		kept[i] = make(chan int, i%3)
		index(objectOf(kept[i]), new(Ending))
	}
	runtime.GC()
	if entries() != n {
		t.Fatalf("%d of %d channels are known", entries(), n)
	}
	for _, c := range kept {
		if e, _ := EndingOf(c); e == nil {
			t.Fatal("a channel that lives is not known")
		}
	}
	clear(kept)
	collected(t, "an entry", func() bool { return entries() == 0 })

	w := newWorld(t)
	weak := func() weakHold[int] {
		c := make(chan int)
		src := NewSource(w.table, c, writer[int](t), SourceConfig{ID: newID(), Logger: slog.New(w.log)})
		src.Close()
		ended(t, "the source", src.Done())
		send(t, c, 1)
		return holdWeakly(c)
	}()
	collected(t, "the channel of an ended source", func() bool { return weak.get() == nil })
	collected(t, "its entry", func() bool { return entries() == 0 })
}

// weakHold is a weak grip on a channel.
type weakHold[T any] struct{ grip[T] }

func holdWeakly[T any](c chan T) weakHold[T] { return weakHold[T]{chanOf[T]{c}.weakly()} }

func (w weakHold[T]) get() chan T {
	if c := w.conduit(); c != nil {
		return c.(chanOf[T]).c
	}
	return nil
}

func drainChan[T any](c chan T, count func()) {
	new(drains).add(&drained{of: emptied[T]{chanOf[T]{c}.weakly(), count}})
}

// emptied is a drainee without a source.
type emptied[T any] struct {
	grip  grip[T]
	count func()
}

func (e emptied[T]) look(bool) (took int, over bool) {
	c := e.grip.conduit()
	if c == nil {
		return 0, true
	}
	for took < drainBurst {
		_, got, closed := c.tryRecv()
		if !got {
			return took, closed
		}
		took++
		e.count()
	}
	return took, false
}
