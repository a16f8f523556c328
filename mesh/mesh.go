package mesh

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// ID names one life of one node: a restarted process has another.
type ID [32]byte

// String returns the whole ID in hex; it is also the node's name to memberlist.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// A Member is a node as the mesh knows it. Members are comparable.
type Member struct {
	ID   ID
	Name string // for people, at most MaxMemberName bytes, need not be unique
	Addr string // "host:port" with a literal IP
}

// An End is a named sending or receiving end that a node has.
type End struct {
	ID       [16]byte
	Name     string // 1 to MaxName bytes
	Receive  bool   // a receiving end; false: a sending end
	Type     [16]byte
	TypeText string // the type for people; what is beyond MaxTypeText bytes is cut off
}

// An Entry is an end together with the node that has it.
type Entry struct {
	Node Member
	End
}

// A Network gives the mesh its sockets. Its methods are called from several
// goroutines at once; the mesh closes only connections, not the network.
type Network interface {
	// DialGossip connects to addr and returns who answers there, verified. An
	// error that wraps syscall.ECONNREFUSED says that nobody listens there.
	DialGossip(ctx context.Context, addr string) (net.Conn, ID, error)
	// GossipConns delivers what others have dialled that way.
	GossipConns() <-chan net.Conn
	// Packets is the packet socket at the node's own address. The mesh reads
	// it until Close and sets its read deadline then.
	Packets() net.PacketConn
	// Probe connects to addr, checks that want answers, and closes.
	Probe(ctx context.Context, addr string, want ID) error
}

// Bounds that have no field in Config.
const (
	MaxMemberName = 64      // bytes of Member.Name
	MaxName       = 256     // bytes of End.Name
	MaxTypeText   = 256     // bytes of End.TypeText
	MaxEnds       = 4096    // ends of one node
	MaxListBytes  = 1 << 20 // bytes of one node's list on the wire
)

// Defaults of the limits in Config.
const (
	DefaultMaxMembers  = 4096
	DefaultMaxRegistry = 64 << 20
)

// Config says who we are and how others are reached.
type Config struct {
	ID      ID
	Name    string   // for people; cut to MaxMemberName bytes
	Addr    string   // what others dial, "host:port" with a literal IP
	Seeds   []string // "host:port" of any members, resolved at every try; may hold ourselves
	Keys    [][]byte // 32 bytes each; the first encrypts, all decrypt
	Network Network
	Logger  *slog.Logger     // nil: slog.Default()
	Fatal   func(error) bool // errors of DialGossip that no later try will mend; nil: none

	MaxMembers  int // nodes known at once; 0: DefaultMaxMembers
	MaxRegistry int // bytes of all nodes' lists together; 0: DefaultMaxRegistry
}

// A Mesh is one node's membership. All methods are safe for concurrent use.
type Mesh struct {
	cfg       Config
	log       *slog.Logger
	self      Member
	ml        *memberlist.Memberlist
	keyring   *memberlist.Keyring
	transport *transport
	queue     *memberlist.TransmitLimitedQueue
	live      atomic.Int32 // live nodes, ourselves included; read under memberlist's locks

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	kick    chan struct{} // wakes the registry's goroutine
	slots   chan struct{} // bounds the requests answered at once
	probes  chan struct{} // bounds the dial-backs made at once
	doubted chan struct{} // wakes who looks at those in doubt

	mu        sync.Mutex
	nodes     map[ID]*node // all others, dead ones for a while
	lost      map[ID]lostMember
	doubts    map[ID]bool // live members to be looked at; true: somebody else was met at its address
	deaths    int         // told since others were looked at for that
	arrivals  uint64      // how often a member has become known or live again, or a list was learnt
	reg       registry
	changed   chan struct{}
	flushAt   time.Time // when the own list is to be announced; zero: nothing new
	forgetAt  time.Time
	learning  bool // one member is asked for everything
	joining   bool // Join is at work or has succeeded
	settled   bool // Join has succeeded
	warned    bool // of being unreachable
	full      bool // a warning has said that lists do not fit
	checked   bool // a dial-back has been answered
	left      bool // Leave was called
	closed    bool
	leaving   chan struct{} // capacity 1; full while memberlist sends the goodbye
	closeOnce sync.Once
	keysMu    sync.Mutex
}

// ErrClosed is returned by the methods of a closed Mesh. It matches net.ErrClosed.
var ErrClosed = fmt.Errorf("mesh: closed: %w", net.ErrClosed)

