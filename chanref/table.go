package chanref

import (
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// A Table finds the ends of one node: peers ask it by ID or by name. It is
// what a node's sessions call; its methods may be called by several goroutines
// at once.
type Table struct {
	net     Net
	log     *slog.Logger
	allow   Allow // nil: everybody may do everything
	asked   asks
	maxRefs int // MaxRefs, of ours
	maxHeld int // MaxRefs, of a peer's
	refs    refTable
	rate    logRate // of what is said about channels that travelled
	keeper  keeper
	awake   atomic.Int32  // proxies to send on that have a goroutine
	closing chan struct{} // closed by Close
	ticks   ticker
	running sync.WaitGroup // the sources' goroutines, and the clock's

	drains    drains
	farewells farewells
	types     sync.Map // *mux.Session -> *codec.Schemas: what its peer has said of its types

	mu      sync.Mutex // guards what follows
	closed  bool
	sources map[mux.ID]sourceEnd
	sinks   map[mux.ID]sinkEnd
	away    map[*mux.Session]bool // sessions whose peer can't be reached just now
}

type sourceEnd interface {
	ID() mux.ID
	Name() string
	Connect(s *mux.Session, t mux.Target, node string) bool
	away(s *mux.Session, away bool)
	Abort(err error)
}

type sinkEnd interface {
	ID() mux.ID
	Name() string
	serve(in *mux.In)
	turnAway(in *mux.In, why error)
	denied(node [32]byte, name string, d mux.Deny)
	Abort(err error)
}

// A Net is the nodes, as a table sees them. Its methods may be called by several
// goroutines at once, and do not block.
type Net interface {
	// Self is this node.
	Self() Node
	// Node is the one at the other side of a session.
	Node(s *mux.Session) Node
	// Reach calls then with a session with a node, when there is one; with nil when
	// that can't be reached straight, or is not known. It tries once, and not for long.
	Reach(n Node, then func(s *mux.Session))
}

// NewTable returns an empty table.
func NewTable(net Net, log *slog.Logger) *Table {
	t := &Table{
		net:     net,
		log:     log,
		maxRefs: MaxRefs,
		maxHeld: MaxRefs,
		closing: make(chan struct{}),
		sources: make(map[mux.ID]sourceEnd),
		sinks:   make(map[mux.ID]sinkEnd),
		away:    make(map[*mux.Session]bool),
	}
	t.ticks.init(&t.running)
	t.refs.init()
	t.keeper.t, t.keeper.soon = t, make(chan struct{}, 1)
	return t
}

// Serve brings one incoming use to the sink that it is for.
func (t *Table) Serve(in *mux.In) {
	target := in.Open().Target
	if t.serveRef(in) {
		return
	}
	t.mu.Lock()
	end := t.sinks[target.ID]
	if target.ID == (mux.ID{}) {
		for _, e := range t.sinks {
			if e.Name() == target.Name {
				end = e
				break
			}
		}
	}
	t.mu.Unlock()
	if end == nil {
		in.Refuse(mux.CodeNoSuch, "no such receiving end")
		t.strange(in.Session(), target)
		return
	}
	if t.asksAbout(in.Session(), end.Name()) {
		if err := t.ask(in.Session(), false, end.Name()); err != nil {
			end.turnAway(in, err)
			return
		}
	}
	end.serve(in)
}

// Attach has the source that a peer asks for open a stream to the asking end.
func (t *Table) Attach(s *mux.Session, a mux.Attach) {
	if t.attachRef(s, a) {
		return
	}
	t.mu.Lock()
	end := t.sources[a.Target.ID]
	if a.Target.ID == (mux.ID{}) {
		for _, e := range t.sources {
			if e.Name() == a.Target.Name {
				end = e
				break
			}
		}
	}
	t.mu.Unlock()
	target := mux.Target{Name: a.Name, ID: a.End}
	if end != nil && end.Connect(s, target, t.nodeName(s)) {
		return
	}
	if name, open, ok := t.farewells.of(a.Target.ID); ok {
		open.Target = target
		t.sayFarewell(s, name, open)
	} else if end == nil {
		t.strange(s, a.Target)
	}
}

func (t *Table) nodeName(s *mux.Session) string {
	n := t.net.Node(s)
	if n.Name == "" {
		return hex.EncodeToString(n.ID[:4])
	}
	return n.Name
}

// Away says that the peer of a session can't be reached just now, or can again:
// while it is away its receivers get no values, but for those of lossy streams.
func (t *Table) Away(s *mux.Session, away bool) {
	t.mu.Lock()
	if away {
		t.away[s] = true
	} else {
		delete(t.away, s)
	}
	var all []sourceEnd
	for _, e := range t.sources {
		all = append(all, e)
	}
	t.mu.Unlock()
	for _, e := range all {
		e.away(s, away)
	}
}

func (t *Table) isAway(s *mux.Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.away[s]
}

// Ended forgets what belongs to a session that has ended.
func (t *Table) Ended(s *mux.Session) {
	t.types.Delete(s)
	t.mu.Lock()
	delete(t.away, s)
	t.mu.Unlock()
	t.lost(s)
}

func (t *Table) typesOf(s *mux.Session) *codec.Schemas {
	types, ok := t.types.Load(s)
	if !ok {
		types, _ = t.types.LoadOrStore(s, new(codec.Schemas))
	}
	return types.(*codec.Schemas)
}

// Close ends every source and sink with err, and waits for their goroutines.
func (t *Table) Close(err error) {
	t.mu.Lock()
	if !t.closed {
		close(t.closing)
	}
	t.closed = true
	sources, sinks := t.sources, t.sinks
	t.sources, t.sinks = nil, nil
	t.mu.Unlock()
	for _, e := range sources {
		e.Abort(err)
	}
	for _, e := range sinks {
		e.Abort(err)
	}
	t.ticks.close()
	t.keeper.close()
	t.running.Wait()
}

// addSource notes a source, and its goroutine if it has one.
func (t *Table) addSource(e sourceEnd, runs bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.sources[e.ID()] = e
		if runs {
			t.running.Add(1)
		}
	}
	return !t.closed
}

