package chanref

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/mux"
)

// crate is the value that brings channels.
type crate struct {
	To chan<- int
	Of <-chan int
}

// mesh is some tables, each pair of which but one is joined by a session. It is the handler
// of all sessions, and knows which is whose.
type mesh struct {
	t     *testing.T
	nodes []*meshNode

	mu   sync.Mutex // guards what follows
	ends map[*mux.Session]meshEnd
}

type meshEnd struct{ at, to int }

type meshNode struct {
	*mesh
	index    int
	table    *Table
	sessions []*mux.Session
	out      []chan<- crate // to each other node
	in       []<-chan crate
	sources  []*Source[crate]
	sinks    []*Sink[crate]
}

const meshNodes = 4

// apart says which two nodes can't reach each other.
func apart(i, j int) bool { return i == j || i+j == 3 && i*j == 2 }

func newMesh(t *testing.T) *mesh {
	m := &mesh{t: t, ends: make(map[*mux.Session]meshEnd)}
	for i := range meshNodes {
		n := &meshNode{mesh: m, index: i, sessions: make([]*mux.Session, meshNodes)}
		n.table = NewTable(n, slog.New(&logs{}))
		for range meshNodes {
			c, d := make(chan crate), make(chan crate, 4)
			n.out, n.in = append(n.out, c), append(n.in, d)
			n.sources = append(n.sources, NewSource(n.table, c, writer[crate](t), SourceConfig{ID: newID(), Name: "crates", Logger: slog.New(&logs{})}))
			n.sinks = append(n.sinks, NewSink(n.table, d, writer[crate](t), SinkConfig{ID: newID(), Name: "crates", KeepOpen: true, Logger: slog.New(&logs{})}))
		}
		m.nodes = append(m.nodes, n)
	}
	for i := range m.nodes {
		for j := range i {
			m.join(i, j)
		}
	}
	return m
}

// join makes a new session between two nodes, if they can reach each other.
func (m *mesh) join(i, j int) {
	if apart(i, j) {
		return
	}
	m.mu.Lock()
	a, b := mux.Pair(m, mux.Config{})
	m.ends[a], m.ends[b] = meshEnd{i, j}, meshEnd{j, i}
	m.nodes[i].sessions[j], m.nodes[j].sessions[i] = a, b
	m.mu.Unlock()
	m.nodes[i].sources[j].Connect(a, to(m.nodes[j].sinks[i]), "j")
	m.nodes[j].sources[i].Connect(b, to(m.nodes[i].sinks[j]), "i")
}

func (m *mesh) close() {
	for _, n := range m.nodes {
		n.table.Close(ErrClosed)
		for _, s := range n.sessions {
			if s != nil {
				cut(s)
			}
		}
	}
}

func (m *mesh) end(s *mux.Session) meshEnd {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ends[s]
}

func (m *mesh) at(s *mux.Session) *Table { return m.nodes[m.end(s).at].table }

func meshID(i int) Node { return Node{ID: [32]byte{byte(i + 1)}, Name: fmt.Sprint(i)} }

func (m *mesh) Goodbye(*mux.Session)                {}
func (m *mesh) Ended(s *mux.Session, _ error)       { m.at(s).Ended(s) }
func (m *mesh) Serve(in *mux.In)                    { m.at(in.Session()).Serve(in) }
func (m *mesh) Denied(s *mux.Session, d mux.Deny)   { m.at(s).Denied(s, d) }
func (m *mesh) Attach(s *mux.Session, a mux.Attach) { m.at(s).Attach(s, a) }
func (m *mesh) Single(in *mux.In, v []byte, wait bool) bool {
	return m.at(in.Session()).Single(in, v, wait)
}
func (m *mesh) Discarded(in *mux.In, refs []byte)       { m.at(in.Session()).Discarded(in, refs) }
func (m *mesh) Hold(s *mux.Session, x mux.Hold)         { m.at(s).Hold(s, x) }
func (m *mesh) Held(s *mux.Session, r mux.Ref, ok bool) { m.at(s).Held(s, r, ok) }
func (m *mesh) Release(s *mux.Session, r []mux.Release) { m.at(s).Release(s, r) }
func (m *mesh) Gone(s *mux.Session, r []mux.Ref)        { m.at(s).Gone(s, r) }

func (n *meshNode) Self() Node               { return meshID(n.index) }
func (n *meshNode) Node(s *mux.Session) Node { return meshID(n.end(s).to) }
func (n *meshNode) Reach(o Node, then func(*mux.Session)) {
	n.mu.Lock()
	s := n.sessions[o.ID[0]-1]
	n.mu.Unlock()
	then(s)
}

