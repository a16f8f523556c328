package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// certs is what a host shows and accepts where its user brings certificates:
// those of a company's authority, or of SPIFFE. It is immutable.
type certs struct{ user *tls.Config }

func newCerts(cfg *tls.Config) (*certs, error) {
	if err := CheckTLS(cfg); err != nil {
		return nil, fmt.Errorf("peer: Config.TLS: %w", err)
	}
	return &certs{cfg.Clone()}, nil
}

// CheckTLS says what is missing for a Config.TLS, or would let in everybody.
func CheckTLS(cfg *tls.Config) error {
	var problem string
	verifies := cfg.VerifyPeerCertificate != nil || cfg.VerifyConnection != nil
	switch {
	case cfg.GetConfigForClient != nil:
		problem = "GetConfigForClient is set, which dialling knows nothing of: change certificates by GetCertificate and GetClientCertificate, authorities by VerifyConnection"
	case cfg.MaxVersion != 0 && cfg.MaxVersion < tls.VersionTLS13:
		problem = "MaxVersion is below TLS 1.3: leave it 0"
	case len(cfg.Certificates) == 0 && cfg.GetCertificate == nil:
		problem = "there is no certificate for those who dial us: set Certificates or GetCertificate"
	case len(cfg.Certificates) == 0 && cfg.GetClientCertificate == nil:
		problem = "there is no certificate for those whom we dial: set Certificates or GetClientCertificate"
	case cfg.InsecureSkipVerify && !verifies:
		problem = "InsecureSkipVerify lets in everybody: set VerifyPeerCertificate or VerifyConnection too, or RootCAs instead"
	case !cfg.InsecureSkipVerify && cfg.RootCAs == nil && cfg.ClientCAs == nil:
		problem = "RootCAs and ClientCAs are nil: the authorities of this machine are those of the whole web, so name yours"
	default:
		return nil
	}
	return errors.New(problem)
}

// config is the user's, with what must be so whatever the user says. dials says
// for which side.
func (c *certs) config(dials bool, protocols ...string) *tls.Config {
	t := c.user.Clone()
	t.NextProtos = protocols
	t.MinVersion = tls.VersionTLS13
	t.SessionTicketsDisabled = true
	t.ClientSessionCache, t.WrapSession, t.UnwrapSession = nil, nil, nil
	t.DynamicRecordSizingDisabled = true
	t.ClientAuth = tls.RequireAnyClientCert
	// The standard check on the dialling side is about the name that was dialled,
	// and addresses are claims; so check does all of it, on both sides.
	t.InsecureSkipVerify = true //nolint:gosec // verified in VerifyConnection
	t.VerifyPeerCertificate = nil
	t.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := c.check(cs, dials); err != nil {
			return fmt.Errorf("%w: %w", ErrCertificate, err)
		}
		return nil
	}
	return t
}

// check is what crypto/tls does with the user's config, but for the name that was
// dialled: that counts where the user gives one.
func (c *certs) check(cs tls.ConnectionState, dials bool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("no certificate shown")
	}
	leaf := cs.PeerCertificates[0]
	cs.VerifiedChains = nil
	if !c.user.InsecureSkipVerify {
		opts := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: c.now()}
		for _, cert := range cs.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		if dials {
			opts.DNSName = c.user.ServerName
			opts.Roots, opts.KeyUsages = either(c.user.RootCAs, c.user.ClientCAs), []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		} else {
			opts.Roots, opts.KeyUsages = either(c.user.ClientCAs, c.user.RootCAs), []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}
		var err error
		if cs.VerifiedChains, err = leaf.Verify(opts); err != nil {
			return err
		}
	}
	if f := c.user.VerifyPeerCertificate; f != nil {
		raw := make([][]byte, len(cs.PeerCertificates))
		for i, cert := range cs.PeerCertificates {
			raw[i] = cert.Raw
		}
		if err := f(raw, cs.VerifiedChains); err != nil {
			return err
		}
	}
	if f := c.user.VerifyConnection; f != nil {
		if err := f(cs); err != nil {
			return err
		}
	}
	_, err := identityOf(leaf)
	return err
}

func (c *certs) now() time.Time {
	if c.user.Time != nil {
		return c.user.Time()
	}
	return time.Now()
}

func either(first, second *x509.CertPool) *x509.CertPool {
	if first != nil {
		return first
	}
	return second
}

const (
	// maxIdentity bounds an identity, in bytes: a SPIFFE ID may have so many.
	maxIdentity = 2048

	spiffe = "spiffe://"
)

// identityOf is who a certificate is for: its SPIFFE ID, which is a URI; else its
// first DNS name; else its subject's common name, which may be empty.
func identityOf(cert *x509.Certificate) (string, error) {
	identity, isID := "", false
	for _, u := range cert.URIs {
		if !strings.EqualFold(u.Scheme, "spiffe") {
			continue
		}
		if isID {
			return "", errors.New("two SPIFFE IDs in one certificate")
		}
		identity, isID = u.String(), true
	}
	switch {
	case isID:
	case len(cert.DNSNames) > 0:
		identity = cert.DNSNames[0]
	default:
		identity = cert.Subject.CommonName
	}
	if len(identity) > maxIdentity {
		return "", fmt.Errorf("identity of %d bytes, at most %d are allowed", len(identity), maxIdentity)
	}
	if err := checkPrintable(identity); err != nil {
		return "", err
	}
	// Who may choose a common name must not choose who he is by it.
	if !isID && len(identity) >= len(spiffe) && strings.EqualFold(identity[:len(spiffe)], spiffe) {
		return "", errors.New("a name that looks like a SPIFFE ID and is none")
	}
	return identity, nil
}