// start notes that a goroutine begins.
func (t *Table) start() { t.running.Add(1) }

func (t *Table) removeSource(e sourceEnd) {
	t.mu.Lock()
	delete(t.sources, e.ID())
	t.mu.Unlock()
}

// rateOf is how often something is said about an end of that name.
func (t *Table) rateOf(name string) *logRate {
	if name == refName {
		return &t.rate
	}
	return new(logRate)
}

func (t *Table) addSink(e sinkEnd) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.sinks[e.ID()] = e
	}
	return !t.closed
}

func (t *Table) removeSink(e sinkEnd) {
	t.mu.Lock()
	delete(t.sinks, e.ID())
	t.mu.Unlock()
}

// SinkStats are a sink's counters since it was made.
type SinkStats struct {
	Received   uint64 // values pushed into the channel
	Dropped    uint64 // values that did not get into it, or made room in a Lossy one
	LastDrop   error  // why the last one that could not be decoded was dropped
	Senders    int    // senders connected now
	Mismatches uint64 // senders of another type
	Refused    uint64 // senders that are not allowed, there or here
}

type sinkCounts struct {
	received, dropped, mismatches, refused atomic.Uint64

	senders  atomic.Int64
	lastDrop atomic.Pointer[DropError]
	rate     *logRate // of channels that travelled the table's, for there may be many
}

func (c *sinkCounts) warn(l *slog.Logger, msg string, args ...any) {
	if n, ok := c.rate.allow(); ok {
		l.Warn(msg, more(args, n)...)
	}
}

func (c *sinkCounts) stats() SinkStats {
	st := SinkStats{Received: c.received.Load(), Dropped: c.dropped.Load(), Senders: int(c.senders.Load()), Mismatches: c.mismatches.Load(), Refused: c.refused.Load()}
	if last := c.lastDrop.Load(); last != nil {
		st.LastDrop = last
	}
	return st
}
