//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/matveynator/netchan/test/e2e/script"
)

const (
	// label is of all that is made in the Engine; its value is its owner.
	label = "netchan-e2e"
	port  = "7946"

	// memory is what a container may have: what a small service is given. collectAt has the
	// garbage collected before that is used up.
	memory    = "64m"
	collectAt = "GOMEMLIMIT=56MiB"
)

// docker runs the Engine's command.
func docker(args ...string) (string, error) { return dockerBy(run, args...) }

// dockerStill does, also when the run is broken off.
func dockerStill(args ...string) (string, error) {
	return dockerBy(func(cmd *exec.Cmd) error {
		own(cmd)
		return cmd.Run()
	}, args...)
}

func dockerBy(run func(*exec.Cmd) error, args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := run(cmd)
	text := strings.TrimSpace(out.String())
	if err != nil {
		return text, fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// noEngine says why there is no Docker Engine to use; nil: there is one.
var noEngine = sync.OnceValue(func() error {
	if _, err := docker("version", "--format", "{{.Server.Version}}"); err != nil {
		return fmt.Errorf("no Docker Engine answers: %w", err)
	}
	return nil
})

// imageMade makes the image, once.
var imageMade = sync.OnceValue(func() error {
	p, err := build()
	if err != nil {
		return err
	}
	cmd := exec.Command("docker", "build", "--quiet", "--tag", image(), "--file", "node/Dockerfile", filepath.Dir(p.node))
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // it needs none, nor a plugin for it
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := run(cmd); err != nil {
		return fmt.Errorf("docker build: %w\n%s", err, &complaint)
	}
	return nil
})

// image is this run's.
func image() string { return label + ":" + owner() }

func ownLabel() string { return label + "=" + owner() }

// inEngine is what runs have made there and not removed, of one kind: its ID, and its owner.
func inEngine(kind ...string) map[string]string {
	format := `{{.ID}} {{.Label "` + label + `"}}`
	if kind[0] == "images" {
		kind, format = append(kind, label), "{{.Repository}}:{{.Tag}} {{.Tag}}"
	} else {
		kind = append(kind, "--filter", "label="+label)
	}
	out, err := dockerStill(append(kind, "--format", format)...)
	if err != nil {
		return nil
	}
	made := make(map[string]string)
	for line := range strings.Lines(out) {
		if id, of, _ := strings.Cut(strings.TrimSpace(line), " "); id != "" {
			made[id] = of
		}
	}
	return made
}

// remove removes from the Engine what its owners want no more.
func remove(unwanted func(owner string) bool, what []string, by ...string) {
	n := len(by)
	for id, of := range inEngine(what...) {
		if unwanted(of) {
			by = append(by, id)
		}
	}
	if len(by) > n {
		_, _ = dockerStill(by...)
	}
}

func removeFrom(unwanted func(owner string) bool) {
	remove(unwanted, []string{"ps", "--all"}, "rm", "--force", "--volumes") // paused ones too
	remove(unwanted, []string{"network", "ls"}, "network", "rm")
	remove(unwanted, []string{"images"}, "rmi", "--force")
}

func ours(of string) bool { return of == owner() }

// removeStarted removes this run's containers, but for those that are being started: the Engine
// would keep their place in the network, and the network with it.
func removeStarted() {
	started := []string{"ps", "--all", "--filter", "status=running", "--filter", "status=paused", "--filter", "status=exited"}
	remove(ours, started, "rm", "--force", "--volumes")
}

// removeAll removes all that this run has made in the Engine.
func removeAll() { removeFrom(ours) }

// sweep removes what runs have left in the Engine that were killed.
func sweep() { removeFrom(ownerGone) }

// containers is the engine that has a container for each host, on a network of the cluster.
type containers struct {
	t       *testing.T
	network string
	prefix  string // of the hosts' addresses
	memory  string
	args    map[*host][]string // by which its container was made
}

var networks struct {
	sync.Mutex
	last int
}

func newContainers(t *testing.T, memory string) *containers {
	t.Helper()
	if err := imageMade(); err != nil {
		t.Fatal(err)
	}
	// Somebody else may have the addresses: then others are tried.
	for {
		networks.Lock()
		networks.last++
		n := networks.last
		networks.Unlock()
		e := &containers{t: t, network: fmt.Sprintf("%s-%s-%d", label, owner(), n), prefix: fmt.Sprintf("10.%d.%d.", 200+n/256%50, n%256), memory: memory, args: make(map[*host][]string)}
		out, err := docker("network", "create", "--label", ownLabel(), "--subnet", e.prefix+"0/24", e.network)
		if err == nil {
			return e
		}
		if n > 1000 || !strings.Contains(out, "verlap") && !strings.Contains(out, "conflict") {
			t.Fatal(err)
		}
	}
}

func (e *containers) ip(h *host) string        { return fmt.Sprint(e.prefix, 10+h.number) }
func (e *containers) listen(h *host) string    { return e.ip(h) + ":" + port }
func (e *containers) advertise(h *host) string { return "" }
func (e *containers) name(h *host) string      { return e.network + "-" + h.name }

// command runs a new container in the place of the one that was there, or starts that again
// where it is the same.
func (e *containers) command(h *host, later bool, env []string) *exec.Cmd {
	args := []string{"run", "--name", e.name(h), "--label", ownLabel(), "--hostname", h.name, "--sig-proxy=false",
		"--network", e.network, "--ip", e.ip(h), "--cap-add", "NET_ADMIN", "--memory", e.memory, "--memory-swap", e.memory,
		"--volume", h.folder + ":/e2e", "--env", script.FolderVariable + "=/e2e", "--env", collectAt}
	for _, v := range env {
		args = append(args, "--env", v)
	}
	if later {
		args = append(args, "--entrypoint", "/later")
	}
	args = append(args, image())
	if slices.Equal(e.args[h], args) {
		return exec.Command("docker", "start", "--attach", e.name(h))
	}
	if e.args[h] != nil {
		e.must("rm", "--force", e.name(h))
	}
	e.args[h] = args
	return exec.Command("docker", args...)
}

func (e *containers) must(args ...string) {
	e.t.Helper()
	if _, err := docker(args...); err != nil {
		e.t.Error(err)
	}
}

func (e *containers) signal(h *host, s signal) {
	e.t.Helper()
	switch s {
	case pause:
		e.must("pause", e.name(h))
	case resume:
		e.must("unpause", e.name(h))
	case term:
		e.must("stop", "--time", "60", e.name(h))
	default:
		e.must("kill", "--signal", string(s), e.name(h))
	}
}

func (e *containers) unplug(h *host) {
	e.t.Helper()
	e.must("network", "disconnect", "--force", e.network, e.name(h))
}

func (e *containers) plug(h *host) {
	e.t.Helper()
	e.must("network", "connect", "--ip", e.ip(h), e.network, e.name(h))
}

func (e *containers) mute(from, to *host) { from.do(script.Task{Do: script.Mute, To: e.ip(to)}) }
func (e *containers) unmute(from, to *host) {
	from.do(script.Task{Do: script.Unmute, To: e.ip(to)})
}

// end has errors ignored: the container may not be there yet, or any more.
func (e *containers) end(h *host) { _, _ = docker("kill", e.name(h)) }

// close removes all by name: what is unplugged is on no network.
func (e *containers) close() {
	e.t.Helper()
	args := []string{"rm", "--force", "--volumes"}
	for h := range e.args {
		args = append(args, e.name(h))
	}
	_, _ = docker(args...)
	e.must("network", "rm", e.network)
}
