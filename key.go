package netchan

import "github.com/matveynator/netchan/peer"

// A Key is a cluster key: 32 random bytes that make their holder a member. The
// zero Key is none. It never prints itself; Secret returns it as text, String
// a fingerprint of it.
type Key = peer.Key

// GenerateKey returns a new random Key.
func GenerateKey() Key { return peer.GenerateKey() }

// ParseKey reads a Key from the text that Key.Secret returns: 32 bytes in
// base64url. Space around it is ignored.
func ParseKey(text string) (Key, error) { return peer.ParseKey(text) }

// DefaultKey is the Key in $NETCHAN_KEY; else the one in the file that
// $NETCHAN_KEY_FILE names, which must exist; else the one in the user's own key
// file, which is made on first use and which only the user can read.
func DefaultKey() (Key, error) { return peer.DefaultKey() }
