// Node is one node of an end-to-end test: what it is to do comes in its environment and through
// a pipe, what happens at it goes out through another one, as lines of package script. It
// uses netchan as any program does.
package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
)

// patience is how long joining, and leaving, may take.
const patience = 3 * time.Minute

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// A node runs tasks, each in a goroutine of its own.
type node struct {
	*netchan.Node
	log *log
	ctx context.Context // ends when the node has left
	wg  sync.WaitGroup  // the tasks

	sending sync.WaitGroup // those that send values, until they have sent the last one

	mu    sync.Mutex // guards what follows
	ends  int64
	first int64 // the number before that of the first end
	tasks []*task
}

// A task that can be told something.
type task struct {
	script.Task
	told chan struct{} // closed: no more values
	how  string        // Finish or Detach; set before told is closed
	gate gate
	stop func() // of a receiver: Close
}

func run() error {
	var begin script.Node
	if err := json.Unmarshal([]byte(os.Getenv(script.NodeVariable)), &begin); err != nil {
		return fmt.Errorf("$%s: %w", script.NodeVariable, err)
	}
	folder := os.Getenv(script.FolderVariable)
	lines, err := os.OpenFile(filepath.Join(folder, script.Lines), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	commands, err := os.Open(filepath.Join(folder, script.Commands))
	if err != nil {
		return err
	}
	l := &log{to: lines, node: begin.Name}
	l.write(script.Line{Is: script.Began})
	err = work(begin, l, commands)
	if err != nil {
		l.write(script.Line{Is: script.Failed, Err: err.Error()})
	}
	return err
}

// work is a node's life, from Join to Shutdown.
func work(begin script.Node, l *log, commands io.Reader) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	joined, err := netchan.Join(ctx, netchan.Config{
		Name: begin.Name, Listen: begin.Listen, Advertise: begin.Advertise, Seeds: begin.Seeds,
		ResumeTimeout: begin.ResumeTimeout, Logger: slog.New(l),
	})
	if err != nil {
		return err
	}
	id := joined.Self().ID.String()
	n := &node{Node: joined, log: l, first: number(id)}
	l.write(script.Line{Is: script.Joined, ID: id, Text: joined.Addr()})
	n.ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	go n.watch()
	for _, t := range begin.Tasks {
		if err := n.begin(t); err != nil {
			return err
		}
	}
	told := make(chan error, 1)
	go func() { told <- n.obey(json.NewDecoder(commands)) }()
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	select {
	case err := <-told:
		if err != nil {
			return err
		}
	case <-terminate:
	}
	return n.leave(cancel)
}

// obey does what comes until that is to leave.
func (n *node) obey(commands *json.Decoder) error {
	for {
		var t script.Task
		if err := commands.Decode(&t); err != nil {
			return fmt.Errorf("commands: %w", err)
		}
		if t.Do == script.Leave {
			return nil
		}
		if err := n.begin(t); err != nil {
			return err
		}
	}
}

// number begins the numbers of a life's ends, which no other life has.
func number(id string) int64 {
	b, err := hex.DecodeString(id[:8])
	if err != nil {
		panic("an ID is not in hexadecimal digits: " + id)
	}
	return int64(binary.BigEndian.Uint32(b)) << 20
}

func (n *node) end() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends++
	return n.first + n.ends
}

// leave ends all tasks in good order.
func (n *node) leave(cancel context.CancelFunc) error {
	n.tell(script.Task{Do: script.Stop})
	n.tell(script.Task{Do: script.Go})
	n.tell(script.Task{Do: script.Detach})
	n.sending.Wait() // what is sent while Shutdown is under way may be late
	n.log.write(script.Line{Is: script.Leaves})
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	err := n.Shutdown(ctx)
	cancel()
	n.wg.Wait()
	n.log.write(script.Line{Is: script.Memory, Bytes: peak()})
	left := script.Line{Is: script.Left}
	if err != nil {
		left.Err = err.Error()
	}
	n.log.write(left)
	return nil
}

// begin begins a task, or tells those that have begun.
func (n *node) begin(t script.Task) error {
	start := map[string]func(*task) error{
		script.Send: n.send, script.Receive: n.receive, script.Ask: n.ask, script.Answer: n.answer,
		script.Collect: n.collect, script.Relay: n.relay, script.Pour: n.pour,
	}[t.Do]
	switch {
	case t.Do == script.Mute:
		return n.did(script.Muted, t.To, mute(t.To))
	case t.Do == script.Unmute:
		return n.did(script.Unmuted, t.To, unmute(t.To))
	case start == nil:
		n.tell(t)
		return nil
	}
	channels := []string{t.Channel}
	if t.Ends > 0 {
		channels = nil
		for i := range t.Ends {
			channels = append(channels, fmt.Sprintf("%s-%d", t.Channel, i))
		}
	}
	for _, t.Channel = range channels {
		begun := &task{Task: t, told: make(chan struct{})}
		if t.Held {
			begun.gate.shut()
		}
		if err := start(begun); err != nil {
			return fmt.Errorf("%s %q: %w", t.Do, t.Channel, err)
		}
		n.mu.Lock()
		n.tasks = append(n.tasks, begun)
		n.mu.Unlock()
	}
	return nil
}

// did writes down that something was done at once, if it was.
func (n *node) did(what, text string, err error) error {
	if err == nil {
		n.log.write(script.Line{Is: what, Text: text})
	}
	return err
}

// tell tells all tasks of a channel, or of all.
func (n *node) tell(what script.Task) {
	n.mu.Lock()
	tasks := slices.Clone(n.tasks)
	n.mu.Unlock()
	for _, t := range tasks {
		if what.Channel != "" && what.Channel != t.Channel {
			continue
		}
		switch what.Do {
		case script.Hold:
			t.gate.shut()
		case script.Go:
			t.gate.open()
		case script.Stop:
			if t.stop != nil {
				t.stop()
				t.stop = nil
			}
		case script.Finish, script.Detach:
			if t.how == "" {
				t.how = what.Do
				close(t.told)
			}
		}
	}
}

// watch writes down who is a member, at each change.
func (n *node) watch() {
	for {
		changed := n.Changed()
		var ids []string // a name may be that of a node which is no more
		for _, m := range n.Members() {
			ids = append(ids, m.ID.String())
		}
		slices.Sort(ids)
		n.log.write(script.Line{Is: script.Members, Members: ids})
		select {
		case <-changed:
		case <-n.ctx.Done():
			return
		}
	}
}
