package peer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
)

// Host is one node's place on the network: its identity, where it listens, and
// its links. All methods are safe for concurrent use.
type Host struct {
	cfg    Config
	log    *slog.Logger
	noise  limiter // on warnings that strangers can cause
	murmur limiter // and on what they can cause to be said at debug level
	node   ed25519.PrivateKey
	certs  *certs // the user's; nil: they are issued under the cluster key
	id     NodeID
	clock  *clock

	tcp    net.Listener   // nil: only dials
	udp    net.PacketConn // nil: only dials
	gossip chan net.Conn

	door     *door // what is accepted and in its handshake
	segments segmentPool
	buffers  bufferPool
	broken   atomic.Int64 // links that are waited for
	refused  atomic.Uint64

	ctx    context.Context // ends when the host closes
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// mu guards what follows. It is never held during I/O.
	mu         sync.Mutex
	closed     bool
	leaving    bool // no new links
	advertise  string
	trust      *trust
	neighbours map[NodeID]*neighbour
	attempts   map[target]*attempt
	number     uint64 // of the last HELLO or NEW
	carriers   uint64 // number of the last connection
}

// neighbour is another node that we have a link with, or are in a handshake
// with. Host.mu guards it.
type neighbour struct {
	id      NodeID
	slot    slot
	link    *Link         // the one that the slot holds
	busy    int           // connections in their handshake
	changed chan struct{} // closed, and made anew, at every change
}

// NewHost makes a node's identity and starts listening.
func NewHost(cfg Config) (*Host, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	pub, node, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("peer: can't make a node key: %w", err)
	}
	var own *certs
	if cfg.TLS != nil {
		if own, err = newCerts(cfg.TLS); err != nil {
			return nil, err
		}
	}
	t, err := newTrust(node, cfg.Key, cfg.AcceptKeys, own)
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg:        cfg,
		log:        cfg.Logger,
		node:       node,
		certs:      own,
		id:         nodeIDOf(pub),
		clock:      newClock(),
		gossip:     make(chan net.Conn),
		advertise:  cfg.Advertise,
		trust:      t,
		neighbours: make(map[NodeID]*neighbour),
		attempts:   make(map[target]*attempt),
	}
	h.door = newDoor(cfg.tune.halfOpen, cfg.tune.from)
	h.segments.limit = int64(cfg.tune.claimed)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if cfg.Listen != "" {
		if h.tcp, h.udp, err = cfg.Network.Listen(cfg.Listen); err != nil {
			h.cancel()
			return nil, err
		}
		h.spawn(h.accept)
	}
	h.spawn(h.watch)
	return h, nil
}

// ID is this node's.
func (h *Host) ID() NodeID { return h.id }

// Addr is "host:port" where the host listens, which may be an unspecified
// address; empty if it only dials.
func (h *Host) Addr() string {
	if h.tcp == nil {
		return ""
	}
	return h.tcp.Addr().String()
}

