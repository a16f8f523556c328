package chanref

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matveynator/netchan/mux"
)

// globe is several nodes, each with a table of its own, and the sessions between them.
type globe struct {
	t   testing.TB
	log *logs
	// rude: somebody breaks rules in this test; else none is found to have.
	rude bool
	// singles counts what has come without a stream.
	singles atomic.Int64

	mu    sync.Mutex // guards what follows
	lands []*land
	apart map[[2]*land]bool // who can't be reached from where
	// reaching, if set, is called before somebody is reached for, on a goroutine of its own.
	reaching func(from, to *land)
}

// land is one node.
type land struct {
	g     *globe
	name  string
	table *Table
	local *mux.Session
	links map[*land]*mux.Session // guarded by g.mu
	deaf  bool                   // it does not listen to answers
	dead  bool
}

// side is what a session's Peer is: where its end is, and where it leads.
type side struct{ at, to *land }

func newGlobe(t testing.TB, names ...string) (*globe, []*land) {
	g := &globe{t: t, log: &logs{}, apart: make(map[[2]*land]bool)}
	for _, name := range names {
		l := &land{g: g, name: name, links: make(map[*land]*mux.Session)}
		l.table = NewTable(l, slog.New(g.log))
		var peer *mux.Session
		l.local, peer = mux.Pair(atlas{}, mux.Config{Peer: side{l, l}, Logger: slog.New(g.log), Local: true})
		g.lands = append(g.lands, l)
		t.Cleanup(func() {
			cut(l.local)
			peer.Wait()
			l.table.Close(ErrClosed)
		})
	}
	t.Cleanup(g.check)
	return g, g.lands
}

// check ends the links, and wants that nobody was found to break a rule.
func (g *globe) check() {
	if lines := g.log.with("does not hold"); len(lines) > 0 && !g.rude {
		g.t.Errorf("an honest node was taken for another: %v", lines)
	}
	for _, l := range g.lands {
		for _, s := range l.sessions() {
			if err := s.Err(); err != nil && err != mux.ErrClosed && !g.rude {
				g.t.Errorf("%s: a link has ended: %v", l.name, err)
			}
			cut(s)
		}
	}
}

func (l *land) sessions() (all []*mux.Session) {
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	for _, s := range l.links {
		all = append(all, s)
	}
	return all
}

// to is the session with another node; it is made if need be.
func (l *land) to(other *land) *mux.Session {
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	if s := l.links[other]; s != nil && s.Err() == nil {
		return s
	}
	a, b := mux.Pair(atlas{}, mux.Config{Peer: side{}, Logger: slog.New(l.g.log)})
	a.Peer, b.Peer = side{l, other}, side{other, l}
	l.links[other], other.links[l] = a, b
	return a
}

// die ends all that a node has, as the death of its process does.
func (l *land) die() {
	for _, s := range l.sessions() {
		cut(s)
	}
	l.g.mu.Lock()
	for _, other := range l.g.lands {
		if s := other.links[l]; s != nil {
			defer s.Wait()
			delete(other.links, l)
		}
		l.g.apart[[2]*land{other, l}] = true
	}
	clear(l.links)
	l.dead = true
	l.g.mu.Unlock()
	l.table.Close(ErrClosed)
}

// part has two nodes not reach each other.
func (g *globe) part(a, b *land) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.apart[[2]*land{a, b}], g.apart[[2]*land{b, a}] = true, true
}

// A land is what its table knows of the nodes.

func (l *land) Self() Node {
	n := Node{Name: l.name}
	copy(n.ID[:], l.name)
	return n
}

func (l *land) Node(s *mux.Session) Node { return s.Peer.(side).to.Self() }

func (l *land) Reach(n Node, then func(*mux.Session)) {
	l.g.mu.Lock()
	var to *land
	for _, x := range l.g.lands {
		if x.Self().ID == n.ID && !l.g.apart[[2]*land{l, x}] {
			to = x
		}
	}
	before := l.g.reaching
	l.g.mu.Unlock()
	switch {
	case to == nil:
		then(nil)
	case before == nil:
		then(l.to(to))
	default:
		go func() {
			before(l, to)
			l.g.mu.Lock()
			apart := l.g.apart[[2]*land{l, to}]
			l.g.mu.Unlock()
			if apart {
				then(nil)
				return
			}
			then(l.to(to))
		}()
	}
}

// atlas brings what a session says to the table at its end.
type atlas struct{}

