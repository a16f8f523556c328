package netchan

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// A hub is what nodes, listeners and dialers have in common: the links of one
// host, a session over each, and the table of the ends that peers may ask for.
type hub struct {
	host  *peer.Host
	table *chanref.Table
	log   *slog.Logger

	// local joins two ends of this hub: streams opened on it come back here.
	local, localPeer *mux.Session
	self             chanref.Node

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup // dialling goroutines, and sessions that others have replaced

	turns sync.Mutex // of turned

	mu       sync.Mutex // guards what follows
	sessions map[peer.NodeID]*remote
	dialling map[peer.NodeID]bool
	wanted   map[peer.NodeID]string    // who is to be linked, and where
	parted   map[peer.NodeID]time.Time // who has said goodbye, and when
	leaving  bool                      // goodbye was called: no new links
	closed   bool
	changed  func() // called when sessions has changed; must not block

	// locate is where a node is that gossip knows; nil where there is no gossip.
	locate func(id peer.NodeID) (addr string, ok bool)
}

// remote is the session with another node, and what mux.Session.Peer holds.
type remote struct {
	link    *peer.Link // nil for the node itself
	info    peer.Info
	session *mux.Session
}

func nodeName(s *mux.Session) string {
	r, ok := s.Peer.(*remote)
	switch {
	case !ok:
		return "?"
	case r.info.Name != "":
		return r.info.Name
	}
	return r.info.ID.String()
}

// supported says whether this Go's channels are what chanref takes them for.
var supported = chanref.Supported

// newHub makes a hub. before, if not nil, is called when its table is there
// and no peer can ask it yet.
func newHub(cfg peer.Config, changed func(), before func(*chanref.Table) error) (*hub, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	cfg.Logger = calmLogger(cfg.Logger)
	h := &hub{
		log:      cfg.Logger,
		sessions: make(map[peer.NodeID]*remote),
		dialling: make(map[peer.NodeID]bool),
		parted:   make(map[peer.NodeID]time.Time),
		changed:  changed,
	}
	h.table = chanref.NewTable(h, cfg.Logger)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if before != nil {
		if err := before(h.table); err != nil {
			h.cancel()
			return nil, err
		}
	}
	// Peers may come, and addLink be called, before NewHost has returned.
	cfg.OnLink, cfg.OnBreak = h.addLink, h.turned
	host, err := peer.NewHost(cfg)
	if err != nil {
		h.cancel()
		h.table.Close(err)
		return nil, err
	}
	h.mu.Lock()
	h.host = host
	h.self = chanref.Node{ID: host.ID(), Name: cfg.Name, Addr: host.Addr()}
	h.mu.Unlock()
	self := &remote{info: peer.Info{ID: host.ID(), Name: cfg.Name}}
	h.local, h.localPeer = mux.Pair(h, mux.Config{Logger: cfg.Logger, Peer: self, Local: true})
	return h, nil
}

// addLink starts the session over a new link.
func (h *hub) addLink(l *peer.Link) {
	r := &remote{link: l, info: l.Remote()}
	h.mu.Lock()
	if h.leaving || h.closed {
		h.mu.Unlock()
		l.Close()
		return
	}
	r.session = mux.New(l, l.Lower(), h, mux.Config{Logger: h.log, Peer: r})
	if old := h.sessions[r.info.ID]; old != nil {
		h.wg.Go(old.session.Wait) // its link has ended, and close does not find it any more
	}
	h.sessions[r.info.ID] = r
	h.mu.Unlock()
	h.turned(l)
	h.changed()
}

// turned tells the sources whether the receivers behind a link can be reached.
func (h *hub) turned(l *peer.Link) {
	h.mu.Lock()
	r := h.sessions[l.Remote().ID]
	h.mu.Unlock()
	if r == nil || r.link != l {
		return // addLink will look
	}
	h.turns.Lock() // what is told last is what is so
	defer h.turns.Unlock()
	h.table.Away(r.session, l.Broken())
}

// The hub is the handler of its sessions.

func (h *hub) Serve(in *mux.In)                    { h.table.Serve(in) }
func (h *hub) Attach(s *mux.Session, a mux.Attach) { h.table.Attach(s, a) }

// Denied has the matcher look, too: a receiver may have waited for this sender only.
func (h *hub) Denied(s *mux.Session, d mux.Deny) {
	h.table.Denied(s, d)
	h.changed()
}

// Goodbye notes that a node is leaving: nobody shall look for it.
func (h *hub) Goodbye(s *mux.Session) {
	r := s.Peer.(*remote)
	if r.link == nil {
		return
	}
	now := time.Now()
	h.mu.Lock()
	maps.DeleteFunc(h.parted, func(_ peer.NodeID, at time.Time) bool { return now.Sub(at) > partedTime })
	h.parted[r.info.ID] = now
	h.mu.Unlock()
	r.link.Part()
}

