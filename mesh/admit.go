package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	tryTimeout  = 5 * time.Second // all that is done over one connection to join
	backTimeout = 4 * time.Second // a dial-back, asked for and answered
)

// catchUps are the pauses before exchanges are repeated, as long as they bring
// members or names that were not known; the first ones are made in any case.
var catchUps = [...]time.Duration{
	300 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
}

const sureCatchUps = 2

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
	by := Member{ID: id, Addr: addr}
	if err := m.dialBack(ctx, conn, by); err != nil {
		m.warnUnreachable(err)
		return ID{}, result{err: err}
	}
	if m.Alive(id) { // it has joined us, or somebody we know
		m.learn(ctx, conn)
		return id, result{joined: true}
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

// exchange learns on conn what with knows of names, and then tells it, and
// learns, which nodes there are.
func (m *Mesh) exchange(ctx context.Context, conn net.Conn, with Member) error {
	m.learn(ctx, conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	name := with.ID.String()
	m.transport.lend(name, conn)
	defer m.transport.takeBack(name, conn)
	if _, err := m.ml.Join([]string{name + "/" + with.Addr}); err != nil {
		return fmt.Errorf("%s: %w", with.Addr, err)
	}
	return nil
}

// catchUp repeats the exchange, with the member that has let us in and then
// with others: who comes at the same time as we would otherwise learn of us,
// and we of it, only at the pace of gossip, or much later if that gets lost.
func (m *Mesh) catchUp(with Member) {
	for i, d := range catchUps {
		m.mu.Lock()
		before := m.arrivals
		if i > 0 {
			if o := m.othersLocked(1); len(o) > 0 {
				with = o[0] // any: the order of a map
			}
		}
		m.mu.Unlock()
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(jitter(d)):
		}
		if err := m.meet(with); err != nil {
			m.log.Debug("netchan: exchange with a member failed", "addr", with.Addr, "err", err)
		}
		m.mu.Lock()
		news := m.arrivals > before
		m.mu.Unlock()
		if i+1 >= sureCatchUps && !news {
			return
		}
	}
}

// meet connects to a member for an exchange.
func (m *Mesh) meet(with Member) error {
	ctx, cancel := context.WithTimeout(m.ctx, tryTimeout)
	defer cancel()
	conn, id, err := m.cfg.Network.DialGossip(ctx, with.Addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // memberlist has closed it
	if id != with.ID {
		return fmt.Errorf("%v answers at %s, not %v", id, with.Addr, with.ID)
	}
	return m.exchange(ctx, conn, with)
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
	if err := askOn(ctx, conn, request{kind: askForAll}, m.learnFrom); err != nil {
		m.log.Debug("netchan: the mesh's names were not learnt", "err", err)
	}
}

// learnFrom takes lists of members, also of such that we have yet to hear of.
func (m *Mesh) learnFrom(r io.Reader) error {
	return readAllAnswer(r, maxTuples, m.cfg.MaxRegistry, func(id ID, l *list) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.reg.hint(id, l, time.Now()) && m.aliveLocked(id) {
			m.arrivals++ // gossip is behind: catchUp shall go on
			m.changedLocked()
		}
	})
}
