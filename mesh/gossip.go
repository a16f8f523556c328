package mesh

import "github.com/hashicorp/memberlist"

func queued(msg message) gossip {
	return gossip{name: msg.id.String(), b: msg.encode()}
}

// Name makes a later message about the same node replace this one.
func (g gossip) Name() string { return g.name }

// Message returns the bytes to send.
func (g gossip) Message() []byte { return g.b }

// Finished does nothing: nobody waits for it.
func (g gossip) Finished() {}

// Invalidates tells whether other is about the same node.
func (g gossip) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(gossip)
	return ok && o.name == g.name
}
