package peer

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"time"
)

const (
	// Between two tries to bring a broken link back lies a random time around a
	// pause that doubles.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second

	// higherWaits is how much longer than the agreed time the node with the
	// higher ID waits for a broken link: by then the other one, which decides,
	// has brought it back or given it up.
	higherWaits = 5 * time.Second

	// loudBreaks is how many breaks of a link are told to people; of later ones one
	// a second, since a peer can bring about as many as it likes.
	loudBreaks = 10

	// leavingWaits is how long a link that breaks is waited for by a host that is
	// leaving: all it lacks is a goodbye.
	leavingWaits = 3 * time.Second
)

// refusedOnWindows is WSAECONNREFUSED, which is what a refused dial fails with there.
const refusedOnWindows = syscall.Errno(10061)

// errReplaced breaks a connection in whose place the peer wants another one.
var errReplaced = errors.New("the peer goes on with another connection")

// errDropped breaks a connection that hangs on a key which is no longer accepted.
var errDropped = errors.New("made with a key that is no longer accepted: it is made again under another")

// errTooMany ends a link that breaks when more are broken than a host waits for.
var errTooMany = errors.New("too many links are broken")

// errGivenUp ends a link that the peer no longer holds.
var errGivenUp = errors.New("the peer has given the link up")

// broke takes the link off connection c, which carries nothing any more, and
// sees to it that the link comes back. Nothing happens if c is not, or no
// longer, what the link goes over.
func (l *Link) broke(c *carrier, err error) {
	wait := l.resume
	if l.host.isLeaving() {
		wait = min(wait, leavingWaits)
	}
	l.mu.Lock()
	if l.on != c || l.err != nil {
		l.mu.Unlock()
		return
	}
	if l.parting {
		l.mu.Unlock()
		l.end(lost(l.info, errGoodbye))
		return
	}
	l.on = nil
	tooMany := l.host.broken.Add(1) > int64(l.host.cfg.tune.broken)
	l.breaks++
	number := l.breaks
	l.brokenAt = l.host.clock.now()
	l.loud = number <= loudBreaks
	if !l.loud {
		_, l.loud = l.noise.allow(l.brokenAt)
	}
	level := l.level()
	ctx, lift := context.WithTimeout(l.host.ctx, wait)
	l.lift = lift
	l.mu.Unlock()
	_ = c.wire.Close()
	l.host.leave(c)
	l.host.log.Log(ctx, level, "link broken", "node", l.info.ID, "name", l.info.Name, "addr", l.addr, "err", err)
	l.host.cfg.OnBreak(l)
	if tooMany {
		l.end(lost(l.info, errTooMany))
		return
	}
	if !l.host.spawn(func() { l.mend(ctx, number, wait) }) {
		l.end(ErrClosed)
	}
}

// Part says that the peer is leaving: the link is used as long as it works, and ends
// when its connection breaks, or if it is broken now.
func (l *Link) Part() {
	l.mu.Lock()
	l.parting = true
	number := l.breaks
	l.mu.Unlock()
	l.giveUp(number, errGoodbye)
}

