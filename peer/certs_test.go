package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"
)

// company is an authority of a user's.
type company struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newCompany(t testing.TB) *company {
	t.Helper()
	c := &company{t: t, pool: x509.NewCertPool()}
	c.key = newECKey(t)
	ca := template("the company")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	c.cert = ca
	c.cert = parse(t, c.sign(ca, c.key).Certificate[0])
	c.pool.AddCert(c.cert)
	return c
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (c *company) sign(leaf *x509.Certificate, key *ecdsa.PrivateKey) tls.Certificate {
	c.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, leaf, c.cert, key.Public(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// issue makes a certificate for a SPIFFE ID, changed before it is signed.
func (c *company) issue(id string, change ...func(*x509.Certificate)) tls.Certificate {
	c.t.Helper()
	u, err := url.Parse(id)
	if err != nil {
		c.t.Fatal(err)
	}
	leaf := template("a node")
	leaf.URIs = []*url.URL{u}
	for _, f := range change {
		f(leaf)
	}
	return c.sign(leaf, newECKey(c.t))
}

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

// config is what a member of the company has in Config.TLS.
func (c *company) config(cert tls.Certificate, change ...func(*tls.Config)) func(*Config) {
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: c.pool}
	for _, f := range change {
		f(cfg)
	}
	return func(c *Config) { c.TLS = cfg }
}

const (
	spiffeA = "spiffe://company/a"
	spiffeB = "spiffe://company/b"
)

// With certificates of the user's a link says who is at its other end, a node that
// comes back under its certificate is another one, and gossip goes the same way.
func TestOwnCertificates(t *testing.T) {
	key, ca := GenerateKey(), newCompany(t)
	links := make(chan *Link, 1)
	one := ca.issue(spiffeA)
	a := testHost(t, key, ca.config(one))
	b, pb := proxied(t, key, ca.config(ca.issue(spiffeB)), collect(links))
	near, far := joined(t, a, b, links)
	if near.Remote().Identity != spiffeB || far.Remote().Identity != spiffeA {
		t.Fatalf("%+v, %+v", near.Remote(), far.Remote())
	}
	drain(t, near)
	drain(t, far)
	pb.Cut()
	until(t, func() bool { return near.Stats().Breaks > 0 && !near.Broken() && !far.Broken() })
	if near.Err() != nil || far.Err() != nil {
		t.Fatalf("%v, %v", near.Err(), far.Err())
	}
	ctx := testCtx(t)
	conn, id, err := a.DialGossip(ctx, b.Addr())
	if err != nil || id != b.ID() {
		t.Fatalf("gossip: %v, %v", id, err)
	}
	_ = conn.Close()
	if err := a.Probe(ctx, b.Addr(), b.ID()); err != nil {
		t.Fatalf("probe: %v", err)
	}
	var self *WrongNodeError
	if err := b.Probe(ctx, a.Addr(), b.ID()); !errors.As(err, &self) && !errors.Is(err, ErrSelf) {
		t.Fatalf("another node's ID: %v", err)
	}
	again := testHost(t, key, ca.config(one))
	l, err := again.Link(ctx, b.Addr(), b.ID())
	if err != nil || again.ID() == a.ID() || receive(t, links).Remote().ID != again.ID() {
		t.Fatalf("the next life: %v", err)
	}
	drain(t, l)
}

// Whoever lacks one of the two, certificate or key, is refused with an error that
// says which, on the dialling side, whichever side refuses.
func TestOwnCertificatesRefuse(t *testing.T) {
	key, ca, other := GenerateKey(), newCompany(t), newCompany(t)
	good := ca.config(ca.issue(spiffeA))
	both := func(c *tls.Config) { c.RootCAs = ca.pool.Clone(); c.RootCAs.AddCert(other.cert) }
	pass := func(c *tls.Config) { // looks at nothing
		c.InsecureSkipVerify, c.VerifyConnection = true, func(tls.ConnectionState) error { return nil }
	}
	self := func() tls.Certificate {
		leaf, k := template("self"), newECKey(t)
		der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, k.Public(), k)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
	}()
	onlyServer := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	onlyClient := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	no := errors.New("not him")
	for name, test := range map[string]struct {
		dials, listens func(*Config)
		keys           bool // the two have other cluster keys
		want           error
	}{
		"other authority at the listener": {dials: other.config(other.issue(spiffeB), both), listens: good, want: ErrCertificate},
		"other authority at the dialler":  {dials: good, listens: other.config(other.issue(spiffeB), both), want: ErrCertificate},
		"expired at the listener":         {dials: good, listens: ca.config(ca.issue(spiffeB, expired)), want: ErrCertificate},
		"expired at the dialler":          {dials: ca.config(ca.issue(spiffeB, expired), pass), listens: good, want: ErrCertificate},
		"self-made at the listener":       {dials: good, listens: ca.config(self), want: ErrCertificate},
		"self-made at the dialler":        {dials: ca.config(self, pass), listens: good, want: ErrCertificate},
		"not for clients":                 {dials: ca.config(ca.issue(spiffeB, onlyServer)), listens: good, want: ErrCertificate},
		"not for servers":                 {dials: good, listens: ca.config(ca.issue(spiffeB, onlyClient)), want: ErrCertificate},
		"two identities": {dials: ca.config(ca.issue(spiffeB, func(c *x509.Certificate) {
			c.URIs = append(c.URIs, &url.URL{Scheme: "spiffe", Host: "company", Path: "/root"})
		})), listens: good, want: ErrCertificate},
		"another name": {
			dials:   ca.config(ca.issue(spiffeA), func(c *tls.Config) { c.ServerName = "mesh.company" }),
			listens: ca.config(ca.issue(spiffeB, func(c *x509.Certificate) { c.DNSNames = []string{"mail.company"} })), want: ErrCertificate,
		},
		"VerifyConnection at the listener": {dials: good, listens: ca.config(ca.issue(spiffeB), func(c *tls.Config) {
			c.VerifyConnection = func(cs tls.ConnectionState) error {
				if len(cs.VerifiedChains) == 1 && cs.PeerCertificates[0].URIs[0].String() == spiffeA {
					return no
				}
				return nil
			}
		}), want: ErrCertificate},
		"VerifyPeerCertificate at the dialler": {dials: ca.config(ca.issue(spiffeA), func(c *tls.Config) {
			c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) == 1 && len(chains) == 1 {
					return no
				}
				return nil
			}
		}), listens: good, want: no},
		"another cluster key":              {dials: good, listens: ca.config(ca.issue(spiffeB)), keys: true, want: ErrKeyMismatch},
		"no certificate at the dialler":    {dials: func(*Config) {}, listens: good, want: ErrKeyMismatch},
		"no certificate at the listener":   {dials: good, listens: func(*Config) {}, want: ErrCertificate},
		"cluster's certificate, let in":    {dials: ca.config(ca.issue(spiffeA), pass), listens: func(*Config) {}, want: ErrCertificate},
		"another cluster key, but let in":  {dials: ca.config(self, pass), listens: ca.config(self, pass), keys: true, want: ErrKeyMismatch},
		"the listener has the wider keys":  {dials: good, listens: func(c *Config) { good(c); c.AcceptKeys = []Key{key} }, keys: true, want: ErrKeyMismatch},
		"the dialler has the wider keys":   {dials: func(c *Config) { good(c); c.AcceptKeys = []Key{otherKey} }, listens: good, keys: true, want: ErrKeyMismatch},
		"wider keys at both: it goes well": {dials: func(c *Config) { good(c); c.AcceptKeys = []Key{otherKey} }, listens: func(c *Config) { good(c); c.AcceptKeys = []Key{key} }, keys: true},
		"a name that fits": {
			dials:   ca.config(ca.issue(spiffeA), func(c *tls.Config) { c.ServerName = "mesh.company" }),
			listens: ca.config(ca.issue(spiffeB, func(c *x509.Certificate) { c.DNSNames = []string{"mesh.company"} })),
		},
		"authorities of clients only": {dials: ca.config(ca.issue(spiffeA), func(c *tls.Config) { c.RootCAs, c.ClientCAs = nil, ca.pool }), listens: good},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := key
			if test.keys {
				theirs = otherKey
			}
			a, b := testHost(t, key, test.dials), testHost(t, theirs, test.listens)
			ctx := testCtx(t)
			_, lerr := a.Link(ctx, b.Addr(), b.ID())
			conn, _, gerr := a.DialGossip(ctx, b.Addr())
			if gerr == nil {
				_ = conn.Close()
			}
			var he *HandshakeError
			for _, err := range []error{lerr, gerr} {
				if !errors.Is(err, test.want) || (test.want != nil && !errors.As(err, &he)) {
					t.Errorf("%v, want %v", err, test.want)
				}
			}
			if n := len(a.Links()) + len(b.Links()); (n != 0) != (test.want == nil) {
				t.Errorf("%d ends of links", n)
			}
		})
	}
}

