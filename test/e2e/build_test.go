//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programs are the test node, static, as it is and in a later version.
type programs struct {
	node, later string
}

func (p programs) version(later bool) string {
	if later {
		return p.later
	}
	return p.node
}

// build compiles them, once.
var build = sync.OnceValues(func() (programs, error) {
	// go test sees what a test opens: without this a pass is taken from its cache after a change of
	// the node, which no test imports.
	if _, err := os.ReadDir("node"); err != nil {
		return programs{}, err
	}
	p := programs{filepath.Join(folder(), "node"), filepath.Join(folder(), "later")}
	for path, tags := range map[string]string{p.node: "", p.later: "later"} {
		cmd := exec.CommandContext(brokenOff, "go", "build", "-trimpath", "-ldflags=-s -w", "-tags="+tags, "-o", path, "./node")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it tidies up
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := run(cmd); err != nil {
			return p, fmt.Errorf("the test node can't be built: %w\n%s", err, &said)
		}
	}
	return p, nil
})

func built(t *testing.T) programs {
	t.Helper()
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
