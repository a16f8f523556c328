package chanref

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// gatekeeper answers questions, and notes them: "b sends on jobs".
type gatekeeper struct {
	mu    sync.Mutex
	asked []string
	no    map[string]error // by the question
	wait  map[string]chan bool
	now   int // questions that wait
	most  int
}

func newGatekeeper(w *world) *gatekeeper {
	g := &gatekeeper{no: make(map[string]error), wait: make(map[string]chan bool)}
	w.table.Allow(g.allow)
	return g
}

func (g *gatekeeper) allow(s *mux.Session, receive bool, channel string) error {
	q := s.Peer.(string) + " sends on " + channel
	if receive {
		q = s.Peer.(string) + " receives from " + channel
	}
	g.mu.Lock()
	g.asked = append(g.asked, q)
	g.now++
	g.most = max(g.most, g.now)
	wait, no := g.wait[q], g.no[q]
	g.mu.Unlock()
	if wait != nil {
		<-wait
	}
	g.mu.Lock()
	g.now--
	g.mu.Unlock()
	if no != nil && no.Error() == "panic" {
		panic("a mistake of the user's")
	}
	return no
}

// count is how often a question was asked.
func (g *gatekeeper) count(q string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.asked {
		if a == q {
			n++
		}
	}
	return n
}

// A sender that is not allowed is told so, with the reason, by the calls that wait; it
// is asked about once, counted, and does not keep the channel open.
func TestSenderNotAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := newGatekeeper(w)
		g.no["b sends on jobs"] = errors.New("only c\nmay " + strings.Repeat("ö", 300))
		link := w.link("b")
		c, src := sourceIn[int](w, 1)
		d, sink := sinkIn[int](w, 1)
		src.Know(map[mux.Target]string{to(sink): "b"})
		for range 3 {
			src.Connect(link, to(sink), "b")
			synctest.Wait()
		}
		send(t, c, 1)
		for _, call := range []func(context.Context) error{
			src.Flush,
			func(ctx context.Context) error { return src.Deliver(ctx, 2) },
			func(ctx context.Context) error { return src.WaitReceivers(ctx, 1) },
		} {
			st := stalled(t, call)
			if st.Reason != StallRefused || st.Node != "b" || !strings.HasPrefix(st.Why, "only c may ö") || len(st.Why) > mux.MaxText || strings.ContainsRune(st.Why, '\uFFFD') {
				t.Fatalf("%+v", st)
			}
		}
		if n, m := src.Stats().Refused, sink.Stats().Refused; n != 1 || m != 1 || g.count("b sends on jobs") != 1 {
			t.Fatalf("the source counts %d, the sink %d, asked: %q", n, m, g.asked)
		}
		if a, b := w.log.with("does not let this one send"), w.log.with("a sender is not allowed"); len(a) != 1 || len(b) != 1 {
			t.Fatalf("the log says %q", w.log.with(""))
		}
		if !sink.Out(peers{}.Node(link).ID, src.ID()) || sink.Out(peers{}.Node(w.link("x")).ID, src.ID()) {
			t.Fatal("the sink waits for a sender that is not allowed, or takes b's word for others")
		}
		// Over a new link it is asked again.
		src.Connect(w.link("b"), to(sink), "b")
		synctest.Wait()
		if n := g.count("b sends on jobs"); n != 2 || sink.Stats().Refused != 1 {
			t.Fatalf("asked %d times", n)
		}
		// From a node that is allowed, the same channel works.
		connect(t, src, w.link("c"), sink)
		if v := receive(t, d); v != 1 {
			t.Fatal(v)
		}
		close(c)
		closed(t, d)
	})
}

