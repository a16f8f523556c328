package peer

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// noiseEvery is how often a line that strangers can cause is logged at most.
const noiseEvery = time.Second

// limiter lets one event through per noiseEvery and counts the others.
type limiter struct {
	mu      sync.Mutex
	begun   bool
	last    time.Duration
	dropped int
}

// allow reports whether an event at now passes, and how many did not since the
// last one that did.
func (l *limiter) allow(now time.Duration) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun && now-l.last < noiseEvery {
		l.dropped++
		return 0, false
	}
	dropped, l.dropped = l.dropped, 0
	l.begun, l.last = true, now
	return dropped, true
}

// noisy logs a line that strangers can cause. Warnings and the rest are counted
// apart, so that the one does not hide the other.
func (h *Host) noisy(level slog.Level, msg string, args ...any) {
	noise := &h.murmur
	if level >= slog.LevelWarn {
		noise = &h.noise
	}
	if dropped, ok := noise.allow(h.clock.now()); ok {
		h.log.Log(context.Background(), level, msg, append(args, "more", dropped)...)
	}
}
