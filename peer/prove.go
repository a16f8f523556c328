package peer

import (
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"io"
)

// With certificates of the user's a connection does not tell which node is at its
// other end: many processes may show one certificate, and it outlives them. So
// both sides send a proof, at once, before anything else:
//
//	proof    "NCP1" | node's public key [32] | signature by it [64] |
//	         signature by the cluster key's authority [64]
//	verdict  1: accepted, 0: the key is not
//
// Both signatures are over what follows, so that a proof counts on one connection,
// for one of its sides, and for one node:
//
//	"netchan proof 1" | 'c' (who dialled) or 's' | tls-exporter of RFC 9266 [32] |
//	node's public key [32]
//
// Then each sends its verdict, and goes on when it has read the other's.
const (
	proofMagic = "NCP1"
	proofSize  = len(proofMagic) + ed25519.PublicKeySize + 2*ed25519.SignatureSize

	proofLabel   = "netchan proof 1"
	bindingLabel = "EXPORTER-Channel-Binding"
	bindingSize  = 32

	verdictNo, verdictYes = 0, 1
)

// proven is who is at the other end of a connection.
type proven struct {
	id       NodeID
	ca       caKey  // of the cluster key that it holds
	identity string // of its certificate; empty where the cluster key has issued that
}

// identify says who is at the other end, or returns an error that matches
// ErrKeyMismatch or ErrCertificate. TLS is done; with certificates of the user's it
// sends and reads.
func (t *trust) identify(c *tls.Conn, dialled bool) (proven, error) {
	cs := c.ConnectionState()
	if t.own == nil {
		id, ca, err := t.verify(cs)
		return proven{id: id, ca: ca}, err
	}
	identity, err := identityOf(cs.PeerCertificates[0]) // there is one: TLS has checked it
	if err != nil {
		return proven{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	binding, err := cs.ExportKeyingMaterial(bindingLabel, nil, bindingSize)
	if err != nil {
		return proven{}, fmt.Errorf("peer: no channel binding: %w", err)
	}
	id, ca, err := t.exchangeProofs(c, binding, dialled)
	return proven{id, ca, identity}, err
}

// exchangeProofs is what both sides do. What is read is a better reason than that
// writing failed: it may be the refusal of our certificate.
func (t *trust) exchangeProofs(c io.ReadWriter, binding []byte, dialled bool) (NodeID, caKey, error) {
	_, werr := c.Write(t.proof(binding, dialled))
	var b [proofSize]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return NodeID{}, caKey{}, err
	}
	id, ca, refused := t.checkProof(b, binding, !dialled)
	verdict := byte(verdictYes)
	if refused != nil {
		verdict = verdictNo
	}
	if _, err := c.Write([]byte{verdict}); err != nil && werr == nil {
		werr = err
	}
	if refused != nil {
		return NodeID{}, caKey{}, refused
	}
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return NodeID{}, caKey{}, err
	}
	switch b[0] {
	case verdictYes:
		return id, ca, werr
	case verdictNo:
		return NodeID{}, caKey{}, fmt.Errorf("%w: the other side refused ours", ErrKeyMismatch)
	}
	return NodeID{}, caKey{}, protocolErrorf("verdict %d", b[0])
}

// proof is ours.
func (t *trust) proof(binding []byte, dialled bool) []byte {
	pub := t.node.Public().(ed25519.PublicKey)
	said := proofText(binding, dialled, pub)
	b := append([]byte(proofMagic), pub...)
	b = append(b, ed25519.Sign(t.node, said)...)
	return append(b, ed25519.Sign(t.authority, said)...)
}

// checkProof says which node has made a proof, and under which key.
func (t *trust) checkProof(b [proofSize]byte, binding []byte, dialled bool) (NodeID, caKey, error) {
	if string(b[:len(proofMagic)]) != proofMagic {
		return NodeID{}, caKey{}, protocolErrorf("proof starts with %x", b[:len(proofMagic)])
	}
	rest := b[len(proofMagic):]
	pub := ed25519.PublicKey(rest[:ed25519.PublicKeySize])
	byNode := rest[ed25519.PublicKeySize : ed25519.PublicKeySize+ed25519.SignatureSize]
	byKey := rest[ed25519.PublicKeySize+ed25519.SignatureSize:]
	said := proofText(binding, dialled, pub)
	if !ed25519.Verify(pub, said, byNode) {
		return NodeID{}, caKey{}, protocolError("the node's key was not proved")
	}
	for _, ca := range t.cas {
		if ed25519.Verify(ca[:], said, byKey) {
			return nodeIDOf(pub), ca, nil
		}
	}
	return NodeID{}, caKey{}, fmt.Errorf("%w: the other side holds another one", ErrKeyMismatch)
}

func proofText(binding []byte, dialled bool, pub ed25519.PublicKey) []byte {
	side := byte('s')
	if dialled {
		side = 'c'
	}
	b := append([]byte(proofLabel), side)
	b = append(b, binding...)
	return append(b, pub...)
}
