//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
)

// patience is how long anything may take that has no bound of its own; it is for machines that
// are busy, no promise.
const patience = 2 * time.Minute

// An engine has the hosts, and the network between them.
type engine interface {
	listen(h *host) string                               // the address that a host's node listens on
	advertise(h *host) string                            // the one that others use; "": the same
	command(h *host, later bool, env []string) *exec.Cmd // runs a node
	signal(h *host, s signal)
	unplug(h *host) // nothing goes in or out any more, and nobody is told
	plug(h *host)
	mute(from, to *host) // what goes from one to the other vanishes
	unmute(from, to *host)
	end(h *host) // kills its process, if it has one already
	close()
}

type signal string

const (
	kill   signal = "KILL"
	pause  signal = "STOP"
	resume signal = "CONT"
	term   signal = "TERM"
)

// A cluster is some hosts, and what has happened on them.
type cluster struct {
	scenario
	t      *testing.T
	on     engine
	folder string
	began  time.Time
	key    netchan.Key
	seed   uint64
	random *rand.Rand
	result *result
	beside *host         // see pair
	slack  time.Duration // see history.History

	mu      sync.Mutex // guards what follows, and what hosts keep
	hosts   []*host
	changed chan struct{} // closed with each line, and each end of a life
	faults  []fault
}

// A fault is something that was done to the cluster.
type fault struct {
	at   time.Time
	what string
}

// tell says that something has changed. mu is held.
func (c *cluster) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// until waits until something is so.
func (c *cluster) until(what string, so func() bool) {
	c.t.Helper()
	c.within(patience, what, so)
}

// within is until with a bound. It returns how long it took.
func (c *cluster) within(limit time.Duration, what string, so func() bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		c.mu.Lock()
		ok, changed, died := so(), c.changed, c.died()
		c.mu.Unlock()
		switch {
		case ok:
			return time.Since(began)
		case died != nil:
			c.fatal("%s has ended by itself: %v", died.name, died.life.err)
		}
		select {
		case <-changed:
		case <-over.C:
			c.fatal("not within %v: %s", limit, what)
		}
	}
}

// fatal is t.Fatalf, and the report has it too.
func (c *cluster) fatal(format string, args ...any) {
	c.t.Helper()
	c.note(format, args...)
	c.t.Fatalf(format, args...)
}

// died is a host whose process has ended, and was not to. mu is held.
func (c *cluster) died() *host {
	for _, h := range c.hosts {
		if l := h.life; l != nil && l.over && !l.expected {
			return h
		}
	}
	return nil
}

// host makes a host of the cluster.
func (c *cluster) host(name string) *host {
	h := newHost(c, name)
	c.mu.Lock()
	c.hosts = append(c.hosts, h)
	c.mu.Unlock()
	return h
}

// A start is how a node is started.
type start struct {
	seeds         []*host
	tasks         []script.Task
	key           string // "": the cluster's; "-": none
	resumeTimeout time.Duration
	later         bool // a later version of the program
}

// begin starts a node on a host.
func (c *cluster) begin(h *host, s start) {
	c.t.Helper()
	spec := script.Node{Name: h.name, Listen: c.on.listen(h), Advertise: c.on.advertise(h), ResumeTimeout: s.resumeTimeout, Tasks: s.tasks}
	for _, seed := range s.seeds {
		spec.Seeds = append(spec.Seeds, c.addr(seed))
	}
	b, err := json.Marshal(spec)
	if err != nil {
		c.t.Fatal(err)
	}
	env := []string{script.NodeVariable + "=" + string(b)}
	switch s.key {
	case "":
		env = append(env, "NETCHAN_KEY="+c.key.Secret())
	case "-":
	default:
		env = append(env, "NETCHAN_KEY="+s.key)
	}
	said, err := os.OpenFile(filepath.Join(h.folder, "stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	l := &life{began: time.Now(), heard: make(chan struct{}), ended: make(chan struct{})}
	c.mu.Lock()
	h.life, h.is, h.members = l, nil, nil
	c.mu.Unlock()
	c.note("start %s", h.name)
	cmd := c.on.command(h, s.later, env)
	cmd.Stderr = io.MultiWriter(said, c.t.Output())
	if err := launch(cmd); err != nil {
		c.mu.Lock()
		h.life = nil // there is nothing to end
		c.mu.Unlock()
		c.t.Fatal(err)
	}
	go func() {
		defer running.RUnlock()
		defer close(l.ended)
		err := cmd.Wait()
		_ = said.Close()
		h.hearOut(l)
		if brokenOff.Err() != nil {
			return // that is why it has ended
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		l.over, l.err = true, err
		c.tell()
	}()
}

// start makes hosts with a node each, that have the first of them for their seed, and waits until
// all have joined. Without names they are a, b, c, ...
func (c *cluster) start(nodes ...start) []*host {
	c.t.Helper()
	var hosts []*host
	for range nodes {
		hosts = append(hosts, c.host(string(rune('a'+len(c.hosts)))))
	}
	for i, s := range nodes {
		if s.seeds == nil {
			s.seeds = hosts[:1]
		}
		c.begin(hosts[i], s)
	}
	c.until("all have joined", func() bool {
		return !slices.ContainsFunc(hosts, func(h *host) bool { return h.is[script.Joined] == 0 })
	})
	return hosts
}

// addr is what others use for a host.
func (c *cluster) addr(h *host) string {
	if a := c.on.advertise(h); a != "" {
		return a
	}
	return c.on.listen(h)
}

// note writes down what is done to the cluster.
func (c *cluster) note(format string, args ...any) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := fault{time.Now(), fmt.Sprintf(format, args...)}
	c.faults = append(c.faults, f)
	return f.at
}

// tellAll tells all nodes that live.
func (c *cluster) tellAll(t script.Task) {
	c.mu.Lock()
	hosts := slices.Clone(c.hosts)
	c.mu.Unlock()
	for _, h := range hosts {
		if h.alive() {
			h.do(t)
		}
	}
}

// running says whether a host has a node.
func (h *host) running() bool {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	return h.life != nil && !h.life.over
}

// alive says whether a host has a node which was not told to end.
func (h *host) alive() bool {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	return h.life != nil && !h.life.over && !h.life.expected
}

// over waits until a host's process has ended, and all is read that it has written.
func (h *host) over() error {
	h.c.t.Helper()
	l := h.life
	select {
	case <-l.ended:
		return l.err
	case <-time.After(patience):
		h.c.t.Fatalf("%s does not end", h.name)
		return nil
	}
}

// expect says that a node is to end now.
func (h *host) expect() {
	h.c.mu.Lock()
	h.life.expected = true
	h.c.mu.Unlock()
}
