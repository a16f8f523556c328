package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	seedFirst   = 50 * time.Millisecond // back-off between tries of a seed
	seedFresh   = time.Second           // its limit at first
	seedLimit   = 10 * time.Second      // its limit later
	freshFor    = 30 * time.Second
	seedRecheck = 30 * time.Second // a host name that is served is resolved again
	seedAddrs   = 16               // addresses used of one host name
	tryTimeout  = 5 * time.Second  // one connection to one address
	backTimeout = 4 * time.Second  // a dial-back, asked for and answered
	selfGrace   = 500 * time.Millisecond
	lookupLimit = 5 * time.Second
)

// An UnreachableError says that others can't connect to the address that this
// node tells them.
type UnreachableError struct {
	Addr string // what we advertise
	By   Member // who tried
	Err  string // why it failed there
}

// Error says what to do about it.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("nobody can reach %s: set Listen or Advertise, or use Dial (%s tried: %s)", e.Addr, e.By.Addr, e.Err)
}

// result is what became of one address, or of the first round of one seed.
type result struct {
	joined bool
	self   bool
	round  bool // the first round of a seed is over
	err    error
}

// Join finds other members through the seeds. It returns nil once one of them
// has let this node in, or when one turns out to be this node itself (the
// others have half a second then), or at once when there are no seeds; the
// names that the mesh knows are known here then. It goes on looking for the
// seeds that are not live members until Close.
//
// It fails with an *UnreachableError if the member that answered can't connect
// to our Addr, with an error that Config.Fatal names if that is what the first
// round of tries ended in, with ErrClosed, or, wrapping ctx's error and the
// last one of a try, when ctx ends. After a failure it may be called again.
func (m *Mesh) Join(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if m.joining {
		m.mu.Unlock()
		return errors.New("mesh: Join is called already")
	}
	m.joining = true
	m.mu.Unlock()
	if len(m.cfg.Seeds) == 0 {
		m.settle(true)
		return nil
	}
	run, stop := context.WithCancel(m.ctx)
	results := make(chan result)
	heard, deaf := context.WithCancel(run) // while somebody listens to results
	defer deaf()
	for _, s := range m.cfg.Seeds {
		sd := &seed{m: m, addr: s, run: run, results: results, heard: heard, known: make(map[string]ID), began: time.Now()}
		m.start(sd.chase)
	}
	err := m.await(ctx, results)
	if err != nil {
		stop()
	} else {
		context.AfterFunc(m.ctx, stop)
	}
	m.settle(err == nil)
	return err
}

// settle notes how Join has ended.
func (m *Mesh) settle(ok bool) {
	m.mu.Lock()
	m.joining, m.settled = ok, ok
	m.mu.Unlock()
}

// await judges what the seeds' goroutines find.
func (m *Mesh) await(ctx context.Context, results <-chan result) error {
	var last, fatal error
	var grace <-chan time.Time
	self := false
	rounds := len(m.cfg.Seeds)
	for {
		select {
		case r := <-results:
			if r.joined {
				return nil
			}
			if r.self && !self {
				self = true
				grace = time.After(selfGrace)
			}
			var un *UnreachableError
			switch {
			case r.err == nil:
			case errors.As(r.err, &un):
				return un
			case m.cfg.Fatal(r.err) && rounds > 0 && fatal == nil:
				fatal = r.err
				last = r.err
			default:
				last = r.err
			}
			if r.round {
				rounds--
			}
			if rounds == 0 && self {
				return nil
			}
			if rounds == 0 && fatal != nil {
				return fatal
			}
		case <-grace:
			return nil
		case <-m.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			if last == nil {
				return fmt.Errorf("mesh: no seed has answered: %w", ctx.Err())
			}
			return fmt.Errorf("mesh: no seed has let us in: %w (last: %w)", ctx.Err(), last)
		}
	}
}

// seed is one entry of Config.Seeds, chased by one goroutine.
type seed struct {
	m       *Mesh
	addr    string
	run     context.Context // the chase
	results chan<- result
	heard   context.Context
	known   map[string]ID // who answered last at the addresses it stands for
	began   time.Time
	once    bool // the first round is over
}

func (s *seed) tell(r result) {
	select {
	case s.results <- r:
	case <-s.heard.Done():
	}
}

// chase tries the seed's addresses until each is a live member or ourselves,
// and again when one of them is not any more.
func (s *seed) chase() {
	var b backoff
	for {
		changed := s.m.Changed()
		if s.served() {
			b.reset()
			select {
			case <-s.run.Done():
				return
			case <-changed:
				continue
			case <-time.After(jitter(seedRecheck)):
			}
		}
		s.round()
		if s.run.Err() != nil {
			return
		}
		if s.served() {
			continue
		}
		limit := seedFresh
		if time.Since(s.began) > freshFor {
			limit = seedLimit
		}
		select {
		case <-s.run.Done():
			return
		case <-time.After(b.next(seedFirst, limit)):
		}
	}
}

// served tells whether everything that the seed stood for when it was resolved
// last is part of this mesh.
func (s *seed) served() bool {
	for _, id := range s.known {
		if !s.m.Alive(id) {
			return false
		}
	}
	return len(s.known) > 0
}

