package soak

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/hostile"
)

// assault has a peer with the key do all that is wrong, at least once each.
func (w *world) assault(r *rand.Rand, phase time.Duration) {
	attacks := hostile.Attacks()
	for n := 0; w.pause(min(50*time.Millisecond, phase/100)) || n < len(attacks) && !w.t.Failed(); n++ {
		node := w.nodes[r.IntN(len(w.nodes))]
		if err := w.attackOnce(node.Self(), attacks[n%len(attacks)]); err != nil {
			w.fail("%s: %v", attacks[n%len(attacks)].Name, err)
			return
		}
		w.count.attacks.Add(1)
	}
}

func (w *world) attackOnce(node netchan.Member, attack hostile.Attack) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var a *hostile.Attacker
	for { // its connection may be cut before it is one
		var err error
		if a, err = hostile.NewAttacker(ctx, node, w.key); err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
	}
	defer a.Close()
	attack.Do(a)
	select {
	case <-a.Done():
		return nil
	case <-ctx.Done():
		return errNever
	}
}

// stranger connects again and again, without the key.
func (w *world) stranger(r *rand.Rand) {
	hello := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 4<<10)...)
	noise := make([]byte, 300)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for w.pause(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", w.nodes[r.IntN(len(w.nodes))].Addr())
		if err != nil {
			continue // a door that is shut for the moment
		}
		_, _ = conn.Write([][]byte{nil, {22}, hello, noise, []byte("GET / HTTP/1.1\r\n\r\n")}[r.IntN(5)])
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		b := make([]byte, 64<<10)
		if n, _ := conn.Read(b); n > 64 { // an alert of TLS
			w.fail("a stranger is told %q", b[:n])
		}
		_ = conn.Close()
		w.count.strangers.Add(1)
	}
}
