package netchan

import (
	"context"
	"time"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// What peers say about channels that travel is the table's.

func (h *hub) Single(in *mux.In, value []byte, wait bool) bool {
	return h.table.Single(in, value, wait)
}
func (h *hub) Discarded(in *mux.In, refs []byte)        { h.table.Discarded(in, refs) }
func (h *hub) Hold(s *mux.Session, x mux.Hold)          { h.table.Hold(s, x) }
func (h *hub) Held(s *mux.Session, r mux.Ref, ok bool)  { h.table.Held(s, r, ok) }
func (h *hub) Release(s *mux.Session, rs []mux.Release) { h.table.Release(s, rs) }
func (h *hub) Gone(s *mux.Session, rs []mux.Ref)        { h.table.Gone(s, rs) }

// The hub is what its table knows of other nodes.

// Self is this node.
func (h *hub) Self() chanref.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.self // zero while the host is being made: nobody has sent us anything yet
}

// Node is the one at the other side of s.
func (h *hub) Node(s *mux.Session) chanref.Node {
	r := s.Peer.(*remote)
	return chanref.Node{ID: r.info.ID, Name: r.info.Name, Addr: r.info.Addr}
}

// reachTime is how long the home of a channel is tried for, before its values go through the
// node that has passed it on.
const reachTime = 5 * time.Second

// Reach finds or makes a link with a node of which somebody has said that it is
// there: it is dialled only where gossip knows it, and at the address that gossip knows.
func (h *hub) Reach(n chanref.Node, then func(*mux.Session)) {
	id := peer.NodeID(n.ID)
	if s := h.session(id); s != nil {
		then(s)
		return
	}
	h.mu.Lock()
	locate := h.locate
	if locate == nil || h.leaving || h.closed {
		h.mu.Unlock()
		then(nil)
		return
	}
	h.wg.Add(1)
	h.mu.Unlock()
	go func() {
		defer h.wg.Done()
		if addr, ok := locate(id); ok {
			ctx, cancel := context.WithTimeout(h.ctx, reachTime)
			_, _ = h.host.Link(ctx, addr, id) // where it fails there is no session
			cancel()
		}
		then(h.session(id))
	}()
}

// mesh has the hub know the others: where they are, and where it is for them.
func (h *hub) mesh(addr string, locate func(peer.NodeID) (string, bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.self.Addr, h.locate = addr, locate
}
