package peer

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// The program below runs two slots against each other through every order of
// events that few connections can bring: HELLOs and answers in flight on each,
// connections that break, handshakes that time out, links that are given up.
//
// After every event: a link that both sides had, on a connection to which
// nothing happened, is still there. When nothing can happen any more: both
// sides agree, and if nothing went wrong there is a link.

const (
	maxCarriers = 3
	maxQueue    = 4
)

type side uint8 // 0: the lower ID, 1: the higher

// message holds of a HELLO or an answer what slots look at, in few bytes: links
// are named by their first one.
type message struct {
	kind   uint8 // 'h' HELLO, 'a' answer, 'e' the other side has closed
	answer answerKind
	number uint8
	link   uint8 // of a HELLO: held
}

func (m message) toAnswer() answer {
	return answer{kind: m.answer, link: linkID{m.link}, number: uint64(m.number)}
}

func fromAnswer(a answer) message {
	return message{kind: 'a', answer: a.kind, link: a.link[0], number: uint8(a.number)}
}

type queue struct {
	n    uint8
	msgs [maxQueue]message
}

const (
	phaseNew    uint8 = iota // TLS is done, no HELLO sent
	phaseHello               // HELLO sent, waits for the peer's
	phaseAnswer              // waits for an answer or for the confirmation
	phaseLink
	phaseClosed
)

type road struct {
	phase   [2]uint8
	to      [2]queue // messages on their way to that side
	touched bool     // broken, timed out or given up
	both    bool     // was the link of both sides at once
}

type world struct {
	slots    [2]slot
	number   [2]uint8
	offers   uint8
	roads    [maxCarriers]road
	opened   uint8
	unopened uint8
	faults   uint8 // that may still happen
	hurt     bool
}

func (w *world) send(c int, to side, m message) {
	q := &w.roads[c].to[to]
	if q.n == maxQueue {
		panic("queue too short for the model")
	}
	q.msgs[q.n] = m
	q.n++
}

// close is side s closing connection c.
func (w *world) close(c int, s side) {
	r := &w.roads[c]
	if r.phase[s] == phaseClosed {
		return
	}
	r.phase[s] = phaseClosed
	r.to[s] = queue{}
	w.slots[s].leave(uint64(c + 1))
	if r.phase[1-s] != phaseClosed {
		w.send(c, 1-s, message{kind: 'e'})
	}
}

func (w *world) greet(c int, s side) {
	w.number[s]++
	var h hello
	w.slots[s].greet(&h)
	w.send(c, 1-s, message{kind: 'h', number: w.number[s], link: h.held[0]})
}

// deliver lets side s read the next message on c.
func (w *world) deliver(c int, s side) {
	r := &w.roads[c]
	q := &r.to[s]
	m := q.msgs[0]
	copy(q.msgs[:], q.msgs[1:q.n])
	q.n--
	q.msgs[q.n] = message{}
	sl := &w.slots[s]
	num := uint64(c + 1)
	switch {
	case m.kind == 'e':
		w.close(c, s)
	case s == 1 && r.phase[s] == phaseHello: // the lower ID's HELLO
		r.phase[s] = phaseAnswer
	case s == 0 && r.phase[s] == phaseHello:
		w.number[s]++
		next := linkID{w.offers + 1}
		a, ended := sl.decide(num, &hello{number: uint64(m.number), held: linkID{m.link}}, uint64(w.number[s]), next)
		if ended != 0 {
			w.close(int(ended-1), s)
		}
		w.send(c, 1, fromAnswer(a))
		switch a.kind {
		case answerStale:
			w.close(c, s)
		case answerNew:
			w.offers++
			r.phase[s] = phaseAnswer
		}
	case s == 0 && r.phase[s] == phaseAnswer:
		if sl.confirm(num, m.toAnswer()) != nil {
			w.close(c, s)
		} else {
			r.phase[s] = phaseLink
		}
	case s == 1 && r.phase[s] == phaseAnswer && m.answer == answerStale:
		w.close(c, s)
	case s == 1 && r.phase[s] == phaseAnswer && m.answer == answerGone:
		if sl.state == slotLive && sl.link[0] == m.link {
			w.close(int(sl.carrier-1), s)
		}
		w.greet(c, s)
	case s == 1 && r.phase[s] == phaseAnswer && m.answer == answerNew:
		ended, err := sl.accept(num, m.toAnswer())
		if err != nil {
			w.close(c, s)
			return
		}
		if ended != 0 {
			w.close(int(ended-1), s)
		}
		r.phase[s] = phaseLink
		w.send(c, 0, message{kind: 'a', answer: answerNew, link: m.link, number: w.number[s]})
	default:
		panic("a message that the model does not know")
	}
}

