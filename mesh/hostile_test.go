package mesh

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
)

// What a member that has the key sends on streams is refused in bounded time,
// harms nobody, and leaves the door open.
func TestHostileStreams(t *testing.T) {
	for _, b := range [][]byte{
		{},
		{requestMark},
		{requestMark, 9, 0, 0},
		{requestMark, askForList, 0, 1, 1},
		{requestMark, askForList, 255, 255},
		{requestMark, askToDial, 0, 32},
		{requestMark, askForAll, 0, 2, 1, 1},
		{streamEncrypted, 0, 0, 0, 0, 1},
		{streamEncrypted, 0, 0, 0, sealOverhead, sealVersion},
		{streamEncrypted, 0, 0, 1, 0, 0},
		{streamEncrypted, 255, 255, 255, 255, 1},
		{streamEncrypted, 0, 1, 0, 0, sealVersion, 1, 2, 3},
		{244, 1, 1, 1, 1, 1},
		{6, 1, 1, 1, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newMemNet()
			m := n.node(t, 1)
			peer := n.host(at(2), id(2))
			conn, _, err := peer.DialGossip(t.Context(), at(1))
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = conn.Write(b) }()
			begin := time.Now()
			_, _ = io.Copy(io.Discard, conn)
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("%v: let go after %v", b, d)
			}
			_ = conn.Close()
			l, err := m.askList(t.Context(), m.self, m.self.ID)
			if err != nil || l == nil || l.digest != emptyDigest {
				t.Errorf("after %v: %v, %v", b, l, err)
			}
		})
	}
}

// An encrypted stream without contents makes memberlist panic.
func TestEmptySealedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		m := n.node(t, 1)
		g, err := m.transport.sealer.gcm(testKeys[0])
		if err != nil {
			t.Fatal(err)
		}
		head := []byte{streamEncrypted, 0, 0, 0, sealOverhead}
		b := append(head, sealVersion)
		b = append(b, make([]byte, nonceSize)...)
		b = g.Seal(b, b[len(head)+1:], nil, head)
		client, _, err := n.host(at(2), id(2)).DialGossip(t.Context(), at(1))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = client.Write(b) }()
		_, _ = io.Copy(io.Discard, client)
		_ = client.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPacketFits(t *testing.T) {
	ping := []byte{typePing, 0x81, 0xa5, 'S', 'e', 'q', 'N', 'o', 7}
	pack := func(parts ...[]byte) []byte {
		b := []byte{typeCompound, byte(len(parts))}
		for _, p := range parts {
			b = append(b, byte(len(p)>>8), byte(len(p)))
		}
		return append(b, bytes.Join(parts, nil)...)
	}
	crc := append([]byte{typeCRC, 0, 0, 0, 0}, ping...)
	user := []byte{typeUser, 1}
	for _, c := range []struct {
		b    []byte
		fits bool
		seq  uint32
	}{
		{ping, true, 7},
		{crc, true, 7},
		{pack(ping, user), true, 7},
		{pack(user, ping), true, 0},
		{user, true, 0},
		{append([]byte{typePing, 0x81}, "\xa5SeqNo\xcd\x01\x02"...), true, 258},
		{append([]byte{typePing, 0x81}, "\xa5SeqNo\xce\x00\x01\x00\x00"...), true, 65536},
		{append([]byte{typePing, 0x81}, "\xa5SeqNo\xce\x00"...), true, 0},
		{append([]byte{typePing, 0x81}, "\xa5SeqNo\xc0"...), true, 0},
		{nil, false, 0},
		{[]byte{typePacked, 1, 2, 3}, false, 0},
		{pack([]byte{typePacked, 1}), false, 0},
		{pack(pack(ping)), false, 0},
		{pack(nil), false, 0},
		{[]byte{typeCompound, 3, 0}, false, 0},
		{[]byte{typeCompound, 1, 0, 9, 1}, false, 0},
		{[]byte{6}, false, 0},
		{[]byte{99}, false, 0},
	} {
		if got := packetFits(c.b); got != c.fits {
			t.Errorf("%v fits: %v", c.b, got)
		}
		if got, _ := pingOf(c.b); got != c.seq {
			t.Errorf("%v is ping %d, want %d", c.b, got, c.seq)
		}
	}
}

