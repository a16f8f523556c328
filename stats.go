package netchan

import (
	"cmp"
	"slices"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/peer"
)

// Stats are all counters of a node at one moment. They never go down, but for
// those that tell what is there now.
type Stats struct {
	Links     []LinkStats
	Senders   []SenderStats   // open ones, by channel
	Receivers []ReceiverStats // open ones, by channel
}

// LinkStats are the counters of the link with one node.
type LinkStats struct {
	Node Member
	peer.LinkStats
}

// SenderStats are the counters of one Sender.
type SenderStats struct {
	Channel      string
	Sent         uint64 // values taken from C or by Deliver
	Acknowledged uint64 // values that a receiving program has taken; with Broadcast each receiver counts
	InFlight     uint64 // values that are with a receiver, not acknowledged, now
	Waiting      uint64 // values given back, which wait for a receiver, now
	Redelivered  uint64 // values sent again that a receiver which died may have taken
	Dropped      uint64 // values that will not be delivered; with Broadcast each receiver counts
	LastDrop     error  // why the last of them was dropped
	Receivers    int    // receivers connected, now
	Mismatched   uint64 // receivers that take another type
}

// ReceiverStats are the counters of one Receiver.
type ReceiverStats struct {
	Channel    string
	Received   uint64 // values put into C
	Dropped    uint64 // values that were not, or that made room in a Lossy one
	LastDrop   error  // why the last value that could not be decoded was dropped
	Senders    int    // senders connected, now
	Mismatched uint64 // senders of another type
}

func senderStats(channel string, s chanref.SourceStats) SenderStats {
	return SenderStats{
		Channel: channel, Sent: s.Sent, Acknowledged: s.Acknowledged, InFlight: s.InFlight, Waiting: s.Waiting,
		Redelivered: s.Redelivered, Dropped: s.Dropped, LastDrop: public(s.LastDrop), Receivers: s.Receivers,
		Mismatched: s.Mismatches,
	}
}

func receiverStats(channel string, s chanref.SinkStats) ReceiverStats {
	return ReceiverStats{
		Channel: channel, Received: s.Received, Dropped: s.Dropped, LastDrop: public(s.LastDrop), Senders: s.Senders, Mismatched: s.Mismatches,
	}
}

// Stats returns the node's counters.
func (n *Node) Stats() Stats {
	var st Stats
	if !n.ok() {
		return st
	}
	for _, l := range n.hub.host.Links() {
		r := l.Remote()
		st.Links = append(st.Links, LinkStats{Node: Member{ID: r.ID, Name: r.Name, Addr: r.Addr}, LinkStats: l.Stats()})
	}
	n.mu.Lock()
	for _, e := range n.ends {
		switch e := e.(type) {
		case *sendingEnd:
			st.Senders = append(st.Senders, senderStats(e.source.Name(), e.source.Stats()))
		case *receivingEnd:
			st.Receivers = append(st.Receivers, receiverStats(e.sink.Name(), e.sink.Stats()))
		}
	}
	n.mu.Unlock()
	slices.SortFunc(st.Links, func(a, b LinkStats) int { return a.Node.ID.Compare(b.Node.ID) })
	slices.SortStableFunc(st.Senders, func(a, b SenderStats) int { return cmp.Compare(a.Channel, b.Channel) })
	slices.SortStableFunc(st.Receivers, func(a, b ReceiverStats) int { return cmp.Compare(a.Channel, b.Channel) })
	return st
}
