package peer

import "time"

const (
	// A host looks at its links when the next thing is due, but at most so often;
	// at least as often as heartbeats are due, since links may be new.
	minWatch = 20 * time.Millisecond

	// lateWatch: when a look comes so much later than it was meant to, this
	// process was stopped, or the machine slept, and its links get another chance.
	lateWatch = time.Second
)

// watch sends heartbeats on quiet links and breaks silent connections, until the
// host closes.
func (h *Host) watch() {
	t := time.NewTimer(0)
	defer t.Stop()
	due := h.clock.now()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-t.C:
		}
		now := h.clock.now()
		late := now-due > lateWatch
		wait := h.cfg.tune.heartbeat
		for _, l := range h.Links() {
			if c := l.current(); c != nil && late {
				c.wire.restart(now)
			}
			wait = min(wait, l.check(now))
		}
		wait = max(wait, minWatch)
		due = now + wait
		t.Reset(wait)
	}
}

// check does what is due on the link and returns when to look again.
func (l *Link) check(now time.Duration) time.Duration {
	t := &l.host.cfg.tune
	c := l.current()
	if c == nil {
		return t.heartbeat
	}
	v := judge(c.wire.silent(now), now-time.Duration(l.wrote.Load()), t.silence, t.heartbeat)
	if v.silent {
		l.broke(c, silenceError{})
		return t.heartbeat
	}
	if v.beat {
		l.beat()
	}
	return v.next
}

// beat has the flusher write a heartbeat, and gives memory back that a quiet
// link does not need.
func (l *Link) beat() {
	l.mu.Lock()
	l.ackDue = true
	l.out.shrink()
	l.work.Signal()
	l.mu.Unlock()
}

type verdict struct {
	silent bool          // nothing heard for too long
	beat   bool          // nothing written for long enough
	next   time.Duration // until one of them may become due
}

// judge decides on a link that has heard nothing for silent and written nothing
// for quiet.
func judge(silent, quiet, silenceLimit, heartbeatAfter time.Duration) verdict {
	v := verdict{silent: silent >= silenceLimit, beat: quiet >= heartbeatAfter}
	v.next = silenceLimit - silent
	if beat := heartbeatAfter - quiet; v.beat {
		v.next = min(v.next, heartbeatAfter)
	} else {
		v.next = min(v.next, beat)
	}
	return v
}
