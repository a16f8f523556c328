package memnet

import (
	"slices"
	"time"
)

// Cut resets all connections that are now between a and b: both ends get
// ECONNRESET at once, and what is on its way or not yet read is gone.
func (n *Network) Cut(a, b string) {
	x, y := parseIP(a), parseIP(b)
	n.each(way{x, y}, func(p *pair) { p.lock(p.cut) })
}

// CutAfter ends each connection between from and to, those that are there and
// those to come, whoever dialled, once from has sent so many more bytes on it. to
// can read these, and then gets ECONNRESET. from learns it a while later: what it
// wrote in the meantime is lost. It holds until it is set anew; a negative number
// of bytes takes it back.
func (n *Network) CutAfter(from, to string, bytes int) {
	w := way{parseIP(from), parseIP(to)}
	n.mu.Lock()
	if bytes < 0 {
		delete(n.cut, w)
	} else {
		n.cut[w] = bytes
	}
	n.mu.Unlock()
	n.each(w, func(p *pair) {
		p.lock(func(now time.Duration) {
			for _, f := range p.flows() {
				if f.way() == w {
					f.cutAfter(now, bytes)
				}
			}
		})
	})
}

// Sever makes two hosts hear nothing of each other, and tells nobody: packets
// vanish, dials hang, and what is written to connections is held, until Heal.
func (n *Network) Sever(a, b string) {
	n.Mute(a, b)
	n.Mute(b, a)
}

// Heal ends what Sever and Mute did between two hosts. What was held comes then,
// as when TCP sends it again.
func (n *Network) Heal(a, b string) {
	n.Unmute(a, b)
	n.Unmute(b, a)
}

// Mute makes to hear nothing from from any more, until Unmute or Heal. The other
// way all goes on, but for what needs an answer: dials hang both ways, and writers
// are not told that there is room again.
func (n *Network) Mute(from, to string) { n.setMute(way{parseIP(from), parseIP(to)}, true) }

// Unmute ends what Mute did. What was held comes then.
func (n *Network) Unmute(from, to string) { n.setMute(way{parseIP(from), parseIP(to)}, false) }

func (n *Network) setMute(w way, mute bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if mute {
		n.mute[w] = true
	} else {
		delete(n.mute, w)
	}
	for p := range n.pairs {
		if p.between(w) {
			p.lock(func(now time.Duration) { n.direct(p, now) })
		}
	}
	if h := n.hosts[w.to]; mute && h != nil {
		for _, s := range h.packets {
			s.lose(w.from)
		}
	}
}

// Kill ends the program on a host; the machine goes on: its connections are
// reset, its listeners and packet sockets are closed, and who dials it is refused.
// What the host itself still does fails.
func (n *Network) Kill(ip string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.hosts[parseIP(ip)]; h != nil {
		n.kill(h)
	}
}

// Vanish switches a machine off: nobody hears of it any more, nobody is told, and
// dials to it hang. The program that ran there is best closed then; as long as it
// lives it sees a network on which nobody answers. There need not be a host yet.
func (n *Network) Vanish(ip string) {
	n.mu.Lock()
	h := n.hosts[parseIP(ip)]
	n.mu.Unlock()
	if h == nil {
		h = n.Host(ip)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.state == dead && !n.closed {
		h.state = vanished // its connections are gone already
	}
	if h.state != alive {
		return
	}
	h.state = vanished
	for p := range n.pairs {
		p.lock(func(now time.Duration) { n.direct(p, now) })
	}
	for _, s := range h.packets {
		s.loseAll()
	}
	for _, other := range n.hosts {
		for _, s := range other.packets {
			s.lose(h.ip)
		}
	}
}

// kill is Kill. Under mu.
func (n *Network) kill(h *Host) {
	if h.state == dead {
		return
	}
	h.state = dead
	for _, l := range h.listeners {
		l.shut()
	}
	for _, s := range h.packets {
		s.shut()
	}
	for p := range n.pairs {
		p.lock(func(now time.Duration) {
			for _, c := range p.ends() {
				if c.host == h && !c.closed && !c.dead(now) {
					c.abort(now)
					c.reset(now, now)
				}
			}
		})
	}
}

// each calls f for the connections between two hosts.
func (n *Network) each(w way, f func(*pair)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.pairs {
		if p.between(w) {
			f(p)
		}
	}
}

// silent says whether nothing comes from one host to another. Under mu.
func (n *Network) silent(from, to *Host) bool {
	return n.mute[way{from.ip, to.ip}] || from.off() || to.off() || from.state == replaced
}

// direct tells a connection what it can count on. Under mu and the pair's lock.
func (n *Network) direct(p *pair, now time.Duration) {
	flows := p.flows()
	for _, f := range flows {
		from, to := f.from.host, f.to.host
		// The machine answers for a connection that it does not know any more.
		f.unanswered = n.mute[way{to.ip, from.ip}] || to.off() || from.off()
	}
	for _, f := range flows {
		f.hush(now, n.silent(f.from.host, f.to.host))
	}
}

func (p *pair) between(w way) bool {
	a, b := p.a.host.ip, p.b.host.ip
	return slices.Contains([]way{{a, b}, {b, a}}, w)
}
