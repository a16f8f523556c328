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

// catchUps are the pauses before the exchanges are repeated.
var catchUps = [...]time.Duration{300 * time.Millisecond, 700 * time.Millisecond}

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
