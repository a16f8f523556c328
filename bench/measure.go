package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/matveynator/netchan"
)

// process is a child, as its parent sees it.
type process struct {
	role   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr bytes.Buffer
}

// heard is what a child said, or how it ended.
type heard struct {
	from *process
	message
	ended error
}

// start runs this program again, as a child.
func start(s spec, env []string, to chan<- heard) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{role: s.Role, cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), append(env, childVar+"=1")...)
	p.cmd.Stderr = &p.stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var m message
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				m = message{Err: fmt.Sprintf("%v in %q", err, lines.Text())}
			}
			to <- heard{from: p, message: m}
		}
		to <- heard{from: p, ended: io.ErrUnexpectedEOF}
	}()
	return p, p.say(s)
}

func (p *process) say(v any) error { return json.NewEncoder(p.in).Encode(v) }

// end closes the child's input, which ends it, or kills it.
func (p *process) end() {
	_ = p.in.Close()
	kill := time.AfterFunc(2*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	kill.Stop()
}

// measure runs one workload once on one system, in processes of its own.
func measure(s *system, w *workload, sp spec) (metrics, error) {
	cert, key, err := makeCert()
	if err != nil {
		return nil, err
	}
	sp.System, sp.Workload, sp.Cert, sp.Key = s.name, w.name, cert, key
	if sp.Buffer == 0 {
		sp.Buffer = s.buffer
	}
	env := []string{"NETCHAN_KEY=" + netchan.GenerateKey().Secret()}
	words := make(chan heard, 64) // more than all of them say
	var children []*process
	defer func() {
		for _, p := range children {
			p.end()
		}
	}()
	begin := func(role string) error {
		sp.Role = role
		p, err := start(sp, env, words)
		if p != nil {
			children = append(children, p)
		}
		return err
	}
	first, sides := server, 2
	if s.local {
		first, sides = both, 1
	} else if s.broker != nil {
		first = broker
	}
	if err := begin(first); err != nil {
		return nil, err
	}
	all, done := metrics{}, 0
	var waiting []*process
	limit := time.After(4*(sp.Warm+sp.Time) + time.Minute)
	for {
		var h heard
		select {
		case h = <-words:
		case <-limit:
			for _, p := range children { // its end shows what its goroutines wait for
				_ = p.cmd.Process.Signal(syscall.SIGQUIT)
				_ = p.cmd.Wait()
			}
			return nil, fmt.Errorf("%s, %s: nothing came of it in time%s", w.name, s.name, complaints(children))
		}
		switch {
		case h.ended != nil || h.Err != "":
			if h.Err == "" {
				h.Err = "ended"
			}
			return nil, fmt.Errorf("%s, %s: %s: %s%s", w.name, s.name, h.from.role, h.Err, complaints(children))
		case h.Addr != "" && h.from.role == broker:
			sp.Broker = h.Addr
			err = begin(server)
		case h.Addr != "" && h.from.role == server:
			sp.Addr = h.Addr
			err = begin(client)
		case h.Barrier:
			if waiting = append(waiting, h.from); len(waiting) == sides {
				for _, p := range waiting {
					err = p.say(true)
				}
				waiting = nil
			}
		case h.Done && h.from.role != broker:
			for k, v := range h.Metrics {
				all[k] = v
			}
			if done++; done == sides {
				if w.derive != nil {
					w.derive(all)
				}
				return all, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// complaints are what the children wrote to their standard error. They are ended first.
func complaints(children []*process) string {
	var all string
	for _, p := range children {
		p.end()
		if p.stderr.Len() > 0 {
			all += "\n" + p.role + ": " + p.stderr.String()
		}
	}
	return all
}
