package peer

import (
	"context"
	"errors"
	"flag"
	"hash/maphash"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

var deep = flag.Bool("peer.deep", false, "visit more states and cut at every single byte: takes minutes")

// The program below runs two slots against each other through every order of
// events that few connections can bring: HELLOs and answers in flight on each,
// connections that break or that only one side sees break, handshakes that time
// out, links that are given up.
//
// After every event: a link that both sides had and nobody gave up is still
// there, and so is a connection that both sides had it on and to which nothing
// happened. When nothing can happen any more: both sides agree, and one
// connection more, whoever dials it, joins them again.

const (
	maxCarriers = 4 // one of them for the end
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
	by      side // who dialled
	phase   [2]uint8
	to      [2]queue // messages on their way to that side
	touched bool     // broken or timed out
	orphan  [2]bool  // the other side has gone without a word: silence will tell
	both    bool     // was the link of both sides at once
}

type world struct {
	slots    [2]slot
	number   [2]uint8
	offers   uint8
	roads    [maxCarriers]road
	opened   uint8
	unopened uint8
	faults   uint8     // that may still happen
	shared   uint16    // links, by number, that both sides held at once
	givenUp  uint16    // by either side
	held     [2]uint16 // at any time
	before   [2]uint8  // the links at the last check
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

// close is side s closing connection c; the other side hears of it, or not.
func (w *world) close(c int, s side, heard bool) {
	r := &w.roads[c]
	if r.phase[s] == phaseClosed {
		return
	}
	r.phase[s] = phaseClosed
	r.to[s] = queue{}
	w.slots[s].leave(uint64(c + 1))
	if r.phase[1-s] != phaseClosed {
		if heard {
			w.send(c, 1-s, message{kind: 'e'})
		} else {
			r.orphan[1-s] = true
		}
	}
}

// drop is side s giving its link up, which closes the connection that carries it.
func (w *world) drop(s side, link linkID) {
	c := w.slots[s].carrier
	carries := w.slots[s].link == link && c != 0
	w.slots[s].drop(link)
	if carries {
		w.close(int(c-1), s, true)
	}
}

func (w *world) greet(c int, s side) {
	if w.roads[c].by == s && w.slots[s].carrier != 0 {
		w.close(c, s, true) // the link is back: as Host.sendHello does
		return
	}
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
		w.close(c, s, true)
	case s == 1 && r.phase[s] == phaseHello: // the lower ID's HELLO
		r.phase[s] = phaseAnswer
	case s == 0 && r.phase[s] == phaseHello:
		w.decide(c, m)
	case s == 0 && r.phase[s] == phaseAnswer:
		if sl.confirm(num, m.toAnswer()) != nil {
			w.close(c, s, true)
		} else {
			r.phase[s] = phaseLink
		}
	case s == 1 && r.phase[s] == phaseAnswer && m.answer == answerStale:
		w.close(c, s, true)
	case s == 1 && r.phase[s] == phaseAnswer && m.answer == answerGone:
		w.drop(s, linkID{m.link})
		w.greet(c, s)
	case s == 1 && r.phase[s] == phaseAnswer:
		before := sl.carrier
		_, err := sl.accept(num, m.toAnswer())
		if err != nil {
			w.close(c, s, true)
			return
		}
		if before != 0 {
			w.close(int(before-1), s, true)
		}
		r.phase[s] = phaseLink
		w.send(c, 0, message{kind: 'a', answer: m.answer, link: m.link, number: w.number[s]})
	default:
		panic("a message that the model does not know")
	}
}

// decide is the lower ID reading a HELLO.
func (w *world) decide(c int, m message) {
	sl := &w.slots[0]
	w.number[0]++
	before := sl.carrier
	a, _ := sl.decide(uint64(c+1), w.roads[c].by == 0, &hello{number: uint64(m.number), held: linkID{m.link}},
		uint64(w.number[0]), linkID{w.offers + 1})
	if before != 0 && sl.carrier == 0 {
		w.close(int(before-1), 0, true)
	}
	w.send(c, 1, fromAnswer(a))
	switch a.kind {
	case answerStale:
		w.close(c, 0, true)
	case answerNew:
		w.offers++
		w.roads[c].phase[0] = phaseAnswer
	case answerResume:
		w.roads[c].phase[0] = phaseAnswer
	}
}

// next calls f with every world that one event leads to.
func (w world) next(f func(world)) {
	if w.unopened > 0 {
		for by := side(0); by < 2; by++ {
			n := w
			n.roads[n.opened].by = by
			n.opened, n.unopened = w.opened+1, w.unopened-1
			f(n)
		}
	}
	for s := side(0); s < 2; s++ {
		if w.faults > 0 && w.slots[s].link != (linkID{}) {
			n := w
			n.faults, n.hurt, n.givenUp = w.faults-1, true, w.givenUp|1<<w.slots[s].link[0]
			n.drop(s, w.slots[s].link)
			f(n)
		}
	}
	for c := range int(w.opened) {
		w.events(c, f)
	}
}

// events calls f with every world that one event on connection c leads to.
func (w world) events(c int, f func(world)) {
	r := w.roads[c]
	for s := side(0); s < 2; s++ {
		if r.phase[s] == phaseClosed {
			continue
		}
		switch {
		case r.phase[s] == phaseNew:
			n := w
			n.roads[c].phase[s] = phaseHello
			n.greet(c, s)
			f(n)
		case r.to[s].n > 0:
			n := w
			n.deliver(c, s)
			f(n)
		}
		if r.orphan[s] { // silence: no fault, it had its cause
			n := w
			n.close(c, s, true)
			f(n)
		}
		if w.faults == 0 {
			continue
		}
		for _, heard := range []bool{true, false} { // a time-out, or one that nobody is told of
			n := w
			n.faults, n.hurt, n.roads[c].touched = w.faults-1, true, true
			n.close(c, s, heard)
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

// check is what must hold after every event.
func (w *world) check() string {
	low, high := &w.slots[0], &w.slots[1]
	if low.link == high.link && low.link != (linkID{}) {
		w.shared |= 1 << low.link[0]
	}
	for s := range w.slots {
		if id := w.slots[s].link[0]; id != 0 && w.before[s] != id {
			if w.held[s]&(1<<id) != 0 {
				return "a link that was over is there again"
			}
			w.held[s] |= 1 << id
		}
		w.before[s] = w.slots[s].link[0]
	}
	for id := uint8(1); id < 16; id++ {
		if w.shared&^w.givenUp&(1<<id) != 0 && (low.link[0] != id || high.link[0] != id) {
			return "a link that nobody gave up has ended"
		}
	}
	for c := range w.roads {
		r := &w.roads[c]
		if r.phase[0] == phaseLink && r.phase[1] == phaseLink {
			r.both = true
		}
		if r.both && !r.touched && w.givenUp == 0 && (r.phase[0] != phaseLink || r.phase[1] != phaseLink) {
			return "a connection to which nothing happened has been given up"
		}
	}
	return ""
}

// settled is what must hold when nothing is on its way.
func (w *world) settled() string {
	low, high := &w.slots[0], &w.slots[1]
	if low.pending != 0 || low.carrier != high.carrier || (low.carrier != 0 && low.link != high.link) {
		return "the two sides do not agree"
	}
	if !w.hurt && low.carrier == 0 {
		return "nothing went wrong, and there is no link"
	}
	return ""
}

// joined lets side s dial once more, when nothing is on its way and nothing goes
// wrong any more: the two must be joined then.
func (w world) joined(s side) string {
	if w.slots[0].carrier != 0 {
		return ""
	}
	c := int(w.opened)
	w.roads[c].by, w.opened, w.faults, w.unopened = s, w.opened+1, 0, 0
	for moved := true; moved; {
		moved = false
		w.events(c, func(n world) {
			if !moved {
				w, moved = n, true
			}
		})
	}
	if problem := w.settled(); problem != "" {
		return problem + ", after one connection more"
	}
	if w.slots[0].carrier == 0 {
		return "one connection more does not join the two"
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
			if problem := n.check(); problem != "" && wrong == "" {
				wrong = problem
			}
			if key := maphash.Comparable(seed, n); !seen[key] {
				seen[key] = true
				todo = append(todo, n)
			}
		})
		if events == 0 && w.opened > 0 && wrong == "" {
			if wrong = w.settled(); wrong == "" {
				if wrong = w.joined(0); wrong == "" {
					wrong = w.joined(1)
				}
			}
		}
		if wrong != "" {
			return len(seen), wrong
		}
	}
	return len(seen), wrong
}

func TestEveryCrossing(t *testing.T) {
	bounds := []struct{ carriers, faults uint8 }{{1, 3}, {2, 2}, {3, 0}}
	if !testing.Short() && !raceEnabled {
		bounds = append(bounds, struct{ carriers, faults uint8 }{2, 3})
	}
	if *deep {
		bounds = append(bounds, struct{ carriers, faults uint8 }{3, 1}, struct{ carriers, faults uint8 }{3, 2})
	}
	for _, b := range bounds {
		states, wrong := explore(b.carriers, b.faults)
		if wrong != "" {
			t.Fatalf("%d connections, %d faults: %s", b.carriers, b.faults, wrong)
		}
		t.Logf("%d connections, %d faults: %d states", b.carriers, b.faults, states)
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
