package chanref

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What lies in a receiver's channel when it closes goes back, and arrives at
// the next receiver in order and before what came later.
func TestCloseGivesBack(t *testing.T) {
	for _, buffer := range []int{0, 1, 2, 16, 17} {
		for _, taken := range []int{0, 1, 5, 24, 41} {
			t.Run(fmt.Sprintf("buffer %d, %d taken", buffer, taken), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { closeGivesBack(t, buffer, taken) })
			})
		}
	}
}

func closeGivesBack(t *testing.T, buffer, taken int) {
	w := newWorld(t)
	link := w.link("b")
	const values = 100
	c, src := sourceIn[int](w, values)
	first, firstSink := sinkIn[int](w, buffer)
	connect(t, src, link, firstSink)
	for i := range values {
		send(t, c, i)
	}
	for i := range taken {
		if v := receive(t, first); v != i {
			t.Fatalf("got %d, want %d", v, i)
		}
		if i%3 == 0 {
			settled()
		}
	}
	settled()
	firstSink.Close()
	if left := closed(t, first); len(left) > 0 {
		t.Fatalf("%v stayed in the closed channel", left)
	}
	if err := firstSink.Err(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if st := src.Stats(); int(st.Acknowledged) != taken || st.Receivers != 0 || st.InFlight != 0 {
		t.Fatalf("%+v, %d were taken", st, taken)
	}
	second, secondSink := sinkIn[int](w, 4)
	connect(t, src, link, secondSink)
	close(c)
	if got := closed(t, second); !slices.Equal(got, upTo(values)[taken:]) {
		t.Fatalf("%d values came to the second receiver, want %d: %v", len(got), values-taken, got)
	}
	synctest.Wait()
	if st := src.Stats(); st.Redelivered != 0 || st.Dropped != 0 || st.Acknowledged != values {
		t.Fatalf("%+v", st)
	}
	if lines := w.log.with("has ended"); len(lines) > 0 {
		t.Fatalf("a close in good order is logged as trouble: %q", lines)
	}
}

// odd has padding, which the same value may have different bits in, and
// pointers, by which equal values can be told apart.
type odd struct {
	A int8
	B int64
	C bool
	P *int
	S string
	I any
}

// A receiver that closes while its program's goroutines take values gives back
// exactly what they have not taken, also when many values are equal.
func TestCloseUnderReaders(t *testing.T) {
	rounds := 250
	if testing.Short() {
		rounds = 50
	}
	small := func(i int) int8 { return int8(i % 3) }
	mixed := func(i int) odd {
		v := odd{A: int8(i % 2), B: 7, C: i%4 == 0, S: "same"}
		if i%3 == 0 {
			v.P, v.I = new(int), int64(i%2)
		}
		return v
	}
	for _, buffer := range []int{0, 1, 3, 16} {
		t.Run(fmt.Sprintf("small values, buffer %d", buffer), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closeUnderReaders(t, rounds, buffer, small, func(v int8) string { return fmt.Sprint(v) })
			})
		})
	}
	t.Run("structs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			closeUnderReaders(t, rounds, 5, mixed, func(v odd) string {
				return fmt.Sprint(v.A, v.B, v.C, v.P == nil, v.S, v.I)
			})
		})
	})
}

