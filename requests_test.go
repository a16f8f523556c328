package netchan_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// howMany is how much a test of requests does: all of it with -million.
func howMany(all, plain, short int) int {
	switch {
	case *millionJobs:
		return all
	case testing.Short() || netchan.RaceEnabled:
		return short
	}
	return plain
}

// What requests may take at any time, however many were made: a peer holds so many channels
// at most. Of each two ends may have something to do; what belongs to it takes less than 16
// KiB in both nodes.
const (
	mostRefs       = 1 << 15
	mostGoroutines = 2 * mostRefs
	mostHeap       = mostRefs * 16 << 10
)

// usage is what two nodes have of channels in values, and what their process takes.
type usage struct {
	refs       [2]netchan.RefStats
	uses       int
	goroutines int // but those of streams without a use
	heap       uint64
}

func usageOf(nodes ...*netchan.Node) (u usage) {
	for i, n := range nodes {
		u.refs[i] = n.Stats().Refs
		u.refs[i].Dropped = 0
		uses, idle := n.Uses()
		u.uses += uses
		u.goroutines -= idle // each has one at the other side
	}
	u.goroutines += runtime.NumGoroutine()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap = m.HeapAlloc
	return u
}

// watchUsage samples what the nodes take until stop is called, which fails the test if that
// was ever more than it may be.
func watchUsage(t *testing.T, nodes ...*netchan.Node) (stop func() (most usage)) {
	end, ended := make(chan struct{}), make(chan struct{})
	var most usage
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			u := usageOf(nodes...)
			for i, r := range u.refs {
				m := &most.refs[i]
				m.Exported, m.Proxies, m.Held = max(m.Exported, r.Exported), max(m.Proxies, r.Proxies), max(m.Held, r.Held)
			}
			most.uses, most.goroutines, most.heap = max(most.uses, u.uses), max(most.goroutines, u.goroutines), max(most.heap, u.heap)
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() usage {
		t.Helper()
		close(end)
		<-ended
		t.Logf("at most: %+v", most)
		for _, r := range most.refs {
			// Proxies that have ended, and were not collected yet, are no references any more.
			if r.Exported > mostRefs || r.Held > mostRefs || r.Proxies > 2*mostRefs {
				t.Errorf("references: at one time %+v", r)
			}
		}
		if most.goroutines > mostGoroutines || most.heap > mostHeap {
			t.Errorf("%d goroutines, %d bytes of heap at one time", most.goroutines, most.heap)
		}
		return most
	}
}

// left is what may be left of before: the runtime never lets go of what describes a goroutine,
// which is below 512 bytes for each that was there at one time.
func (before usage) left(most usage) usage {
	before.heap += uint64(max(0, most.goroutines)) * 512
	return before
}

// settled waits until the nodes have no more than they had before.
func settled(t *testing.T, before usage, nodes ...*netchan.Node) {
	t.Helper()
	var now usage
	defer func() {
		if t.Failed() {
			t.Logf("before: %+v\nnow: %+v", before, now)
		}
	}()
	heap := before.heap + 8<<20
	waitFor(t, "all that belonged to requests to be gone", func() bool {
		runtime.GC()
		now = usageOf(nodes...)
		return now.refs == before.refs && now.uses <= before.uses && now.goroutines <= before.goroutines && now.heap <= heap
	})
}

// Each of a great many requests brings a fresh channel, which its asker drops with the answer
// and nobody ever closes. All are answered, nothing of them is left, and what there is
// meanwhile does not grow with their number. A million with -million.
func TestManyRequests(t *testing.T) {
	for _, atOnce := range []int{1, 64} {
		t.Run(fmt.Sprint(atOnce, " at once"), func(t *testing.T) {
			asker, server, requests := answering(t)
			if !ask(requests, 1) {
				t.Fatal("a wrong answer")
			}
			var before usage
			waitFor(t, "the first request to be gone", func() bool {
				runtime.GC()
				before = usageOf(asker, server)
				return before.refs == [2]netchan.RefStats{}
			})
			stop := watchUsage(t, asker, server)
			n, start := howMany(1_000_000, 20_000, 1000), time.Now()
			askMany(t, requests, n, atOnce)
			t.Logf("%d requests in %v", n, time.Since(start))
			settled(t, before.left(stop()), asker, server)
			if a, s := asker.Stats().Refs.Dropped, server.Stats().Refs.Dropped; a+s != 0 {
				t.Errorf("%d answers were dropped", a+s)
			}
		})
	}
}

// askMany makes n requests, so many at a time.
func askMany(t *testing.T, requests chan<- request, n, atOnce int) {
	t.Helper()
	var wg sync.WaitGroup
	for k := range atOnce {
		wg.Go(func() {
			for i := k; i < n && !t.Failed(); i += atOnce {
				reply := make(chan response, 1)
				requests <- request{i, reply}
				select {
				case got := <-reply:
					if got.Square != i*i {
						t.Errorf("%d squared is %d", i, got.Square)
					}
				case <-time.After(testTime):
					t.Errorf("request %d has no answer", i)
				}
			}
		})
	}
	wg.Wait()
}

