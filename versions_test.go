package netchan_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An old and a new version of one program, two binaries, send each other values
// whose types differ in all that may change between versions. Each compares what it
// takes; testdata/versions/peer says what they do.
func TestVersionsOfAProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles two programs")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("NOT TESTED, whether an old and a new version of a program understand each other: no go tool to build them: %v", err)
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), goTool, "build", "-o", dir, "./testdata/versions/old", "./testdata/versions/new")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	before := start(t, exec.Command(filepath.Join(dir, "old"), "127.0.0.2:0"))
	seed := before.want("joined")
	after := start(t, exec.Command(filepath.Join(dir, "new"), "127.0.0.3:0", seed))
	if addr := after.want("joined"); !strings.HasPrefix(addr, "127.0.0.3:") || !strings.HasPrefix(seed, "127.0.0.2:") {
		t.Errorf("they listen on %s and %s", seed, addr)
	}
	for _, p := range []struct {
		*process
		misfit, receives string
	}{
		{before, "Index: -1 doesn't fit uint", "new receives int (string is not int)"},
		{after, "Count: 1099511627776 doesn't fit int32", "old receives string (int is not string)"},
	} {
		if text := p.want("dropped"); !strings.HasSuffix(text, p.misfit) {
			t.Errorf("dropped: %s, want %q", text, p.misfit)
		}
		if text := p.want("mismatched"); !strings.Contains(text, p.receives) {
			t.Errorf("mismatched: %s, want %q", text, p.receives)
		}
		for _, word := range []string{"sent", "took"} {
			if n := p.want(word); n != "100" {
				t.Errorf("%s %s values, want 100", word, n)
			}
		}
		p.wantEnd()
	}
}

// wantEnd waits until the process has ended by itself, in good order.
func (p *process) wantEnd() {
	p.t.Helper()
	for line := range p.lines {
		p.t.Errorf("a process said %q after all", line)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Error(err)
	}
}
