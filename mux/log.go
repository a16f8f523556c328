package mux

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logEvery is how often yamux may write a line.
const logEvery = time.Second

// yamuxLog passes yamux' own log on, at debug level and at most a line a second: what
// matters is told by the session's end.
type yamuxLog struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (l *yamuxLog) Print(v ...any)                 { l.line(fmt.Sprint(v...)) }
func (l *yamuxLog) Println(v ...any)               { l.line(fmt.Sprintln(v...)) }
func (l *yamuxLog) Printf(format string, v ...any) { l.line(fmt.Sprintf(format, v...)) }

func (l *yamuxLog) line(text string) {
	now := time.Now()
	l.mu.Lock()
	if !l.last.IsZero() && now.Sub(l.last) < logEvery {
		l.skipped++
		l.mu.Unlock()
		return
	}
	skipped := l.skipped
	l.last, l.skipped = now, 0
	l.mu.Unlock()
	l.log.Debug("yamux: "+strings.TrimSpace(text), "skipped", skipped)
}