var otherKey = GenerateKey()

// Certificates change while the host runs. A link goes on under the next one, if
// that is for the same identity; if not, it ends, and another one is made.
func TestCertificatesRotate(t *testing.T) {
	key, ca := GenerateKey(), newCompany(t)
	links := make(chan *Link, 2)
	shown := make(chan tls.Certificate, 1) // the one that is there
	shown <- ca.issue(spiffeA)
	current := func() (*tls.Certificate, error) { c := <-shown; shown <- c; return &c, nil }
	a := testHost(t, key, ca.config(tls.Certificate{}, func(c *tls.Config) {
		c.Certificates = nil
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current() }
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current() }
	}))
	b := testHost(t, key, ca.config(ca.issue(spiffeB)), collect(links))
	near, err := a.Link(testCtx(t), b.Addr(), b.ID())
	if err != nil {
		t.Fatal(err)
	}
	far := receive(t, links)
	drain(t, near)
	drain(t, far)
	serial := func(c *carrier) string { return c.tls.ConnectionState().PeerCertificates[0].SerialNumber.String() }
	first := serial(far.current())
	next := func(c tls.Certificate) {
		<-shown
		shown <- c
		_ = far.current().wire.Close() // either side may dial then
	}
	next(ca.issue(spiffeA))
	until(t, func() bool { c := far.current(); return c != nil && serial(c) != first && !near.Broken() })
	if near.Err() != nil || far.Err() != nil {
		t.Fatalf("%v, %v", near.Err(), far.Err())
	}
	next(ca.issue(spiffeB))
	receive(t, far.Done())
	receive(t, near.Done())
	if !errors.Is(far.Err(), ErrPeerLost) || !strings.Contains(far.Err().Error(), "another identity") {
		t.Errorf("%v", far.Err())
	}
	l, err := a.Link(testCtx(t), b.Addr(), b.ID())
	if err != nil {
		t.Fatal(err)
	}
	drain(t, l)
	now := receive(t, links)
	drain(t, now)
	if now.Remote().Identity != spiffeB {
		t.Errorf("%+v", now.Remote())
	}
}