// sweep returns when what the garbage collector calls was called; in a bubble no time passes.
func sweep() {
	for range 2 {
		var done atomic.Int32
		x, y := new([16]byte), new([16]byte)
		runtime.AddCleanup(x, func(d *atomic.Int32) { d.Add(1) }, &done)
		runtime.SetFinalizer(y, func(*[16]byte) { done.Add(1) })
		runtime.KeepAlive(x)
		runtime.KeepAlive(y)
		for runtime.GC(); done.Load() < 2; {
			runtime.Gosched()
		}
	}
}

// modelChan is a channel as the model has it. Its counts rise with each reference that stays,
// and fall to nothing together, when who holds them needs none.
type modelChan struct {
	home    int
	receive bool
	counts  [meshNodes][meshNodes]uint64 // references that the first one counts as held by the second one
	program [meshNodes]bool              // the node's program has it
	proxy   [meshNodes]bool              // the node has a proxy of it
	route   [meshNodes]int               // to whom that leads
}

// sends has i send the channel to j, and says whether j's program gets it.
func (c *modelChan) sends(i, j int) {
	switch {
	case j == c.home:
	case i == c.home:
		c.counts[i][j]++
		c.has(j, i)
	case c.proxy[j]: // it has its way
		c.program[j] = true
	case !apart(c.home, j):
		c.counts[c.home][j]++
		c.has(j, c.home)
	default:
		c.counts[i][j]++
		c.has(j, i)
	}
}

func (c *modelChan) has(j, route int) {
	if !c.proxy[j] {
		c.proxy[j], c.route[j] = true, route
	}
	c.program[j] = true
}

// drops has i's program drop it: but a relay is kept by those that go through it.
func (c *modelChan) drops(i int) {
	c.program[i] = false
	if i != c.home && c.counts[i] == [meshNodes]uint64{} && c.proxy[i] {
		c.ends(i)
	}
}

// ends has i's proxy end, and all that go through it.
func (c *modelChan) ends(i int) {
	c.program[i], c.proxy[i] = false, false
	for j := range c.counts {
		c.counts[j][i] = 0
	}
	for j := range c.counts {
		if c.proxy[j] && c.route[j] == i {
			c.ends(j)
		}
	}
	for j := range c.counts { // relays that nobody needs now
		if c.proxy[j] && !c.program[j] {
			c.drops(j)
		}
	}
}

// cut ends what goes over a session.
func (c *modelChan) cut(i, j int) {
	c.counts[i][j], c.counts[j][i] = 0, 0
	for _, x := range [][2]int{{i, j}, {j, i}} {
		if c.proxy[x[0]] && c.route[x[0]] == x[1] {
			c.ends(x[0])
		}
	}
}

// refModel is the model beside the real tables.
type refModel struct {
	*mesh
	chans   []*modelChan
	handles []map[int]crate // by node and channel: what its program has
	said    []string
}

const modelChans = 6

// do does one thing, that any three bytes say.
func (m *refModel) do(op, a, b byte) {
	i, j := int(a)%meshNodes, int(b)%meshNodes
	k := int(a/meshNodes) % max(1, len(m.chans))
	say := func(format string, args ...any) { m.said = append(m.said, fmt.Sprintf(format, args...)) }
	switch kind := op % 8; {
	case len(m.chans) == 0 || kind == 0 && len(m.chans) < modelChans:
		ch := make(chan int, int(b)%3)
		c := &modelChan{home: i, receive: op/8%2 == 1}
		c.program[i] = true
		m.handles[i][len(m.chans)] = crate{ch, nil}
		if c.receive {
			m.handles[i][len(m.chans)] = crate{nil, ch}
		}
		say("%d makes %d, to receive: %v", i, len(m.chans), c.receive)
		m.chans = append(m.chans, c)
	case kind < 5:
		c := m.chans[k]
		h, ok := m.handles[i][k]
		if !ok || apart(i, j) || c.receive && apart(c.home, j) && c.home != j {
			return
		}
		say("%d sends %d to %d", i, k, j)
		send(m.t, m.nodes[i].out[j], h)
		got := receive(m.t, m.nodes[j].in[i])
		if mine, ok := m.handles[j][k]; ok && mine != got {
			m.t.Fatalf("it comes as another channel: %v", m.said)
		}
		m.handles[j][k] = got
		c.sends(i, j)
		if c.receive && i != c.home {
			delete(m.handles[i], k) // it has moved
			settled()
			c.drops(i)
		}
	case kind < 7:
		c := m.chans[k]
		if _, ok := m.handles[i][k]; !ok || i == c.home {
			return
		}
		say("%d drops %d", i, k)
		delete(m.handles[i], k)
		c.drops(i)
	default:
		if apart(i, j) {
			return
		}
		say("the session of %d and %d ends", i, j)
		cut(m.nodes[i].sessions[j])
		settled()
		m.join(i, j)
		for k, c := range m.chans {
			c.cut(i, j)
			for n := range m.handles {
				if !c.program[n] {
					delete(m.handles[n], k)
				}
			}
		}
	}
}

