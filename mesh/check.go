package mesh

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	lookTimeout = 1500 * time.Millisecond // to connect to a member in doubt, and again for others to do so
	looksAtOnce = 64
	lookGather  = 20 * time.Millisecond // what is found out meanwhile is reported together
	opinions    = 3                     // members that are asked whether they reach one that we don't
	sweepSize   = 64                    // members that are pinged when one is missing
	afterDeath  = time.Second           // deaths that are told meanwhile count together
	perDeath    = 4                     // members that are pinged for each death that is told
	quietFor    = 10 * time.Second      // one that was quiet is not looked at again before
)

// What is found out about a member in doubt.
type verdict int

const (
	there verdict = iota // it answers us, or somebody else
	quiet                // nobody hears of it, which proves nothing
	gone                 // its address refuses, or belongs to somebody else
)

// Doubt says that a member may be dead, because a ping was not answered or a
// connection broke. The mesh looks then, and if the member's address refuses, or
// somebody else answers there, it is dead for all at once. It doesn't wait, and
// does nothing when the member is not alive.
//
// memberlist alone pings one member a second at best, and then waits for
// suspicion to become certainty.
func (m *Mesh) Doubt(id ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doubtLocked(id, false)
}

func (m *Mesh) doubtLocked(id ID, replaced bool) {
	if n := m.nodes[id]; n == nil || !n.alive {
		return
	}
	m.doubts[id] = m.doubts[id] || replaced
	m.checkSoon()
}

// checkSoon wakes checkLoop.
func (m *Mesh) checkSoon() {
	select {
	case m.doubted <- struct{}{}:
	default:
	}
}

// unanswered is called by memberlist when a member has not answered its ping.
// It never keeps memberlist from trying a stream then.
func (m *Mesh) unanswered(name string) bool {
	var id ID
	if len(name) == hex.EncodedLen(len(id)) {
		if _, err := hex.Decode(id[:], []byte(name)); err == nil {
			m.Doubt(id)
		}
	}
	return false
}

// met notes who answers at an address: another one that has it is in doubt.
func (m *Mesh) met(id ID, addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for other, n := range m.nodes {
		if n.Addr == addr && other != id {
			m.doubtLocked(other, true)
		}
	}
}

// checks is what checkLoop knows.
type checks struct {
	m     *Mesh
	quiet map[ID]time.Time // who was quiet, and when
}

// checkLoop looks at who is in doubt. Some time after deaths that gossip has
// told it looks for more: gossip does not tell all of many to everybody.
func (m *Mesh) checkLoop() {
	c := checks{m: m, quiet: make(map[ID]time.Time)}
	var later <-chan time.Time
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.doubted:
			c.run(0)
		case <-later:
			later = nil
			c.run(m.afterDeaths())
		}
		m.mu.Lock()
		if m.deaths > 0 && later == nil {
			later = time.After(afterDeath)
		}
		m.mu.Unlock()
	}
}

// afterDeaths returns how many members are to be pinged for the deaths that
// gossip has told.
func (m *Mesh) afterDeaths() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(perDeath*m.deaths, sweepSize)
	m.deaths = 0
	return n
}

// run pings n members, and looks at all who are in doubt. Where one is missing
// there may be more: others are pinged as long as that proves true, and looked
// at if they don't answer.
func (c *checks) run(n int) {
	pinged := make(map[ID]bool)
	c.sweep(n, pinged)
	for batch := c.take(); len(batch) > 0; batch = c.take() {
		if c.judge(batch) {
			c.sweep(sweepSize, pinged)
		}
	}
}

