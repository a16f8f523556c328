package mux

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// fill sends batches of 16 KiB on o until the byte limit stops it, and returns how many bytes
// that were. Nothing but the limit may stop it: other uses go on meanwhile.
func fill(t *testing.T, o *Out, f *feedback, probe func()) int {
	t.Helper()
	sent := 0
	for {
		b := NewBatch(ID{1})
		b.B, b.Count = append(b.B, make([]byte, MaxFrame)...), 1
		o.Send(b)
		// While a probe goes there and back, o has at least a turn but for the one that it may be in;
		// and its first one brings OPEN alone.
		for range 4 {
			probe()
		}
		select {
		case <-f.written:
			sent += MaxFrame
		default:
			return sent
		}
		if sent > 64<<20 {
			t.Fatal("no limit")
		}
	}
}

// prober returns a function that sends a value on a use of its own and waits for the ack.
func prober(t *testing.T, s *Session, name string) func() {
	f := newFeedback()
	o := s.Open(open(name), f)
	n := uint64(0)
	b := NewBatch(ID{1})
	return func() {
		t.Helper()
		n++
		b.Reset()
		sendAll(t, o, f, numbers(b, n, 1))
		for {
			if a, ok := want(t, "event", f.events).(Ack); ok && a.Taken >= n {
				return
			}
		}
	}
}

// take serves a use by taking everything.
func take(in *In) {
	in.Accept(Accept{Limit: 1 << 40})
	var n uint64
	for {
		f, err := in.Next()
		if err != nil {
			return
		}
		n += uint64(f.Count)
		in.Ack(Ack{Taken: n, Limit: 1 << 40})
	}
}

// TestStalledUse: uses that nobody reads delay no other, and what they hold is bounded.
func TestStalledUse(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		release := make(chan struct{})
		h := &handler{serve: func(in *In) {
			if in.Open().Target.Name == "stalled" {
				in.Accept(Accept{Limit: 1 << 40})
				select {
				case <-release:
				case <-in.Done():
				}
			}
			take(in)
		}}
		a, _ := connect(h, Config{})
		probe := prober(t, a, "probe")
		for i := range 3 {
			f := newFeedback()
			o := a.Open(open("stalled"), f)
			wantEvent[Accept](t, f)
			n := fill(t, o, f, probe)
			if n > baseWindow || n < baseWindow-2*MaxFrame {
				t.Errorf("%d: %d bytes went to a use that nobody reads", i, n)
			}
			if i == 2 { // it goes on where it stopped
				close(release)
				want(t, "Written", f.written)
				for range 100 {
					sendAll(t, o, f, numbers(NewBatch(ID{1}), 1, 1))
				}
			}
		}
	})
}

// TestLargeValues: they arrive whole, also when they are larger than all windows.
func TestLargeValues(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		got := make(chan Frame, 1)
		h := &handler{serve: func(in *In) {
			in.Accept(Accept{Limit: 1 << 40})
			for {
				f, err := in.Next()
				if err != nil {
					return
				}
				f.Body = bytes.Clone(f.Body)
				got <- f
			}
		}}
		a, _ := connect(h, Config{MaxValue: 3 << 20})
		f := newFeedback()
		o := a.Open(open("x"), f)
		for _, n := range []int{MaxFrame + 1, 2 * MaxFrame, 64 << 10, 64<<10 + 1, 300001, 3 << 20} {
			b := NewBatch(ID{1})
			for i := range n {
				b.B = append(b.B, byte(i*7+i>>8))
			}
			b.Count, b.Flags = 1, 5
			value := bytes.Clone(b.B[batchRoom:])
			o.Send(b)
			g := want(t, fmt.Sprintf("a value of %d bytes", n), got)
			if g.Kind != KindData || g.Count != 1 || g.Flags != 5 || g.Hash != (ID{1}) || !bytes.Equal(g.Body, value) {
				t.Fatalf("%d bytes: kind %d, %d bytes", n, g.Kind, len(g.Body))
			}
			want(t, "Written", f.written)
		}
		// Those that were made shorter say how large they were.
		for _, n := range []int{1, MaxFrame, 100 << 10} {
			b := NewBatch(ID{1})
			b.B, b.Count = append(b.B, make([]byte, 200<<10)...), 1
			b.Values()[n-1] = 7
			b.Shorten(n)
			o.Send(b)
			g := want(t, fmt.Sprintf("a value of %d bytes", n), got)
			if g.Kind != KindData || g.Size != 200<<10 || len(g.Body) != n || g.Body[n-1] != 7 {
				t.Fatalf("%d bytes of %d, kind %d, size %d", len(g.Body), n, g.Kind, g.Size)
			}
			want(t, "Written", f.written)
			if b.Reset(); b.Size != 0 {
				t.Fatal("a batch that was reset has a size")
			}
		}
		// One that is larger than the receiver takes is skipped; the next comes. What
		// counts is how large it was.
		for _, n := range []int{3<<20 + 1, 10} {
			b := NewBatch(ID{1})
			b.B, b.Count = append(b.B, make([]byte, 3<<20+1)...), 1
			b.Shorten(n)
			o.Send(b)
			if g := want(t, "a frame", got); g.Kind != KindTooLarge || g.Count != 1 || g.Size != 3<<20+1 || len(g.Body) != 0 {
				t.Fatalf("%+v", g)
			}
			want(t, "Written", f.written)
		}
		o.Send(numbers(NewBatch(ID{1}), 1, 1))
		if g := want(t, "the next", got); g.Kind != KindData || g.Count != 1 {
			t.Fatalf("%+v", g)
		}
	})
}

