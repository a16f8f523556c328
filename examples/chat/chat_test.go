package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/matveynator/netchan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The program as people start it first, small.
func TestOneProcess(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-clients", "3", "-lines", "5"}, nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"client-2: line 5\n", "* client-1 has left: 2 are here\n", "OK: 3 clients have each heard all 15 lines"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
}

// A program that was started: what it says, and what it can be told.
type program struct {
	*testing.T
	in    io.WriteCloser
	out   io.Reader
	ended chan error
}

func start(t *testing.T, ctx context.Context, args ...string) *program {
	in, w := io.Pipe()
	r, out := io.Pipe()
	p := &program{t, w, r, make(chan error, 1)}
	go func() {
		err := run(ctx, args, in, out)
		in.Close()
		out.Close()
		p.ended <- err
	}()
	return p
}

// until reads what it says until re matches, and returns its first group.
func (p *program) until(re string) string {
	p.Helper()
	pattern := regexp.MustCompile(re)
	var all []byte
	for b := make([]byte, 1); ; {
		n, err := p.out.Read(b)
		all = append(all, b[:n]...)
		if m := pattern.FindSubmatch(all); m != nil {
			return string(m[1])
		}
		if err != nil {
			p.Fatalf("no %s in:\n%s", re, all)
		}
	}
}

// A room and two clients on their own, as on several machines: one leaves, then the room
// closes.
func TestRoles(t *testing.T) {
	t.Setenv("NETCHAN_KEY", netchan.GenerateKey().Secret())
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	roomCtx, closeRoom := context.WithCancel(ctx)
	defer closeRoom()
	room := start(t, roomCtx, "-role", "room", "-listen", "127.0.0.1:0")
	seeds := room.until(`-seeds (\S+) -name ...\n`)
	go io.Copy(io.Discard, room.out)
	ann := start(t, ctx, "-role", "client", "-name", "ann", "-seeds", seeds)
	ann.until(`(ann has come: 1 are here)\n`)
	bob := start(t, ctx, "-role", "client", "-name", "bob", "-seeds", seeds)
	ann.until(`(bob has come: 2 are here)\n`)
	fmt.Fprintln(ann.in, "hello bob")
	bob.until(`\n(ann: hello bob)\n`)
	ann.until(`(ann: hello bob)\n`)
	fmt.Fprintln(bob.in, "bye")
	bob.in.Close() // Ctrl-D
	go io.Copy(io.Discard, bob.out)
	ann.until(`(bob: bye)\n`) // said just before
	ann.until(`(bob has left: 1 are here)\n`)
	if err := <-bob.ended; err != nil {
		t.Error(err)
	}
	closeRoom()
	if err := <-room.ended; err != nil {
		t.Error(err)
	}
	if err := <-ann.ended; err == nil || !strings.Contains(err.Error(), "the room ") {
		t.Error(err)
	}
	ann.in.Close()
}

// The check of the program can fail.
func TestTally(t *testing.T) {
	line := func(from string, n int) Line { return Line{From: from, Text: fmt.Sprintf("line %d", n)} }
	for _, c := range []struct {
		what string
		said []Line
		ok   bool
	}{
		{"all is well", []Line{line("a", 1), line("b", 1), line("b", 2), line("a", 2)}, true},
		{"one is missing", []Line{line("a", 1), line("b", 1), line("b", 2)}, false},
		{"one is not heard", []Line{line("a", 1), line("a", 2)}, false},
		{"a line comes twice", []Line{line("a", 1), line("a", 1), line("b", 1), line("b", 2)}, false},
		{"lines change places", []Line{line("a", 2), line("a", 1), line("b", 1), line("b", 2)}, false},
		{"a line too many", []Line{line("a", 1), line("a", 2), line("a", 3), line("b", 1), line("b", 2)}, false},
	} {
		tally := newTally(options{clients: 2, lines: 2})
		var err error
		for _, l := range c.said {
			if e := tally.take(l); e != nil {
				err = e
			}
		}
		if ok := err == nil && tally.all(); ok != c.ok {
			t.Errorf("%s: %t, %v", c.what, ok, err)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-role", "host"}, {"-role", "client", "-name", "ann"}, {"-role", "client", "-seeds", "127.0.0.1:1"}, {"-seeds", "127.0.0.1:1"},
		{"-name", "ann"}, {"-clients", "1"}, {"-lines", "0"}, {"more"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
