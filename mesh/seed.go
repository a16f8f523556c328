package mesh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	seedFirst   = 50 * time.Millisecond // back-off between tries of a seed
	seedFresh   = time.Second           // its limit at first
	seedLimit   = 10 * time.Second      // its limit later
	freshFor    = 30 * time.Second
	seedRecheck = 30 * time.Second // a host name that is served is resolved again
	seedAddrs   = 16               // addresses used of one host name
	lookupLimit = 5 * time.Second
)

// seed is one entry of Config.Seeds, chased by one goroutine.
type seed struct {
	m       *Mesh
	addr    string
	run     context.Context // the chase
	results chan<- result
	heard   context.Context
	known   map[string]ID // who answered last at the addresses it stands for
	began   time.Time
	once    bool // the first round is over
}

func (s *seed) tell(r result) {
	select {
	case s.results <- r:
	case <-s.heard.Done():
	}
}

// chase tries the seed's addresses until each is a live member or ourselves,
// and again when one of them is not any more.
func (s *seed) chase() {
	var b backoff
	for {
		changed := s.m.Changed()
		if s.served() {
			b.reset()
			select {
			case <-s.run.Done():
				return
			case <-changed:
				continue
			case <-time.After(jitter(seedRecheck)):
			}
		}
		s.round()
		if s.run.Err() != nil {
			return
		}
		if s.served() {
			continue
		}
		limit := seedFresh
		if time.Since(s.began) > freshFor {
			limit = seedLimit
		}
		select {
		case <-s.run.Done():
			return
		case <-time.After(b.next(seedFirst, limit)):
		}
	}
}

// served tells whether everything that the seed stood for when it was resolved
// last is part of this mesh.
func (s *seed) served() bool {
	for _, id := range s.known {
		if !s.m.Alive(id) {
			return false
		}
	}
	return len(s.known) > 0
}

// round resolves the seed and tries its addresses at once. Those of live members
// are left alone: else a seed of all would hear from all, again and again.
func (s *seed) round() {
	addrs, err := resolve(s.run, s.addr)
	type answered struct {
		addr string
		id   ID
	}
	found := make(chan answered, len(addrs))
	for _, a := range addrs {
		if id, ok := s.known[a]; ok && s.m.Alive(id) {
			found <- answered{a, id}
			continue
		}
		if !s.m.start(func() {
			id, r := s.m.try(s.run, a)
			if s.run.Err() == nil {
				s.tell(r) // before the round is over
			}
			found <- answered{a, id}
		}) {
			return
		}
	}
	clear(s.known)
	for range addrs {
		f := <-found
		s.known[f.addr] = f.id // zero, nobody, is never alive
	}
	if !s.once {
		s.once = true
		s.tell(result{round: true, err: err})
	} else if err != nil {
		s.tell(result{err: err})
	}
}

// checkSeed tells what is wrong with the form of a seed.
func checkSeed(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	if host == "" {
		return fmt.Errorf("%q has no host", s)
	}
	return nil
}

// resolve returns the addresses that a seed stands for now.
func resolve(ctx context.Context, s string) ([]string, error) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return []string{netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	var out []string
	for _, ip := range ips {
		a := net.JoinHostPort(ip.Unmap().String(), port)
		if !seen[a] && len(out) < seedAddrs {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out, nil
}

// backoff doubles from a first to a limit, jittered by a third.
type backoff struct{ d time.Duration }

func (b *backoff) reset() { b.d = 0 }

func (b *backoff) next(first, limit time.Duration) time.Duration {
	b.d = min(max(2*b.d, first), limit)
	return jitter(b.d)
}

// jitter returns a duration from two thirds of d up to d.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/3+1))
}