func tableOf(s *mux.Session) *Table { return s.Peer.(side).at.table }

func (atlas) Serve(in *mux.In) { tableOf(in.Session()).Serve(in) }
func (atlas) Single(in *mux.In, v []byte, wait bool) bool {
	if !wait {
		in.Session().Peer.(side).at.g.singles.Add(1)
	}
	return tableOf(in.Session()).Single(in, v, wait)
}
func (atlas) Discarded(in *mux.In, refs []byte)   { tableOf(in.Session()).Discarded(in, refs) }
func (atlas) Denied(s *mux.Session, d mux.Deny)   { tableOf(s).Denied(s, d) }
func (atlas) Attach(s *mux.Session, a mux.Attach) { tableOf(s).Attach(s, a) }
func (atlas) Hold(s *mux.Session, h mux.Hold)     { tableOf(s).Hold(s, h) }
func (atlas) Held(s *mux.Session, r mux.Ref, b bool) {
	if !s.Peer.(side).at.deaf {
		tableOf(s).Held(s, r, b)
	}
}
func (atlas) Release(s *mux.Session, r []mux.Release) {
	tableOf(s).Release(s, r)
}
func (atlas) Gone(s *mux.Session, r []mux.Ref) { tableOf(s).Gone(s, r) }
func (atlas) Goodbye(*mux.Session)             {}
func (atlas) Ended(s *mux.Session, _ error)    { tableOf(s).Ended(s) }

// road is a channel with a name from one node to another.
type road[T any] struct {
	t    testing.TB
	out  chan<- T
	in   <-chan T
	src  *Source[T]
	sink *Sink[T]
}

func newRoad[T any](from, to *land) *road[T] {
	t := from.g.t
	w := writer[T](t)
	out, in := make(chan T, 1), make(chan T, 4)
	r := &road[T]{t: t, out: out, in: in}
	log := slog.New(from.g.log)
	r.src = NewSource(from.table, out, w, SourceConfig{ID: newID(), Name: "jobs", Logger: log})
	r.sink = NewSink(to.table, in, w, SinkConfig{ID: newID(), Name: "jobs", KeepOpen: true, Logger: log})
	s := from.local
	if from != to {
		s = from.to(to)
	}
	r.src.Connect(s, mux.Target{Name: "jobs", ID: r.sink.ID()}, to.name)
	if err := r.src.WaitReceivers(testContext(t), 1); err != nil {
		t.Fatal(err)
	}
	return r
}

// carry brings v to the other end, and returns what came there.
func (r *road[T]) carry(v T) T {
	r.t.Helper()
	send(r.t, r.out, v)
	return receive(r.t, r.in)
}

// settled waits until what was carried is acknowledged.
func (r *road[T]) settled() {
	r.t.Helper()
	if err := r.src.Flush(testContext(r.t)); err != nil {
		r.t.Fatal(err)
	}
}

func carry[T any](from, to *land, v T) T {
	from.g.t.Helper()
	r := newRoad[T](from, to)
	v = r.carry(v)
	r.settled()
	r.src.Close()
	ended(r.t, "a road's source", r.src.Done())
	r.sink.Close()
	return v
}

// empty waits until no table has anything left of channels that travelled.
func (g *globe) empty() {
	g.t.Helper()
	for tries := 0; ; tries++ {
		left := ""
		for _, l := range g.lands {
			st := l.table.RefStats()
			if st.Dropped = 0; st != (RefStats{}) && !l.dead { // what was dropped stays counted
				left += l.name + " "
			}
		}
		if left == "" {
			return
		}
		if tries > 1000 {
			for _, l := range g.lands {
				g.t.Logf("%s: %+v", l.name, l.table.RefStats())
			}
			g.t.Fatalf("something is left at %s", left)
		}
		runtime.GC()
		<-time.After(keepFirst)
	}
}

// eventually waits for what gives no event.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for tries := 0; !ok(); tries++ {
		if tries > 1000 {
			t.Fatalf("waited in vain for: %s", what)
		}
		runtime.GC()
		<-time.After(keepFirst)
	}
}

func doneOf(ch any) <-chan struct{} {
	e, _ := EndingOf(ch)
	if e == nil {
		return nil
	}
	return e.Done()
}

func errOf(ch any) error {
	e, _ := EndingOf(ch)
	if e == nil {
		return nil
	}
	return e.Err()
}
