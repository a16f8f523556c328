package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// makeCert makes a certificate for 127.0.0.1 that signs itself, and its key, in PEM.
func makeCert() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	return cert, key, nil
}

// tlsConfig is for either side: TLS 1.3, with the certificate of the measurement.
func (e *env) tlsConfig() *tls.Config {
	pair, err := tls.X509KeyPair(e.Cert, e.Key)
	if err != nil {
		fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(e.Cert)
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		RootCAs:      roots,
		ServerName:   "127.0.0.1",
	}
}

// connections are n TCP or TLS connections between client and server, in the order in
// which the client made them.
func (e *env) connections(n int, secure bool) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	if e.Role == client {
		for i := range conns {
			c, err := net.Dial("tcp", e.Addr)
			if err != nil {
				return nil, err
			}
			if secure {
				t := tls.Client(c, e.tlsConfig())
				if err := t.Handshake(); err != nil {
					return nil, err
				}
				c = t
			}
			conns[i] = c
		}
		return conns, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	e.announce(l.Addr().String())
	for i := range conns {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		if secure {
			t := tls.Server(c, e.tlsConfig())
			if err := t.Handshake(); err != nil {
				return nil, err
			}
			c = t
		}
		conns[i] = c
	}
	return conns, nil
}
