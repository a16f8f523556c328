package netchan

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// logLines is how many lines with one text a node logs a second; what is in a
	// line beside its text may differ. The next one says how many were left out.
	logLines = 20
	// maxLogTexts is how many texts are told apart in a second.
	maxLogTexts = 256
)

// logLimit is a slog.Handler that lets so many lines through: much of what is logged
// others can bring about, as often as they like.
type logLimit struct {
	slog.Handler
	lines *logCounts
}

// calmLogger is l, or one that logs what l does, within bounds.
func calmLogger(l *slog.Logger) *slog.Logger {
	if _, calm := l.Handler().(logLimit); calm {
		return l
	}
	return slog.New(logLimit{l.Handler(), &logCounts{}})
}

func (h logLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logLimit{h.Handler.WithAttrs(attrs), h.lines}
}

func (h logLimit) WithGroup(name string) slog.Handler {
	return logLimit{h.Handler.WithGroup(name), h.lines}
}

func (h logLimit) Handle(ctx context.Context, r slog.Record) error {
	out, ok := h.lines.allow(r.Message, r.Time)
	if !ok {
		return nil
	}
	if out > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("linesLeftOut", out))
	}
	return h.Handler.Handle(ctx, r)
}

// logCounts counts lines by their texts. The zero value is ready.
type logCounts struct {
	mu    sync.Mutex
	since time.Time
	lines map[string]*logCount
}

type logCount struct{ now, out int } // lines in this second, and not let through since one was

// allow counts a line; out is how many were not let through since the last one that was.
func (c *logCounts) allow(text string, at time.Time) (out int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines == nil {
		c.lines = make(map[string]*logCount)
	}
	if at.Sub(c.since) >= time.Second {
		c.since = at
		for t, n := range c.lines {
			if n.now = 0; n.out == 0 {
				delete(c.lines, t)
			}
		}
	}
	n := c.lines[text]
	if n == nil && len(c.lines) >= maxLogTexts {
		text = "" // one place for all that are too many
		n = c.lines[text]
	}
	if n == nil {
		n = new(logCount)
		c.lines[text] = n
	}
	if n.now >= logLines {
		n.out++
		return 0, false
	}
	n.now++
	out, n.out = n.out, 0
	return out, true
}