// New starts a node that knows only itself; Join makes it find others. Others
// can join it at once. It returns an error that names the field of cfg that
// can't be used.
func New(cfg Config) (*Mesh, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	keyring, err := memberlist.NewKeyring(nil, append([]byte(nil), cfg.Keys[0]...))
	if err != nil {
		return nil, fmt.Errorf("mesh: Config.Keys: %w", err)
	}
	m := &Mesh{
		cfg:     cfg,
		log:     cfg.Logger,
		self:    Member{ID: cfg.ID, Name: cut(cfg.Name, MaxMemberName), Addr: cfg.Addr},
		keyring: keyring,
		kick:    make(chan struct{}, 1),
		slots:   make(chan struct{}, maxRequests),
		probes:  make(chan struct{}, maxProbes),
		doubted: make(chan struct{}, 1),
		lost:    make(map[ID]lostMember),
		doubts:  make(map[ID]bool),
		leaving: make(chan struct{}, 1),
		nodes:   make(map[ID]*node),
		changed: make(chan struct{}),
	}
	m.reg = newRegistry(cfg.ID, cfg.MaxMembers, cfg.MaxRegistry)
	m.live.Store(1)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if err := m.SetKeys(cfg.Keys); err != nil {
		m.cancel()
		return nil, err
	}
	mc := memberlist.DefaultLANConfig()
	mc.RetransmitMult = 6 // with 4, one of 50 does not hear of a thing until much later
	m.queue = &memberlist.TransmitLimitedQueue{
		NumNodes:       func() int { return int(m.live.Load()) },
		RetransmitMult: mc.RetransmitMult,
	}
	m.transport = newTransport(m.ctx, cfg, keyring)
	addr := netip.MustParseAddrPort(cfg.Addr)
	mc.Name = m.self.ID.String()
	mc.Transport = m.transport
	mc.AdvertiseAddr = addr.Addr().String()
	mc.AdvertisePort = int(addr.Port())
	mc.BindPort = int(addr.Port())
	mc.Keyring = keyring
	mc.EnableCompression = false // a few bytes could grow to many
	mc.RequireNodeNames = true   // we dial members only by their verified identity
	mc.DeadNodeReclaimTime = time.Second
	mc.SuspicionMaxTimeoutMult = 3 // who sees a death alone waits thrice as long as who is confirmed
	mc.DisableTcpPingsForNode = m.unanswered
	delegate := callbacks{m}
	mc.Delegate, mc.Events, mc.Alive = delegate, delegate, delegate
	logs := newLogWriter(m.ctx, m.log)
	mc.Logger = logs.logger()
	m.ml, err = memberlist.Create(mc)
	if err != nil {
		m.cancel()
		_ = m.transport.Shutdown()
		return nil, fmt.Errorf("mesh: %w", err)
	}
	m.transport.start()
	m.wg.Go(m.acceptLoop)
	m.wg.Go(m.registryLoop)
	m.wg.Go(m.checkLoop)
	return m, nil
}

func (cfg *Config) check() error {
	if cfg.ID == (ID{}) {
		return errors.New("mesh: Config.ID is zero")
	}
	if cfg.Network == nil {
		return errors.New("mesh: Config.Network is nil")
	}
	if cfg.Network.Packets() == nil {
		return errors.New("mesh: Config.Network does not listen: a node of a mesh must")
	}
	if a, err := netip.ParseAddrPort(cfg.Addr); err != nil {
		return fmt.Errorf("mesh: Config.Addr: %w", err)
	} else if err := usable(a); err != nil {
		return fmt.Errorf("mesh: Config.Addr: %w", err)
	}
	if err := checkKeys(cfg.Keys); err != nil {
		return err
	}
	for i, s := range cfg.Seeds {
		if err := checkSeed(s); err != nil {
			return fmt.Errorf("mesh: Config.Seeds[%d]: %w", i, err)
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Fatal == nil {
		cfg.Fatal = func(error) bool { return false }
	}
	if cfg.MaxMembers <= 0 {
		cfg.MaxMembers = DefaultMaxMembers
	}
	if cfg.MaxRegistry <= 0 {
		cfg.MaxRegistry = DefaultMaxRegistry
	}
	return nil
}

// usable tells why nobody could send anything to a.
func usable(a netip.AddrPort) error {
	switch {
	case !a.IsValid(), a.Port() == 0:
		return fmt.Errorf("%v has no port", a)
	case a.Addr().IsUnspecified(), a.Addr().IsMulticast(), a.Addr().Zone() != "":
		return fmt.Errorf("%v is not an address that others can use", a)
	}
	return nil
}

// Changed returns a channel that is closed at the next change of what Members
// or Ends return. Take it before you look, so that nothing is missed.
func (m *Mesh) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// changedLocked tells all who wait on Changed. m.mu is held.
func (m *Mesh) changedLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// wake makes the registry's goroutine look again.
func (m *Mesh) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Close ends the membership without a goodbye: others notice it by silence.
// It waits until every goroutine and connection of the mesh has ended. Calling
// it again does nothing. It always returns nil.
func (m *Mesh) Close() error {
	m.closeOnce.Do(func() {
		m.mu.Lock()
		m.closed = true
		m.mu.Unlock()
		m.cancel()
		m.leaving <- struct{}{} // memberlist must not be told to leave after its shutdown
		_ = m.ml.Shutdown()
		<-m.leaving
		m.wg.Wait()
	})
	return nil
}

// start runs f on a goroutine that Close waits for, unless the mesh is closed.
func (m *Mesh) start(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.startLocked(f)
}

func (m *Mesh) startLocked(f func()) bool {
	if m.closed {
		return false
	}
	m.wg.Go(f)
	return true
}
