package chanref

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// stalled runs call with a context that ends while it waits.
func stalled(t *testing.T, call func(context.Context) error) Stall {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := call(ctx)
	var stall *StallError
	if !errors.As(err, &stall) || !errors.Is(err, context.DeadlineExceeded) || stall.Channel != "jobs" {
		t.Fatalf("the call returned %v", err)
	}
	return stall.Stall
}

// Calls that wait until their time is over say for what.
func TestStallReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, src := sourceIn[int](w, 4)
		deliver := func(ctx context.Context) error { return src.Deliver(ctx, 99) }
		wait := func(ctx context.Context) error { return src.WaitReceivers(ctx, 1) }
		want := func(what string, got, want Stall) {
			t.Helper()
			want.Sent = "int"
			if got != want {
				t.Fatalf("%s: %+v, want %+v", what, got, want)
			}
		}
		send(t, c, 0)
		send(t, c, 1)
		want("Flush", stalled(t, src.Flush), Stall{Left: 2, Reason: StallNoReceiver})
		want("Deliver", stalled(t, deliver), Stall{Left: 1, Withdrawn: true, Reason: StallNoReceiver})
		want("WaitReceivers", stalled(t, wait), Stall{Reason: StallNoReceiver})

		// One is known, and its node is not linked.
		d, sink := sinkIn[int](w, 1)
		src.Know(map[mux.Target]string{to(sink): "b"})
		want("Flush", stalled(t, src.Flush), Stall{Left: 2, Reason: StallLink, Node: "b"})
		want("WaitReceivers", stalled(t, wait), Stall{Reason: StallLink, Node: "b"})

		// It is there, and full.
		connect(t, src, w.link("b"), sink)
		want("Flush", stalled(t, src.Flush), Stall{Left: 2, Reason: StallFull})
		want("Deliver", stalled(t, deliver), Stall{Left: 1, Withdrawn: true, Reason: StallFull})
		two := func(ctx context.Context) error { return src.WaitReceivers(ctx, 2) }
		want("WaitReceivers", stalled(t, two), Stall{Reason: StallNoReceiver})
		send(t, c, 2)
		want("Flush", stalled(t, src.Flush), Stall{Left: 3, Reason: StallFull})

		// What was withdrawn never comes.
		for i := range 3 {
			if v := receive(t, d); v != i {
				t.Fatalf("got %d, want %d", v, i)
			}
		}
		if err := src.Flush(testContext(t)); err != nil {
			t.Fatal(err)
		}
		settled()
		if len(d) > 0 {
			t.Fatalf("%d came, though Deliver had given up", receive(t, d))
		}
		if st := src.Stats(); st.Sent != 3 || len(src.deliveries)+len(src.waiting)+len(src.flushes)+len(src.waits) > 0 {
			t.Fatalf("%+v, and calls that are over are kept", st)
		}
	})
}

// A delivery that had been sent when its call gave up still arrives.
func TestDeliverGivesUpLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, src := sourceIn[int](w, 0)
		d, sink := sinkIn[int](w, 1)
		connect(t, src, w.link("b"), sink)
		st := stalled(t, func(ctx context.Context) error { return src.Deliver(ctx, 7) })
		if st.Reason != StallNone || st.Left != 1 || st.Withdrawn {
			t.Fatalf("%+v", st)
		}
		if v := receive(t, d); v != 7 {
			t.Fatal(v)
		}
	})
}

