package netchan

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/matveynator/netchan/test/history"
	"github.com/matveynator/netchan/test/memnet"
)

// world is some nodes on a network in memory. It outlives a program: the next one
// finds the nodes as the last one left them, up and connected.
type world struct {
	net   *memnet.Network
	key   Key
	slots []*slot

	ctx  context.Context // ends with the world
	stop context.CancelFunc
	wg   sync.WaitGroup // restarts and links that are looked after

	mu      sync.Mutex         // guards what follows, and what slots hold
	h       *history.History   // of the program that runs
	holds   map[[2]NodeID]bool // the first one has a link with the second one
	gates   map[[2]int]bool
	trouble map[[2]int]time.Time // until when the last fault between two slots lasts
	healed  map[[2]int]time.Time // when silence between two slots was last ended
	counts  worldCounts
}

// worldCounts say that what programs are about has happened.
type worldCounts struct{ breaks, backs, ends, lives int }

// slot is a place for a node, with an address that stays.
type slot struct {
	w      *world
	index  int
	ip     string
	node   *Node // nil: none just now
	number int   // of node, in the history
}

const port = ":7000"

func newWorld(seed uint64, nodes int) *world {
	w := &world{
		net: memnet.New(seed), key: worldKey, holds: make(map[[2]NodeID]bool), gates: make(map[[2]int]bool),
		trouble: make(map[[2]int]time.Time), healed: make(map[[2]int]time.Time),
	}
	w.h = history.New(func() time.Duration { return 0 }, ErrClosed) // of the time before the first program
	w.ctx, w.stop = context.WithCancel(context.Background())
	for i := range nodes {
		w.slots = append(w.slots, &slot{w: w, index: i, ip: fmt.Sprintf("10.0.0.%d", i+1)})
	}
	return w
}

// worldKey is made once: nobody else is on these networks.
var worldKey = GenerateKey()

// begin makes w ready for the next program: every life is a new one to its history.
func (w *world) begin(h *history.History) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h = h
	for _, s := range w.slots {
		if s.node != nil {
			s.number = h.Node(s.name())
		}
	}
}

func (s *slot) name() string { return string(rune('A' + s.index)) }

// up starts a node in s, which has none.
func (s *slot) up(ctx context.Context) error {
	w := s.w
	var seeds []string
	w.mu.Lock()
	for _, o := range w.slots {
		if o != s && o.node != nil {
			seeds = append(seeds, o.ip+port)
		}
	}
	w.mu.Unlock()
	log := &linkLog{slot: s}
	n, err := Join(ctx, Config{
		Name: s.name(), Listen: s.ip + port, Seeds: seeds, Key: w.key, ResumeTimeout: resumeTimeout,
		Logger: slog.New(log), network: gated{s, w.net.Host(s.ip)},
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.node = n
	s.number = w.h.Node(s.name())
	w.counts.lives++
	return nil
}

// take takes the node out of s, if there is one, which how says to the history.
func (s *slot) take(how string) *Node {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	n := s.node
	if n == nil {
		return nil
	}
	if up := slices.DeleteFunc(slices.Clone(w.slots), func(o *slot) bool { return o.node == nil }); len(up) == 1 {
		return nil // the last one stays, for the others to come back to
	}
	s.node = nil
	w.h.Dies(s.number, how)
	for _, o := range w.slots {
		w.troubled(s, o, 0)
	}
	return n
}

// back has a node come into s again after a while.
func (s *slot) back(after time.Duration) {
	w := s.w
	w.wg.Go(func() {
		for w.sleep(after) {
			ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
			err := s.up(ctx)
			cancel()
			if err == nil {
				return
			}
			w.say("%s can't join: %v", s.name(), err)
			after = 100 * time.Millisecond
		}
	})
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.h.Say(format, args...)
}

// sleep is false when the world ends.
func (w *world) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return w.ctx.Err() == nil
	case <-w.ctx.Done():
		return false
	}
}

// close ends everything.
func (w *world) close() {
	w.stop()
	w.wg.Wait()
	w.mu.Lock()
	var nodes []*Node
	for _, s := range w.slots {
		if s.node != nil {
			w.h.Dies(s.number, "closed with the world")
			nodes = append(nodes, s.node)
			s.node = nil
		}
	}
	w.mu.Unlock()
	for _, n := range nodes {
		n.Close()
	}
	w.net.Close()
}

// gated is a host that can't dial everybody, and is told so.
type gated struct {
	slot *slot
	host *memnet.Host
}

func (g gated) Listen(addr string) (net.Listener, net.PacketConn, error) { return g.host.Listen(addr) }

func (g gated) Dial(ctx context.Context, addr string) (net.Conn, error) {
	w := g.slot.w
	w.mu.Lock()
	shut := slices.ContainsFunc(w.slots, func(o *slot) bool { return o.ip+port == addr && w.gates[[2]int{g.slot.index, o.index}] })
	w.mu.Unlock()
	if shut {
		return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	}
	return g.host.Dial(ctx, addr)
}