// SetAdvertise changes the address that new links tell peers to dial. Empty, or
// not fit to be told (see Config.Advertise): where Listen landed.
func (h *Host) SetAdvertise(addr string) {
	if checkText(addr) != nil {
		addr = ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advertise = addr
}

// HostStats counts what is about no link.
type HostStats struct {
	// Refused connections came, and were turned away: without the key or a
	// certificate, with another version of the protocol, or with something else.
	Refused uint64
}

// Stats returns the host's counters so far.
func (h *Host) Stats() HostStats { return HostStats{Refused: h.refused.Load()} }

// Packets is the UDP socket on the listener's port, for gossip; nil if the host
// only dials. Close closes it.
func (h *Host) Packets() net.PacketConn { return h.udp }

// GossipConns yields connections that other nodes opened with DialGossip. Who
// takes one owns it. One that nobody takes within 5 s is closed. The channel is
// never closed.
func (h *Host) GossipConns() <-chan net.Conn { return h.gossip }

// Links lists the links, those that are broken just now too.
func (h *Host) Links() []*Link {
	h.mu.Lock()
	links := make([]*Link, 0, len(h.neighbours))
	for _, n := range h.neighbours {
		if n.link != nil {
			links = append(links, n.link)
		}
	}
	h.mu.Unlock()
	live := links[:0]
	for _, l := range links {
		select {
		case <-l.ready:
			live = append(live, l)
		default:
		}
	}
	return live
}

// SetKeys changes the key that connections are made with and the keys that are
// accepted. Connections whose peer showed a certificate under a key that is no
// longer accepted are closed; their links come back if the peer has another one
// by now, and end if not. To change the key of a cluster: accept the new one
// everywhere, use it everywhere, drop the old one everywhere.
func (h *Host) SetKeys(key Key, accept ...Key) error {
	t, err := newTrust(h.node, key, accept, h.certs)
	if err != nil {
		return err
	}
	var links []*Link
	h.mu.Lock()
	h.trust = t
	closed := h.closed
	for _, n := range h.neighbours {
		if n.link != nil {
			links = append(links, n.link)
		}
	}
	h.mu.Unlock()
	if closed {
		return ErrClosed
	}
	for _, l := range links {
		if c := l.current(); c != nil && !t.accepts(c.who.ca) {
			l.broke(c, errDropped)
		}
	}
	return nil
}

// Leave has no link made from now on, be it dialled here or elsewhere. Those that are
// there go on, and come back when they break, if that takes no more than 3 s: it is
// for saying goodbye over them. It waits, until ctx ends, for handshakes under way: the
// peer may think that it has a link. None takes longer than 5 s, and those that begin
// meanwhile are not worth more.
func (h *Host) Leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.tune.handshake)
	defer cancel()
	for {
		var changed chan struct{}
		h.mu.Lock()
		h.leaving = true
		for _, n := range h.neighbours {
			if n.busy > 0 {
				changed = n.changed
			}
		}
		h.mu.Unlock()
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}

func (h *Host) isLeaving() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaving
}

// Close ends all links and everything else the host has begun, and waits for it.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	var links []*Link
	for _, n := range h.neighbours {
		if n.link != nil {
			links = append(links, n.link)
		}
	}
	h.mu.Unlock()
	h.cancel()
	if h.tcp != nil {
		_ = h.tcp.Close()
		_ = h.udp.Close()
	}
	for _, l := range links {
		l.end(ErrClosed)
	}
	h.wg.Wait()
	return nil
}

// spawn runs f on a goroutine that Close waits for; not when the host is closed.
func (h *Host) spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.wg.Go(f)
	return true
}

// reason is why something failed that the closing of the host, or ctx, may have
// interrupted.
func (h *Host) reason(ctx context.Context, err error) error {
	if h.ctx.Err() != nil {
		return ErrClosed
	}
	if cerr := ctx.Err(); cerr != nil && !refused(err) {
		return cerr
	}
	return err
}

// neighbour returns the entry for a node, making it. Under h.mu.
func (h *Host) neighbour(id NodeID) *neighbour {
	n := h.neighbours[id]
	if n == nil {
		n = &neighbour{id: id, changed: make(chan struct{})}
		n.slot.lower = h.id.Compare(id) < 0
		n.slot.offer = newLinkID()
		h.neighbours[id] = n
	}
	return n
}

// change tells who waits for the neighbour, and forgets it when nothing is left
// to know. Under h.mu.
func (h *Host) change(n *neighbour) {
	close(n.changed)
	n.changed = make(chan struct{})
	if n.busy == 0 && n.slot.empty() && n.link == nil && h.neighbours[n.id] == n {
		delete(h.neighbours, n.id)
	}
}

// unlink forgets a link that has ended.
func (h *Host) unlink(l *Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.entry.slot.drop(l.id)
	if l.entry.link == l {
		l.entry.link = nil
	}
	h.change(l.entry)
}

// leave forgets a connection that a link was on.
func (h *Host) leave(c *carrier) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.entry.slot.leave(c.num)
	h.change(c.entry)
}

func (h *Host) logEnd(l *Link, err error) {
	level := slog.LevelWarn
	if errors.Is(err, ErrClosed) || errors.Is(err, errGoodbye) {
		level = slog.LevelDebug // one of the two has left in good order
	}
	var who *LostError
	if errors.As(err, &who) {
		err = who.Err // the line says which link
	}
	h.log.Log(context.Background(), level, "link ended", "node", l.info.ID, "name", l.info.Name, "addr", l.addr, "err", err)
}

func newLinkID() linkID {
	var id linkID
	rand.Read(id[:])
	return id
}