// round resolves the seed and tries all its addresses at once.
func (s *seed) round() {
	addrs, err := resolve(s.run, s.addr)
	type answered struct {
		addr string
		id   ID
	}
	found := make(chan answered, len(addrs))
	for _, a := range addrs {
		if !s.m.start(func() {
			id, r := s.m.try(s.run, a)
			if s.run.Err() == nil {
				s.tell(r) // before the round is over
			}
			found <- answered{a, id}
		}) {
			return
		}
	}
	clear(s.known)
	for range addrs {
		f := <-found
		s.known[f.addr] = f.id // zero, nobody, is never alive
	}
	if !s.once {
		s.once = true
		s.tell(result{round: true, err: err})
	} else if err != nil {
		s.tell(result{err: err})
	}
}

// try connects to an address and joins whoever answers there.
func (m *Mesh) try(ctx context.Context, addr string) (ID, result) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	conn, id, err := m.cfg.Network.DialGossip(ctx, addr)
	if err != nil {
		return ID{}, result{err: fmt.Errorf("%s: %w", addr, err)}
	}
	defer conn.Close() //nolint:errcheck // only what was read from it counts
	if id == m.self.ID {
		return id, result{self: true}
	}
	if m.Alive(id) {
		return id, result{joined: true}
	}
	by := Member{ID: id, Addr: addr}
	if err := m.dialBack(ctx, conn, by); err != nil {
		m.warnUnreachable(err)
		return ID{}, result{err: err}
	}
	if err := m.exchange(ctx, conn, by); err != nil {
		return ID{}, result{err: err}
	}
	if !m.Alive(id) { // each still has to refute what the other says of it
		return ID{}, result{err: fmt.Errorf("%s: %v has not become a member yet", addr, id)}
	}
	m.start(func() { m.catchUp(by) })
	return id, result{joined: true}
}

// exchange tells a member which nodes we know and learns which it knows, and
// what they have.
func (m *Mesh) exchange(ctx context.Context, conn net.Conn, with Member) error {
	if _, err := m.ml.Join([]string{with.ID.String() + "/" + with.Addr}); err != nil {
		return fmt.Errorf("%s: %w", with.Addr, err)
	}
	m.learn(ctx, conn)
	return nil
}

// catchUp repeats the exchange with the member that has let us in: others who
// come at the same time would otherwise learn of us, and we of them, only at
// the pace of gossip.
func (m *Mesh) catchUp(with Member) {
	for _, d := range catchUps {
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(jitter(d)):
		}
		ctx, cancel := context.WithTimeout(m.ctx, tryTimeout)
		conn, id, err := m.cfg.Network.DialGossip(ctx, with.Addr)
		if err == nil {
			if id == with.ID {
				err = m.exchange(ctx, conn, with)
			}
			_ = conn.Close()
		}
		cancel()
		if err != nil {
			m.log.Debug("netchan: second exchange with the member that let us in", "addr", with.Addr, "err", err)
		}
	}
}

// dialBack has whoever is at the other end of conn connect to us, unless
// somebody has before. Only an *UnreachableError says something about us: from
// who doesn't answer there is nothing to learn, nor to join.
func (m *Mesh) dialBack(ctx context.Context, conn net.Conn, by Member) error {
	m.mu.Lock()
	checked := m.checked
	m.mu.Unlock()
	if checked {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, backTimeout)
	defer cancel()
	var reached bool
	var why string
	err := askOn(ctx, conn, request{kind: askToDial, id: m.self.ID, addr: m.self.Addr}, func(r io.Reader) (err error) {
		reached, why, err = readDialAnswer(r)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: no answer to the question whether we can be reached: %w", by.Addr, err)
	}
	if !reached {
		return &UnreachableError{Addr: m.self.Addr, By: by, Err: why}
	}
	m.mu.Lock()
	m.checked = true
	m.mu.Unlock()
	return nil
}

// warnUnreachable says, once, what Join can't say any more, because it has met
// ourselves, or another life of a lost member, and has returned.
func (m *Mesh) warnUnreachable(err error) {
	m.mu.Lock()
	var un *UnreachableError
	first := m.settled && !m.warned && errors.As(err, &un)
	m.warned = m.warned || first
	m.mu.Unlock()
	if first {
		m.log.Warn("netchan: " + err.Error())
	}
}

// learn takes from the other end of conn what the mesh knows of names. What is
// missed comes later by itself.
func (m *Mesh) learn(ctx context.Context, conn net.Conn) {
	err := askOn(ctx, conn, request{kind: askForAll}, func(r io.Reader) error {
		return readAllAnswer(r, maxTuples, m.cfg.MaxRegistry, func(id ID, l *list) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.aliveLocked(id) && m.reg.hint(id, l, time.Now()) {
				m.changedLocked()
			}
		})
	})
	if err != nil {
		m.log.Debug("netchan: names not learnt while joining", "err", err)
	}
}

// checkSeed tells what is wrong with the form of a seed.
func checkSeed(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	if host == "" {
		return fmt.Errorf("%q has no host", s)
	}
	return nil
}

// resolve returns the addresses that a seed stands for now.
func resolve(ctx context.Context, s string) ([]string, error) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return []string{netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	var out []string
	for _, ip := range ips {
		a := net.JoinHostPort(ip.Unmap().String(), port)
		if !seen[a] && len(out) < seedAddrs {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out, nil
}

// catchUps are the pauses before the exchanges are repeated.
var catchUps = [...]time.Duration{300 * time.Millisecond, 700 * time.Millisecond}

// backoff doubles from a first to a limit, jittered by a third.
type backoff struct{ d time.Duration }

func (b *backoff) reset() { b.d = 0 }

func (b *backoff) next(first, limit time.Duration) time.Duration {
	b.d = min(max(2*b.d, first), limit)
	return jitter(b.d)
}

// jitter returns a duration from two thirds of d up to d.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/3+1))
}