// take takes some of those in doubt.
func (c *checks) take() []Member {
	now := time.Now()
	for id, at := range c.quiet {
		if now.Sub(at) > quietFor {
			delete(c.quiet, id)
		}
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	var out []Member
	for id, replaced := range c.m.doubts {
		if len(out) == looksAtOnce || c.m.closed {
			break
		}
		delete(c.m.doubts, id)
		if _, ok := c.quiet[id]; (!ok || replaced) && c.m.aliveLocked(id) {
			out = append(out, c.m.nodes[id].Member)
		}
	}
	return out
}

// judge looks at each of them and tells memberlist; missing if one is not there.
func (c *checks) judge(batch []Member) (missing bool) {
	type looked struct {
		id ID
		verdict
	}
	results := make(chan looked, len(batch))
	for _, mb := range batch {
		go func() { results <- looked{mb.ID, c.m.look(mb)} }()
	}
	for left := len(batch); left > 0; {
		first := <-results
		c.m.pause(lookGather)
		found := map[ID]verdict{first.id: first.verdict}
		for range len(results) {
			r := <-results
			found[r.id] = r.verdict
		}
		left -= len(found)
		for id, v := range found {
			switch v {
			case there:
				delete(found, id)
			case quiet:
				c.quiet[id] = time.Now()
			}
		}
		if len(found) > 0 {
			missing = true
			c.m.accuse(found)
		}
	}
	return missing
}

// sweep pings n members that were not pinged yet; who doesn't answer is in doubt.
func (c *checks) sweep(n int, pinged map[ID]bool) {
	c.m.mu.Lock()
	var others []Member
	for id, o := range c.m.nodes {
		if len(others) == n {
			break
		}
		_, doubted := c.m.doubts[id]
		if _, ok := c.quiet[id]; o.alive && !ok && !doubted && !pinged[id] {
			pinged[id] = true
			others = append(others, o.Member)
		}
	}
	c.m.mu.Unlock()
	done := make(chan struct{}, len(others))
	for _, mb := range others {
		go func() {
			if !c.m.pings(mb) {
				c.m.Doubt(mb.ID)
			}
			done <- struct{}{}
		}()
	}
	for range others {
		<-done
	}
}

// pings tells whether a member answers a ping.
func (m *Mesh) pings(mb Member) bool {
	a, err := netip.ParseAddrPort(mb.Addr)
	if err != nil {
		return false
	}
	_, err = m.ml.Ping(mb.ID.String(), net.UDPAddrFromAddrPort(a))
	return err == nil
}

// look connects to a member. Whoever answers in its stead is joined.
func (m *Mesh) look(mb Member) verdict {
	v := quiet
	ctx, cancel := context.WithTimeout(m.ctx, lookTimeout)
	conn, id, err := m.cfg.Network.DialGossip(ctx, mb.Addr)
	cancel()
	if err == nil {
		_ = conn.Close()
		if id == mb.ID {
			return there
		}
		v = gone
		m.succeed(id, mb.Addr)
	} else if refused(err) {
		v = gone
	}
	if m.vouched(mb) || m.ctx.Err() != nil {
		return there
	}
	m.log.Debug("netchan: a member does not answer", "name", mb.Name, "addr", mb.Addr, "gone", v == gone, "err", err)
	return v
}

// refused tells whether err means that nobody listens where a dial went.
func refused(err error) bool {
	const onWindows = syscall.Errno(10061) // WSAECONNREFUSED
	var no syscall.Errno
	return errors.As(err, &no) && (no == syscall.ECONNREFUSED || no == onWindows)
}

// succeed joins who has taken a member's address, perhaps its next life.
func (m *Mesh) succeed(id ID, addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.left && !m.aliveLocked(id) {
		m.startLocked(func() { m.try(m.ctx, addr) })
	}
}

// vouched tells whether one of some others reaches a member: then it is only we
// who don't, and that is no reason to tell anybody.
func (m *Mesh) vouched(mb Member) bool {
	m.mu.Lock()
	var others []Member
	for id, n := range m.nodes {
		if len(others) == opinions {
			break
		}
		if _, doubted := m.doubts[id]; n.alive && !doubted && id != mb.ID {
			others = append(others, n.Member)
		}
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(m.ctx, lookTimeout)
	defer cancel() // one that reaches it is enough
	answers := make(chan bool, len(others))
	for _, o := range others {
		go func() { answers <- m.reaches(ctx, o, mb) }()
	}
	yes := false
	for range others {
		if <-answers && !yes {
			yes = true
			cancel()
		}
	}
	return yes
}

// reaches asks a member whether it can connect to another.
func (m *Mesh) reaches(ctx context.Context, by, mb Member) (yes bool) {
	err := m.ask(ctx, by, request{kind: askToDial, id: mb.ID, addr: mb.Addr}, func(r io.Reader) (err error) {
		yes, _, err = readDialAnswer(r)
		return err
	})
	return err == nil && yes
}

// pause waits; less if the mesh is closed.
func (m *Mesh) pause(d time.Duration) {
	select {
	case <-m.ctx.Done():
	case <-time.After(d):
	}
}
