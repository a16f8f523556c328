package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"
)

const (
	// handshakeLimit is how long TLS and HELLO together may take, and how long
	// connecting may.
	handshakeLimit = 5 * time.Second

	// heartbeatAfter is for how long a link writes nothing before it says that it
	// is there; silenceLimit is for how long nothing may be heard on one.
	heartbeatAfter = time.Second
	silenceLimit   = 3 * time.Second

	// defaultResume is the default of Config.ResumeTimeout.
	defaultResume = 30 * time.Second

	// keptSegments bounds the kept buffer of a link: 4 MiB.
	keptSegments = (4 << 20) / segmentSize

	// claimedSegments bounds what all kept buffers of a host have together beyond
	// the first segment of each: 256 MiB. Over it links that are broken slow the
	// others, but they don't stop them.
	claimedSegments = (256 << 20) / segmentSize

	// maxLinks is how many links a host may have, whoever made them: one who holds the
	// key can be many nodes.
	maxLinks = 4096

	// maxBroken bounds how many broken links a host waits for; more end at once. A
	// mesh has no more members, but one who holds the key can be many nodes, and
	// what is kept for each of them takes no connection.
	maxBroken = 4096

	// maxFrame bounds what WriteFrame takes at once.
	maxFrame = 128 << 10

	// ackEvery is after how many received bytes they are acknowledged, if nothing
	// else says so before.
	ackEvery = 256 << 10
)

// Config is what NewHost needs. It must not be changed afterwards.
type Config struct {
	// Listen is "host:port" for TCP and UDP alike; port 0 takes one that is free
	// for both. Empty: the host only dials.
	Listen string

	// Advertise is the address that others are told to dial. Default: where
	// Listen landed, unless that is an unspecified address. At most 255 bytes of
	// printable UTF-8.
	Advertise string

	// Name is for people; at most 255 bytes of printable UTF-8; may be empty.
	Name string

	// Key is the cluster key; it must not be zero. Peers that show a certificate
	// under it, or under one of AcceptKeys, are let in.
	Key        Key
	AcceptKeys []Key

	// TLS, if not nil, has the certificates that are shown, and says which are
	// accepted, instead of those issued under Key. Peers must hold the key all the
	// same, and bring such a certificate too. Of its fields these count as in
	// crypto/tls, on both sides: Certificates, GetCertificate, GetClientCertificate,
	// RootCAs and ClientCAs (one stands for both where the other is nil),
	// InsecureSkipVerify with VerifyPeerCertificate or VerifyConnection, Time, and what
	// is about ciphers. The name that was dialled is not looked at, since addresses are
	// what a peer says of itself; ServerName, where it is set, must be one of those of
	// every peer that is dialled. A certificate of the peer is always required, TLS is
	// 1.3, and the protocols agreed on are those of this package.
	TLS *tls.Config

	// ResumeTimeout is how long a broken link may take to come back before it
	// ends. Of the two nodes' times the smaller one counts; the node with the
	// higher ID waits 5 s longer. Zero: 30 s.
	ResumeTimeout time.Duration

	// Logger takes what a person might want to know. Nil: slog.Default().
	Logger *slog.Logger

	// OnLink is called once for every new link, whoever dialled, before Link
	// returns it or Links lists it, on a goroutine of the host. It should start
	// reading from the link, must return soon, and must not call Host.Close or
	// Host.Link. Nil: nobody is told.
	OnLink func(*Link)

	// OnBreak is called when a link breaks and when it is back: Link.Broken tells
	// which. It is called on whatever goroutine noticed; two calls about one link
	// may overlap. It must not block. Nil: nobody is told.
	OnBreak func(*Link)

	// Dead reports whether a node is held to be dead by others, say by gossip. It
	// counts only while the link with that node is broken, and nobody answers
	// where it was: then the link ends at once. It must not block. Nil: nobody
	// knows.
	Dead func(NodeID) bool

	// Network is where the host listens and dials. Nil: the machine's.
	Network Network

	tune tuning
}

// Network is what a host needs of a network. Its methods are called by several
// goroutines at once.
type Network interface {
	// Listen opens a TCP listener and a UDP socket on one port number.
	Listen(addr string) (net.Listener, net.PacketConn, error)
	// Dial connects to a listener. It blocks until ctx ends at most.
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// tuning is what tests shorten.
type tuning struct {
	handshake time.Duration
	halfOpen  int
	from      int // halfOpen of one address
	heartbeat time.Duration
	silence   time.Duration
	flushCap  int // fixed flush cap; 0: adapted between minFlush and maxFlush
	segments  int
	claimed   int
	broken    int
	links     int
	maxRecord int
	higher    time.Duration // what the higher ID waits longer
}

func (c Config) withDefaults() (Config, error) {
	if err := checkText(c.Name); err != nil {
		return c, fmt.Errorf("peer: Config.Name: %w", err)
	}
	if err := checkText(c.Advertise); err != nil {
		return c, fmt.Errorf("peer: Config.Advertise: %w", err)
	}
	if c.ResumeTimeout < 0 {
		return c, fmt.Errorf("peer: Config.ResumeTimeout is negative: %v", c.ResumeTimeout)
	}
	orDefault(&c.ResumeTimeout, defaultResume)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.OnBreak == nil {
		c.OnBreak = func(*Link) {}
	}
	if c.Network == nil {
		c.Network = machine{}
	}
	orDefault(&c.tune.handshake, handshakeLimit)
	orDefault(&c.tune.halfOpen, maxHalfOpen)
	orDefault(&c.tune.from, maxHalfOpenFrom)
	orDefault(&c.tune.heartbeat, heartbeatAfter)
	orDefault(&c.tune.silence, silenceLimit)
	orDefault(&c.tune.segments, keptSegments)
	orDefault(&c.tune.claimed, claimedSegments)
	orDefault(&c.tune.broken, maxBroken)
	orDefault(&c.tune.links, maxLinks)
	orDefault(&c.tune.maxRecord, maxRecord)
	orDefault(&c.tune.higher, higherWaits)
	return c, nil
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
