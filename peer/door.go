package peer

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxHalfOpen is how many accepted connections may be in their handshake at once,
	// and maxHalfOpenFrom how many of these from one address (of IPv6 one network of
	// 64 bits). Who comes then takes the place of one that dawdles. Where none does,
	// all wait in the kernel until one is done; but for one of a crowded address
	// nobody else waits: it is turned away.
	maxHalfOpen     = 512
	maxHalfOpenFrom = 256

	// A connection dawdles when it has not brought helloBytes within silentGrace, less
	// than what TLS begins with, or is not done after handshakeGrace; one that does
	// not keeps its place. These are many times what members take where the
	// processors have too much to do: to send them away would only give them more.
	helloBytes     = 200
	silentGrace    = 100 * time.Millisecond
	handshakeGrace = 2500 * time.Millisecond

	// handshakeBytes is how much may come on a connection before the other side has
	// proved that it holds the key. An honest one brings about a quarter of it.
	handshakeBytes = 16 << 10
)

// A door knows the connections that are in their handshake, and who has to go when
// there are too many: strangers can take all places, but they can't keep them. It
// does no I/O.
type door struct {
	max, from int

	freed chan struct{} // capacity 1: a place was given back

	mu     sync.Mutex
	n      int
	guests map[string][]*guest // by source, in the order in which they came
}

// guest is one connection in its handshake.
type guest struct {
	wire   *wire
	source string
	at     time.Duration
}

func newDoor(most, from int) *door {
	return &door{max: most, from: from, freed: make(chan struct{}, 1), guests: make(map[string][]*guest)}
}

// entry is what becomes of who comes to the door.
type entry uint8

const (
	comesIn    entry = iota
	comesLater       // when freed says so, or somebody dawdles
	turnedAway
)

// enter gives g a place, if it can. out: who loses his for that, and is to be closed.
func (d *door) enter(g *guest, now time.Duration) (e entry, out *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case len(d.guests[g.source]) >= d.from:
		if out = dawdler(d.guests[g.source], now); out == nil {
			return turnedAway, nil
		}
	case d.n >= d.max:
		if out = dawdler(d.guests[d.crowd()], now); out == nil {
			return comesLater, nil
		}
	}
	if out != nil {
		d.remove(out)
	}
	g.at = now
	d.guests[g.source] = append(d.guests[g.source], g)
	d.n++
	return comesIn, out
}

// leave takes g's place back, if it still has one.
func (d *door) leave(g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(g)
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

func (d *door) remove(g *guest) {
	all := d.guests[g.source]
	i := slices.Index(all, g)
	if i < 0 {
		return
	}
	d.n--
	if all = slices.Delete(all, i, i+1); len(all) == 0 {
		delete(d.guests, g.source)
		return
	}
	d.guests[g.source] = all
}

// crowd is the source with the most connections; among equals the one whose first came
// first.
func (d *door) crowd() (source string) {
	for s, all := range d.guests {
		most := d.guests[source]
		if len(all) > len(most) || len(all) == len(most) && all[0].at < most[0].at {
			source = s
		}
	}
	return source
}

// dawdler is the oldest of those that may lose their place: one that has not begun
// before one that has.
func dawdler(all []*guest, now time.Duration) *guest {
	for _, g := range all {
		if now-g.at >= silentGrace && !g.wire.spoken.Load() {
			return g
		}
	}
	if g := all[0]; now-g.at >= handshakeGrace {
		return g
	}
	return nil
}

// sourceOf is what connections from one place have in common.
func sourceOf(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		if host, _, err := net.SplitHostPort(a.String()); err == nil {
			return host
		}
		return a.String()
	}
	ip, _ := netip.AddrFromSlice(t.IP)
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		network, _ := ip.Prefix(64)
		return network.String()
	}
	return ip.String()
}
