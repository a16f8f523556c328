package netchan

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

// authority issues certificates with SPIFFE IDs.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert = &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c := a.sign(a.cert)
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) sign(c *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	by := a.key
	if by == nil {
		by = key
	}
	c.SerialNumber, c.Subject = big.NewInt(1), pkix.Name{CommonName: "x"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// config is the Config.TLS of who has this ID.
func (a *authority) config(id string) *tls.Config {
	u, err := url.Parse(id)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	cert := a.sign(&x509.Certificate{
		URIs: []*url.URL{u}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}
}

// Nodes prove who they are by certificates of the program's own, and one of them says
// which of the others may send and receive, and on which channels.
func TestAuthorize(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		network := memnet.New(1)
		defer network.Close()
		ca := newAuthority(t)
		key := GenerateKey()
		asked := make(chan Member, 100)
		join := func(n int, name string, cfg Config) *Node {
			t.Helper()
			cfg.Name, cfg.Key, cfg.TLS = name, key, ca.config("spiffe://shop/"+name)
			node, err := inMemory(ctx, network, n, cfg)
			if err != nil {
				t.Fatal(err)
			}
			return node
		}
		a := join(1, "a", Config{Authorize: func(peer Member, action Action, channel string) error {
			asked <- peer
			if what := fmt.Sprint(peer.Identity, " ", action, " ", channel); what != "spiffe://shop/b send orders" && what != "spiffe://shop/b receive news" {
				return errors.New("b only, not " + what)
			}
			return nil
		}})
		defer a.Close()
		b, c := join(2, "b", Config{}), join(3, "c", Config{})
		defer b.Close()
		defer c.Close()

		orders, err := NewReceiver[string](a, "orders", KeepOpen())
		if err != nil {
			t.Fatal(err)
		}
		news, err := NewSender[string](a, "news")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 10)
		go func() {
			for v := range orders.C {
				got <- v
			}
		}()
		inC, err := NewReceiver[string](c, "news")
		if err != nil {
			t.Fatal(err)
		}
		fromC, err := NewSender[string](c, "orders")
		if err != nil {
			t.Fatal(err)
		}
		short, stop := context.WithTimeout(ctx, 10*time.Second)
		err = fromC.Deliver(short, "c's")
		stop()
		stalled := (*StalledError)(nil)
		if !errors.Is(err, ErrRefused) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &stalled) ||
			stalled.Reason != Refused || stalled.Node != "a" || !stalled.Withdrawn ||
			!strings.Contains(err.Error(), "not allowed with a: b only, not spiffe://shop/c send orders") {
			t.Fatalf("Deliver: %v", err)
		}
		short, stop = context.WithTimeout(ctx, 10*time.Second)
		err = news.Deliver(short, "nobody's")
		stop()
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "not allowed with c: b only, not spiffe://shop/c receive news") {
			t.Fatalf("Deliver: %v", err)
		}
		fromB, err := NewSender[string](b, "orders")
		if err != nil {
			t.Fatal(err)
		}
		if err := fromB.Deliver(ctx, "b's"); err != nil {
			t.Fatal(err)
		}
		if v := <-got; v != "b's" {
			t.Fatal(v)
		}
		inB, err := NewReceiver[string](b, "news")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = Send(ctx, news.C, "for b") }()
		if v, err := Receive(ctx, inB.C); err != nil || v != "for b" {
			t.Fatal(v, err)
		}
		here, err := NewSender[string](a, "orders") // is not asked about
		if err != nil {
			t.Fatal(err)
		}
		if err := here.Deliver(ctx, "a's"); err != nil || <-got != "a's" {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for what, n := range map[string]uint64{
			"orders at a": orders.Stats().Refused, "news at a": news.Stats().Refused,
			"orders at c": fromC.Stats().Refused, "news at c": inC.Stats().Refused,
		} {
			if n != 1 {
				t.Errorf("%s: %d counted as refused", what, n)
			}
		}
		if len(asked) != 4 {
			t.Errorf("asked %d times", len(asked))
		}
		if m := <-asked; m.ID != c.Self().ID || m.Name != "c" || m.Addr != c.Addr() || m.Identity != "spiffe://shop/c" {
			t.Errorf("asked about %+v", m)
		}
		for _, l := range b.Stats().Links {
			if l.Node.Identity != "spiffe://shop/"+l.Node.Name {
				t.Errorf("%+v", l.Node)
			}
		}

		// Without a certificate of that authority, or without the key, nobody joins.
		for want, cfg := range map[error]Config{
			ErrCertificate: {Key: key, TLS: newAuthority(t).config("spiffe://shop/b")},
			ErrKeyMismatch: {Key: GenerateKey(), TLS: ca.config("spiffe://shop/b")},
		} {
			if n, err := inMemory(ctx, network, 4, cfg); !errors.Is(err, want) {
				if err == nil {
					n.Close()
				}
				t.Errorf("%v, want %v", err, want)
			}
		}
	})
}

// A slow Authorize keeps nobody waiting but the ends in question, and Close waits for it.
func TestSlowAuthorize(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		network := memnet.New(1)
		defer network.Close()
		key, release := GenerateKey(), make(chan bool)
		a, err := inMemory(ctx, network, 1, Config{Key: key, Authorize: func(_ Member, _ Action, channel string) error {
			if channel == "slow" {
				<-release
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := inMemory(ctx, network, 2, Config{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for i, pair := range [][2]*Node{{a, b}, {b, a}} {
			slow, err := NewSender[int](pair[0], "slow")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := NewReceiver[int](pair[1], "slow"); err != nil {
				t.Fatal(err)
			}
			s, err := NewSender[int](pair[0], "fast "+pair[0].Addr())
			if err != nil {
				t.Fatal(err)
			}
			r, err := NewReceiver[int](pair[1], "fast "+pair[0].Addr())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				go func() { _ = Send(ctx, s.C, i) }()
				if v, err := Receive(ctx, r.C); err != nil || v != i {
					t.Fatal(v, err)
				}
			}
			short, stop := context.WithTimeout(ctx, time.Minute)
			if err := slow.WaitReceivers(short, i+1); err == nil { // the second has one on its own node
				t.Fatal("not asked")
			}
			stop()
		}
		closed := make(chan bool)
		go func() { a.Close(); close(closed) }()
		select {
		case <-closed:
			t.Error("Close did not wait")
		case <-time.After(time.Minute):
		}
		close(release)
		<-closed
	})
}

func TestActionString(t *testing.T) {
	if got := fmt.Sprint(ToSend, " ", ToReceive, " ", Action(0)); got != "send receive unknown action" {
		t.Error(got)
	}
}
