package mesh

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const selfGrace = 500 * time.Millisecond // for others, once we have met ourselves

// An UnreachableError says that others can't connect to the address that this
// node tells them.
type UnreachableError struct {
	Addr string // what we advertise
	By   Member // who tried
	Err  string // why it failed there
}

// Error says what to do about it.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("nobody can reach %s: set Listen or Advertise, or use Dial (%s tried: %s)", e.Addr, e.By.Addr, e.Err)
}

// result is what became of one address, or of the first round of one seed.
type result struct {
	joined bool
	self   bool
	round  bool // the first round of a seed is over
	err    error
}

// Join finds other members through the seeds. It returns nil once one of them
// has let this node in, or when one turns out to be this node itself (the
// others have half a second then), or at once when there are no seeds; the
// names that the mesh knows are known here then. It goes on looking for the
// seeds that are not live members until Close.
//
// It fails with an *UnreachableError if the member that answered can't connect
// to our Addr, with an error that Config.Fatal names if that is what the first
// round of tries ended in, with ErrClosed, or, wrapping ctx's error and the
// last one of a try, when ctx ends. After a failure it may be called again.
func (m *Mesh) Join(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if m.joining {
		m.mu.Unlock()
		return errors.New("mesh: Join is called already")
	}
	m.joining = true
	m.mu.Unlock()
	if len(m.cfg.Seeds) == 0 {
		m.settle(true)
		return nil
	}
	run, stop := context.WithCancel(m.ctx)
	results := make(chan result)
	heard, deaf := context.WithCancel(run) // while somebody listens to results
	defer deaf()
	for _, s := range m.cfg.Seeds {
		sd := &seed{m: m, addr: s, run: run, results: results, heard: heard, known: make(map[string]ID), began: time.Now()}
		m.start(sd.chase)
	}
	err := m.await(ctx, results)
	if err != nil {
		stop()
	} else {
		context.AfterFunc(m.ctx, stop)
	}
	m.settle(err == nil)
	return err
}

// settle notes how Join has ended.
func (m *Mesh) settle(ok bool) {
	m.mu.Lock()
	m.joining, m.settled = ok, ok
	m.mu.Unlock()
}

// await judges what the seeds' goroutines find.
func (m *Mesh) await(ctx context.Context, results <-chan result) error {
	var last, fatal error
	var grace <-chan time.Time
	self := false
	rounds := len(m.cfg.Seeds)
	for {
		select {
		case r := <-results:
			if r.joined {
				return nil
			}
			if r.self && !self {
				self = true
				grace = time.After(selfGrace)
			}
			var un *UnreachableError
			switch {
			case r.err == nil:
			case errors.As(r.err, &un):
				return un
			case m.cfg.Fatal(r.err) && rounds > 0 && fatal == nil:
				fatal = r.err
				last = r.err
			default:
				last = r.err
			}
			if r.round {
				rounds--
			}
			if rounds == 0 && self {
				return nil
			}
			if rounds == 0 && fatal != nil {
				return fatal
			}
		case <-grace:
			return nil
		case <-m.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			if last == nil {
				return fmt.Errorf("mesh: no seed has answered: %w", ctx.Err())
			}
			return fmt.Errorf("mesh: no seed has let us in: %w (last: %w)", ctx.Err(), last)
		}
	}
}
