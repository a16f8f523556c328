package soak

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// A tail keeps the last lines that nodes have logged.
type tail struct {
	mu    sync.Mutex
	lines [1000]string
	n     int
}

func (l *tail) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *tail) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *tail) WithGroup(string) slog.Handler                    { return l }
func (l *tail) Handle(_ context.Context, line slog.Record) error {
	text := line.Time.Format("05.000 ") + line.Message
	line.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[l.n%len(l.lines)] = text
	l.n++
	return nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n < len(l.lines) {
		return strings.Join(l.lines[:l.n], "\n")
	}
	i := l.n % len(l.lines)
	return strings.Join(append(l.lines[i:len(l.lines):len(l.lines)], l.lines[:i]...), "\n")
}
