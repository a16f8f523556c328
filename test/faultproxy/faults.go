package faultproxy

import (
	"context"
	"time"
)

// faults is all that is set. It is never changed: another takes its place.
type faults struct {
	target  string
	refuse  bool
	limits  func(n int) (up, down int64)
	stalled [2]bool
	slice   int
	rate    int
	delay   time.Duration
	changed chan struct{} // closed when another has taken its place
}

func noLimits(int) (up, down int64) { return -1, -1 }

func (p *Proxy) set(change func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.faults.Load()
	f := *old
	f.changed = make(chan struct{})
	change(&f)
	p.faults.Store(&f)
	close(old.changed)
}

// To changes where new connections lead. Live ones stay; one that is just being
// made is reset.
func (p *Proxy) To(target string) { p.set(func(f *faults) { f.target = target }) }

// Refuse says whether new connections are reset at once. Live ones stay:
// Refuse(true), then Cut, is an outage, and no connection slips between. Whoever
// dials gets an error from that or from the first read.
func (p *Proxy) Refuse(refuse bool) { p.set(func(f *faults) { f.refuse = refuse }) }

// CutAt has each new connection reset when that many bytes have been passed
// on, up or down; 0 is before the first one, and less than 0 never. Whoever is
// behind with reading may miss the last of them, as with any reset.
func (p *Proxy) CutAt(up, down int64) {
	p.CutEach(func(int) (int64, int64) { return up, down })
}

// CutEach is CutAt with other limits for each connection: limits is asked
// about the nth in all, from 1. It must return at once, may be called from
// many goroutines, and nil means no limits.
func (p *Proxy) CutEach(limits func(n int) (up, down int64)) {
	if limits == nil {
		limits = noLimits
	}
	p.set(func(f *faults) { f.limits = limits })
}

// Stall holds what is said up or down, on live and new connections, until
// Stall is called anew: a connection that is half open, or, with both, a dead
// wire. Ends and resets are held too. What was written before may still pass.
func (p *Proxy) Stall(up, down bool) {
	p.set(func(f *faults) { f.stalled = [2]bool{upward: up, downward: down} })
}

// Slice passes on at most n bytes in each write, on live and new connections;
// 0 is no bound. With 1 the readers see every possible border.
func (p *Proxy) Slice(n int) { p.set(func(f *faults) { f.slice = n }) }

// Rate bounds each direction of each connection, live or new, to that many
// bytes a second; 0 is no bound.
func (p *Proxy) Rate(bytesPerSecond int) { p.set(func(f *faults) { f.rate = bytesPerSecond }) }

// Delay has all that is said on new connections arrive that much later, in
// each direction: half of what a round trip takes longer. Up to 4 MiB are on
// their way at a time.
func (p *Proxy) Delay(d time.Duration) { p.set(func(f *faults) { f.delay = d }) }

// Cut resets all live connections: both sides of each get an error, once they
// have read what had reached them. When Cut returns, this has been done.
func (p *Proxy) Cut() {
	live := p.live()
	for _, c := range live {
		c.reset()
	}
	for _, c := range live {
		<-c.done
	}
}

// CutEvery does what Cut does each time that d is over, until stop is called or
// the proxy is closed. stop waits for a cut that is under way; it may be called
// again. CutEvery panics when d is not positive.
func (p *Proxy) CutEvery(d time.Duration) (stop func()) {
	tick := time.NewTicker(d)
	ctx, cancel := context.WithCancel(p.ctx)
	ended := make(chan struct{})
	work := func() {
		defer close(ended)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.Cut()
			case <-ctx.Done():
				return
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		close(ended)
		tick.Stop()
	} else {
		p.wg.Go(work)
	}
	return func() { cancel(); <-ended }
}

// HangUp ends all live connections politely: both sides of each read what was
// passed on to them, then io.EOF. What they say from then on vanishes, and the
// connection is live until both have closed it.
func (p *Proxy) HangUp() {
	for _, c := range p.live() {
		c.hangUp()
	}
}

func (p *Proxy) live() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := make([]*pair, 0, len(p.pairs))
	for c := range p.pairs {
		live = append(live, c)
	}
	return live
}
