package peer

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"unique"
)

// keySize is the length of a cluster key in bytes.
const keySize = 32

// Key is a cluster key: 32 secret bytes, and to hold them is what makes a
// member. The zero Key is no key. Keys are compared with ==.
//
// Nothing prints a Key by accident: every fmt verb, String, MarshalText and
// slog show a fingerprint, and a Key in an unexported field, where fmt can't
// call its methods, shows an address. Secret is the only way to have it in
// writing.
type Key struct {
	// A handle keeps the bytes out of the struct, where printing another struct
	// around it would find them, and lets == compare them. Two of them, because
	// fmt follows one pointer when a verb does not suit it.
	h unique.Handle[unique.Handle[[keySize]byte]]
}

func makeKey(b [keySize]byte) Key { return Key{unique.Make(unique.Make(b))} }

// bytes is the key itself; the key is not zero.
func (k Key) bytes() [keySize]byte { return k.h.Value().Value() }

// GenerateKey makes a new random key.
func GenerateKey() Key {
	var b [keySize]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return makeKey(b)
}

// ParseKey reads what Secret wrote: 32 bytes in base64url. White space around
// it and padding are accepted. The error never holds any part of the text.
func ParseKey(s string) (Key, error) { return parseKey([]byte(s)) }

func parseKey(text []byte) (Key, error) {
	text = bytes.TrimRight(bytes.TrimSpace(text), "=")
	var b [keySize]byte
	enc := base64.RawURLEncoding.Strict()
	if len(text) != enc.EncodedLen(keySize) {
		return Key{}, fmt.Errorf("peer: a key has %d characters, not %d", enc.EncodedLen(keySize), len(text))
	}
	if n, err := enc.Decode(b[:], text); err != nil || n != keySize {
		return Key{}, errors.New("peer: a key is 32 bytes in base64url (A-Z a-z 0-9 - _), this is not")
	}
	if b == ([keySize]byte{}) {
		return Key{}, errors.New("peer: a key of zeros protects nothing: make one with GenerateKey")
	}
	return makeKey(b), nil
}

// IsZero reports whether k is no key.
func (k Key) IsZero() bool { return k == Key{} }

// Secret is the key itself, in base64url, for ParseKey. Keep it out of logs.
// It is empty for the zero Key.
func (k Key) Secret() string {
	if k.IsZero() {
		return ""
	}
	b := k.bytes()
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Derive returns 32 bytes that only holders of the key can know, others for
// every label, from which the key can't be had back. The zero Key derives as if
// it were empty; it protects nothing.
func (k Key) Derive(label string) [32]byte {
	var secret []byte
	if !k.IsZero() {
		b := k.bytes()
		secret = b[:]
	}
	d, err := hkdf.Key(sha256.New, secret, nil, label, 32)
	if err != nil {
		// Only a length beyond 255 hashes or a FIPS policy on short secrets gets
		// here, both fixed at build time.
		panic("peer: HKDF: " + err.Error())
	}
	return [32]byte(d)
}

// String is a fingerprint: it tells keys apart and gives nothing away.
func (k Key) String() string {
	if k.IsZero() {
		return "key:none"
	}
	d := k.Derive("netchan fingerprint 1")
	return "key:" + hex.EncodeToString(d[:6])
}

// GoString is the fingerprint, as String.
func (k Key) GoString() string { return k.String() }

// Format writes the fingerprint for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue is the fingerprint.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is the fingerprint, so that a configuration that is dumped as
// JSON does not hold the key. It can't be read back.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParseKey. An empty text gives the zero Key.
func (k *Key) UnmarshalText(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		*k = Key{}
		return nil
	}
	parsed, err := parseKey(text)
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}
