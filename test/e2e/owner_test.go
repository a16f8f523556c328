//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/matveynator/netchan/test/e2e/script"
)

// owner names this process for good: by its PID namespace, its PID there, and when it has begun.
// All that a run makes bears it, so that a later run knows what was left behind.
var owner = sync.OnceValue(func() string {
	begun, err := begunAt(os.Getpid())
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%d-%d-%s", namespace(), os.Getpid(), begun)
})

// namespace is the number of this process's PID namespace.
func namespace() (n uint64) {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err == nil {
		_, err = fmt.Sscanf(link, "pid:[%d]", &n)
	}
	if err != nil {
		panic(err)
	}
	return n
}

// begunAt is when a process has begun, in ticks of the kernel; "": it has ended, and nobody has
// waited for it.
func begunAt(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name of the program is in parentheses, and may have any; then comes the third field.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat is %q", pid, b)
	}
	if fields[0] == "Z" {
		return "", nil
	}
	return fields[22-3], nil
}

// ownerGone says whether a process is no more that owned something. Of other PID namespaces nobody
// here can tell.
func ownerGone(owner string) bool {
	var in uint64
	var pid int
	var begun string
	if n, _ := fmt.Sscanf(owner, "%d-%d-%s", &in, &pid, &begun); n != 3 || in != namespace() || pid <= 0 {
		return false
	}
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	now, err := begunAt(pid)
	return err == nil && now != begun
}

// folder is where all that this process makes is.
var folder = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "netchan-e2e-")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "owner"), []byte(owner()), 0o644)
	}
	if err != nil {
		panic(err)
	}
	return dir
})

// tidy removes from a run's folder what is no log, and the folder if there are none.
func tidy(folder string) (logs bool) {
	for _, pattern := range []string{"node", "later", "*/*/" + script.Commands, "*/*/" + script.Lines, "owner"} {
		found, _ := filepath.Glob(filepath.Join(folder, pattern))
		for _, path := range found {
			_ = os.Remove(path)
		}
	}
	_ = os.Remove(folder)
	_, err := os.Stat(folder)
	return err == nil
}

// sweepFolders tidies those of runs that could not do it.
func sweepFolders() {
	owners, _ := filepath.Glob(filepath.Join(os.TempDir(), "netchan-e2e-*", "owner"))
	for _, path := range owners {
		if o, err := os.ReadFile(path); err == nil && ownerGone(string(o)) {
			tidy(filepath.Dir(path))
		}
	}
}

// A later run may take away only what is of a process of its own PID namespace that is no more.
func TestOwner(t *testing.T) {
	t.Parallel()
	in, pid := namespace(), os.Getpid()
	begun, err := begunAt(pid)
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]bool{
		owner():                                     false,
		fmt.Sprintf("%d-%d-%s0", in, pid, begun):    true, // the PID is another process's now
		fmt.Sprintf("%d-%d-%s", in, 1<<30, begun):   true, // no PID is that high
		fmt.Sprintf("%d-%d-%s", in+1, 1<<30, begun): false,
		fmt.Sprintf("%d-%d-%s0", in+1, pid, begun):  false,
		fmt.Sprint(1 << 30):                         false,
		"":                                          false,
		fmt.Sprintf("%d-%d-%s", in, -pid, begun):    false,
	} {
		if got := ownerGone(of); got != want {
			t.Errorf("ownerGone(%q) is %v", of, got)
		}
	}
}