// Ends of other types are to each other as if absent: logged once, counted, and
// named by who waits.
func TestTypeMismatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		var refusals []mux.Refuse
		c, src := sourceIn[int](w, 1, func(c *SourceConfig) {
			c.Refused = func(r mux.Refuse) { refusals = append(refusals, r) }
		})
		_, other := sinkIn[[]string](w, 1)
		src.Know(map[mux.Target]string{to(other): "b"})
		for range 3 { // the registry says so again and again
			src.Connect(link, to(other), "b")
			synctest.Wait()
		}
		send(t, c, 1)
		for _, call := range []func(context.Context) error{
			src.Flush,
			func(ctx context.Context) error { return src.Deliver(ctx, 2) },
			func(ctx context.Context) error { return src.WaitReceivers(ctx, 1) },
		} {
			if st := stalled(t, call); st.Reason != StallType || st.Node != "b" || st.Type != "[]string" || st.Sent != "int" {
				t.Fatalf("%+v", st)
			}
		}
		if len(refusals) != 1 || refusals[0].Code != mux.CodeType {
			t.Fatalf("refused: %v", refusals)
		}
		if n, m := src.Stats().Mismatches, other.Stats().Mismatches; n != 1 || m != 1 {
			t.Fatalf("the source counts %d, the sink %d", n, m)
		}
		if a, b := w.log.with("a receiver of this name has another type"), w.log.with("a sender of this name has another type"); len(a) != 1 || len(b) != 1 {
			t.Fatalf("the log says %q", w.log.with(""))
		}
		// Over a new session it is asked again, and known at the sink.
		src.Connect(w.link("b"), to(other), "b")
		synctest.Wait()
		if n, m := src.Stats().Mismatches, other.Stats().Mismatches; n != 2 || m != 1 {
			t.Fatalf("the source counts %d, the sink %d", n, m)
		}
		// For the sink that sender is out.
		if !other.Out(peers{}.Node(link).ID, src.ID()) {
			t.Fatal("the sink waits for a sender of another type")
		}
		// One that fits gets the values.
		d, sink := sinkIn[int64](w, 1)
		connect(t, src, link, sink)
		if v := receive(t, d); v != 1 {
			t.Fatal(v)
		}
	})
}

// A receiver that is not there, or has ended, is asked again after Forget.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		var codes []mux.Code
		_, src := sourceIn[int](w, 1, func(c *SourceConfig) {
			c.Refused = func(r mux.Refuse) { codes = append(codes, r.Code) }
		})
		byName := mux.Target{Name: "jobs"}
		src.Connect(link, byName, "b")
		synctest.Wait()
		d, sink := sinkIn[int](w, 0)
		src.Connect(link, byName, "b")
		settled()
		if st := src.Stats(); st.Receivers != 0 || len(codes) != 1 || codes[0] != mux.CodeNoSuch {
			t.Fatalf("%+v, refused: %v", st, codes)
		}
		src.Forget()
		src.Connect(link, byName, "b")
		src.Connect(link, byName, "b")
		synctest.Wait()
		if st := src.Stats(); st.Receivers != 1 {
			t.Fatalf("%+v", st)
		}
		sink.Close()
		closed(t, d)
		synctest.Wait()
		if st := src.Stats(); st.Receivers != 0 || len(codes) != 2 || codes[1] != mux.CodeClosed {
			t.Fatalf("%+v, refused: %v", st, codes)
		}
		// Who asks gets a stream: by ID, by name, and not what isn't there.
		e, asking := sinkIn[int](w, 0)
		w.table.Attach(link, mux.Attach{Target: mux.Target{ID: newID()}, End: asking.ID(), Name: "jobs"})
		w.table.Attach(link, mux.Attach{Target: mux.Target{Name: "other"}, End: asking.ID(), Name: "jobs"})
		synctest.Wait()
		if st := asking.Stats(); st.Senders != 0 {
			t.Fatalf("%+v", st)
		}
		w.table.Attach(link, mux.Attach{Target: mux.Target{Name: "jobs"}, End: asking.ID(), Name: "jobs"})
		w.table.Attach(link, mux.Attach{Target: mux.Target{ID: src.ID()}, End: asking.ID(), Name: "jobs"})
		synctest.Wait()
		if st := asking.Stats(); st.Senders != 1 {
			t.Fatalf("%+v", st)
		}
		go src.Deliver(testContext(t), 5)
		if v := receive(t, e); v != 5 {
			t.Fatal(v)
		}
	})
}

func TestStallText(t *testing.T) {
	for want, st := range map[string]Stall{
		`3 values of "jobs" wait: no receiver: context canceled`:                              {Left: 3, Reason: StallNoReceiver},
		`3 values of "jobs" wait: receivers full: context canceled`:                           {Left: 3, Reason: StallFull},
		`3 values of "jobs" wait: link to b down: context canceled`:                           {Left: 3, Reason: StallLink, Node: "b"},
		`3 values of "jobs" wait: b receives string: ID: int is not string: context canceled`: {Left: 3, Reason: StallType, Node: "b", Type: "string", Why: "ID: int is not string"},
		`3 values of "jobs" wait: with a receiver, not taken yet: context canceled`:           {Left: 3},
	} {
		if got := (&StallError{Channel: "jobs", Stall: st, Err: context.Canceled}).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
