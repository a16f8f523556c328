package netchan

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan/test/memnet"
)

var (
	scaleNodes = flag.Int("netchan.scale", 0, "how many nodes TestScale has; 0: few")
	scaleNames = flag.Int("netchan.names", 1, "how many named ends each of them has")
)

// A scale is whole nodes on a network in memory, in virtual time: what they write
// and how long things take does not hang on the machine, but for what computing takes.
type scale struct {
	t     *testing.T
	net   *memnet.Network
	nodes []*Node
	wrote []*wrote
}

// scaleFigures are what TestScale measures. Times are virtual, bytes are of one node on average.
type scaleFigures struct {
	joined, all      time.Duration // until all that join at once have joined, and know each other and each other's names
	late, lateKnown  time.Duration // until one more has joined, and all know it
	known, knownLast time.Duration // until a new name is known: at half of the nodes, and at all
	rest             float64       // bytes a second at rest
	packets, streams float64       // of these
	dials            float64       // connections a minute that a node makes for that
	most             float64       // rest of the node that writes most
	start            float64       // bytes in the two minutes after all have joined at once
	change           float64       // bytes of packets that a new name makes a node write
	goroutines       float64
	memory           float64 // bytes in heap and stacks, the network in memory included
}

// How nodes grow in number, and what that costs each of them: docs/scaling.md.
func TestScale(t *testing.T) {
	sizes, names := []int{2, 8}, *scaleNames
	if *scaleNodes > 0 {
		sizes = []int{*scaleNodes}
	}
	for _, n := range sizes {
		inBubble(t, func(t *testing.T) {
			f := measureScale(t, n, names)
			t.Logf("%d nodes, %d names each: at once %v, known %v, %.0f kB; one more %v, known %v; a name %v, everywhere %v, %.1f kB; "+
				"at rest %.0f B/s (packets %.0f, streams %.0f, %.2f dials/min; most %.0f); %.0f kB, %.1f goroutines",
				n, names, ms(f.joined), ms(f.all), f.start/1000, ms(f.late), ms(f.lateKnown), ms(f.known), ms(f.knownLast), f.change/1000,
				f.rest, f.packets, f.streams, f.dials, f.most, f.memory/1000, f.goroutines)
			f.check(t, n, names)
		})
	}
}

// What a node at rest may write a second: to its packets, for memberlist's ping and for its
// answer to that of another one; and by push/pull, its own and another's, each with all that
// it knows of every node, over a TLS connection.
const (
	restPackets = 500  // pings and answers
	restDial    = 6000 // of one push/pull: handshakes at both ends
	restNode    = 600  // what a push/pull says of one node, at both ends
)

// restBound is what a node of n writes at rest at most.
func restBound(n int) float64 {
	return restPackets + (restDial+restNode*float64(n))/pushPull(n).Seconds()
}

// pushPull is how often a node does it, by memberlist: rarer in steps above 32 nodes.
func pushPull(n int) time.Duration {
	d := 30 * time.Second
	for k := 32; k < n; k *= 2 {
		d += 30 * time.Second
	}
	return d
}

func (f scaleFigures) check(t *testing.T, n, names int) {
	if f.most > 1.5*restBound(n) {
		t.Errorf("one node of %d writes %.0f bytes a second at rest, more than %.0f", n, f.most, 1.5*restBound(n))
	}
	if f.rest > restBound(n) {
		t.Errorf("a node of %d writes %.0f bytes a second at rest, more than %.0f", n, f.rest, restBound(n))
	}
	if names == 1 && n <= 200 && (f.all > 10*time.Second || f.knownLast > 3*time.Second || f.lateKnown > 3*time.Second) {
		t.Errorf("%d nodes: it takes too long until all know: %+v", n, f)
	}
}

// settle is how long gossip is given to have told everything.
const settle = 2 * time.Minute

func measureScale(t *testing.T, n, names int) (f scaleFigures) {
	rest := 4 * pushPull(n) // nodes that start at once do it in the same part of the period
	s := &scale{t: t, net: memnet.New(1)}
	defer s.close()
	before, goroutines := inUse(), runtime.NumGoroutine()
	f.joined, f.all = s.atOnce(n, names)
	elapse(settle)

	was := make([]written, n)
	for i, c := range s.wrote {
		was[i] = c.now()
	}
	packets, streams := s.total()
	f.start = float64(packets+streams) / float64(n)
	elapse(rest)
	var sum written
	for i, c := range s.wrote {
		w := c.now().less(was[i])
		f.most = max(f.most, float64(w.packetBytes+w.streamBytes)/rest.Seconds())
		sum = written{sum.packets + w.packets, sum.packetBytes + w.packetBytes, sum.dials + w.dials, sum.streamBytes + w.streamBytes}
	}
	seconds := rest.Seconds() * float64(n)
	f.packets, f.streams = float64(sum.packetBytes)/seconds, float64(sum.streamBytes)/seconds
	f.rest, f.dials = f.packets+f.streams, float64(sum.dials)/seconds*60
	f.memory = float64(int64(inUse())-int64(before)) / float64(n)
	f.goroutines = float64(runtime.NumGoroutine()-goroutines) / float64(n)

	packets, _ = s.total()
	f.known, f.knownLast = s.newName(n / 2)
	elapse(settle - f.knownLast)
	with, _ := s.total()
	f.change = float64(with-packets)/float64(n) - f.packets*settle.Seconds()
	f.late, f.lateKnown = s.oneMore()
	return f
}

