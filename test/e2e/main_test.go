//go:build linux

package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
)

var (
	inDocker = flag.Bool("docker", os.Getenv("NETCHAN_E2E_DOCKER") != "", "run all cases in containers of the Docker Engine; also with $NETCHAN_E2E_DOCKER")
	seedFlag = flag.Uint64("seed", 0, "what cases choose by chance; 0: any")
	atOnce   = flag.Int("at-once", 6, "how many cases run at a time in containers")
	allFlag  = flag.Bool("all", false, "without -docker: all cases that can run as processes")
	keepAll  = flag.Bool("keep", false, "keep the logs of all cases, not only of those that fail")
)

func TestMain(m *testing.M) {
	flag.Parse()
	stop := watchForTheEnd()
	sweepFolders()
	if *inDocker {
		if err := flag.Set("test.parallel", fmt.Sprint(*atOnce)); err != nil {
			panic(err)
		}
		sweep()
	}
	code := m.Run()
	unlessBrokenOff()
	if testing.Verbose() {
		fmt.Print(table(results.all))
	}
	clean("")
	stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// A scenario is one case.
type scenario struct {
	name  string
	run   func(*cluster)
	quick bool // also as processes, with -all
	brief bool // and without that, in go test ./...

	chance  bool   // it chooses by it
	network bool   // it fails
	memory  string // of a container; "": 64m
}

// TestCluster runs all cases in containers, with -docker; else the quick ones as processes.
func TestCluster(t *testing.T) {
	if *inDocker {
		if err := noEngine(); err != nil {
			t.Fatalf("%v. Start it, or leave out -docker: then a short selection runs as processes", err)
		}
	} else {
		t.Log("WITHOUT CONTAINERS: a short selection, as processes. All cases: go test ./test/e2e -docker")
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			switch {
			case *inDocker || s.brief || s.quick && *allFlag:
			case s.quick:
				t.Skip("needs -docker or -all")
			default:
				t.Skip("needs -docker")
			}
			t.Parallel()
			play(t, s)
		})
	}
}

// play runs one case.
func play(t *testing.T, s scenario) {
	built(t)
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	c := &cluster{
		scenario: s, t: t, key: netchan.GenerateKey(), seed: seed, random: rand.New(rand.NewPCG(seed, 1)), changed: make(chan struct{}),
		result: &result{name: s.name, times: make(map[string][]time.Duration)}, slack: slack,
	}
	var err error
	if c.folder, err = os.MkdirTemp(folder(), s.name+"-"); err != nil {
		t.Fatal(err)
	}
	ending.Lock()
	playing[c] = true
	ending.Unlock()
	c.began = time.Now()
	defer func() {
		c.result.took, c.result.failed = time.Since(c.began), t.Failed()
		c.result.keep()
		c.close()
	}()
	if *inDocker {
		c.on = newContainers(t, cmp.Or(s.memory, memory))
	} else {
		c.on = newProcesses(t, s.network)
	}
	s.run(c)
}

// slack is how much later than it happened a node may write something down: the machine has
// more to do than it has cores.
const slack = 2 * time.Second

// close ends what is left of a case.
func (c *cluster) close() {
	for _, h := range c.hosts {
		if !h.running() {
			continue
		}
		h.expect()
		for end := time.Now().Add(patience); h.running() && time.Now().Before(end); {
			unlessBrokenOff()
			c.on.end(h)
			select {
			case <-h.life.ended:
			case <-time.After(time.Second): // its container was not there yet
			}
		}
		if h.running() {
			c.t.Errorf("%s does not end", h.name)
		}
	}
	if c.on != nil {
		c.on.close()
	}
	ending.Lock()
	defer ending.Unlock()
	c.end("")
}

// end keeps the logs of what has failed, or was broken off.
func (c *cluster) end(brokenOff string) {
	delete(playing, c)
	for _, h := range c.hosts {
		h.close()
		_ = os.Remove(filepath.Join(h.folder, script.Commands))
		_ = os.Remove(filepath.Join(h.folder, script.Lines))
	}
	if brokenOff == "" && !c.t.Failed() && !*keepAll {
		_ = os.RemoveAll(c.folder)
		return
	}
	if brokenOff != "" {
		c.result.took, c.result.failed = time.Since(c.began), true
		c.note("%s: the run is broken off", brokenOff)
	}
	if err := os.WriteFile(filepath.Join(c.folder, "report"), []byte(c.report()), 0o644); err != nil {
		c.t.Error(err)
	}
	c.t.Logf("what all nodes have written, what was done to them and when: %s\nagain: %s", c.folder, c.again())
}
