package netchan

import (
	"maps"
	"slices"
	"time"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/mesh"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// match is the node's matcher: whenever something has changed, it connects the
// ends here with the ends of the same names elsewhere.
func (n *Node) match() {
	defer n.matcher.Done()
	for {
		n.publish()
		changed := n.mesh.Changed()
		n.matchAll()
		select {
		case <-changed:
		case <-n.kick:
		case <-n.stop:
			return
		}
	}
}

func (n *Node) matchAll() {
	n.mu.Lock()
	ends := make([]end, 0, len(n.ends))
	for _, e := range n.ends {
		ends = append(ends, e)
	}
	draining := n.draining
	n.mu.Unlock()
	want := make(map[peer.NodeID]string)
	for _, e := range ends {
		switch e := e.(type) {
		case *sendingEnd:
			n.matchSender(e, want)
		case *receivingEnd:
			if !draining {
				n.matchReceiver(e, want)
			}
			e.sink.Evaluate()
		}
	}
	n.hub.want(want)
}

// matchSender connects e to every receiver of its name.
func (n *Node) matchSender(e *sendingEnd, want map[peer.NodeID]string) {
	known := make(map[mux.Target]string)
	for _, entry := range n.mesh.Lookup(e.source.Name()) {
		if !entry.Receive {
			continue
		}
		target := mux.Target{Name: entry.Name, ID: entry.End.ID}
		known[target] = memberName(entry.Node)
		if s := n.linked(entry.Node, want); s != nil {
			e.source.Connect(s, target, memberName(entry.Node))
		}
	}
	e.source.Know(known)
}

// matchReceiver asks every sender of e's name for a stream. A sender that knows
// of e opens it by itself; asking covers the one that does not yet, and the one
// that has closed meanwhile: its node still answers for it. Who was named and
// not heard of is asked again over each new link.
func (n *Node) matchReceiver(e *receivingEnd, want map[peer.NodeID]string) {
	named := make(map[mux.ID]bool)
	for _, entry := range n.sendersElsewhere(e.sink.Name()) {
		named[entry.End.ID] = true
		if e.senders[entry.End.ID] == nil {
			e.senders[entry.End.ID] = &namedSender{entry: entry}
		}
	}
	for id, u := range e.senders {
		switch {
		case named[id]:
			u.gone = time.Time{}
		case u.gone.IsZero():
			u.gone = time.Now()
		}
		if !named[id] && (e.sink.Out(u.entry.Node.ID, id) || time.Since(u.gone) > chanref.FarewellTime || !n.mesh.Alive(u.entry.Node.ID)) {
			delete(e.senders, id)
			continue
		}
		if s := n.linked(u.entry.Node, want); s != nil && u.asked != s {
			u.asked = s
			e.ask(s, u.entry)
		}
	}
}

// namedSender is a sender elsewhere that the registry names, or has named.
type namedSender struct {
	entry mesh.Entry
	asked *mux.Session // where it was asked to open a stream; nil: nowhere yet
	gone  time.Time    // since when it is named no more; zero: it still is
}

func (e *receivingEnd) ask(s *mux.Session, sender mesh.Entry) {
	s.Attach(mux.Attach{
		Target: mux.Target{Name: sender.Name, ID: sender.End.ID},
		End:    e.key(), Name: e.sink.Name(),
	})
}

// sendersElsewhere are the senders of a name on other nodes: those here know of
// each receiver at once.
func (n *Node) sendersElsewhere(name string) (all []mesh.Entry) {
	for _, entry := range n.mesh.Lookup(name) {
		if !entry.Receive && peer.NodeID(entry.Node.ID) != n.self.ID {
			all = append(all, entry)
		}
	}
	return all
}

// linked is the session with m; where there is none it is noted as wanted.
func (n *Node) linked(m mesh.Member, want map[peer.NodeID]string) *mux.Session {
	id := peer.NodeID(m.ID)
	s := n.hub.session(id)
	if s == nil {
		want[id] = m.Addr
	}
	return s
}

func memberName(m mesh.Member) string {
	if m.Name != "" {
		return m.Name
	}
	return peer.NodeID(m.ID).String()
}

// otherSenders says whether the registry names a sender of this name that out
// is false for.
func (n *Node) otherSenders(name string, out func(node [32]byte, sender mux.ID) bool) bool {
	n.mu.Lock()
	here := slices.Collect(maps.Keys(n.sending[name])) // the registry may not have them yet
	n.mu.Unlock()
	for _, id := range here {
		if !out(n.self.ID, id) {
			return true
		}
	}
	for _, entry := range n.sendersElsewhere(name) {
		if !out(entry.Node.ID, entry.End.ID) {
			return true
		}
	}
	return false
}
