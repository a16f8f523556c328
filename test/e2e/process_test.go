//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/faultproxy"
)

// processes is the engine without Docker: a process for each host, on an address of its own
// of 127.0.0.0/8. Where the network is to fail, the others reach it through a proxy. What that
// can't do is to tell who has dialled: what is unplugged is all, and silence is for clusters of
// two.
type processes struct {
	faulty   bool
	t        *testing.T
	prefix   string
	proxies  map[*host]*faultproxy.Proxy
	cmds     map[*host]*exec.Cmd
	up, down map[*host]bool // directions of the proxies that are silent
}

var clusters atomic.Int64

func newProcesses(t *testing.T, faulty bool) *processes {
	return &processes{
		t: t, faulty: faulty, prefix: fmt.Sprintf("127.%d.%d.", 1+os.Getpid()%250, clusters.Add(1)%256),
		proxies: make(map[*host]*faultproxy.Proxy), cmds: make(map[*host]*exec.Cmd),
		up: make(map[*host]bool), down: make(map[*host]bool),
	}
}

func (e *processes) listen(h *host) string { return fmt.Sprint(e.prefix, 10+h.number, ":", port) }

func (e *processes) advertise(h *host) string {
	e.t.Helper()
	if !e.faulty {
		return ""
	}
	p := e.proxies[h]
	if p == nil {
		var err error
		if p, err = faultproxy.ListenPackets(e.listen(h)); err != nil {
			e.t.Fatal(err)
		}
		e.proxies[h] = p
	}
	return p.Addr()
}

func (e *processes) command(h *host, later bool, env []string) *exec.Cmd {
	cmd := exec.CommandContext(brokenOff, built(e.t).version(later))
	cmd.Env = append(env, script.FolderVariable+"="+h.folder)
	e.cmds[h] = cmd
	return cmd
}

func (e *processes) signal(h *host, s signal) {
	e.t.Helper()
	number := map[signal]syscall.Signal{kill: syscall.SIGKILL, pause: syscall.SIGSTOP, resume: syscall.SIGCONT, term: syscall.SIGTERM}[s]
	if err := e.cmds[h].Process.Signal(number); err != nil {
		e.t.Error(err)
	}
}

func (e *processes) unplug(*host) { e.stall(true) }
func (e *processes) plug(*host)   { e.stall(false) }

func (e *processes) stall(on bool) {
	for _, p := range e.proxies {
		p.Stall(on, on)
	}
}

// mute: what one node says to the other goes up where it has dialled, else down.
func (e *processes) mute(from, to *host)   { e.silence(from, to, true) }
func (e *processes) unmute(from, to *host) { e.silence(from, to, false) }

func (e *processes) silence(from, to *host, on bool) {
	e.up[to], e.down[from] = on, on
	for h, p := range e.proxies {
		p.Stall(e.up[h], e.down[h])
	}
}

func (e *processes) end(h *host) { _ = e.cmds[h].Process.Kill() }

func (e *processes) close() {
	for _, cmd := range e.cmds {
		if cmd.Process != nil { // it was started
			_ = cmd.Process.Kill()
		}
	}
	for _, p := range e.proxies {
		p.Close()
	}
}
