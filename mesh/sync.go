package mesh

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	gatherFor    = 50 * time.Millisecond  // changes of the own list go out together
	fetchGrace   = 100 * time.Millisecond // a list often follows what announces it
	fetchTimeout = 10 * time.Second
	fetchRetry   = 200 * time.Millisecond // doubled up to fetchRetryMax
	fetchMax     = 10 * time.Second
	fetchAtOnce  = 8
	fetchMany    = 5                      // as many wanted at once are asked of one member
	fetchSpread  = 400 * time.Millisecond // so that not all who want a list come at once
	maxStrangers = 256                    // lists of nodes that are not (yet, or any more) live
	tellAtOnce   = 64                     // members that are told of a change directly
	forgetAfter  = 5 * time.Minute        // what a dead node had
	forgetEvery  = time.Minute
)

// Publish replaces the list of our own ends. Lookup shows it at once; others
// learn it after what changes within 50 ms has been gathered. It never blocks.
// Ends that nobody could be told of (see MaxName, MaxEnds, MaxListBytes) are
// left out, and logged.
func (m *Mesh) Publish(ends []End) {
	ends, dropped := tidy(ends)
	if dropped > 0 {
		m.log.Warn("netchan: some named ends can't be announced: too many, or their names too long", "left out", dropped)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.left {
		return
	}
	if slices.Equal(ends, m.reg.own.ends) {
		return
	}
	if m.reg.publish(ends) {
		m.dirtyLocked(time.Now())
	}
	m.changedLocked()
}

func (m *Mesh) dirtyLocked(now time.Time) {
	if m.flushAt.IsZero() {
		m.flushAt = now.Add(gatherFor)
		m.wake()
	}
}

// Lookup returns the ends of that name that live nodes have, our own included,
// in no particular order.
func (m *Mesh) Lookup(name string) []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	for _, p := range m.reg.mine[name] {
		out = append(out, Entry{m.self, p.of.ends[p.end]})
	}
	for _, p := range m.reg.names[name] {
		if n := m.nodes[p.of.id]; n != nil && n.alive {
			out = append(out, Entry{n.Member, p.of.ends[p.end]})
		}
	}
	return out
}

// Ends returns all ends that live nodes have, our own included, in no
// particular order.
func (m *Mesh) Ends() []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	add := func(mb Member, l *list) {
		for _, e := range l.ends {
			out = append(out, Entry{mb, e})
		}
	}
	add(m.self, m.reg.own)
	for id, k := range m.reg.lists {
		if n := m.nodes[id]; n != nil && n.alive {
			add(n.Member, k.list)
		}
	}
	return out
}

// gossiped takes a message about somebody's list.
func (m *Mesh) gossiped(msg message) {
	now := time.Now()
	m.mu.Lock()
	news, took := m.gossipedLocked(msg, now)
	if took {
		m.changedLocked()
	}
	m.wake()
	m.mu.Unlock()
	if news {
		m.broadcast(msg)
	}
}

// gossipedLocked tells whether msg is to be handed on, and whether it changed
// what Ends returns.
func (m *Mesh) gossipedLocked(msg message, now time.Time) (news, took bool) {
	t := tuple{msg.id, msg.version, msg.digest}
	if msg.id == m.self.ID {
		m.heardLocked(t, now, now)
		return false, false
	}
	alive := m.aliveLocked(msg.id)
	if !alive && len(m.reg.lists)-int(m.live.Load()) >= maxStrangers {
		return false, false
	}
	switch msg.kind {
	case msgGone:
		news = m.goneLocked(msg.id)
		took = m.reg.hint(msg.id, newList(msg.version, nil), now)
		return news || took, took && alive
	case msgFull:
		if m.reg.hint(msg.id, msg.list, now) {
			return true, alive
		}
	case msgChange:
		if m.reg.change(msg, now) {
			return true, alive
		}
	}
	return m.heardLocked(t, now, now), false
}

// goneLocked notes that a node says goodbye: once dead it is not looked for.
func (m *Mesh) goneLocked(id ID) (news bool) {
	n := m.nodes[id]
	if n == nil || n.left {
		return false
	}
	n.left = true
	m.foundLocked(id)
	return true
}

// gossip is a message in the queue; a later one about the same node replaces it.
type gossip struct {
	name string
	b    []byte
}

// broadcast hands a message to the gossip of the next packets.
func (m *Mesh) broadcast(msg message) { m.queue.QueueBroadcast(queued(msg)) }

// registryLoop sends, fetches and forgets. It is the only goroutine that calls
// memberlist for the registry's sake.
func (m *Mesh) registryLoop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.kick:
		case <-timer.C:
		}
		now := time.Now()
		m.mu.Lock()
		flush := !m.flushAt.IsZero() && !now.Before(m.flushAt)
		var before, own *list
		if flush {
			m.flushAt = time.Time{}
			if flush = m.reg.stale(); flush {
				before, own = m.reg.advance()
			}
		}
		m.fetchLocked(now)
		m.forgetLocked(now)
		wait := m.nextLocked(now)
		m.mu.Unlock()
		timer.Reset(wait)
		if flush {
			m.tell(before, own)
		}
	}
}

