package netchan

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mesh"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// A NodeID names a node: the hash of a public key made for this one life of
// it. A restarted process is another node.
type NodeID = peer.NodeID

// A Member is a node as the others know it. Members are comparable; who a node is says
// its ID alone.
//
// Identity is what the node has proved to this one, over a link, by its certificate
// (Config.TLS): the SPIFFE ID, else the first DNS name, else the subject's common name.
// It is set where a link tells of the Member: for Config.Authorize, in LinkStats and in
// PeerLostError. It is empty where only gossip does, and where there are no
// certificates but those issued under the Key: who holds that can claim any Name.
type Member struct {
	ID       NodeID
	Name     string // for people; whoever is a member can claim it
	Addr     string // "host:port"
	Identity string // verified; may be empty
}

// A Node is one process's membership of a mesh. Make it with Join. Its methods
// may be called by several goroutines at once.
type Node struct {
	cfg  Config
	hub  *hub
	mesh *mesh.Mesh
	self Member

	kick    chan struct{} // capacity 1: the matcher has something to look at
	stop    chan struct{} // closed by Close
	matcher sync.WaitGroup

	mu        sync.Mutex // guards what follows; no other lock is taken under it
	ends      map[mux.ID]end
	sending   map[string]map[mux.ID]bool // the sending ends here, by name
	count     int                        // ends, and those being made
	bytes     int                        // what they take in the list, about
	changed   bool                       // ends, since the matcher published them
	draining  bool                       // Shutdown was called: no new ends
	closed    bool
	closeOnce sync.Once
}

