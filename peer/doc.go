// Package peer is who a node is and how it is joined to another one: cluster
// keys, node identities, mutual TLS, and links.
//
// A Host is one node's place on the network: a TLS listener and a UDP socket
// on one port number, an identity made for this one life, and at most one Link
// to every other node. A Link carries one stream of bytes each way; what the
// bytes mean is the business of whoever reads them.
//
// The package never talks in the clear, never to somebody who can't prove to
// hold a cluster key, never asks a name service who a certificate belongs to,
// and never interprets what travels over a link.
//
// Invariants:
//
//   - Every connection is TLS 1.3, both sides show a certificate, and nothing
//     but the TLS handshake itself is sent before the other side's has been
//     verified.
//   - A NodeID is the SHA-256 of the public key that the TLS handshake proved or,
//     with certificates of the user's, that was proved on this very connection, by a
//     signature over what only its two ends know (prove.go). What a peer says about
//     itself afterwards must agree with it.
//   - A link has one identity for life: it never goes on over a connection whose
//     certificate has another one.
//   - At most one link joins two nodes, over one connection at a time. Of the two
//     the one with the lower ID decides which one that is (slot, in slot.go).
//   - A byte counts as received only while the link is on the connection that it
//     came over, which is looked at under the lock; where the stream stands is told
//     only after the link has left its former connection.
//   - What is written to a link is kept until the other side has acknowledged
//     it, within a fixed bound; over the bound writers wait.
//   - A frame goes into a link's stream in one piece: room for all of it is
//     waited for before its first byte, and no lock is given up in between.
//   - Memory handed to a running write is never used for anything else before
//     that write is over, whatever the peer acknowledges.
//   - One writes at a time, the flusher or who calls Flush; the other goes on with what has gathered.
//   - Reading never waits for writing: what is due to be acknowledged wakes the
//     flusher.
//   - Nothing from the network is believed: every length is checked against a
//     named bound before anything is allocated for it.
//   - Every goroutine belongs to a Host, and Host.Close waits for all of them.
//   - No lock of this package is held across a callback or a channel operation.
//     Of Host.mu and Link.mu neither is taken while the other is held.
package peer