// tell announces our list: to some members directly, to all by gossip.
func (m *Mesh) tell(before, own *list) {
	msg := announce(m.self.ID, before, own)
	m.mu.Lock()
	near := m.othersLocked(tellAtOnce)
	m.mu.Unlock()
	m.send(msg, near)
	m.broadcast(msg)
	// Only that the metadata is on its way matters, not when it has gone.
	_ = m.ml.UpdateNode(time.Nanosecond)
}

// send sends msg to each of them, once, as a packet that may get lost.
func (m *Mesh) send(msg message, to []Member) {
	b := msg.encode()
	for _, mb := range to {
		if n := mb.node(); n != nil && m.ctx.Err() == nil {
			_ = m.ml.SendBestEffort(n, b)
		}
	}
}

// fetchLocked starts to fetch what is wanted and due.
func (m *Mesh) fetchLocked(now time.Time) {
	busy := 0
	var due []ID
	fresh := 0
	for id, w := range m.reg.wants {
		if w.busy {
			busy++
		} else if n := m.nodes[id]; !w.next.After(now) && n != nil && n.alive {
			due = append(due, id)
			if !w.asked {
				fresh++
			}
		}
	}
	if fresh >= fetchMany && !m.learning {
		// Somebody has most of it: one connection instead of one to each.
		from := m.othersLocked(1)[0]
		for _, id := range due {
			w := m.reg.wants[id]
			w.asked, w.next = true, now.Add(fetchGrace+rand.N(fetchSpread))
		}
		m.learning = true
		m.startLocked(func() { m.fetchAll(from) })
		return
	}
	for _, id := range due {
		if busy == fetchAtOnce {
			return
		}
		w := m.reg.wants[id]
		from := m.nodes[id].Member
		if w.tries%2 == 1 { // the owner did not answer: somebody else may know
			from = m.othersLocked(1)[0]
		}
		before := m.reg.lists[id]
		w.busy = true
		busy++
		m.startLocked(func() { m.fetch(id, from, before) })
	}
}

// fetchAll asks one member for all it knows.
func (m *Mesh) fetchAll(from Member) {
	ctx, cancel := context.WithTimeout(m.ctx, fetchTimeout)
	defer cancel()
	err := m.ask(ctx, from, request{kind: askForAll}, m.learnFrom)
	if err != nil {
		m.log.Debug("netchan: lists of names not fetched", "from", from.Addr, "err", err)
	}
	m.mu.Lock()
	m.learning = false
	m.wake()
	m.mu.Unlock()
}

// fetch asks one member for the list of id.
func (m *Mesh) fetch(id ID, from Member, before *known) {
	ctx, cancel := context.WithTimeout(m.ctx, fetchTimeout)
	defer cancel()
	l, err := m.askList(ctx, from, id)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	took := false
	if err == nil && l != nil {
		if from.ID == id {
			took = m.reg.fromOwner(id, l, before, now)
		} else {
			took = m.reg.hint(id, l, now)
		}
	}
	if took {
		m.changedLocked()
	}
	if err == nil && l != nil && !m.full && !m.reg.room(id, l) {
		m.full = true
		m.log.Warn("netchan: no room for all names of the mesh", "limit", m.cfg.MaxRegistry)
	}
	if w := m.reg.wants[id]; w != nil { // still, or again
		w.busy = false
		w.next = now.Add(min(fetchRetry<<min(w.tries, 10), fetchMax))
		w.tries++
	}
	if err != nil {
		m.log.Debug("netchan: list of names not fetched", "of", id, "from", from.Addr, "err", err)
	}
	m.wake()
}

func (m *Mesh) forgetLocked(now time.Time) {
	if now.Before(m.forgetAt) {
		return
	}
	m.forgetAt = now.Add(forgetEvery)
	then := now.Add(-forgetAfter)
	for id, n := range m.nodes {
		if !n.alive && n.died.Before(then) {
			delete(m.nodes, id)
		}
	}
	m.reg.forget(m.aliveLocked, now, then)
}

// nextLocked returns how long the registry's goroutine may sleep.
func (m *Mesh) nextLocked(now time.Time) time.Duration {
	wait := forgetEvery
	if !m.flushAt.IsZero() {
		wait = min(wait, m.flushAt.Sub(now))
	}
	for id, w := range m.reg.wants {
		if n := m.nodes[id]; !w.busy && n != nil && n.alive && w.next.After(now) {
			wait = min(wait, w.next.Sub(now))
		}
	}
	return max(wait, 0)
}
