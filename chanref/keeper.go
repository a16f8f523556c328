package chanref

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/mux"
)

// How often a table looks after channels that travelled, and when.
const (
	keepFirst = 10 * time.Millisecond  // the pause after something was done
	keepLast  = 100 * time.Millisecond // and the longest
	napAfter  = time.Second            // a proxy that was idle for so long needs no goroutine
	napOnce   = keepLast               // and one that only one value went through
	busyMost  = 10_000                 // and beyond so many with one, sooner
	onceMost  = 1024                   // beyond so many, one that a value went through needs it no more
	peekFirst = time.Millisecond       // one that naps is looked at so soon
	scanEvery = 100 * time.Millisecond // how often idle ones are looked for
	peekShare = 100                    // one that naps is looked at each 1/100 of the time it was idle
	peeksMost = 200_000                // looks a second, about
	seekShare = 8                      // whether it was closed, each 1/8
	seekLast  = time.Second            // but not less often
)

// A keeper looks after the channels of a table that travelled: it does what is to be
// done when the program has dropped one, sends proxies to nap, and wakes them. Its
// goroutine is there only while there are such channels.
//
// What the garbage collector calls may not touch anything that belongs to a
// table but the lists here.
type keeper struct {
	t *Table

	// Its goroutine's own.
	madeThen   uint64        // refTable.made at the last nudge
	nudgePause time.Duration // after it
	nudgeAt    time.Time     // when the next is due without news

	soon chan struct{} // capacity 1: somebody naps

	mu      sync.Mutex // guards what follows
	running bool
	closed  bool
	dropped []*ownChan
	back    []handed
	naps    []*napper
	peekAt  time.Time     // when they are to be looked at,
	least   time.Duration // and how long after the time before, at least
}

// handed is a proxy whose channel the program has dropped.
type handed struct {
	p *proxy
	o *object
}

// napper is a proxy to send on whose goroutine is away.
type napper struct {
	p     *proxy
	since time.Time
	at    time.Time // to be looked at
	seek  time.Time // also for a close, by a weak grip
}

// collected and handBack are called by the garbage collector.
func (k *keeper) collected(c *ownChan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.dropped = append(k.dropped, c)
	}
}

func (k *keeper) handBack(p *proxy, o *object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.back = append(k.back, handed{p, o})
	}
}

func (k *keeper) napping(p *proxy) {
	n := &napper{p: p, since: time.Now()}
	n.at = n.since.Add(peekFirst)
	k.mu.Lock()
	k.naps = append(k.naps, n)
	at := n.since.Add(max(peekFirst, k.least))
	sooner := len(k.naps) == 1 || at.Before(k.peekAt)
	if sooner {
		k.peekAt = at
	}
	k.mu.Unlock()
	if sooner {
		select {
		case k.soon <- struct{}{}:
		default:
		}
	}
}

// start has the goroutine run, if it does not.
func (k *keeper) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running || k.closed {
		return
	}
	k.running = true
	k.t.start()
	go k.run()
}

func (k *keeper) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
}

func (k *keeper) run() {
	defer k.t.running.Done()
	pause := keepFirst
	next := time.Now().Add(pause)
	timer := time.NewTimer(k.wait(next))
	defer timer.Stop()
	var scanned time.Time
	for {
		select {
		case now := <-timer.C:
			did := k.peek(now)
			if now.Before(next) {
				break
			}
			did = k.collect() || did
			if now.Sub(scanned) >= scanEvery {
				scanned = now
				k.scan(now)
			}
			if k.over() {
				return
			}
			if pause = min(2*pause, keepLast); did {
				pause = keepFirst
			}
			next = now.Add(pause)
		case <-k.soon:
		case <-k.t.closing:
			return
		}
		timer.Reset(k.wait(next))
	}
}

// wait is how long there is nothing to do, at most until next.
func (k *keeper) wait(next time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.naps) > 0 && k.peekAt.Before(next) {
		next = k.peekAt
	}
	return time.Until(next)
}

// over ends the goroutine when there is nothing left to look after.
func (k *keeper) over() bool {
	r := &k.t.refs
	r.mu.Lock()
	defer r.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(r.own) > 0 || len(r.byChan) > 0 || len(k.dropped) > 0 || len(k.back) > 0 {
		return false
	}
	k.running = false
	k.t.shrink()
	return true
}

// collect does what is to be done for channels that the program has dropped.
func (k *keeper) collect() bool {
	k.mu.Lock()
	dropped, back := k.dropped, k.back
	k.dropped, k.back = nil, nil
	k.mu.Unlock()
	for _, c := range dropped {
		k.t.dropOwn(c)
	}
	for _, h := range back {
		h.p.collected()
		if h.p.source != nil {
			h.p.source.handBack(h.o)
		} else {
			h.p.sink.handBack(h.o)
		}
	}
	return len(dropped)+len(back) > 0
}