// detach takes the link off its connection, if it has one, to put it on the one
// that the answer with this number is about. No byte of the old one counts from
// then on, so the position that it returns can be told. errStale: a later answer
// was faster, and what the link goes over is there by that one.
func (l *Link) detach(number uint64) (received uint64, err error) {
	l.mu.Lock()
	if number < l.number {
		l.mu.Unlock()
		return 0, errStale
	}
	l.number = number
	c := l.on
	l.mu.Unlock()
	if c != nil {
		l.broke(c, errReplaced)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.received, nil
}

// attach puts the link on connection c, from where the peer stands, unless it
// was detached for a later answer than the one with this number.
func (l *Link) attach(c *carrier, number, received uint64) error {
	if err := c.wire.SetDeadline(time.Time{}); err != nil {
		return err
	}
	l.mu.Lock()
	if l.err != nil || l.on != nil || l.number != number {
		l.mu.Unlock()
		return errStale
	}
	err := l.out.ack(received)
	if c.who.identity != l.info.Identity {
		err = errIdentity // what the layers above have let it do was for another one
	}
	if err != nil {
		l.mu.Unlock()
		l.end(lost(l.info, err))
		return err
	}
	now := l.host.clock.now()
	away, resent := now-l.brokenAt, l.out.taken-l.out.acked
	l.on, l.rewind, l.ackDue = c, true, true
	l.host.broken.Add(-1)
	l.wrote.Store(int64(now))
	lift, level := l.lift, l.level()
	l.work.Broadcast()
	l.room.Broadcast()
	l.came.Broadcast()
	l.mu.Unlock()
	lift()
	l.host.cfg.OnBreak(l)
	l.host.log.Log(l.host.ctx, level, "link is back", "node", l.info.ID, "name", l.info.Name, "addr", l.addr, "after", away.Round(time.Millisecond), "resentBytes", resent)
	if !l.host.currentTrust().accepts(c.who.ca) { // SetKeys has come between, and not seen c
		l.broke(c, errDropped)
	}
	return nil
}

// level is how loud to tell of the last break. Under l.mu.
func (l *Link) level() slog.Level {
	if l.loud {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// mend dials until ctx ends, which it does when the link is back or has ended, or
// its time, wait, is over; then the link is given up. number is that of the break.
func (l *Link) mend(ctx context.Context, number uint64, wait time.Duration) {
	// One of the two begins, so that their connections do not cross each time.
	first := time.Duration(0)
	if !l.lower {
		first = firstPause/2 + rand.N(firstPause)
	}
	pause := firstPause
	t := time.NewTimer(first)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				l.giveUp(number, &ResumeError{Waited: wait})
			}
			return
		}
		if l.addr == "" {
			continue // it can't be dialled: the peer must
		}
		if err := l.redial(ctx, number); l.hopeless(err) {
			l.giveUp(number, err)
		}
		t.Reset(pause/2 + rand.N(pause))
		pause = min(2*pause, lastPause)
	}
}

// giveUp ends the link if it is still broken since that break.
func (l *Link) giveUp(number uint64, err error) {
	l.mu.Lock()
	still := l.on == nil && l.breaks == number
	l.mu.Unlock()
	if still {
		l.end(lost(l.info, err))
	}
}

// redial is one try. ctx ends it while it connects; a handshake that has begun
// goes on, since it may be what brings the link back, unless the link is back
// already: a peer that stalls handshakes must not have many of them.
func (l *Link) redial(ctx context.Context, number uint64) error {
	h := l.host
	d, err := h.dial(ctx, l.addr, alpnLink)
	if err != nil {
		return err
	}
	if err := d.is(h.id, l.info.ID); err != nil {
		_ = d.wire.Close()
		return err
	}
	stop := context.AfterFunc(h.ctx, func() { _ = d.wire.Close() })
	defer stop()
	c := h.carrier(d, l.addr)
	needless := context.AfterFunc(ctx, func() {
		if l.backWithout(c, number) {
			_ = d.wire.Close()
		}
	})
	defer needless()
	made, err := h.meet(c)
	if err != nil {
		_ = d.wire.Close()
		return err
	}
	if made != nil {
		h.announce(made)
	}
	return nil
}

// backWithout reports whether the break with this number is over, by another
// connection than c.
func (l *Link) backWithout(c *carrier, number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err == nil && l.on != c && (l.on != nil || l.breaks != number)
}

// hopeless reports whether the outcome of a redial means that the link will not
// come back: another process answers, or one that holds another key, or nobody
// where gossip says that the node is dead.
func (l *Link) hopeless(err error) bool {
	var other *WrongNodeError
	switch {
	case errors.As(err, &other), errors.Is(err, ErrKeyMismatch):
		return true
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, refusedOnWindows):
		dead := l.host.cfg.Dead
		return dead != nil && dead(l.info.ID)
	}
	return false
}