// asker is a process that makes requests until it is killed or has made enough. Its argument:
// how many requests, or 0; for how long at least; how many MiB it keeps; whether its garbage is
// collected; and a seed.
func asker(arg string) error {
	var enough, mebibytes int
	var collects bool
	var least, seed string
	if _, err := fmt.Sscan(arg, &enough, &least, &mebibytes, &collects, &seed); err != nil {
		return err
	}
	duration, err := time.ParseDuration(least)
	if err != nil {
		return err
	}
	ballast := make([]byte, mebibytes<<20)
	defer runtime.KeepAlive(ballast)
	if !collects {
		debug.SetGCPercent(-1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	defer cancel()
	node, err := netchan.Join(ctx, netchan.Config{Name: "asker", Seeds: []string{seed}, Logger: quiet()})
	if err != nil {
		return err
	}
	requests, err := netchan.NewSender[request](node, "requests")
	if err != nil {
		return err
	}
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		}
		os.Exit(1) // the test is no more
	}()
	start, done := time.Now(), 0
	var wrong atomic.Int64
	for ; enough == 0 || done < enough || time.Since(start) < duration; done += 1000 {
		var wg sync.WaitGroup
		for k := range 50 {
			wg.Go(func() {
				for i := range 20 {
					if !ask(requests.C, k*i) {
						wrong.Add(1)
					}
				}
			})
		}
		if wg.Wait(); done == 0 {
			fmt.Println("asked", node.Name())
		}
	}
	fmt.Println("done", done, wrong.Load())
	return nil
}

// An asker is killed in the middle, with requests under way and channels held: another one is
// served all along, and of the first nothing is left.
func TestKilledAsker(t *testing.T) {
	other, server, requests := answering(t)
	ask(requests, 1)
	settled(t, usage{heap: mostHeap, goroutines: mostGoroutines, uses: mostGoroutines}, other, server)
	stop := watchUsage(t, other, server)
	end, served := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { served <- n }()
		for {
			select {
			case <-end:
				return
			default:
				askMany(t, requests, 10, 1)
				n += 10
			}
		}
	}()
	for range howMany(20, 3, 1) {
		p := startProcess(t, "asker", "0 0s 0 true "+server.Addr())
		p.want("asked")
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the death to be noticed", func() bool { return len(server.Stats().Links) == 1 })
	}
	close(end)
	if n := <-served; n == 0 {
		t.Error("the other asker was not served")
	}
	stop()
	settled(t, usage{heap: mostHeap, goroutines: mostGoroutines, uses: mostGoroutines}, other, server)
}

// An asker that has a great heap and collects no garbage makes more requests than a node may
// hold channels of another. They go on: its own garbage is collected when there are many.
func TestAskerWithoutCollections(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds until there are many channels")
	}
	node, server, _ := answering(t)
	stop := watchUsage(t, node, server)
	n, least := howMany(2*mostRefs, mostRefs, mostRefs), "0s"
	if *millionJobs {
		least = "10s"
	}
	p := startProcess(t, "asker", fmt.Sprintf("%d %s 1024 false %s", n, least, server.Addr()))
	p.want("asked")
	var line string
	select {
	case line = <-p.lines:
	case <-time.After(5 * testTime):
		t.Fatalf("requests have stopped: %+v", server.Stats().Refs)
	}
	if !strings.HasPrefix(line, "done") || !strings.HasSuffix(line, " 0") {
		t.Errorf("the asker said %q", line)
	}
	t.Log(line)
	stop()
	settled(t, usage{heap: mostHeap, goroutines: mostGoroutines, uses: mostGoroutines}, node, server)
}

// patient is a request whose asker may give up.
type patient struct {
	Reply    chan<- response
	Canceled <-chan struct{}
}

// Askers leave before the answer: they drop the channel for it, some of them after they have
// canceled. Nothing of their requests is left.
func TestAskersWhoLeave(t *testing.T) {
	home := join(t, "asker")
	server := join(t, "server", home.Addr())
	in := receiver[patient](t, server, "requests", netchan.Buffer(64), netchan.KeepOpen())
	s := sender[patient](t, home, "requests", netchan.Buffer(64))
	connected(t, s, 1)
	before := usageOf(home, server)
	stop := watchUsage(t, home, server)
	n := howMany(100_000, 5000, 500)
	var canceled atomic.Int64
	var handlers sync.WaitGroup
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		for i := range n {
			q := <-in.C // take would keep a timer and a cleanup for each
			handlers.Go(func() {
				if i%2 == 0 {
					q.Reply <- response{i}
					return
				}
				<-q.Canceled
				canceled.Add(1)
			})
		}
		handlers.Wait()
	}()
	for i := range n {
		cancel := make(chan struct{})
		s.C <- patient{make(chan response, 1), cancel}
		if i%2 == 1 {
			close(cancel)
		}
	}
	select {
	case <-handled:
	case <-time.After(5 * testTime):
		t.Fatalf("handlers wait: %d of %d were canceled", canceled.Load(), n/2)
	}
	if int(canceled.Load()) != n/2 {
		t.Errorf("%d of %d were canceled", canceled.Load(), n/2)
	}
	settled(t, before.left(stop()), home, server)
}