// check compares the tables with the model. What was dropped may first have to be found
// garbage, for which its proxy must nap, and a relay goes when who went through it is gone.
func (m *refModel) check() {
	for begin := time.Now(); ; {
		settled()
		wrong := m.differs()
		if wrong == "" {
			return
		}
		if time.Since(begin) > 3*napAfter {
			m.t.Fatalf("%s, after %q", wrong, m.said)
		}
		sweep()
		pass(2 * keepLast)
	}
}

func (m *refModel) differs() string {
	for i, n := range m.nodes {
		var want RefStats
		for _, c := range m.chans {
			if c.counts[i] != [meshNodes]uint64{} {
				want.Exported++
			}
			if c.proxy[i] {
				want.Proxies++
			}
			for j := range m.nodes {
				if c.counts[j][i] > 0 {
					want.Held++
				}
			}
		}
		if got := n.table.RefStats(); got != want {
			return fmt.Sprintf("node %d has %+v, want %+v", i, got, want)
		}
		for j, s := range n.sessions {
			if s == nil {
				continue
			}
			var want, have []uint64
			for _, c := range m.chans {
				if c.counts[i][j] > 0 {
					want = append(want, c.counts[i][j])
				}
			}
			ours, _ := n.table.RefCounts(s)
			_, its := m.nodes[j].table.RefCounts(m.nodes[j].sessions[i])
			for _, r := range ours {
				have = append(have, r.N)
			}
			slices.Sort(want)
			slices.Sort(have)
			if !slices.Equal(want, have) || !slices.Equal(ours, its) {
				return fmt.Sprintf("node %d counts as held by %d %v, which has %v, want %d", i, j, ours, its, want)
			}
		}
	}
	return ""
}

// runRefModel runs any bytes.
func runRefModel(t *testing.T, b []byte) {
	synctest.Test(t, func(t *testing.T) {
		m := &refModel{mesh: newMesh(t)}
		defer m.close()
		for range m.nodes {
			m.handles = append(m.handles, make(map[int]crate))
		}
		settled()
		for ; len(b) >= 3; b = b[3:] {
			m.do(b[0], b[1], b[2])
			m.check()
		}
		for i, h := range m.handles {
			clear(h)
			for _, c := range m.chans {
				if i != c.home {
					c.drops(i)
				}
			}
		}
		m.check()
	})
}

func randomOps(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, 3*n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Who holds what is what a model says, after each of many things.
func TestRefModel(t *testing.T) {
	count := uint64(25)
	if testing.Short() {
		count = 8
	}
	for seed := range count {
		runRefModel(t, randomOps(seed, 40))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzRefModel(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomOps(seed, 20))
	}
	f.Fuzz(func(t *testing.T, b []byte) { runRefModel(t, b[:min(len(b), 3*40)]) })
}

// A ledger is what a map of counts is.
func TestLedgerModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	var l ledger[int, int]
	model := make(map[[2]int]uint64)
	for step := range 5000 {
		s, k, n := r.IntN(4), r.IntN(5), uint64(r.IntN(4))
		at := [2]int{s, k}
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			l.add(s, k)
			model[at]++
		case 4, 5, 6:
			last, ok := l.sub(s, k, n)
			if want := n > 0 && model[at] >= n; ok != want || last != (ok && model[at] == n) {
				t.Fatalf("step %d: sub %d of %d is %v, %v", step, n, model[at], last, ok)
			}
			if ok {
				model[at] -= n
			}
		case 7:
			for _, k := range l.lose(s) {
				if model[[2]int{s, k}] == 0 {
					t.Fatalf("step %d: what was lost was not held", step)
				}
				model[[2]int{s, k}] = 0
			}
		}
		for s := range 4 {
			size := 0
			for k := range 5 {
				n := model[[2]int{s, k}]
				if n > 0 {
					size++
				}
				if l.of(s, k) != n || slices.Contains(l.by(k), s) != (n > 0) || n > 0 && !l.isHeld(k) {
					t.Fatalf("step %d: %d of %d by %d", step, l.of(s, k), n, s)
				}
			}
			if len(l.held[s]) != size {
				t.Fatalf("step %d: %d has %d keys, want %d", step, s, len(l.held[s]), size)
			}
		}
		for k := range 5 {
			if l.isHeld(k) != (len(l.by(k)) > 0) {
				t.Fatalf("step %d: is %d held?", step, k)
			}
		}
	}
}