// TestLargeValuesShareABudget: a value that must wait for the budget blocks no other use, and comes
// when another has been decoded.
func TestLargeValuesShareABudget(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		decode, came := make(chan struct{}), make(chan string, 4)
		h := &handler{serve: func(in *In) {
			if in.Open().Target.Name == "probe" {
				take(in)
				return
			}
			in.Accept(Accept{Limit: 1 << 40})
			if _, err := in.Next(); err != nil {
				return
			}
			came <- in.Open().Target.Name
			select {
			case <-decode:
			case <-in.Done():
			}
			in.Decoded()
			_, _ = in.Next()
		}}
		a, b := connect(h, Config{})
		b.values = budget{free: 1 << 20} // before the first use
		probe := prober(t, a, "probe")
		probe()
		for i := range 3 {
			f := newFeedback()
			o := a.Open(open(fmt.Sprint(i)), f)
			v := NewBatch(ID{1})
			v.B, v.Count = append(v.B, make([]byte, 600<<10)...), 1
			if i == 1 { // short as it has become, it will be there as it was
				v.Shorten(20)
			}
			o.Send(v)
			if i == 0 {
				want(t, "the first value", came)
				continue
			}
			waitFor(t, func() bool {
				b.values.mu.Lock()
				defer b.values.mu.Unlock()
				return len(b.values.waiting) == i
			})
			probe()
		}
		if len(came) != 0 {
			t.Fatal("more than the budget is in use")
		}
		decode <- struct{}{}
		want(t, "the second value", came)
		probe()
		if len(came) != 0 {
			t.Fatal("more than the budget is in use")
		}
		decode <- struct{}{}
		want(t, "the third value", came)
	})
}

// TestWindowGrows: a busy use gets a larger window, from a budget that gets it back.
func TestWindowGrows(t *testing.T) {
	kinds(t, func(t *testing.T, connect func(Handler, Config) (a, b *Session)) {
		ins, ended := make(chan *In, 1), make(chan struct{}, 1)
		h := &handler{serve: func(in *In) {
			in.Accept(Accept{Limit: 1 << 40})
			for {
				if _, err := in.Next(); err != nil {
					ended <- struct{}{}
					return
				}
				if in.window.Load() == maxWindow && cap(ins)-len(ins) > 0 {
					ins <- in
				}
			}
		}}
		a, b := connect(h, Config{})
		f := newFeedback()
		o := a.Open(open("bulk"), f)
		v := NewBatch(ID{1})
		v.B, v.Count = append(v.B, make([]byte, MaxFrame)...), 1
		for len(ins) == 0 {
			sendAll(t, o, f, v)
		}
		b.growth.mu.Lock()
		free := b.growth.free
		b.growth.mu.Unlock()
		if free != growthBudget-(maxWindow-baseWindow) { // and baseBudget has the rest
			t.Errorf("%d left of the budget", free)
		}
		o.Close(true)
		want(t, "the end", ended)
		prober(t, a, "x") // another use begins when that one's stream is free, or beside it
		waitFor(t, func() bool {
			b.growth.mu.Lock()
			defer b.growth.mu.Unlock()
			return b.growth.free == growthBudget
		})
	})
}

// TestBudget: first come, first served, and whoever leaves lets the next in.
func TestBudget(t *testing.T) {
	b := budget{free: 10}
	if !b.tryTake(4) || b.tryTake(7) {
		t.Fatal("tryTake")
	}
	quit := make(chan struct{})
	order := make(chan int, 3)
	waiting := func(n int) func() bool {
		return func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.waiting) == n }
	}
	var first atomic.Bool
	go func() { first.Store(b.take(9, quit)); order <- 1 }()
	waitFor(t, waiting(1))
	go func() { b.take(6, nil); order <- 2 }()
	waitFor(t, waiting(2))
	if b.tryTake(1) {
		t.Error("somebody came first")
	}
	close(quit) // the first leaves; 6 are free
	if a, c := want(t, "one", order), want(t, "two", order); a+c != 3 || first.Load() {
		t.Fatal("the first has left")
	}
	go func() { b.take(10, nil); order <- 3 }()
	waitFor(t, waiting(1))
	b.give(6)
	if len(order) > 0 {
		t.Error("too early")
	}
	b.give(4)
	want(t, "three", order)
	if b.free != 0 {
		t.Errorf("%d free", b.free)
	}
}

// TestMaxValueLeavesRoom: a compressed value of the largest size must fit into the budget
// twice.
func TestMaxValueLeavesRoom(t *testing.T) {
	if c := (Config{MaxValue: 1 << 30}).withDefaults(); 2*c.MaxValue > valueBudget {
		t.Errorf("%d of %d", c.MaxValue, valueBudget)
	}
}

// TestDropsAreBounded: who does not listen to what is dropped is not listened to either.
func TestDropsAreBounded(t *testing.T) {
	var drops []Drop
	for i := range uint64(5000) { // each has its own reason
		drops = AddDrop(drops, Drop{First: i + 1, Count: 1, Code: CodeDecode, Text: fmt.Sprint(i)})
	}
	last := drops[len(drops)-1]
	if len(drops) > maxDropsPerFrame || last.First+last.Count != 5001 {
		t.Errorf("%d drops, the last %+v", len(drops), last)
	}
	synctest.Test(t, func(t *testing.T) {
		in := newIn(newSession(&handler{}, Config{Logger: quiet}), &inStream{stream: newPipe(nil)}, Open{Use: 1})
		in.answered = true
		for i := range uint64(maxUntold + 10) { // with values between them
			in.drop(Drop{First: 2*i + 1, Count: 1, Code: CodeDecode})
		}
		waited := make(chan struct{})
		go func() { in.waitTold(); close(waited) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Fatal("it did not wait")
		default:
		}
		in.s.mu.Lock()
		in.todo = sayAck
		in.say(nil)
		in.s.mu.Unlock()
		<-waited
	})
}