// A receiver that is not allowed gets no stream; its node is told, and counts it once,
// however often it asks.
func TestReceiverNotAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := newGatekeeper(w)
		g.no["b receives from jobs"] = errors.New("not for b")
		link := w.link("b")
		c, src := sourceIn[int](w, 1)
		d, sink := sinkIn[int](w, 1)
		src.Know(map[mux.Target]string{to(sink): "b"})
		for range 3 {
			src.Connect(link, to(sink), "b")
			synctest.Wait()
		}
		for range 3 {
			w.table.Attach(link, mux.Attach{Target: mux.Target{Name: "jobs", ID: src.ID()}, End: sink.ID(), Name: "jobs"})
			synctest.Wait()
		}
		send(t, c, 1)
		if st := stalled(t, src.Flush); st.Reason != StallRefused || st.Node != "b" || st.Why != "not for b" {
			t.Fatalf("%+v", st)
		}
		if n, m := src.Stats().Refused, sink.Stats().Refused; n != 1 || m != 1 || g.count("b receives from jobs") != 1 || g.count("b sends on jobs") != 0 {
			t.Fatalf("the source counts %d, the sink %d, asked: %q", n, m, g.asked)
		}
		if a, b := w.log.with("a receiver is not allowed"), w.log.with("does not let this one receive"); len(a) != 1 || len(b) != 1 || !strings.Contains(b[0], "not for b") {
			t.Fatalf("the log says %q", w.log.with(""))
		}
		if !sink.Out(peers{}.Node(link).ID, src.ID()) {
			t.Fatal("the sink waits for a sender that it is not allowed to have")
		}
		// What a node says of another one's sender does not count.
		_, other := sourceIn[int](w, 1)
		w.table.Denied(link, mux.Deny{From: other.ID(), End: sink.ID(), Code: mux.CodeRefused})
		if sink.Out(peers{}.Node(w.link("c")).ID, other.ID()) {
			t.Fatal("b has said that c's sender will not come")
		}
		// Who was told of the close late is asked about like that.
		close(c)
		src.Know(nil)
		connect(t, src, w.link("c"), sink)
		if v := receive(t, d); v != 1 {
			t.Fatal(v)
		}
		ended(t, "the source", src.Done())
		_, late := sinkIn[int](w, 1)
		for _, node := range []string{"b", "c"} {
			l := w.link(node)
			w.table.Attach(l, mux.Attach{Target: mux.Target{Name: "jobs", ID: src.ID()}, End: late.ID(), Name: "jobs"})
			synctest.Wait()
			if out := late.Stats().Refused; node == "b" && out != 1 || late.Err() != nil {
				t.Fatalf("%d refused", out)
			}
			select {
			case <-late.Done():
				if node == "b" {
					t.Fatal("b has heard of the close")
				}
			default:
				if node == "c" {
					t.Fatal("c has not heard of the close")
				}
			}
		}
	})
}

// While it takes its time to say whether one end may, nobody else waits: not other ends
// of that node, not other receivers of that source.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := newGatekeeper(w)
		sends, receives := make(chan bool), make(chan bool)
		g.wait["b sends on jobs"], g.wait["slow receives from jobs"] = sends, receives
		named := func(c *SourceConfig) { c.Name = "other" }
		b, slow := w.link("b"), w.link("slow")
		c, src := sourceIn[int](w, 1)
		o, others := sourceIn[int](w, 1, named)
		d, sink := sinkIn[int](w, 1)
		e, other := sinkIn[int](w, 1, func(c *SinkConfig) { c.Name = "other" })
		_, third := sinkIn[int](w, 1)
		src.Connect(b, to(sink), "b")
		src.Connect(slow, to(third), "slow")
		synctest.Wait()
		// The link with b, and what reads its control stream, go on.
		others.Connect(b, mux.Target{Name: "other", ID: other.ID()}, "b")
		others.Connect(slow, mux.Target{Name: "other", ID: other.ID()}, "slow")
		for i := range 100 {
			send(t, o, i)
			if v := receive(t, e); v != i {
				t.Fatal(v)
			}
		}
		f, fast := sinkIn[int](w, 1)
		connect(t, src, w.link("c"), fast)
		for i := range 100 {
			send(t, c, i)
			if v := receive(t, f); v != i {
				t.Fatal(v)
			}
		}
		if st := src.Stats(); st.Receivers != 1 || st.Refused != 0 {
			t.Fatalf("%+v", st)
		}
		fast.Close()
		close(sends)
		send(t, c, 7)
		if v := receive(t, d); v != 7 {
			t.Fatal(v)
		}
		close(receives)
		if err := src.WaitReceivers(testContext(t), 2); err != nil {
			t.Fatal(err)
		}
	})
}

