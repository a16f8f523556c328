package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
)

// NodeID names a node: the SHA-256 of the public key that it made for this one
// life. A restarted process is another node. The zero NodeID names nobody.
type NodeID [32]byte

// String is the start of the ID in hex, 12 characters, enough for people.
func (id NodeID) String() string { return hex.EncodeToString(id[:6]) }

// IsZero reports whether id names nobody.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// Compare orders IDs: -1, 0 or 1 as id is lower than, equal to or higher than
// other.
func (id NodeID) Compare(other NodeID) int { return bytes.Compare(id[:], other[:]) }

func nodeIDOf(pub ed25519.PublicKey) NodeID { return sha256.Sum256(pub) }
