package faultproxy

import "context"

// Connections says how many connections were joined with the target in all.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.joined
}

// Live says how many of them are there now.
func (p *Proxy) Live() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// Refused says how many connections were reset at once in all: because of
// Refuse, or because the target could not be dialled.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Vanished says how many packets have come while none was passed on.
func (p *Proxy) Vanished() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vanished
}

// Bytes says how many bytes were passed on in all, in each direction.
func (p *Proxy) Bytes() (up, down int64) {
	return p.passed[upward].Load(), p.passed[downward].Load()
}

// Changed is closed when Connections, Live, Refused or Vanished change the next time:
// call it before you look at these.
func (p *Proxy) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// WaitConnections waits until Connections is n or more. It returns ctx's error
// when ctx ends first. Who dials is connected a moment before that counts, and
// before Cut reaches it: wait for it here.
func (p *Proxy) WaitConnections(ctx context.Context, n int) error {
	return p.Wait(ctx, func() bool { return p.Connections() >= n })
}

// Wait waits until ok, which is called at first and whenever Connections, Live,
// Refused or Vanished have changed. It returns ctx's error when ctx ends first.
func (p *Proxy) Wait(ctx context.Context, ok func() bool) error {
	for {
		changed := p.Changed()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
