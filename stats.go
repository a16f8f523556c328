package netchan

import (
	"cmp"
	"slices"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/peer"
)

// Stats are all counters of a node at one moment. They never go down, but for
// those that tell what is there now; those of a link or an end go with it.
type Stats struct {
	Links     []LinkStats
	Senders   []SenderStats   // open ones, by channel
	Receivers []ReceiverStats // open ones, by channel
	Refs      RefStats        // of channels in values
	Refused   uint64          // connections that came and were turned away: without the key or a certificate, of another version, of strangers
}

// LinkStats are the counters of the link with one node. Bytes are those of the
// link's stream: what the frames of all channels take, without TLS.
type LinkStats struct {
	Node         Member
	Sent         uint64 // bytes handed to a connection, each counted once
	Resent       uint64 // of these, bytes handed to another connection again
	Acknowledged uint64 // of these, bytes that the other node has received
	Received     uint64 // bytes received
	Kept         int    // bytes kept until they are acknowledged, now
	Flushes      uint64 // writes to a connection
	Breaks       uint64 // how often a connection broke
	Broken       bool   // there is no connection, and one is waited for, now
}

func linkStats(r peer.Info, s peer.LinkStats) LinkStats {
	return LinkStats{
		Node: Member(r), Sent: s.Sent, Resent: s.Resent, Acknowledged: s.Acknowledged, Received: s.Received,
		Kept: s.Kept, Flushes: s.Flushes, Breaks: s.Breaks, Broken: s.Broken,
	}
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
	Receivers    int    // receivers connected, now; not those behind a broken link
	Mismatched   uint64 // receivers that take another type
	Refused      uint64 // receivers that Authorize does not allow, there or here
}

// ReceiverStats are the counters of one Receiver.
type ReceiverStats struct {
	Channel    string
	Received   uint64 // values put into C
	Dropped    uint64 // values that were not, or that made room in a Lossy one
	LastDrop   error  // why the last value that could not be decoded was dropped
	Senders    int    // senders connected, now
	Mismatched uint64 // senders of another type
	Refused    uint64 // senders that Authorize does not allow, there or here
}

// RefStats are the counters of all channels in values. A channel counts once for each
// direction.
type RefStats struct {
	Exported int    // channels of this node that others hold, now
	Proxies  int    // channels of others that stand here for them, now: until the garbage of the program is collected
	Held     int    // channels of others that are held here, now
	Dropped  uint64 // values sent here on channels that have travelled, either way, that will not be delivered
}

func senderStats(channel string, s chanref.SourceStats) SenderStats {
	return SenderStats{
		Channel: channel, Sent: s.Sent, Acknowledged: s.Acknowledged, InFlight: s.InFlight, Waiting: s.Waiting,
		Redelivered: s.Redelivered, Dropped: s.Dropped, LastDrop: public(s.LastDrop), Receivers: s.Receivers,
		Mismatched: s.Mismatches, Refused: s.Refused,
	}
}

func receiverStats(channel string, s chanref.SinkStats) ReceiverStats {
	return ReceiverStats{
		Channel: channel, Received: s.Received, Dropped: s.Dropped, LastDrop: public(s.LastDrop), Senders: s.Senders,
		Mismatched: s.Mismatches, Refused: s.Refused,
	}
}

// Stats returns the node's counters.
func (n *Node) Stats() Stats {
	var st Stats
	if !n.ok() {
		return st
	}
	for _, l := range n.hub.host.Links() {
		st.Links = append(st.Links, linkStats(l.Remote(), l.Stats()))
	}
	st.Refused = n.hub.host.Stats().Refused
	st.Refs = RefStats(n.hub.table.RefStats())
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
