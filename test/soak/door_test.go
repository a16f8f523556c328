package soak

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/faultproxy"
)

// hurt does something to the connections every 50 to 250 ms, until stop is closed; then they
// are whole again. node is the one behind the door.
func (w *world) hurt(d *faultproxy.Proxy, node *netchan.Node, r *rand.Rand) {
	defer func() { d.Stall(false, false); d.Refuse(false) }()
	p := peace{whole: make(map[string]time.Time)}
	for w.pause(time.Duration(50+r.IntN(200)) * time.Millisecond) {
		if p.holds(node) {
			continue
		}
		w.count.cuts.Add(1)
		switch r.IntN(10) {
		case 0:
			d.HangUp()
		case 1: // for a moment nobody gets through
			d.Refuse(true)
			d.Cut()
			w.pause(100 * time.Millisecond)
			d.Refuse(false)
		case 2: // the wire is dead for a moment, one way or both
			d.Stall(true, r.IntN(2) == 0)
			w.pause(300 * time.Millisecond)
			d.Stall(false, false)
		default:
			d.Cut()
		}
	}
}

// mostHurt is how long a link may be broken by one cut after the other. Where the machine is busy, a
// connection takes longer than cuts are apart, and a link that never comes back ends, as it should.
const mostHurt = time.Second

// A peace says when the links of a node are to be let alone: what is broken for longer than mostHurt
// until it is back, and then for as long again.
type peace struct {
	whole map[string]time.Time // when the link was seen whole last, by who is at its other end
	until time.Time
}

func (p *peace) holds(node *netchan.Node) bool {
	now, hurt := time.Now(), false
	for _, l := range node.Stats().Links {
		name := l.Node.Name
		if !strings.HasPrefix(name, stays) {
			continue
		}
		last, known := p.whole[name]
		away := now.Sub(last)
		switch {
		case !known:
			p.whole[name] = now
		case l.Broken:
			hurt = hurt || away > mostHurt
		default:
			if p.whole[name] = now; away > mostHurt && now.Add(away).After(p.until) {
				p.until = now.Add(away)
			}
		}
	}
	return hurt || now.Before(p.until)
}

// freeAddr is an address where nobody listens now.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := tcp.Addr().String()
		udp, err := net.ListenPacket("udp", addr)
		_ = tcp.Close()
		if err == nil {
			_ = udp.Close()
			return addr
		}
	}
}

var errNever = fmt.Errorf("not within %v", patience)