// next calls f with every world that one event leads to.
func (w world) next(f func(world)) {
	if w.unopened > 0 {
		n := w
		n.opened, n.unopened = w.opened+1, w.unopened-1
		f(n)
	}
	for c := range int(w.opened) {
		r := w.roads[c]
		for s := side(0); s < 2; s++ {
			switch {
			case r.phase[s] == phaseNew:
				n := w
				n.roads[c].phase[s] = phaseHello
				n.greet(c, s)
				f(n)
			case r.phase[s] != phaseClosed && r.to[s].n > 0:
				n := w
				n.deliver(c, s)
				f(n)
			}
			if w.faults > 0 && r.phase[s] != phaseClosed {
				// A time-out, or a link that is given up.
				n := w
				n.faults, n.hurt, n.roads[c].touched = w.faults-1, true, true
				n.close(c, s)
				f(n)
			}
		}
		if w.faults > 0 && (r.phase[0] != phaseClosed || r.phase[1] != phaseClosed) {
			// A break: what is on its way is lost.
			n := w
			n.faults, n.hurt = w.faults-1, true
			b := &n.roads[c]
			b.touched, b.to = true, [2]queue{}
			for s := side(0); s < 2; s++ {
				if b.phase[s] != phaseClosed {
					n.send(c, s, message{kind: 'e'})
				}
			}
			f(n)
		}
	}
}

// check is what must hold after every event; quiet: no message is on its way.
func (w *world) check(quiet bool) string {
	for c := range w.roads {
		r := &w.roads[c]
		if r.phase[0] == phaseLink && r.phase[1] == phaseLink {
			r.both = true
		}
		if r.both && !r.touched && (r.phase[0] != phaseLink || r.phase[1] != phaseLink) {
			return "a link to which nothing happened has ended"
		}
	}
	if !quiet {
		return ""
	}
	l, h := w.slots[0], w.slots[1]
	if l.state == slotPending || l.state != h.state || l.link != h.link || l.carrier != h.carrier {
		return "the two sides do not agree"
	}
	if !w.hurt && l.state != slotLive {
		return "nothing went wrong, and there is no link"
	}
	return ""
}

// explore visits every world that can be reached, and returns how many there
// are and what is wrong with the first bad one.
func explore(carriers, faults uint8) (states int, wrong string) {
	seed := maphash.MakeSeed()
	seen := map[uint64]bool{}
	start := world{unopened: carriers, faults: faults, offers: 1}
	start.slots[0].lower, start.slots[0].offer = true, linkID{1}
	todo := []world{start}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		events := 0
		w.next(func(n world) {
			if n.opened == w.opened && n.faults == w.faults {
				events++
			}
			if problem := n.check(false); problem != "" && wrong == "" {
				wrong = problem
			}
			if key := maphash.Comparable(seed, n); !seen[key] {
				seen[key] = true
				todo = append(todo, n)
			}
		})
		if events == 0 && w.opened > 0 && wrong == "" {
			wrong = w.check(true)
		}
		if wrong != "" {
			return len(seen), wrong
		}
	}
	return len(seen), wrong
}

func TestEveryCrossing(t *testing.T) {
	for _, bound := range []struct{ carriers, faults uint8 }{{1, 3}, {2, 2}, {3, 0}, {3, 1}} {
		if bound.carriers == 3 && bound.faults > 0 && (testing.Short() || raceEnabled) {
			continue
		}
		states, wrong := explore(bound.carriers, bound.faults)
		if wrong != "" {
			t.Fatalf("%d connections, %d faults: %s", bound.carriers, bound.faults, wrong)
		}
		t.Logf("%d connections, %d faults: %d states", bound.carriers, bound.faults, states)
	}
}

