package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
)

// maxText is what a line may say at length: the whole of it has to fit script.PipeLine.
const maxText = 1000

// A log writes lines, and takes what netchan logs.
type log struct {
	node string

	mu sync.Mutex // guards to
	to io.Writer
}

// write writes one line, in one piece. Where that can't be done nobody is there any more to
// read it, and the process ends.
func (l *log) write(line script.Line) {
	line.Text, line.Err, line.Node = cut(line.Text), cut(line.Err), l.node
	l.mu.Lock()
	defer l.mu.Unlock()
	line.At = time.Now().UnixNano() // here, so that it rises
	b, err := json.Marshal(line)
	if err == nil {
		_, err = l.to.Write(append(b, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

func cut(text string) string { return text[:min(len(text), maxText)] }

func (l *log) Enabled(_ context.Context, level slog.Level) bool { return true }
func (l *log) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *log) WithGroup(string) slog.Handler                    { return l }

// Handle makes lines of what is said of links, and of what is said aloud.
func (l *log) Handle(_ context.Context, r slog.Record) error {
	line := script.Line{Is: script.Logged, Text: r.Message}
	link := strings.HasPrefix(r.Message, "link ")
	if r.Level < slog.LevelInfo && !link {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		switch v := a.Value.Any().(type) {
		case netchan.NodeID:
			line.Peer = v.String()
		case error:
			line.Err = v.Error()
		default:
			line.Text += " " + a.String()
		}
		return true
	})
	if link {
		line.Is, line.Text = script.Link, r.Message
		if line.Text == script.LinkEnded && r.Level < slog.LevelWarn {
			line.Text = script.Goodbye
		}
	}
	l.write(line)
	return nil
}

// peak is the most memory that the process has had; 0 where the system does not tell.
func peak() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
