package netchan_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// tally counts how often each value was sent and received.
type tally struct {
	mu  sync.Mutex
	got map[string]int // less how often it was sent
}

func (y *tally) add(v string, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.got == nil {
		y.got = make(map[string]int)
	}
	y.got[v] += n
}

// check wants each value received as often as it was sent.
func (y *tally) check(t *testing.T) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	bad := 0
	for v, n := range y.got {
		if n != 0 {
			if bad++; bad < 10 {
				t.Errorf("%s was received %d times too often", v, n)
			}
		}
	}
	t.Logf("%d values, %d of them lost or doubled", len(y.got), bad)
}

// logBook is where a node logs to, so that a test can read it.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// starved is set when a node was not heard of for seconds: a machine that leaves a
// process no time for so long breaks links, as it should. It says nothing about who left.
var starved atomic.Bool

func (l *logBook) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("nothing heard for too long")) || bytes.Contains(p, []byte("i/o timeout")) {
		starved.Store(true)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// noTrouble fails if the log tells of a broken link, or of one that is looked for, or of
// values that were dropped.
func (l *logBook) noTrouble(t *testing.T, whose string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	trouble := []string{"dropped", "no link yet", "link broken", "link is back", "not have heard"}
	if starved.Load() {
		trouble = trouble[:1]
	}
	for line := range strings.Lines(l.b.String()) {
		for _, bad := range trouble {
			if strings.Contains(line, bad) {
				t.Errorf("%s logs: %s", whose, line)
				break
			}
		}
	}
}

// noBroken fails if a node has a link that is broken, or was.
func noBroken(t *testing.T, n *netchan.Node) {
	t.Helper()
	for _, l := range n.Stats().Links {
		if (l.Broken || l.Breaks > 0) && !starved.Load() {
			t.Errorf("%s: %+v", n.Name(), l)
		}
	}
}

// Workers whose jobs take their time end by Close and Shutdown, each in the middle of a
// job, while others come: no job is lost, none is done twice.
func TestWorkersLeave(t *testing.T) {
	const (
		jobTime = 100 * time.Millisecond
		jobs    = 100
		crew    = 8
		steady  = 4 // of them
	)
	var done tally
	boss := join(t, "boss")
	s := sender[int](t, boss, "jobs", netchan.Buffer(8))
	var workers sync.WaitGroup
	work := func(name string, most int) {
		node := join(t, name, boss.Addr())
		r := receiver[int](t, node, "jobs", netchan.Buffer(4))
		workers.Go(func() {
			n := 0
			for job := range r.C {
				if n++; n == most {
					go r.Close()
				}
				<-time.After(jobTime)
				done.add(fmt.Sprint("job ", job), 1)
			}
			if err := node.Shutdown(testContext(t)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for i := range crew {
		work(fmt.Sprint("worker ", i), max(0, i-steady+1)) // after so many jobs it ends; 0: never
	}
	connected(t, s, crew)
	for job := range jobs {
		if job%10 == 5 {
			work(fmt.Sprint("late ", job), 3)
		}
		give(t, s.C, job)
		done.add(fmt.Sprint("job ", job), -1)
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	close(s.C)
	workers.Wait()
	done.check(t)
	if st := s.Stats(); st.Redelivered != 0 || st.Dropped != 0 || st.Acknowledged != jobs {
		t.Errorf("%+v", st)
	}
}

// replica is one of the like nodes of a cluster: it sends and receives on every name.
type replica struct {
	node  *netchan.Node
	log   logBook
	stop  chan struct{} // closed: nothing is sent any more
	sends sync.WaitGroup
	takes sync.WaitGroup
	got   atomic.Int64
	outs  []*netchan.Sender[string]
}

// What a sender of a test sends at a time, and how often: the machine shall have time
// left for nodes that come.
const (
	burst      = 16
	burstEvery = 20 * time.Millisecond
)

// startReplica begins a life of a node. What it sends is numbered.
func startReplica(t *testing.T, cfg netchan.Config, life int, names []string, y *tally) *replica {
	r := &replica{stop: make(chan struct{})}
	cfg.Logger = r.log.logger()
	r.node = joinWith(t, cfg)
	for i, name := range names {
		in := receiver[string](t, r.node, name, netchan.Buffer(i*8))
		r.takes.Go(func() {
			for v := range in.C {
				y.add(v, 1)
				r.got.Add(1)
			}
		})
		out := sender[string](t, r.node, name, netchan.Buffer(i*4))
		r.outs = append(r.outs, out)
		r.sends.Go(func() {
			pace := time.NewTicker(burstEvery)
			defer pace.Stop()
			for n := 0; ; n++ {
				if n%burst == 0 {
					<-pace.C
				}
				v := fmt.Sprintf("%s-%d-%s-%d", cfg.Name, life, name, n)
				select {
				case out.C <- v:
					y.add(v, -1)
				case <-r.stop:
					return
				}
			}
		})
	}
	return r
}

// shutdown ends it in good order.
func (r *replica) shutdown(t *testing.T) {
	t.Helper()
	close(r.stop)
	r.sends.Wait()
	if err := r.node.Shutdown(testContext(t)); err != nil {
		t.Errorf("Shutdown of %s: %v", r.node.Name(), err)
	}
	r.takes.Wait()
}

// All nodes of a cluster are started again, one by one, under their names and
// addresses, while values flow between all of them. Nothing is lost or doubled, and
// nobody looks for a node that has said goodbye.
func TestRollingRestart(t *testing.T) {
	const nodes = 5
	names := []string{"red", "green", "blue"}
	var y tally
	var cluster [nodes]*replica
	var seeds []string
	for i := range cluster {
		cluster[i] = startReplica(t, netchan.Config{Name: fmt.Sprint("node ", i), Seeds: seeds}, 0, names, &y)
		seeds = append(seeds, cluster[i].node.Addr())
	}
	used := func(i int) {
		before := cluster[i].got.Load()
		waitFor(t, "a node to get values", func() bool { return cluster[i].got.Load() > before+100 })
	}
	for i := range cluster {
		used(i)
	}
	for i := range cluster {
		old := cluster[i]
		start := time.Now()
		old.shutdown(t)
		t.Logf("Shutdown took %v", time.Since(start))
		old.log.noTrouble(t, old.node.Name())
		for k := range cluster {
			if k != i {
				noBroken(t, cluster[k].node)
			}
		}
		cluster[i] = startReplica(t, netchan.Config{Name: old.node.Name(), Listen: old.node.Addr(), Seeds: seeds}, 1, names, &y)
		used(i)
	}
	for _, r := range cluster {
		noBroken(t, r.node)
	}
	var all sync.WaitGroup
	for _, r := range cluster {
		close(r.stop)
	}
	for _, r := range cluster {
		r.sends.Wait()
	}
	for _, r := range cluster {
		for _, out := range r.outs {
			if err := out.Flush(testContext(t)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, r := range cluster {
		for _, s := range r.node.Stats().Senders {
			if s.Redelivered != 0 || s.Dropped != 0 {
				t.Errorf("%s: %+v", r.node.Name(), s)
			}
		}
		all.Go(func() {
			if err := r.node.Shutdown(testContext(t)); err != nil {
				t.Errorf("Shutdown of %s: %v", r.node.Name(), err)
			}
			r.takes.Wait()
			r.log.noTrouble(t, r.node.Name())
		})
	}
	all.Wait()
	y.check(t)
}

// A node that has said goodbye is not looked for, though gossip still has it.
func TestNobodyLooksForWhoSaidGoodbye(t *testing.T) {
	var log logBook
	a, toA := joinBehind(t, netchan.Config{Name: "a", Logger: log.logger()})
	b, toB := joinBehind(t, netchan.Config{Name: "b", Seeds: []string{a.Addr()}})
	s := sender[int](t, a, "n")
	r := receiver[int](t, b, "n")
	connected(t, s, 1)
	give(t, s.C, 1)
	take(t, r.C)
	if err := b.SayGoodbye(testContext(t)); err != nil {
		t.Fatal(err)
	}
	give(t, s.C, 2) // the link goes on while it works
	take(t, r.C)
	toA.Cut()
	toB.Cut()
	waitFor(t, "the link to end", func() bool { return len(a.Stats().Links) == 0 })
	for over := afterQuiet(t); ; {
		if n := a.Dialling(); n > 0 {
			t.Fatalf("%d nodes are dialled", n)
		}
		select {
		case <-over:
			if len(a.Channels()) == 0 {
				t.Error("gossip has lost the receiver, so nobody would look for it anyhow")
			}
			log.noTrouble(t, "a")
			return
		case <-time.After(time.Millisecond): // look again
		}
	}
}