// dropOwn ends what is left of a channel of ours.
func (t *Table) dropOwn(c *ownChan) {
	t.refs.mu.Lock()
	if t.refs.own[c.id] == c {
		delete(t.refs.own, c.id)
	}
	send, recv := c.send, c.recv
	var holders []*mux.Session
	if send != nil {
		holders = send.die()
	}
	var source refSource
	var sink refSink
	if send != nil {
		sink = send.sink
	}
	if recv != nil {
		recv.die()
		source = recv.source
	}
	t.refs.mu.Unlock()
	for _, s := range holders {
		s.Gone(send.ref)
	}
	if sink != nil {
		sink.abandon("the receiving program has dropped the channel")
	}
	if source != nil {
		source.Abort(errDropped)
	}
}

// peek looks at those that nap, if it is time, and wakes those that have
// something to do.
func (k *keeper) peek(now time.Time) (woke bool) {
	k.mu.Lock()
	if now.Before(k.peekAt) {
		k.mu.Unlock()
		return false
	}
	naps := k.naps
	k.naps = nil
	k.least = peekFirst + time.Duration(len(naps))*time.Second/peeksMost
	k.peekAt = now.Add(k.least)
	if nudge.marking.Load() { // looking would keep what nobody else has
		k.naps = naps
		k.mu.Unlock()
		return false
	}
	least := k.least
	k.mu.Unlock()
	left, next := naps[:0], now.Add(max(least, keepLast))
	for _, n := range naps {
		if n.at.After(now) {
			next = earlier(next, n.at)
			left = append(left, n)
			continue
		}
		values, ok := n.p.glance()
		if !ok {
			continue // see collect
		}
		if values > 0 || !n.seek.After(now) {
			if !n.p.source.peek() {
				woke = true
				continue
			}
			n.seek = now.Add(min(max(keepLast, now.Sub(n.since)/seekShare), seekLast))
		}
		n.at = now.Add(min(max(least, now.Sub(n.since)/peekShare), max(least, keepLast)))
		next = earlier(next, n.at)
		left = append(left, n)
	}
	clear(naps[len(left):])
	k.mu.Lock()
	for _, n := range k.naps { // since then
		next = earlier(next, n.at)
	}
	k.naps = append(left, k.naps...)
	if k.peekAt = now.Add(least); next.After(k.peekAt) {
		k.peekAt = next
	}
	k.mu.Unlock()
	return woke
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// scan sends proxies to nap that were idle for long enough, and has the garbage
// collected where peers hold too much.
func (k *keeper) scan(now time.Time) {
	r := &k.t.refs
	var idle []*proxy
	r.mu.Lock()
	after := napAfter
	if n := len(r.proxies); n > busyMost {
		after = after * busyMost / time.Duration(n)
	}
	for _, p := range r.proxies {
		switch {
		case p.source == nil:
		case p.used.Swap(false):
			p.idle, p.resting = now, false
		case !p.resting && (now.Sub(p.idle) >= after || p.values.Load() == 1 && now.Sub(p.idle) >= napOnce):
			p.resting = true
			idle = append(idle, p)
		}
	}
	many, made, crowded := len(r.byChan) >= k.t.maxRefs/2, r.made, len(r.crowd) > 0
	for _, n := range r.load {
		many = many || n >= k.t.maxRefs/2
	}
	for _, n := range r.count {
		many = many || n >= k.t.maxRefs/2
	}
	r.mu.Unlock()
	for _, p := range idle {
		p.source.rest()
	}
	if many && k.nudgeDue(now, made, crowded) {
		nudge.collect()
	}
}

// nudgeDue says whether to have the garbage collected. Channels that are many, and in use, shall
// not cost that again and again: where few are new it waits longer each time.
func (k *keeper) nudgeDue(now time.Time, made uint64, crowded bool) bool {
	news := made-k.madeThen >= uint64(max(1, k.t.maxRefs/nudgeNews))
	if !news && now.Before(k.nudgeAt) {
		return false
	}
	most := nudgeLast
	if crowded {
		most = nudgeCrowd
	}
	if k.nudgePause = min(max(keepLast, 2*k.nudgePause), most); news {
		k.nudgePause = keepLast
	}
	k.madeThen, k.nudgeAt = made, now.Add(k.nudgePause)
	return true
}

const (
	nudgeNews  = 16              // one part in so many of what a peer may hold is news
	nudgeLast  = 5 * time.Second // the longest wait without
	nudgeCrowd = time.Second     // and where values wait because a peer holds too many
)

// nudge has the garbage collected now and then while peers hold many channels: what
// the program has dropped goes sooner.
var nudge nudger

type nudger struct {
	mu      sync.Mutex
	next    time.Time
	marking atomic.Bool // nobody looks at channels meanwhile: it would keep them
}

// nudgeShare bounds what it may take: one part in so many of the time.
const nudgeShare = 10

func (n *nudger) collect() {
	if !n.mu.TryLock() {
		return // another table is at it
	}
	defer n.mu.Unlock()
	start := time.Now()
	if start.Before(n.next) {
		return
	}
	n.marking.Store(true)
	runtime.GC()
	n.marking.Store(false)
	end := time.Now()
	n.next = end.Add(max(keepLast, nudgeShare*end.Sub(start)))
}
