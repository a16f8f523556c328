package mesh

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"sync"
	"time"
)

// How many of memberlist's lines of one level are let through a period.
const (
	logLines  = 5
	logPeriod = 10 * time.Second
)

// loud are those of memberlist's complaints that somebody has to do something
// about. Most others are what the death of a node looks like.
var loud = [...]string{"network may be misconfigured", "incompatible", "Conflicting address"}

// logWriter turns memberlist's lines into records for slog, not too many.
type logWriter struct {
	ctx context.Context // nothing is logged once it has ended
	log *slog.Logger

	mu     sync.Mutex
	counts map[slog.Level]*logCount
}

type logCount struct {
	start time.Time
	lines int
}

func newLogWriter(ctx context.Context, l *slog.Logger) *logWriter {
	return &logWriter{ctx: ctx, log: l, counts: make(map[slog.Level]*logCount)}
}

func (w *logWriter) logger() *log.Logger { return log.New(w, "", 0) }

// Write takes one line.
func (w *logWriter) Write(line []byte) (int, error) {
	n := len(line)
	if w.ctx.Err() != nil {
		return n, nil
	}
	level := slog.LevelDebug
	for _, l := range loud {
		if bytes.Contains(line, []byte(l)) {
			level = slog.LevelWarn
		}
	}
	if !w.log.Enabled(w.ctx, level) {
		return n, nil
	}
	ok, skipped := w.allow(level, time.Now())
	if !ok {
		return n, nil
	}
	if i := bytes.IndexByte(line, ']'); i > 0 && line[0] == '[' {
		line = line[i+1:]
	}
	text := string(bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("memberlist:"))))
	if skipped > 0 {
		w.log.Log(w.ctx, level, "netchan: gossip: "+text, "lines left out before", skipped)
	} else {
		w.log.Log(w.ctx, level, "netchan: gossip: "+text)
	}
	return n, nil
}

// allow counts a line; skipped is how many of the period before were not let through.
func (w *logWriter) allow(level slog.Level, now time.Time) (ok bool, skipped int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.counts[level]
	if c == nil {
		c = &logCount{start: now}
		w.counts[level] = c
	}
	if now.Sub(c.start) >= logPeriod {
		skipped = max(0, c.lines-logLines)
		*c = logCount{start: now}
	}
	c.lines++
	return c.lines <= logLines, skipped
}