// A panic is a no, and people can find out why.
func TestAnswerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := newGatekeeper(w)
		g.no["b sends on jobs"], g.no["c receives from jobs"] = errors.New("panic"), errors.New("panic")
		_, src := sourceIn[int](w, 1)
		_, sink := sinkIn[int](w, 1)
		for _, node := range []string{"b", "c"} {
			src.Connect(w.link(node), to(sink), node)
			synctest.Wait()
			st := stalled(t, func(ctx context.Context) error { return src.WaitReceivers(ctx, 1) })
			if st.Reason != StallRefused || strings.Contains(st.Why, "mistake") {
				t.Fatalf("%s: %+v", node, st)
			}
		}
		if lines := w.log.with("Authorize has panicked"); len(lines) != 2 || !strings.Contains(lines[0], "a mistake of the user's") {
			t.Fatalf("%q", lines)
		}
	})
}

// A peer can't have more than so many questions be asked at once; when it has gone, those
// that wait are not asked.
func TestManyQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := newGatekeeper(w)
		hold := make(chan bool)
		g.wait["b receives from jobs"] = hold
		release := sync.OnceFunc(func() { close(hold) })
		defer release() // a test that fails shall end, too
		_, src := sourceIn[int](w, 1)
		link := w.link("b")
		for i := range 3 * maxAsking {
			w.table.Attach(link, mux.Attach{Target: mux.Target{Name: "jobs", ID: src.ID()}, End: mux.ID{1, byte(i)}, Name: "jobs"})
		}
		synctest.Wait()
		if n := g.count("b receives from jobs"); n != maxAsking || g.most != maxAsking {
			t.Fatalf("%d questions, %d at once", n, g.most)
		}
		cut(link)
		release()
		synctest.Wait()
		if n := g.count("b receives from jobs"); n != maxAsking {
			t.Fatalf("%d questions about who is gone", n-maxAsking)
		}
		if len(w.table.asked.peers) != 0 || len(src.asking) != 0 {
			t.Fatalf("%d peers and %d ends are remembered", len(w.table.asked.peers), len(src.asking))
		}
		full := new(peerAsks)
		full.running = maxAsking
		for range maxAsked {
			full.waiting.push(question{})
		}
		other := w.link("c")
		w.table.asked.peers[other] = full
		if w.table.askLater(other, "jobs", func(error) { t.Error("asked") }) {
			t.Fatal("one more question is taken")
		}
		delete(w.table.asked.peers, other)
	})
}

// Nobody is asked about two ends of one node, nor about channels in values.
func TestNotAsked(t *testing.T) {
	w := newWorld(t)
	g := newGatekeeper(w)
	a, b := mux.Pair(handler{w.table}, mux.Config{Peer: "self", Local: true})
	t.Cleanup(func() { cut(a); b.Wait() })
	c, src := sourceIn[chan<- int](w, 1)
	d, sink := sinkIn[chan<- int](w, 1)
	connect(t, src, a, sink)
	far, away := sinkIn[chan<- int](w, 1)
	connect(t, src, w.link("b"), away)
	reply := make(chan int, 1)
	for range 2 {
		send(t, c, (chan<- int)(reply))
	}
	send(t, receive(t, d), 1)
	receive(t, reply)
	send(t, receive(t, far), 2)
	receive(t, reply)
	if n := g.count("b receives from jobs") + g.count("b sends on jobs"); n != 2 || len(g.asked) != 2 {
		t.Fatalf("asked: %q", g.asked)
	}
}

// The table's end waits for an answer that is under way, and asks no more.
func TestCloseWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := newGatekeeper(w)
		hold := make(chan bool)
		g.wait["b receives from jobs"] = hold
		release := sync.OnceFunc(func() { close(hold) })
		defer release() // a test that fails shall end, too
		_, src := sourceIn[int](w, 1)
		link := w.link("b")
		for i := range maxAsking + 1 {
			src.Connect(link, mux.Target{Name: "jobs", ID: mux.ID{byte(i)}}, "b")
		}
		synctest.Wait()
		over := make(chan bool)
		go func() { w.table.Close(ErrClosed); close(over) }()
		synctest.Wait()
		select {
		case <-over:
			t.Fatal("it did not wait")
		case <-time.After(time.Minute):
		}
		release()
		<-over
		if n := g.count("b receives from jobs"); n != maxAsking || w.table.askLater(link, "jobs", nil) {
			t.Fatal(fmt.Sprint(n, " questions"))
		}
	})
}