func closeUnderReaders[T any](t *testing.T, rounds, buffer int, value func(int) T, name func(T) string) {
	w := newWorld(t)
	link := w.link("b")
	const senders, values = 2, 30
	last, lastSink := sinkIn[T](w, 8, keepOpen)
	var got sync.WaitGroup
	counts := make(map[string]int)
	for round := range rounds {
		c, sink := sinkIn[T](w, buffer, keepOpen)
		var sources [senders]*Source[T]
		for i := range sources {
			var in chan<- T
			in, sources[i] = sourceIn[T](w, 4)
			sources[i].Connect(link, to(sink), "b")
			got.Go(func() {
				for n := range values {
					in <- value(i*values + n)
				}
				close(in)
			})
		}
		taken, late := make(chan T, senders*values), time.After(patience)
		for range 2 {
			got.Go(func() {
				for v := range c {
					taken <- v
					sink.look() // the clock may come at any time
				}
			})
		}
		// Close somewhere in the middle, then read the rest elsewhere.
		for range round % (senders * values * 3 / 4) {
			v := receive(t, taken)
			counts[name(v)]++
		}
		sink.Close()
		for _, src := range sources {
			src.Connect(link, to(lastSink), "b")
		}
		for n := round % (senders * values * 3 / 4); n < senders*values; n++ {
			select {
			case v := <-taken:
				counts[name(v)]++
			case v := <-last:
				counts[name(v)]++
			case <-late:
				t.Fatalf("round %d: only %d of %d values came: %+v", round, n, senders*values, sources[0].Stats())
			}
		}
		for _, src := range sources {
			ended(t, "a source", src.Done())
			if st := src.Stats(); st.Acknowledged != values || st.Redelivered != 0 || st.Dropped != 0 {
				t.Fatalf("round %d: %+v", round, st)
			}
		}
		got.Wait()
		if len(taken) > 0 || len(last) > 0 {
			t.Fatalf("round %d: values came twice", round)
		}
	}
	want := make(map[string]int)
	for i := range senders * values {
		want[name(value(i))] += rounds
	}
	for k, n := range want {
		if counts[k] != n {
			t.Errorf("%q came %d times, was sent %d times", k, counts[k], n)
		}
	}
	lastSink.Close()
}

// While the clock looks at a sink, Close must find its books as they were.
func TestCloseUnderLooks(t *testing.T) { synctest.Test(t, closeUnderLooks) }

func closeUnderLooks(t *testing.T) {
	w := newWorld(t)
	link := w.link("b")
	ctx, cancel := context.WithCancel(context.Background())
	var looks sync.WaitGroup
	defer looks.Wait()
	defer cancel()
	for round := range 200 {
		c, src := sourceIn[int](w, 8)
		d, sink := sinkIn[int](w, 8)
		connect(t, src, link, sink)
		for i := range 8 {
			send(t, c, i)
		}
		receive(t, d)
		roundCtx, done := context.WithCancel(ctx)
		looks.Go(func() {
			for roundCtx.Err() == nil {
				sink.look()
			}
		})
		sink.Close()
		done()
		if left := closed(t, d); len(left) > 0 {
			t.Fatalf("round %d: %v stayed in the closed channel", round, left)
		}
		last, lastSink := sinkIn[int](w, 8)
		src.Connect(link, to(lastSink), "b")
		close(c)
		if got := closed(t, last); !slices.Equal(got, upTo(8)[1:]) {
			t.Fatalf("round %d: %v came back", round, got)
		}
	}
}

// What would not be sent again stays in the channel to be read.
func TestCloseKeepsWhatDoesNotGoBack(t *testing.T) {
	for _, mode := range []struct {
		name   string
		option func(*SourceConfig)
	}{{"broadcast", broadcast}, {"at most once", atMostOnce}} {
		t.Run(mode.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				link := w.link("b")
				d, sink := sinkIn[int](w, 8)
				c, src := sourceIn[int](w, 8, mode.option)
				connect(t, src, link, sink)
				other, otherSrc := sourceIn[int](w, 8)
				connect(t, otherSrc, link, sink)
				for i := range 3 { // in turns: queue values go back, the others stay
					send(t, c, i)
					synctest.Wait()
					send(t, other, 100+i)
					synctest.Wait()
				}
				if v := receive(t, d); v != 0 {
					t.Fatal(v)
				}
				sink.Close()
				if left := closed(t, d); !slices.Equal(left, []int{1, 2}) {
					t.Fatalf("%v stayed", left)
				}
				synctest.Wait()
				if st := src.Stats(); st.Acknowledged != 3 || st.Dropped != 0 || st.Waiting != 0 {
					t.Fatalf("%+v", st)
				}
				if st := otherSrc.Stats(); st.Acknowledged != 0 || st.Waiting != 3 {
					t.Fatalf("%+v", st)
				}
			})
		})
	}
}
