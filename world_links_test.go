package netchan

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/matveynator/netchan/peer"
	"github.com/matveynator/netchan/test/history"
)

// What peer says of links, by which they are watched.
const (
	saidMade   = "link made"
	saidBroken = "link broken"
	saidBack   = "link is back"
	saidEnded  = "link ended"
)

// linkLog is the logger of one life of a node: it takes what is said of links.
type linkLog struct {
	slot *slot

	mu    sync.Mutex // guards broke
	broke map[NodeID]time.Time
}

func (l *linkLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *linkLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *linkLog) WithGroup(string) slog.Handler            { return l }

func (l *linkLog) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case saidMade, saidBroken, saidBack, saidEnded:
	default:
		return nil
	}
	var id NodeID
	var why error
	r.Attrs(func(a slog.Attr) bool {
		switch v := a.Value.Any().(type) {
		case peer.NodeID:
			id = v
		case error:
			why = v
		}
		return true
	})
	l.link(r.Message, id, why)
	return nil
}

// link judges what is said of the link with a node.
func (l *linkLog) link(said string, id NodeID, why error) {
	w, now := l.slot.w, time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	self := l.slot.node
	if self == nil {
		return // this life is over, or not begun
	}
	from, to := self.Self().ID, id
	there := w.holds[[2]NodeID{to, from}]
	w.holds[[2]NodeID{from, to}] = said != saidEnded
	other := w.slotOf(to)
	if other == nil {
		return // the other one's is over
	}
	w.h.Say("%s: %s with %s: %v", l.slot.name(), said, other.name(), why)
	sound := now.Sub(w.trouble[pairOf(l.slot, other)]) // for how long the network was
	switch said {
	case saidBroken:
		if l.broke == nil {
			l.broke = make(map[NodeID]time.Time)
		}
		l.broke[id] = now
		w.counts.breaks++
		if sound > feltFor {
			w.h.Fault(history.ErrGivenUp, "%s: the link with %s broke, and there was no fault: %v", l.slot.name(), other.name(), why)
		}
	case saidBack:
		delete(l.broke, id)
		w.counts.backs++
	case saidEnded:
		w.counts.ends++
		if !there {
			return // the other one has ended it before, or has never heard that it was made
		}
		since, broken := l.broke[id]
		switch {
		case !broken || now.Sub(since) < resumeTimeout:
			w.h.Fault(history.ErrGivenUp, "%s: the link with %s, which holds it, ended before its time: %v", l.slot.name(), other.name(), why)
		case sound > backWithin:
			w.h.Fault(history.ErrGivenUp, "%s: the link with %s did not come back, with a sound network for %v: %v", l.slot.name(), other.name(), sound, why)
		}
		w.h.LinkEnded(l.slot.number, other.number)
	}
}

// slotOf is where a node lives; nil: nowhere any more. w.mu is held.
func (w *world) slotOf(id NodeID) *slot {
	for _, s := range w.slots {
		if s.node != nil && s.node.Self().ID == id {
			return s
		}
	}
	return nil
}
