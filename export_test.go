package netchan

import (
	"context"
	"io"
	"log/slog"

	"github.com/matveynator/netchan/mesh"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// SharedLinks counts the links that this process's dialers have.
func SharedLinks() int {
	dialers.mu.Lock()
	defer dialers.mu.Unlock()
	n := 0
	for _, d := range dialers.byKey {
		n += len(d.hub.host.Links())
	}
	return n
}

// NewMesh is the gossip of a node that is nothing more.
func NewMesh(host *peer.Host, key Key, seed string) (*mesh.Mesh, error) {
	return mesh.New(mesh.Config{
		ID: mesh.ID(host.ID()), Name: "mute", Addr: host.Addr(), Seeds: []string{seed},
		Keys: gossipKeys(key, nil), Network: gossipNetwork{host}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// Registered are the ends here that the mesh has.
func (n *Node) Registered() (own []mesh.Entry) {
	for _, e := range n.mesh.Ends() {
		if NodeID(e.Node.ID) == n.self.ID {
			own = append(own, e)
		}
	}
	return own
}

// LeaveMesh has gossip say that the node is gone, though it is not.
func (n *Node) LeaveMesh(ctx context.Context) error { return n.mesh.Leave(ctx) }

// SayGoodbye does this part of Shutdown alone.
func (n *Node) SayGoodbye(ctx context.Context) error { return n.hub.goodbye(ctx) }

// Dialling counts the nodes that this one tries to be linked with.
func (n *Node) Dialling() int {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	return len(n.hub.dialling)
}

// Traffic is what a node has written to its streams.
type Traffic struct{ Frames, Bytes uint64 }

// Less is what came to t since before.
func (t Traffic) Less(before Traffic) Traffic {
	return Traffic{t.Frames - before.Frames, t.Bytes - before.Bytes}
}

// Traffic is that of all its sessions with others.
func (n *Node) Traffic() (t Traffic) {
	for _, st := range n.sessionStats() {
		t.Frames += st.FramesOut
		t.Bytes += st.BytesOut
	}
	return t
}

// Uses counts the uses of streams that there are now, of either direction, and the streams
// that wait for the next use.
func (n *Node) Uses() (uses, idle int) {
	for _, st := range n.sessionStats() {
		uses += st.Outs + st.Ins
		idle += st.StreamsIdle
	}
	return uses, idle
}

func (n *Node) sessionStats() (all []mux.Stats) {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	for _, r := range n.hub.sessions {
		all = append(all, r.session.Stats())
	}
	return all
}

// RaceEnabled says whether the race detector is on.
const RaceEnabled = raceEnabled