// A Config.TLS that could not work, or would let in everybody, is refused.
func TestOwnCertificatesChecked(t *testing.T) {
	ca := newCompany(t)
	cert := ca.issue(spiffeA)
	for want, change := range map[string]func(*tls.Config){
		"GetConfigForClient": func(c *tls.Config) {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
		},
		"MaxVersion": func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"GetCertificate": func(c *tls.Config) {
			c.Certificates = nil
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		},
		"GetClientCertificate": func(c *tls.Config) {
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }
		},
		"InsecureSkipVerify": func(c *tls.Config) { c.InsecureSkipVerify = true },
		"RootCAs":            func(c *tls.Config) { c.RootCAs = nil },
	} {
		cfg := Config{Key: GenerateKey()}
		ca.config(cert, change)(&cfg)
		h, err := NewHost(cfg)
		if err == nil {
			_ = h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "Config.TLS") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestIdentityOf(t *testing.T) {
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	named := func(cn string, dns []string, uris ...*url.URL) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: dns, URIs: uris}
	}
	long := strings.Repeat("x", maxIdentity+1)
	for name, test := range map[string]struct {
		cert *x509.Certificate
		want string
		bad  bool
	}{
		"spiffe":              {cert: named("cn", []string{"d"}, uri("https://x/y"), uri(spiffeA)), want: spiffeA},
		"dns":                 {cert: named("cn", []string{"d", "e"}, uri("https://x/y")), want: "d"},
		"common name":         {cert: named("cn", nil), want: "cn"},
		"nothing":             {cert: named("", nil)},
		"two":                 {cert: named("", nil, uri(spiffeA), uri(spiffeB)), bad: true},
		"pretends":            {cert: named("SPIFFE://company/a", nil), bad: true},
		"pretends, dns":       {cert: named("", []string{spiffeA}), bad: true},
		"pretends, other URI": {cert: named(spiffeA, nil, uri("https://x/y")), bad: true},
		"long":                {cert: named(long, nil), bad: true},
		"as long as may be":   {cert: named(long[1:], nil), want: long[1:]},
		"a line":              {cert: named("a\nb", nil), bad: true},
		"no text":             {cert: named("\xff", nil), bad: true},
	} {
		if got, err := identityOf(test.cert); got != test.want || (err != nil) != test.bad {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
