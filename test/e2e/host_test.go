//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
)

// A host is a container, or an address for a process: one node at a time lives there.
type host struct {
	c      *cluster
	name   string
	number int // from 1
	folder string

	commands *os.File
	lines    *os.File
	read     chan struct{} // closed when no line is read any more

	// c.mu guards what follows.
	life    *life // the present one, or the last
	killed  []time.Time
	history []script.Line
	is      map[string]int // how many lines of each kind, in this life
	members []string
	ends    map[int64]*end // of all lives
}

// A life is one process.
type life struct {
	id       string // once it has joined
	began    time.Time
	over     bool          // it has ended, and all is read that it has written
	err      error         // how it ended
	expected bool          // that it ends
	heard    chan struct{} // closed when all is read
	ended    chan struct{} // closed when it is over
}

// An end is a sender or receiver.
type end struct {
	script.Line
	life *life
	over bool
	n    int // values sent, or taken
}

// newHost makes the pipes.
func newHost(c *cluster, name string) *host {
	h := &host{c: c, name: name, number: len(c.hosts) + 1, folder: filepath.Join(c.folder, name), read: make(chan struct{}), ends: make(map[int64]*end)}
	if err := os.Mkdir(h.folder, 0o755); err != nil {
		c.t.Fatal(err)
	}
	pipe := func(name string) *os.File {
		path := filepath.Join(h.folder, name)
		if err := syscall.Mkfifo(path, 0o666); err != nil {
			c.t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0) // both ways: it is never at its end
		if err != nil {
			c.t.Fatal(err)
		}
		return f
	}
	h.commands, h.lines = pipe(script.Commands), pipe(script.Lines)
	go h.listen()
	return h
}

// listen takes what the node writes, and keeps it.
func (h *host) listen() {
	defer close(h.read)
	file, err := os.Create(filepath.Join(h.folder, "lines.json"))
	if err != nil {
		h.c.t.Error(err)
		return
	}
	defer file.Close()
	keep := bufio.NewWriter(file)
	defer keep.Flush()
	in := bufio.NewReaderSize(h.lines, 1<<16)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			if !errors.Is(err, os.ErrClosed) && !errors.Is(err, io.EOF) {
				h.c.t.Error(err)
			}
			return
		}
		_, _ = keep.Write(text)
		var line script.Line
		if err := json.Unmarshal(text, &line); err != nil {
			h.c.t.Errorf("%s has written %q: %v", h.name, text, err)
			return
		}
		h.hear(line)
	}
}

// hearOut waits until all is read that a process has written which has ended: what comes out of
// the pipe behind it is a line of our own.
func (h *host) hearOut(l *life) {
	b, err := json.Marshal(script.Line{Is: script.Over})
	if err == nil {
		_, err = h.lines.Write(append(b, '\n'))
	}
	if err != nil {
		h.c.t.Error(err)
		return
	}
	select {
	case <-l.heard:
	case <-h.read:
	}
}

// hear keeps one line.
func (h *host) hear(line script.Line) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	if line.Is == script.Over {
		close(h.life.heard)
		return
	}
	e := h.ends[line.End]
	switch line.Is {
	case script.Sent, script.Took, script.Delivered, script.Counts, script.Closed, script.Done:
		if e == nil {
			h.c.t.Errorf("%s has written %+v of an end that it has not named", h.name, line)
			return
		}
	}
	h.history = append(h.history, line)
	if line.Is == script.Joined {
		h.life.id = line.ID
	}
	if h.is == nil {
		h.is = make(map[string]int)
	}
	h.is[line.Is]++
	switch line.Is {
	case script.Memory:
		h.c.result.peak = max(h.c.result.peak, line.Bytes)
	case script.Members:
		h.members = line.Members
	case script.Sender, script.Receiver:
		h.ends[line.End] = &end{Line: line, life: h.life}
	case script.Sent, script.Took:
		e.n++
	case script.Delivered:
		if line.Err == "" {
			e.n++
		}
	case script.Counts, script.Closed:
		e.over = true
	case script.Done: // a sender's counters follow
		e.over = e.Text != ""
	}
	h.c.tell()
}

// do tells the node something.
func (h *host) do(t script.Task) {
	h.c.t.Helper()
	b, err := json.Marshal(t)
	if err == nil {
		_, err = h.commands.Write(append(b, '\n'))
	}
	if err != nil {
		h.c.t.Fatal(err)
	}
}

func (h *host) close() {
	_ = h.commands.Close()
	_ = h.lines.Close()
	<-h.read
}
