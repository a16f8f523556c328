package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func testTrust(t testing.TB, key Key, ca *company) *trust {
	t.Helper()
	_, node, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var cfg Config
	ca.config(ca.issue(spiffeB))(&cfg)
	own, err := newCerts(cfg.TLS)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := newTrust(node, key, nil, own)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// A proof counts on one connection, for one of its sides, as it stands.
func TestProof(t *testing.T) {
	key, ca := GenerateKey(), newCompany(t)
	mine, theirs := testTrust(t, key, ca), testTrust(t, key, ca)
	here, there := bytes.Repeat([]byte{1}, bindingSize), bytes.Repeat([]byte{2}, bindingSize)
	proof := [proofSize]byte(theirs.proof(here, true))
	id, by, err := mine.checkProof(proof, here, true)
	if err != nil || id != nodeIDOf(theirs.node.Public().(ed25519.PublicKey)) || by != mine.cas[0] {
		t.Fatalf("%v, %v", id, err)
	}
	if _, _, err := mine.checkProof(proof, there, true); err == nil {
		t.Error("it counts on another connection")
	}
	if _, _, err := mine.checkProof(proof, here, false); err == nil {
		t.Error("it counts for the other side")
	}
	if _, _, err := testTrust(t, GenerateKey(), ca).checkProof(proof, here, true); !errors.Is(err, ErrKeyMismatch) {
		t.Errorf("it counts under another key: %v", err)
	}
	for i := range proofSize {
		bad := proof
		bad[i] ^= 1 << (i % 8)
		if _, _, err := mine.checkProof(bad, here, true); err == nil {
			t.Errorf("byte %d does not matter", i)
		}
	}
	// Who holds the key, and not the node's, can't be the node.
	forged := append([]byte(nil), proof[:]...)
	said := proofText(here, true, theirs.node.Public().(ed25519.PublicKey))
	copy(forged[len(proofMagic)+ed25519.PublicKeySize:], ed25519.Sign(mine.node, said))
	if _, _, err := mine.checkProof([proofSize]byte(forged), here, true); err == nil {
		t.Error("anybody can be any node")
	}
}

// Who has a certificate, and no proof, is told nothing: neither HELLO nor a name.
func TestProofIsRequired(t *testing.T) {
	key, ca := GenerateKey(), newCompany(t)
	h := testHost(t, key, shortHandshake, ca.config(ca.issue(spiffeA)), func(c *Config) { c.Name = "secret" })
	victim := testTrust(t, key, ca) // another node of the mesh
	for name, speak := range map[string]func(c *tls.Conn, tr *trust, binding []byte){
		"nothing": func(*tls.Conn, *trust, []byte) {},
		"closes":  func(c *tls.Conn, _ *trust, _ []byte) { _ = c.CloseWrite() },
		"no proof": func(c *tls.Conn, _ *trust, _ []byte) {
			b := (&hello{number: 1, maxRecord: maxRecord}).append(nil)
			_, _ = c.Write(append(b, make([]byte, proofSize)...))
		},
		"another key": func(c *tls.Conn, _ *trust, binding []byte) {
			_, _ = c.Write(append(testTrust(t, otherKey, ca).proof(binding, true), verdictYes))
		},
		"the other side's": func(c *tls.Conn, tr *trust, binding []byte) {
			_, _ = c.Write(append(tr.proof(binding, false), verdictYes))
		},
		"sent back": func(c *tls.Conn, _ *trust, _ []byte) {
			var b [proofSize]byte
			_, _ = io.ReadFull(c, b[:])
			_, _ = c.Write(append(b[:], verdictYes))
		},
		"of another connection": func(c *tls.Conn, _ *trust, _ []byte) {
			_, _ = c.Write(append(victim.proof(bytes.Repeat([]byte{7}, bindingSize), true), verdictYes))
		},
		"says no": func(c *tls.Conn, tr *trust, binding []byte) {
			_, _ = c.Write(append(tr.proof(binding, true), verdictNo))
		},
		"says nonsense": func(c *tls.Conn, tr *trust, binding []byte) { _, _ = c.Write(append(tr.proof(binding, true), 9)) },
		"without hello": func(c *tls.Conn, tr *trust, binding []byte) { _, _ = c.Write(tr.proof(binding, true)) },
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := net.Dial("tcp", h.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = raw.Close() }()
			_ = raw.SetDeadline(time.Now().Add(patience))
			tr := testTrust(t, key, ca)
			c := tls.Client(raw, tr.links)
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			cs := c.ConnectionState()
			binding, err := cs.ExportKeyingMaterial(bindingLabel, nil, bindingSize)
			if err != nil {
				t.Fatal(err)
			}
			speak(c, tr, binding)
			got, err := io.ReadAll(c)
			if isTimeout(err) {
				t.Error("not closed")
			}
			if len(got) > proofSize+1 || bytes.Contains(got, []byte("secret")) {
				t.Errorf("told %d bytes: %q", len(got), got)
			}
		})
	}
	if len(h.Links()) != 0 {
		t.Error("a link was made")
	}
}