// Join makes a node and has it join the mesh of its seeds. ctx bounds the
// joining, not the node's life: Join tries the seeds until one has let it in,
// or one of them turns out to be the node itself, or ctx ends. Then a member is
// asked to reach this node back, and Join fails when it can't.
//
// What can't heal is returned at once: a Config that makes no sense, and
// ErrKeyMismatch or ErrCertificate when no seed takes the key or the certificate. After an error nothing is left.
func Join(ctx context.Context, cfg Config) (*Node, error) {
	if err := checkContext(ctx, "Join"); err != nil {
		return nil, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg:  cfg,
		kick: make(chan struct{}, 1),
		stop: make(chan struct{}),
		ends: make(map[mux.ID]end), sending: make(map[string]map[mux.ID]bool),
	}
	var gossip atomic.Pointer[mesh.Mesh] // a peer may come, and die, before there is one
	n.hub, err = newHub(peer.Config{
		Listen: cfg.Listen, Advertise: cfg.Advertise, Name: cfg.Name, Key: cfg.Key, AcceptKeys: cfg.AcceptKeys,
		TLS: cfg.TLS, ResumeTimeout: cfg.ResumeTimeout, Logger: cfg.Logger, Network: cfg.network,
		Dead: func(id NodeID) bool { // asked when nobody answers where it was
			m := gossip.Load()
			if m == nil {
				return false
			}
			m.Doubt(mesh.ID(id)) // so the others need not find out by themselves
			return m.Dead(mesh.ID(id))
		},
	}, n.poke, func(t *chanref.Table) error {
		if cfg.Authorize != nil {
			t.Allow(n.authorize)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("netchan: Join: can't listen on %s (Config.Listen): %w", cfg.Listen, err)
	}
	addr, err := cfg.advertised(n.hub.host.Addr())
	if err != nil {
		n.hub.close(ErrClosed)
		return nil, err
	}
	n.hub.host.SetAdvertise(addr)
	n.self = Member{ID: n.hub.host.ID(), Name: cfg.Name, Addr: addr}
	n.mesh, err = mesh.New(mesh.Config{
		ID: mesh.ID(n.self.ID), Name: cfg.Name, Addr: addr, Seeds: cfg.Seeds,
		Keys: gossipKeys(cfg.Key, cfg.AcceptKeys), Network: gossipNetwork{n.hub.host}, Logger: cfg.Logger,
		Fatal: func(err error) bool { return errors.Is(err, ErrKeyMismatch) || errors.Is(err, ErrCertificate) },
	})
	if err != nil {
		n.hub.close(ErrClosed)
		return nil, fmt.Errorf("netchan: Join: %w", err)
	}
	gossip.Store(n.mesh)
	n.hub.mesh(addr, func(id NodeID) (string, bool) {
		m, ok := n.mesh.Member(mesh.ID(id))
		return m.Addr, ok && n.mesh.Alive(m.ID)
	})
	warn := time.AfterFunc(joinWarning, func() {
		cfg.Logger.Warn("netchan: Join has reached no seed yet, and goes on trying", "seeds", cfg.Seeds)
	})
	err = n.mesh.Join(ctx)
	warn.Stop()
	if err != nil {
		n.mesh.Close()
		n.hub.close(ErrClosed)
		return nil, fmt.Errorf("netchan: Join: %w", err)
	}
	n.matcher.Add(1)
	go n.match()
	return n, nil
}

// joinWarning is after how long Join says that it is still at it.
const joinWarning = 2 * time.Second

// gossipLabel separates the gossip's keys from other uses of the cluster key.
const gossipLabel = "netchan gossip 1"

func gossipKeys(key Key, accept []Key) [][]byte {
	var keys [][]byte
	for _, k := range append([]Key{key}, accept...) {
		derived := k.Derive(gossipLabel)
		keys = append(keys, derived[:])
	}
	return keys
}

// gossipNetwork is a host as the mesh sees it.
type gossipNetwork struct{ host *peer.Host }

func (g gossipNetwork) DialGossip(ctx context.Context, addr string) (net.Conn, mesh.ID, error) {
	conn, id, err := g.host.DialGossip(ctx, addr)
	return conn, mesh.ID(id), err
}

func (g gossipNetwork) GossipConns() <-chan net.Conn { return g.host.GossipConns() }
func (g gossipNetwork) Packets() net.PacketConn      { return g.host.Packets() }
func (g gossipNetwork) Probe(ctx context.Context, addr string, want mesh.ID) error {
	return g.host.Probe(ctx, addr, peer.NodeID(want))
}

func newID() (id mux.ID) {
	rand.Read(id[:])
	return id
}

// endType is an end's type as the registry tells it.
type endType struct {
	hash [16]byte
	text string
}

func typeOf[T any](w *codec.Writer[T]) endType {
	return endType{hash: w.Schema().Hash(), text: w.Schema().String()}
}

// open adds the end that create makes, unless the node takes none. abort ends
// it again where the node was closed meanwhile.
func (n *Node) open(call, name string, t endType, create func() end) error {
	size := listBytes + len(name) + len(t.text)
	n.mu.Lock()
	shut := n.draining || n.closed
	full := n.count >= mesh.MaxEnds || n.bytes+size > mesh.MaxListBytes
	if !shut && !full {
		n.count++
		n.bytes += size
	}
	n.mu.Unlock()
	if shut {
		return closedNode(call)
	}
	if full {
		return &ArgumentError{Call: call, Arg: "n", Problem: fmt.Sprintf(
			"has as many named ends as there may be, %d, or %d bytes of names and types: names are for long-lived ends",
			mesh.MaxEnds, mesh.MaxListBytes)}
	}
	e := create()
	n.mu.Lock()
	shut = n.draining || n.closed
	n.ends[e.key()] = e
	if s, ok := e.(*sendingEnd); ok {
		if n.sending[name] == nil {
			n.sending[name] = make(map[mux.ID]bool)
		}
		n.sending[name][s.key()] = true
	}
	n.changed = true
	n.mu.Unlock()
	if shut || isDone(e) {
		e.abort()
		n.ended(e.key())
		return closedNode(call)
	}
	n.connectHere(e, name)
	n.poke()
	return nil
}

// connectHere has the senders of a name on this node know of a new receiver at once: one
// that closes before the matcher comes round would not tell it.
func (n *Node) connectHere(e end, name string) {
	r, ok := e.(*receivingEnd)
	if !ok {
		return
	}
	n.mu.Lock()
	var senders []*sendingEnd
	for id := range n.sending[name] {
		if s, ok := n.ends[id].(*sendingEnd); ok {
			senders = append(senders, s)
		}
	}
	n.mu.Unlock()
	for _, s := range senders {
		s.source.Connect(n.hub.local, mux.Target{Name: name, ID: r.key()}, n.self.Name)
	}
}

// listBytes is what an end takes in its node's list beside name and type.
const listBytes = 64

func closedNode(call string) error {
	return &ArgumentError{Call: call, Arg: "n", Problem: "the node is closed: Join again", Err: ErrClosed}
}

func isDone(e end) bool {
	select {
	case <-e.done():
		return true
	default:
		return false
	}
}

// ended forgets an end.
func (n *Node) ended(id mux.ID) {
	n.mu.Lock()
	e := n.ends[id]
	if e == nil {
		n.mu.Unlock()
		return // it is not there yet: open sees that it has ended
	}
	name, t := e.describe()
	n.count--
	n.bytes -= listBytes + len(name) + len(t.text)
	if _, ok := e.(*sendingEnd); ok {
		if delete(n.sending[name], id); len(n.sending[name]) == 0 {
			delete(n.sending, name)
		}
	}
	delete(n.ends, id)
	n.changed = true
	n.mu.Unlock()
	n.poke()
}

// publish tells the mesh which ends there are, if that has changed. Only the
// matcher calls it: many changes at once are one list.
func (n *Node) publish() {
	n.mu.Lock()
	if !n.changed {
		n.mu.Unlock()
		return
	}
	n.changed = false
	list := n.listed()
	n.mu.Unlock()
	n.mesh.Publish(list)
}

// listed are the ends that others may know of. n.mu is held.
func (n *Node) listed() []mesh.End {
	var list []mesh.End
	for id, e := range n.ends {
		switch e := e.(type) {
		case *sendingEnd:
			list = append(list, mesh.End{ID: id, Name: e.source.Name(), Type: e.typ.hash, TypeText: e.typ.text})
		case *receivingEnd:
			if !n.draining {
				list = append(list, mesh.End{ID: id, Name: e.sink.Name(), Receive: true, Type: e.typ.hash, TypeText: e.typ.text})
			}
		}
	}
	return list
}

func (n *Node) poke() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// ok says whether n was made by Join.
func (n *Node) ok() bool { return n != nil && n.hub != nil }

// Self is this node as others know it.
func (n *Node) Self() Member {
	if !n.ok() {
		return Member{}
	}
	return n.self
}

// Name is the node's name, for people.
func (n *Node) Name() string { return n.Self().Name }

// Addr is what to put into another node's Seeds.
func (n *Node) Addr() string { return n.Self().Addr }

// Members are the live nodes, this one included, sorted by name.
func (n *Node) Members() []Member {
	if !n.ok() {
		return nil
	}
	var all []Member
	for _, m := range n.mesh.Members() {
		all = append(all, Member{ID: NodeID(m.ID), Name: m.Name, Addr: m.Addr})
	}
	return all
}

// ChannelInfo is a named end somewhere in the mesh.
type ChannelInfo struct {
	Name    string
	Node    Member
	Receive bool   // a receiving end; false: a sending end
	Type    string // for people
}

// Channels are all named ends that this node knows of, its own included, sorted
// by name.
func (n *Node) Channels() []ChannelInfo {
	if !n.ok() {
		return nil
	}
	var all []ChannelInfo
	n.mu.Lock()
	for _, e := range n.listed() { // the mesh may not have heard of them yet
		all = append(all, ChannelInfo{Name: e.Name, Receive: e.Receive, Type: e.TypeText, Node: n.self})
	}
	n.mu.Unlock()
	for _, e := range n.mesh.Ends() {
		if NodeID(e.Node.ID) == n.self.ID {
			continue
		}
		all = append(all, ChannelInfo{
			Name: e.Name, Receive: e.Receive, Type: e.TypeText,
			Node: Member{ID: NodeID(e.Node.ID), Name: e.Node.Name, Addr: e.Node.Addr},
		})
	}
	slices.SortStableFunc(all, func(a, b ChannelInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node.Name, b.Node.Name))
	})
	return all
}

// Changed returns a channel that is closed at the next change of Members or
// Channels: take it before you look.
func (n *Node) Changed() <-chan struct{} {
	if !n.ok() {
		return nil
	}
	return n.mesh.Changed()
}

// SetKeys changes the cluster key and the keys accepted beside it, at run time.
// To change a cluster's key: accept the new one everywhere, use it everywhere,
// then accept the old one nowhere. Connections that hang on a key which is no
// longer accepted are closed; links with nodes that have the new one go on.
func (n *Node) SetKeys(key Key, accept ...Key) error {
	if !n.ok() {
		return ErrClosed
	}
	if key.IsZero() {
		return &ArgumentError{Call: "SetKeys", Arg: "key", Problem: "is zero: use GenerateKey or ParseKey"}
	}
	if err := n.hub.host.SetKeys(key, accept...); err != nil {
		return err
	}
	return n.mesh.SetKeys(gossipKeys(key, accept))
}