// total is what all have written.
func (s *scale) total() (packets, streams int64) {
	for _, c := range s.wrote {
		w := c.now()
		packets += w.packetBytes
		streams += w.streamBytes
	}
	return packets, streams
}

// atOnce starts n nodes of which the first is the seed of all.
func (s *scale) atOnce(n, names int) (joined, all time.Duration) {
	begin := time.Now()
	s.nodes, s.wrote = make([]*Node, n), make([]*wrote, n)
	s.nodes[0] = s.up(0)
	var wg sync.WaitGroup
	for i := range n - 1 {
		wg.Go(func() { s.nodes[i+1] = s.up(i + 1) })
	}
	wg.Wait()
	joined = time.Since(begin)
	for i, node := range s.nodes {
		for k := range names {
			s.open(node, fmt.Sprintf("channel %d of node %d", k, i))
		}
	}
	s.until(func(node *Node) bool { return len(node.Members()) == n && len(node.mesh.Ends()) == n*names })
	return joined, time.Since(begin)
}

// up starts node number i.
func (s *scale) up(i int) *Node {
	ip := func(i int) string { return fmt.Sprintf("10.0.%d.%d", i/200, 1+i%200) }
	cfg := Config{
		Name: fmt.Sprint("node ", i), Listen: ip(i) + port, Key: worldKey,
		Logger: slog.New(slog.DiscardHandler), network: counting{s.net.Host(ip(i)), s.count(i)},
	}
	if i > 0 {
		cfg.Seeds = []string{ip(0) + port}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	node, err := Join(ctx, cfg)
	if err != nil {
		s.t.Error(err)
		panic(err)
	}
	return node
}

func (s *scale) count(i int) *wrote {
	c := new(wrote)
	s.wrote[i] = c
	return c
}

// open makes a Receiver; nobody sends to it, so no link is made.
func (s *scale) open(node *Node, name string) {
	if _, err := NewReceiver[int](node, name); err != nil {
		s.t.Error(err)
	}
}

// until waits until ok at each node and returns how long each took, the shortest first.
func (s *scale) until(ok func(*Node) bool) (took []time.Duration) {
	begin := time.Now()
	took = make([]time.Duration, len(s.nodes))
	var wg sync.WaitGroup
	for i, node := range s.nodes {
		wg.Go(func() {
			for {
				changed := node.Changed()
				if ok(node) {
					took[i] = time.Since(begin)
					return
				}
				<-changed
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

// newName opens a name on one node.
func (s *scale) newName(i int) (half, all time.Duration) {
	s.open(s.nodes[i], "new")
	took := s.until(func(node *Node) bool { return len(node.mesh.Lookup("new")) == 1 })
	return took[len(took)/2], took[len(took)-1]
}

// oneMore starts one more node.
func (s *scale) oneMore() (joined, known time.Duration) {
	n := len(s.nodes)
	s.wrote = append(s.wrote, nil)
	begin := time.Now()
	node := s.up(n)
	joined = time.Since(begin)
	s.nodes = append(s.nodes, node)
	s.until(func(node *Node) bool { return len(node.Members()) == n+1 })
	return joined, time.Since(begin)
}

func (s *scale) close() {
	var wg sync.WaitGroup
	for _, node := range s.nodes {
		wg.Go(func() { node.Close() })
	}
	wg.Wait()
	s.net.Close()
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func elapse(d time.Duration) { <-time.After(d) }

// inUse is heap and stacks, garbage aside.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkJoin has one more node join those that there are, over loopback, and leave.
func BenchmarkJoin(b *testing.B) {
	for _, n := range []int{2, 10, 50, 100} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			key := GenerateKey()
			up := func(seeds ...string) *Node {
				node, err := Join(b.Context(), Config{Seeds: seeds, Key: key, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
				if err != nil {
					b.Fatal(err)
				}
				return node
			}
			before, goroutines := inUse(), runtime.NumGoroutine()
			nodes := []*Node{up()}
			for range n - 1 {
				nodes = append(nodes, up(nodes[0].Addr()))
			}
			memory := float64(int64(inUse())-int64(before)) / float64(n)
			each := float64(runtime.NumGoroutine()-goroutines) / float64(n)
			for b.Loop() {
				late := up(nodes[0].Addr())
				b.StopTimer()
				if got := len(late.Members()); got < n+1 {
					b.Errorf("it knows %d members", got)
				}
				if err := late.Shutdown(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(memory, "B/node")
			b.ReportMetric(each, "goroutines/node")
			for _, node := range nodes {
				node.Close()
			}
		})
	}
}
