package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/matveynator/netchan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is for a test that hangs; none comes near it.
const limit = time.Minute

// The program as people start it first, small: it says that all went well.
func TestOneProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, []string{"-clients", "5", "-tasks", "50", "-time", "1m"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"50 tasks handed out, 50 answered", "by 5 clients", "OK: every task"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, &out)
		}
	}
}

// Time ends the program too, with whatever was done by then.
func TestEndsByTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, []string{"-clients", "2", "-time", "100ms"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "OK: every task") {
		t.Errorf("the summary does not say that all is right:\n%s", &out)
	}
}

// A server and clients on their own, as on several machines. The first client
// gets Ctrl-C in the middle; clients that come later do the rest.
func TestRoles(t *testing.T) {
	t.Setenv("NETCHAN_KEY", netchan.GenerateKey().Secret())
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := func(ctx context.Context, args ...string) (out *io.PipeReader, ended chan error) {
		out, w := io.Pipe()
		ended = make(chan error, 1)
		go func() {
			ended <- run(ctx, args, w)
			w.Close()
		}()
		return out, ended
	}
	serverCtx, endServer := context.WithCancel(ctx)
	defer endServer()
	lines, served := start(serverCtx, "-role", "server", "-listen", "127.0.0.1:0", "-time", "1m")
	seeds := readUntil(t, lines, regexp.MustCompile(`-seeds (\S+)\n`))

	clientCtx, endClient := context.WithCancel(ctx)
	defer endClient()
	leaverOut, left := start(clientCtx, "-role", "client", "-seeds", seeds)
	go io.Copy(io.Discard, leaverOut)
	readUntil(t, lines, regexp.MustCompile(`([1-9]\d*) tasks done`))
	endClient()
	if err := <-left; err != nil {
		t.Errorf("the client that left: %v", err)
	}
	stayerOut, stayed := start(ctx, "-role", "client", "-clients", "3", "-seeds", seeds)
	readUntil(t, lines, regexp.MustCompile(`tasks done, .*, (3) clients`))
	endServer()
	rest, _ := io.ReadAll(lines)
	if err := <-served; err != nil {
		t.Errorf("the server: %v\n%s", err, rest)
	}
	readUntil(t, stayerOut, regexp.MustCompile(`([1-9]\d*) tasks done`))
	if err := <-stayed; err != nil {
		t.Errorf("the clients that stayed: %v", err)
	}
	if !strings.Contains(string(rest), "OK: every task") {
		t.Errorf("the summary does not say that all is right:\n%s", rest)
	}
}

// readUntil reads from r until re matches, and returns its first group.
func readUntil(t *testing.T, r io.Reader, re *regexp.Regexp) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if m := re.FindSubmatch(all); m != nil {
			return string(m[1])
		}
		if err != nil {
			t.Fatalf("no %v in:\n%s", re, all)
		}
	}
}

// Ctrl-C ends the server and its clients in good order: what was handed out is
// answered first.
func TestCtrlC(t *testing.T) {
	ctx, ctrlC := context.WithTimeout(t.Context(), limit)
	defer ctrlC()
	lines, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-clients", "3", "-time", "1m"}, out)
		out.Close()
	}()
	readUntil(t, lines, regexp.MustCompile(`(\d+) tasks done`))
	ctrlC()
	rest, _ := io.ReadAll(lines)
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s", err, rest)
	}
	if !strings.Contains(string(rest), "OK: every task") {
		t.Errorf("the summary does not say that all is right:\n%s", rest)
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-role", "boss"}, {"-role", "client"}, {"-seeds", "127.0.0.1:1"}, {"-clients", "-1"}, {"-time", "-1s"}, {"more"},
		{"-role", "watcher"},
		{"-role", "client", "-seeds", "127.0.0.1:1", "-clients", "2", "-listen", "127.0.0.1:2"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
