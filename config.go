package netchan

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/matveynator/netchan/peer"
)

// Config says how a node joins a mesh. The zero Config is a node for this user
// on this machine. A Config is not changed by Join, and may be used again.
type Config struct {
	// Name is for people: it appears in logs and errors, and need not be unique.
	// At most 64 bytes. Default: the host name.
	Name string
	// Listen is "host:port", one port number for TCP and UDP; port 0 takes a
	// free one. Default: port 0, on loopback while all seeds are loopback
	// addresses, else on the local address that reaches a seed.
	Listen string
	// Advertise is the "host:port" that others use to reach this node; a port of
	// 0 stands for the one of Listen. Default: where Listen landed; for an
	// unspecified address the local address that reaches a seed.
	Advertise string
	// Seeds are addresses "host:port" of any members. They are resolved at every
	// try, one that answers is enough, and this node's own address may be among
	// them. None, or only our own: the node needs nobody.
	Seeds []string
	// Key is the cluster key: who holds it is a member. The zero Key stands for
	// DefaultKey().
	Key Key
	// AcceptKeys are accepted beside Key, while a key is being changed.
	AcceptKeys []Key
	// TLS, if not nil, has the certificates that nodes show each other, those of a
	// company's authority or of SPIFFE, instead of ones that are issued under Key. A
	// node needs both then: the Key, which also encrypts the gossip's packets, and a
	// certificate that the others accept. What it is for is the node's
	// Member.Identity, for Authorize. It must not be changed after Join; certificates
	// change at run time through its functions.
	//
	// Needed are Certificates, or GetCertificate and GetClientCertificate, since every
	// node dials and is dialled; and RootCAs or ClientCAs (one stands for both), or
	// InsecureSkipVerify with VerifyPeerCertificate or VerifyConnection that look for
	// themselves. VerifyPeerCertificate and VerifyConnection are called in any case. The
	// address that was dialled is not compared with the certificate, for addresses are
	// only what nodes say; with ServerName, every node that is dialled must be for that
	// name. TLS 1.3, a certificate of both sides, and netchan's protocols are required
	// whatever it says. A restarted node is a new one, though it shows the same
	// certificate.
	TLS *tls.Config
	// Authorize says who may do what: nil, or why not. It is asked before an end on
	// another node is joined with one of the same name here, whichever side begins: ToSend
	// for a Sender there and a Receiver here, ToReceive for the opposite. peer is who has
	// proved to be at the other end of the link: without TLS only its ID means anything.
	// Nil: every member may do everything.
	//
	// After a no, the two ends are to each other as if absent. It is logged, counted in
	// both nodes' Stats, and told by the other side's calls that wait, as a StalledError
	// that matches ErrRefused, with the first 256 bytes of the error's text. It is not
	// asked again about the same two ends before their nodes are linked anew: what it has
	// said yes to stays.
	//
	// Not asked are ends on this node, and channels in values: to be given one is to be
	// allowed to use it. Names and types of all ends are known to every member.
	//
	// It is called by several goroutines at once. While it takes its time only the ends
	// in question wait, unless it does so about 64 at once of one node's Receivers; Close
	// waits for it. A panic in it is a no, and logged.
	Authorize func(peer Member, action Action, channel string) error
	// ResumeTimeout is how long a broken link may take to come back before the
	// node at its other end is given up. Of the two nodes' times the smaller one
	// counts, and one of them waits 5 s longer. Zero: 30 s.
	ResumeTimeout time.Duration
	// Logger takes what a person might want to know, at most 20 lines with the same
	// text a second. Nil: slog.Default().
	Logger *slog.Logger

	network peer.Network // for tests; nil: the machine's
}

// maxNodeName bounds Config.Name: it travels in every gossip message about us.
const maxNodeName = 64

// withDefaults checks c and fills in what is left open.
func (c Config) withDefaults() (Config, error) {
	bad := func(field, problem string, err error) error {
		return &ArgumentError{Call: "Join", Arg: "Config." + field, Problem: problem, Err: err}
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "node"
		}
		c.Name = host[:min(len(host), maxNodeName)]
	}
	if len(c.Name) > maxNodeName {
		return c, bad("Name", fmt.Sprintf("has %d bytes, at most %d are allowed", len(c.Name), maxNodeName), nil)
	}
	if c.TLS != nil {
		if err := peer.CheckTLS(c.TLS); err != nil {
			return c, bad("TLS", err.Error(), err)
		}
	}
	if c.ResumeTimeout < 0 {
		return c, bad("ResumeTimeout", "is negative; 0 stands for 30 s", nil)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = calmLogger(c.Logger)
	for _, s := range c.Seeds {
		if err := checkAddr(s); err != nil {
			return c, bad("Seeds", fmt.Sprintf("%q is not host:port, such as 10.0.0.1:7946", s), err)
		}
	}
	c.Seeds = slices.Clone(c.Seeds)
	c.AcceptKeys = slices.Clone(c.AcceptKeys)
	for name, addr := range map[string]string{"Listen": c.Listen, "Advertise": c.Advertise} {
		if addr == "" {
			continue
		}
		if _, err := splitAddr(addr); err != nil {
			return c, bad(name, fmt.Sprintf("%q is not host:port, such as 10.0.0.1:7946", addr), err)
		}
	}
	if c.Listen == "" {
		c.Listen = net.JoinHostPort(localHost(c.Seeds), "0")
	}
	if c.Key.IsZero() {
		key, err := peer.DefaultKey()
		if err != nil {
			return c, bad("Key", "none is set, and the default one can't be had: "+err.Error(), err)
		}
		c.Key = key
	}
	return c, nil
}

// advertised is the address that others use, a literal IP and a port, given
// where the host listens.
func (c *Config) advertised(listening string) (string, error) {
	addr := c.Advertise
	if addr == "" {
		addr = listening
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if port == "0" {
		_, port, _ = net.SplitHostPort(listening)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && host != "" {
		found, err := net.ResolveIPAddr("ip", host)
		if err != nil {
			return "", &ArgumentError{Call: "Join", Arg: "Config.Advertise", Problem: err.Error(), Err: err}
		}
		ip, _ = netip.AddrFromSlice(found.IP)
	}
	if !ip.IsValid() || ip.IsUnspecified() {
		host = routedHost(c.Seeds)
	} else {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port), nil
}

// localHost is where a node listens that was not told: on loopback while there
// is no seed, or all are on loopback, else on the address that reaches a seed.
func localHost(seeds []string) string {
	if len(seeds) == 0 {
		return loopback
	}
	return routedHost(seeds)
}

const loopback = "127.0.0.1"

// routedHost is the local address that reaches a seed. Where there is none, or
// none can be resolved now, it is that of the first interface that has one.
func routedHost(seeds []string) string {
	found := ""
	for _, s := range seeds {
		// Nothing is sent: connecting a UDP socket only asks for the route.
		conn, err := net.Dial("udp", s)
		if err != nil {
			continue
		}
		ip := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		conn.Close()
		if !ip.IsLoopback() {
			return ip.String()
		}
		found = loopback
	}
	if found != "" {
		return found
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return loopback
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return loopback
}

func checkAddr(addr string) error {
	port, err := splitAddr(addr)
	if err == nil && port == 0 {
		err = fmt.Errorf("port 0 can't be dialled")
	}
	return err
}

func splitAddr(addr string) (port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return 0, fmt.Errorf("port %q is not a number from 0 to 65535", p)
	}
	if len(host) > 255 {
		return 0, fmt.Errorf("host name of %d bytes", len(host))
	}
	return port, nil
}
