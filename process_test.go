package netchan_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// Tests with several processes run this test binary again, with a role in its
// environment.
const (
	roleVariable = "NETCHAN_TEST_ROLE"
	argVariable  = "NETCHAN_TEST_ARG"
)

func runRole(role string) {
	roles := map[string]func(arg string) error{"worker": worker, "job worker": jobWorker, "holder": holder, "pourer": pourer, "tapper": tapper, "asker": asker, "hoarder": hoarder}
	if err := roles[role](os.Getenv(argVariable)); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// worker receives values of every kind until its standard input ends, and says
// what it got. Its argument: listen address and seed.
func worker(arg string) error {
	listen, seed, _ := strings.Cut(arg, " ")
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	defer cancel()
	node, err := netchan.Join(ctx, netchan.Config{Listen: listen, Seeds: []string{seed}, Logger: quiet()})
	if err != nil {
		return err
	}
	joined := time.Now()
	r, err := netchan.NewReceiver[everyKind](node, "kinds")
	if err != nil {
		return err
	}
	fmt.Println("joined", node.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		r.Close()
	}()
	n := 0
	for v := range r.C {
		if n++; n == 1 {
			fmt.Println("used", time.Since(joined).Milliseconds())
		}
		if !reflect.DeepEqual(v, everyValue()) {
			return fmt.Errorf("got %+v", v)
		}
	}
	if err := node.Shutdown(ctx); err != nil {
		return err
	}
	fmt.Println("equal", n)
	return nil
}

// process is another process of a test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

func startProcess(t *testing.T, role, arg string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{roleVariable + "=" + role, argVariable + "=" + arg}
	return start(t, cmd)
}

// start gives a process the tests' key. What it logs is shown when the test fails.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.Env = append(append(os.Environ(), "NETCHAN_KEY="+testKey.Secret()), cmd.Env...)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, stdin: stdin, lines: make(chan string, 100)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
	})
	return p
}

// want returns what follows word on the process's next line.
func (p *process) want(word string) string {
	p.t.Helper()
	line := take(p.t, p.lines)
	rest, ok := strings.CutPrefix(line, word+" ")
	if !ok {
		p.t.Fatalf("a process said %q, want %q", line, word)
	}
	return rest
}

// Processes on addresses of their own join by seed; the third one through the
// second. All share a name, and each is used.
func TestProcesses(t *testing.T) {
	first := joinWith(t, netchan.Config{Name: "first", Listen: "127.0.0.2:0"})
	s := sender[everyKind](t, first, "kinds")
	here := receiver[everyKind](t, first, "kinds")
	second := startProcess(t, "worker", "127.0.0.3:0 "+first.Addr())
	secondAddr := second.want("joined")
	if !strings.HasPrefix(secondAddr, "127.0.0.3:") {
		t.Fatalf("the second listens on %s", secondAddr)
	}
	stop := make(chan struct{})
	sent := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case s.C <- everyValue():
				n++
			case <-stop:
				sent <- n
				return
			}
		}
	}()
	got := make(chan int)
	go func() {
		n := 0
		for v := range here.C {
			if n++; !reflect.DeepEqual(v, everyValue()) {
				t.Errorf("got %+v", v)
			}
		}
		got <- n
	}()
	second.want("used")
	third := startProcess(t, "worker", "127.0.0.4:0 "+secondAddr)
	third.want("joined")
	var ms int
	if fmt.Sscan(third.want("used"), &ms); ms > 2000 {
		t.Errorf("the third was used %d ms after it had joined", ms)
	}
	waitFor(t, "the third to be a member", func() bool { return len(first.Members()) == 3 })
	// The workers leave, one after the other; nothing is lost.
	total := 0
	for _, p := range []*process{second, third} {
		p.stdin.Close()
		var n int
		fmt.Sscan(p.want("equal"), &n)
		if n == 0 {
			t.Error("a process got nothing")
		}
		total += n
	}
	close(stop)
	n := <-sent
	close(s.C)
	if total += <-got; total != n {
		t.Errorf("%d values arrived of %d", total, n)
	}
	if st := s.Stats(); st.Dropped != 0 || st.Redelivered != 0 {
		t.Errorf("%+v", st)
	}
}