// partedTime is for how long it is remembered that a node has said goodbye: until all
// have heard of it.
const partedTime = time.Minute

func (h *hub) Ended(s *mux.Session, err error) {
	r := s.Peer.(*remote)
	if r.link == nil {
		h.table.Ended(s)
		return
	}
	r.link.Close() // first: it is not broken any more then, and turned can't say that it is
	h.turns.Lock()
	h.table.Ended(s)
	h.turns.Unlock()
	h.mu.Lock()
	if h.sessions[r.info.ID] == r {
		delete(h.sessions, r.info.ID)
	}
	h.mu.Unlock()
	broke := (*mux.ProtocolError)(nil)
	wrong := (*chanref.ProtocolError)(nil)
	if errors.As(err, &broke) || errors.As(err, &wrong) { // all else is the link's to tell
		h.log.Warn("netchan: link ended, the other side broke the protocol", "node", nodeName(s), "reason", err)
	}
	h.changed()
}

// session is the session with id, nil when there is none now.
func (h *hub) session(id peer.NodeID) *mux.Session {
	if id == h.host.ID() {
		return h.local
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.sessions[id]; r != nil && r.session.Err() == nil {
		return r.session
	}
	return nil
}

// want replaces the list of nodes that are to be linked. Each that is not gets
// a goroutine that dials until it is, or is not wanted any more.
func (h *hub) want(nodes map[peer.NodeID]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = nodes
	for id := range nodes {
		if _, parted := h.parted[id]; parted || h.leaving || h.closed || h.dialling[id] || h.sessions[id] != nil {
			continue
		}
		h.dialling[id] = true
		h.wg.Go(func() { h.dial(id) })
	}
}

// wantsDial says where to dial id; false ends its goroutine.
func (h *hub) wantsDial(id peer.NodeID) (addr string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	addr, ok = h.wanted[id]
	_, parted := h.parted[id]
	if !ok || parted || h.leaving || h.closed || h.sessions[id] != nil {
		delete(h.dialling, id)
		return "", false
	}
	return addr, true
}

func (h *hub) dial(id peer.NodeID) {
	var wait backoff
	var err error
	start, logged := time.Now(), false
	for {
		addr, ok := h.wantsDial(id)
		if !ok {
			return
		}
		if err != nil && !logged && time.Since(start) >= dialQuiet && h.ctx.Err() == nil {
			h.log.Warn("netchan: no link yet, trying again", "node", id, "addr", addr, "reason", err)
			logged = true
		}
		_, err = h.host.Link(h.ctx, addr, id)
		if err != nil || h.session(id) == nil {
			wait.sleep(h.ctx)
		}
	}
}

// dialQuiet is for how long a node may not answer before it is said: one that has just
// left or died is soon known to have.
const dialQuiet = 3 * time.Second

// backoff waits longer each time, from 50 ms to 1 s, with jitter.
type backoff struct{ d time.Duration }

const (
	backoffFirst = 50 * time.Millisecond
	backoffLast  = time.Second
)

func (b *backoff) sleep(ctx context.Context) {
	b.d = min(max(backoffFirst, 2*b.d), backoffLast)
	t := time.NewTimer(b.d/2 + rand.N(b.d/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// goodbye tells every peer that we leave, and waits for their answers: what
// was sent before has arrived then. No link is made from then on.
func (h *hub) goodbye(ctx context.Context) error {
	h.host.Leave(ctx)
	h.mu.Lock()
	h.leaving = true
	var all []*remote
	for _, r := range h.sessions {
		all = append(all, r)
	}
	h.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { errs[i] = r.goodbye(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// awayTime is how long a node that can't be reached is given to come back and
// answer a goodbye: all that was sent to it has arrived, only it does not know yet
// that we leave.
const awayTime = 3 * time.Second

func (r *remote) goodbye(ctx context.Context) error {
	if !r.link.Broken() {
		return r.session.Goodbye(ctx)
	}
	short, cancel := context.WithTimeout(ctx, awayTime)
	defer cancel()
	if err := r.session.Goodbye(short); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// close ends everything at once, with err for the ends, and returns when no
// goroutine is left.
func (h *hub) close(err error) {
	h.mu.Lock()
	h.closed = true
	var all []*remote
	for _, r := range h.sessions {
		all = append(all, r)
	}
	h.mu.Unlock()
	h.cancel()
	h.host.Close() // first: it ends the links, which lets go of calls that wait in a session
	for _, r := range all {
		r.session.Close(ErrClosed)
	}
	h.local.Close(ErrClosed)
	h.localPeer.Close(ErrClosed)
	h.table.Close(err)
	for _, r := range all {
		r.session.Wait()
	}
	h.wg.Wait()
}
