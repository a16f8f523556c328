package mesh

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

// A node is another member, live or lately dead.
type node struct {
	Member
	alive bool
	left  bool // it has said goodbye: nobody need look for it
	died  time.Time
}

// Members returns the live nodes, this one included, by name and then ID.
func (m *Mesh) Members() []Member {
	m.mu.Lock()
	out := make([]Member, 1, 1+len(m.nodes))
	out[0] = m.self
	for _, n := range m.nodes {
		if n.alive {
			out = append(out, n.Member)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(out, compareMembers)
	return out
}

// Alive tells whether id is a live member; we ourselves always are.
func (m *Mesh) Alive(id ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.aliveLocked(id)
}

// Dead tells whether id is a member that gossip holds to be dead, or that has
// left. It is false for one that is alive, or only suspected, or was never heard
// of, or has been dead for more than some minutes: 5 at least, unless the mesh
// is full. It only looks something up.
func (m *Mesh) Dead(id ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[id]
	return n != nil && !n.alive
}

func (m *Mesh) aliveLocked(id ID) bool {
	n := m.nodes[id]
	return id == m.self.ID || n != nil && n.alive
}

// Member returns what is known of a live member.
func (m *Mesh) Member(id ID) (Member, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id == m.self.ID {
		return m.self, true
	}
	if n := m.nodes[id]; n != nil && n.alive {
		return n.Member, true
	}
	return Member{}, false
}

// others returns up to n live members but ourselves, in no order.
func (m *Mesh) othersLocked(n int) []Member {
	var out []Member
	for _, o := range m.nodes {
		if len(out) == n {
			break
		}
		if o.alive {
			out = append(out, o.Member)
		}
	}
	return out
}

// callbacks is what memberlist calls, some of it with its own locks held: it
// only takes note, and wakes whoever acts.
type callbacks struct{ m *Mesh }

// peerOf checks what memberlist says about a node.
func peerOf(n *memberlist.Node) (Member, meta, error) {
	var mb Member
	if len(n.Name) != hex.EncodedLen(len(mb.ID)) {
		return mb, meta{}, errors.New("the name is not an ID")
	}
	if _, err := hex.Decode(mb.ID[:], []byte(n.Name)); err != nil || mb.ID.String() != n.Name {
		return mb, meta{}, errors.New("the name is not an ID")
	}
	ip, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return mb, meta{}, errors.New("the address is none")
	}
	addr := netip.AddrPortFrom(ip.Unmap(), n.Port)
	if err := usable(addr); err != nil {
		return mb, meta{}, err
	}
	mt, err := parseMeta(n.Meta)
	if err != nil {
		return mb, meta{}, err
	}
	mb.Addr, mb.Name = addr.String(), mt.name
	return mb, mt, nil
}

var errFull = errors.New("too many members")

// NotifyAlive refuses what is no node of ours, and what is too much.
func (c callbacks) NotifyAlive(n *memberlist.Node) error {
	mb, _, err := peerOf(n)
	if err != nil {
		return err
	}
	if n.PMin > gossipProtocol || n.PMax < gossipProtocol || n.PCur != gossipProtocol || n.DCur != 0 {
		return errors.New("another version of the gossip protocol")
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if mb.ID != c.m.self.ID && c.m.nodes[mb.ID] == nil && len(c.m.nodes) >= c.m.cfg.MaxMembers && !c.m.roomLocked() {
		return errFull
	}
	return nil
}

// roomLocked makes room for a member by forgetting the one that died first.
func (m *Mesh) roomLocked() bool {
	var oldest ID
	for id, n := range m.nodes {
		if o := m.nodes[oldest]; !n.alive && (o == nil || n.died.Before(o.died)) {
			oldest = id
		}
	}
	if m.nodes[oldest] == nil {
		return false
	}
	delete(m.nodes, oldest)
	m.reg.drop(oldest)
	return true
}

const gossipProtocol = memberlist.ProtocolVersion2Compatible

// NotifyJoin is told of a new or revived node.
func (c callbacks) NotifyJoin(n *memberlist.Node) { c.m.seen(n, true) }

// NotifyUpdate is told of new metadata.
func (c callbacks) NotifyUpdate(n *memberlist.Node) { c.m.seen(n, false) }

func (m *Mesh) seen(n *memberlist.Node, join bool) {
	mb, mt, err := peerOf(n)
	if err != nil || mb.ID == m.self.ID {
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.nodes[mb.ID]
	if o == nil {
		o = &node{}
		m.nodes[mb.ID] = o
	}
	if join && !o.alive {
		m.live.Add(1)
		o.alive = true
		m.arrivals++
		o.left = false
		m.foundLocked(mb.ID)
	}
	o.Member = mb
	// The list itself is often in the same packet, or in the next one.
	m.reg.heard(mb.ID, mt.version, mt.digest, now, now.Add(fetchGrace))
	m.changedLocked()
	m.wake()
}

// NotifyLeave is told of a node's death or goodbye.
func (c callbacks) NotifyLeave(n *memberlist.Node) {
	m := c.m
	mb, _, err := peerOf(n)
	if err != nil || mb.ID == m.self.ID {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.nodes[mb.ID]
	if o == nil || !o.alive {
		return
	}
	m.live.Add(-1)
	o.alive, o.died = false, time.Now()
	if !o.left {
		m.lostLocked(o.Member)
		m.deaths++
		m.checkSoon()
	}
	m.changedLocked()
	m.wake()
}

// NodeMeta returns our metadata.
func (c callbacks) NodeMeta(int) []byte {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	a := c.m.reg.announced
	return meta{name: c.m.self.Name, version: a.version, digest: a.digest}.encode()
}

// NotifyMsg takes a gossip message.
func (c callbacks) NotifyMsg(b []byte) {
	msg, err := parseMessage(b)
	if err != nil {
		c.m.log.Debug("netchan: gossip message refused", "err", err)
		return
	}
	c.m.gossiped(msg)
}

// GetBroadcasts returns what goes with the next packet.
func (c callbacks) GetBroadcasts(overhead, limit int) [][]byte {
	return c.m.queue.GetBroadcasts(overhead, limit)
}

// LocalState says which versions of whose lists we have.
func (c callbacks) LocalState(bool) []byte {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	b := append(make([]byte, 0, 1+tupleSize*(1+len(m.reg.lists))), stateFormat)
	a := m.reg.announced
	b = appendTuple(b, tuple{m.self.ID, a.version, a.digest})
	for id, k := range m.reg.lists {
		if m.aliveLocked(id) {
			b = appendTuple(b, tuple{id, k.version, k.digest})
		}
	}
	return b
}

// MergeRemoteState takes what another node says of that.
func (c callbacks) MergeRemoteState(b []byte, _ bool) {
	m := c.m
	tuples, err := parseState(b, maxTuples)
	if err != nil {
		m.log.Debug("netchan: registry state refused", "err", err)
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range tuples {
		m.heardLocked(t, now, now.Add(fetchGrace))
	}
	m.wake()
}

// heardLocked notes which version of a list is about; fresh if that is news.
func (m *Mesh) heardLocked(t tuple, now, next time.Time) (fresh bool) {
	if t.id == m.self.ID {
		if !m.left && m.reg.refute(t.version, t.digest) {
			m.dirtyLocked(now)
		}
		return false
	}
	return m.aliveLocked(t.id) && m.reg.heard(t.id, t.version, t.digest, now, next)
}

// listens is the address of a member in the form memberlist wants.
func (mb Member) node() *memberlist.Node {
	a, err := netip.ParseAddrPort(mb.Addr)
	if err != nil {
		return nil
	}
	return &memberlist.Node{
		Name: mb.ID.String(), Addr: net.IP(a.Addr().AsSlice()), Port: a.Port(),
		PMin: memberlist.ProtocolVersionMin, PMax: memberlist.ProtocolVersionMax, PCur: gossipProtocol,
	}
}