// Packets that are not ours, or not what memberlist may see, change nothing.
func TestHostilePackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b := n.node(t, 1), n.node(t, 2, at(1))
		join(t, b)
		b.Publish([]End{end(2, "jobs")})
		has(t, time.Second, "jobs", 1, a)
		s := a.transport.sealer
		for _, plain := range [][]byte{nil, {typePacked}, {typeCompound, 255}, {typeUser}, {typeUser, msgFull}, {typeUser, 99, 1}, {3, 0x81}, {5}, {typeAck}} {
			sealed, err := s.seal(plain)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range [][]byte{sealed, plain, sealed[:len(sealed)-1], append([]byte{0}, sealed[1:]...)} {
				a.transport.packet.(*memPackets).in <- memPacket{p, at(2)}
			}
		}
		synctest.Wait()
		if len(a.Members()) != 2 || len(a.Lookup("jobs")) != 1 {
			t.Errorf("members %v", a.Members())
		}
		// A message that would be taken is not when it is wrapped twice.
		l := newList(1<<40, []End{end(6, "evil")})
		plain := append([]byte{typeUser}, message{kind: msgFull, id: id(2), version: l.version, list: l}.encode()...)
		for _, taken := range []int{0, 1} {
			if taken == 0 {
				plain = append([]byte{typeCompound, 1, 0, byte(len(plain))}, plain...)
				plain = append([]byte{typeCompound, 1, 0, byte(len(plain))}, plain...)
			} else {
				plain = plain[8:]
			}
			sealed, err := s.seal(plain)
			if err != nil {
				t.Fatal(err)
			}
			a.transport.packet.(*memPackets).in <- memPacket{sealed, at(2)}
			synctest.Wait()
			if got := len(a.Lookup("evil")); got != taken {
				t.Errorf("taken %d times, want %d", got, taken)
			}
		}
	})
}

// A list that somebody else makes up for a node is undone by that node.
func TestMadeUpList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		a, b, c := n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))
		join(t, b)
		join(t, c)
		size(t, 2*time.Second, 3, a, b, c)
		b.Publish([]End{end(2, "jobs")})
		has(t, time.Second, "jobs", 1, a, c)
		l := newList(1<<40, []End{end(6, "evil")})
		a.gossiped(message{kind: msgFull, id: id(2), version: l.version, digest: l.digest, list: l})
		has(t, time.Millisecond, "evil", 1, a)
		has(t, 3*time.Second, "evil", 0, a, c)
		has(t, time.Second, "jobs", 1, a, b, c)
		a.gossiped(message{kind: msgGone, id: id(2), version: 1 << 41, digest: emptyDigest})
		has(t, time.Millisecond, "jobs", 0, a)
		has(t, 3*time.Second, "jobs", 1, a, b, c)
	})
}

// While keys change, node by node, gossip goes on; afterwards the old key is of no use.
func TestKeyRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := []*Mesh{n.node(t, 1), n.node(t, 2, at(1)), n.node(t, 3, at(1))}
		for _, m := range all {
			join(t, m)
		}
		size(t, 2*time.Second, 3, all...)
		older, newer := testKeys[0], []byte("fedcba9876543210fedcba9876543210")
		step := byte(0)
		for _, keys := range [][][]byte{{older, newer}, {newer, older}, {newer}} {
			for _, m := range all {
				if err := m.SetKeys(keys); err != nil {
					t.Fatal(err)
				}
				step++
				m.Publish([]End{end(step, string('a'+rune(step)))})
				has(t, time.Second, string('a'+rune(step)), 1, all...)
			}
		}
		<-time.After(20 * time.Second)
		size(t, time.Millisecond, 3, all...)
		for _, m := range all {
			if got := m.keyring.GetKeys(); len(got) != 1 || !bytes.Equal(got[0], newer) {
				t.Errorf("%d keys", len(got))
			}
		}
		sealed, err := sealer{mustRing(t, older)}.seal([]byte{typeUser, 1})
		if err != nil || all[0].transport.sealer.fit(sealed) {
			t.Errorf("a packet with the old key was taken, %v", err)
		}
		if all[0].SetKeys(nil) == nil || all[0].SetKeys([][]byte{{1}}) == nil {
			t.Error("no key, or half a one, was taken")
		}
	})
}

// memberlist's streams go to the node that it means, not to who has its address now.
func TestDialChecksID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		m := n.node(t, 1)
		n.host(at(2), id(2))
		for want, ok := range map[ID]bool{id(2): true, id(3): false} {
			c, err := m.transport.DialAddressTimeout(memberlist.Address{Addr: at(2), Name: want.String()}, time.Second)
			if (err == nil) != ok {
				t.Errorf("%v: %v", want, err)
			}
			if err == nil {
				_ = c.Close()
			}
		}
	})
}