// Two hosts dial each other at the same moment, again and again: one link each.
func TestCrossingDials(t *testing.T) {
	rounds := 1000
	if testing.Short() || raceEnabled {
		rounds = 100
	}
	key := GenerateKey()
	var readers sync.WaitGroup
	made := make(chan *Link, 16)
	read := func(c *Config) {
		c.OnLink = func(l *Link) {
			made <- l
			readers.Go(func() { _, _ = io.Copy(io.Discard, readerOnly{l}) })
		}
	}
	a, b := testHost(t, key, read), testHost(t, key, read)
	defer readers.Wait()
	defer func() { _, _ = a.Close(), b.Close() }()
	ctx := testCtx(t)
	for round := range rounds {
		var ends [2]*Link
		var errs [2]error
		start := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() { <-start; ends[0], errs[0] = a.Link(ctx, b.Addr(), b.ID()) })
		both.Go(func() { <-start; ends[1], errs[1] = b.Link(ctx, a.Addr(), a.ID()) })
		close(start)
		both.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if ends[0].id != ends[1].id {
			t.Fatalf("round %d: the two sides have different links", round)
		}
		x, y := receive(t, made), receive(t, made)
		if x.id != y.id || x.host == y.host {
			t.Fatalf("round %d: %d links were made", round, len(made)+2)
		}
		if len(a.Links()) != 1 || len(b.Links()) != 1 || ends[0].Err() != nil || ends[1].Err() != nil {
			t.Fatalf("round %d: not exactly one link", round)
		}
		_ = ends[round%2].Close()
		receive(t, x.Done())
		receive(t, y.Done())
	}
}

// Many callers for one address get one link, and so do callers that know the
// node under several addresses.
func TestConcurrentDialsShareALink(t *testing.T) {
	key := GenerateKey()
	made := make(chan *Link, 100)
	a, b := testHost(t, key, collect(made)), testHost(t, key)
	_, port, err := net.SplitHostPort(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ctx := testCtx(t)
	ids := make(chan linkID, 50)
	var wg sync.WaitGroup
	for i := range 50 {
		addr, want := b.Addr(), b.ID()
		switch i % 4 {
		case 1:
			want = NodeID{}
		case 2:
			addr = net.JoinHostPort("localhost", port)
		case 3:
			addr, want = net.JoinHostPort("127.0.0.1", "0"+port), NodeID{}
		}
		wg.Go(func() {
			l, err := a.Link(ctx, addr, want)
			if err != nil {
				t.Error(err)
				return
			}
			ids <- l.id
		})
	}
	wg.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Fatal("two links")
		}
	}
	if len(made) != 1 {
		t.Errorf("%d links were made", len(made))
	}
}

// Callers share an attempt. One that gives up does not end it for the others;
// the last one does.
func TestGivingUpAnAttempt(t *testing.T) {
	silent, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	to := target{addr: silent.Addr().String()}
	a := testHost(t, GenerateKey(), func(c *Config) { c.tune.handshake = time.Hour })
	waiting := func(n int) {
		for ctx := testCtx(t); ctx.Err() == nil; {
			a.mu.Lock()
			at := a.attempts[to]
			ok := at != nil && at.waiting == n
			a.mu.Unlock()
			if ok {
				return
			}
			runtime.Gosched()
		}
		t.Fatalf("no attempt that %d callers wait for", n)
	}
	errs := make(chan error, 2)
	ctx1, cancel1 := context.WithCancel(context.Background())
	ctx2, cancel2 := context.WithCancel(context.Background())
	defer cancel1()
	defer cancel2()
	go func() { _, err := a.Link(ctx1, to.addr, to.want); errs <- err }()
	waiting(1)
	go func() { _, err := a.Link(ctx2, to.addr, to.want); errs <- err }()
	waiting(2)
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	cancel1()
	if err := receive(t, errs); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waiting(1)
	cancel2()
	if err := receive(t, errs); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Nobody waits any more: the connection is closed, long before the limit.
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
		t.Error("the attempt goes on")
	}
	_ = silent.SetDeadline(time.Unix(1, 0))
	if c, err := silent.Accept(); err == nil {
		_ = c.Close()
		t.Error("there was a second connection")
	}
}
