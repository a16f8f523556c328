package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// What a connection is for, as agreed in the TLS handshake.
const (
	alpnLink   = "netchan/1"
	alpnGossip = "netchan-gossip/1"
)

// caLabel is the label under which a cluster key's certificate authority is
// derived.
const caLabel = "netchan ca 1"

// A caKey is the public key of the authority that a cluster key stands for.
type caKey [ed25519.PublicKeySize]byte

// trust is what a host shows and accepts in TLS handshakes: its certificate,
// issued under the cluster key, and the authorities of all accepted keys. It is
// immutable; changing keys makes a new one.
type trust struct {
	server *tls.Config
	links  *tls.Config // dialling, for links
	gossip *tls.Config // dialling, for gossip
	cas    []caKey

	own       *certs // the user's; nil: certificates are issued under the key
	node      ed25519.PrivateKey
	authority ed25519.PrivateKey // of the key
}

// newTrust accepts who holds key or one of accept. Without own it issues node's
// certificate under key, and accepts those issued under one of these.
func newTrust(node ed25519.PrivateKey, key Key, accept []Key, own *certs) (*trust, error) {
	if key.IsZero() {
		return nil, errors.New("peer: a key is needed: GenerateKey, ParseKey or DefaultKey")
	}
	authority := authorityOf(key)
	t := &trust{own: own, node: node, authority: authority, cas: []caKey{caKey(authority.Public().(ed25519.PublicKey))}}
	for i, k := range accept {
		if k.IsZero() {
			return nil, fmt.Errorf("peer: accepted key %d is no key", i)
		}
		t.cas = append(t.cas, caKey(authorityOf(k).Public().(ed25519.PublicKey)))
	}
	if own != nil {
		t.server = own.config(false, alpnLink, alpnGossip)
		t.links, t.gossip = own.config(true, alpnLink), own.config(true, alpnGossip)
		return t, nil
	}
	cert, err := issue(authority, node)
	if err != nil {
		return nil, fmt.Errorf("peer: can't make a certificate: %w", err)
	}
	base := &tls.Config{
		Certificates:           []tls.Certificate{cert},
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		// A flush is written as one; small records first would only slow it.
		DynamicRecordSizingDisabled: true,
		NextProtos:                  []string{alpnLink, alpnGossip},
		ClientAuth:                  tls.RequireAnyClientCert,
		// Certificates hold no names, so the standard check, which is about
		// names, is replaced by ours, on both sides: verify.
		InsecureSkipVerify: true, //nolint:gosec // verified in VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, _, err := t.verify(cs)
			return err
		},
	}
	t.server = base
	t.links = base.Clone()
	t.links.NextProtos = []string{alpnLink}
	t.gossip = base.Clone()
	t.gossip.NextProtos = []string{alpnGossip}
	return t, nil
}

// verify says who is at the other end of a connection and under which
// authority, or returns an error that matches ErrKeyMismatch.
func (t *trust) verify(cs tls.ConnectionState) (NodeID, caKey, error) {
	if len(cs.PeerCertificates) != 1 {
		return NodeID{}, caKey{}, fmt.Errorf("%w: %d certificates shown, want one", ErrKeyMismatch, len(cs.PeerCertificates))
	}
	leaf := cs.PeerCertificates[0]
	pub, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok || leaf.SignatureAlgorithm != x509.PureEd25519 {
		return NodeID{}, caKey{}, fmt.Errorf("%w: not a node's certificate", ErrKeyMismatch)
	}
	for _, ca := range t.cas {
		// The authority itself is no node.
		if bytes.Equal(pub, ca[:]) {
			continue
		}
		if ed25519.Verify(ca[:], leaf.RawTBSCertificate, leaf.Signature) {
			return nodeIDOf(pub), ca, nil
		}
	}
	return NodeID{}, caKey{}, fmt.Errorf("%w: the other side's certificate was issued under another key", ErrKeyMismatch)
}

// accepts reports whether certificates of ca are accepted.
func (t *trust) accepts(ca caKey) bool {
	for _, c := range t.cas {
		if c == ca {
			return true
		}
	}
	return false
}

func authorityOf(key Key) ed25519.PrivateKey {
	seed := key.Derive(caLabel)
	return ed25519.NewKeyFromSeed(seed[:])
}

// issue makes node's certificate: no names, and a validity so wide that clocks
// do not matter, because the key is what decides.
func issue(authority, node ed25519.PrivateKey) (tls.Certificate, error) {
	parent := &x509.Certificate{}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, node.Public(), authority)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: node}, nil
}

// refusal makes the other side's refusal of our certificate an error that matches
// ErrKeyMismatch, or ErrCertificate where that is the user's. In TLS 1.3 a client
// learns of it only with its first read after the handshake. Other errors come back
// as they are.
func (t *trust) refusal(err error) error {
	var op *net.OpError
	if err == nil || refused(err) || !errors.As(err, &op) || op.Op != "remote error" {
		return err
	}
	is := ErrKeyMismatch
	if t.own != nil {
		is = ErrCertificate
	}
	// crypto/tls does not export the type of a received alert.
	for _, alert := range []string{"bad certificate", "unknown certificate authority", "certificate required", "expired certificate", "unknown certificate"} {
		if strings.Contains(op.Err.Error(), alert) {
			return fmt.Errorf("%w: the other side refused ours (%w)", is, err)
		}
	}
	return err
}

// refused reports whether one of the two sides does not let the other one in.
func refused(err error) bool { return errors.Is(err, ErrKeyMismatch) || errors.Is(err, ErrCertificate) }
