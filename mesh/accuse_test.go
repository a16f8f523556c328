package mesh

import (
	"testing"
	"testing/synctest"
	"time"
)

// memberlist tells what it thinks of the members.
func TestStandings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 4)
		before, err := all[0].standings(t.Context())
		if err != nil || len(before) != 4 {
			t.Fatal(before, err)
		}
		all[1].Publish([]End{end(2, "jobs")}) // new metadata, a new incarnation
		has(t, time.Second, "jobs", 1, all...)
		if err := all[3].Leave(t.Context()); err != nil {
			t.Error(err)
		}
		size(t, time.Second, 3, all[0])
		<-time.After(time.Second)
		after, err := all[0].standings(t.Context())
		if err != nil || len(after) != 4 {
			t.Fatal(after, err)
		}
		for _, i := range []ID{id(1), id(2), id(3)} {
			if s := after[i]; s.state != stateAlive || s.incarnation < before[i].incarnation || s.incarnation == 0 {
				t.Errorf("%v: %v, was %v", i, s, before[i])
			}
		}
		if after[id(2)].incarnation <= before[id(2)].incarnation {
			t.Errorf("the incarnation was %d and is %d", before[id(2)].incarnation, after[id(2)].incarnation)
		}
		if s := after[id(4)].state; s == stateAlive || s == stateSuspect {
			t.Errorf("who has left is %d", s)
		}
	})
}

// So it does when there are many, with long lists.
func TestStandingsOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		m := n.node(t, 1)
		const nodes = 300
		for i := range nodes {
			a := ID{0: 1 + byte(i>>8), 1: byte(i), 31: 2}
			alive := append([]byte{4, 0x86}, "\xabIncarnation\xcd\x01\x00"...)
			alive = append(alive, "\xa4Node\xda\x00\x40"+a.String()...)
			alive = append(alive, "\xa4Addr\xa4\x0a\x00\x01\x02\xa4Port\xcd\x1b\x58\xa4Meta\xda\x00\x80"...)
			alive = append(alive, meta{name: "x", version: uint64(i)}.encode()...)
			alive = append(alive, "\xa3Vsn\xa6\x01\x05\x02\x00\x00\x00"...)
			m.transport.say(alive)
			synctest.Wait()
			m.mu.Lock()
			m.reg.hint(a, newList(uint64(1+i), manyEnds(1)), time.Now())
			m.mu.Unlock()
		}
		s, err := m.standings(t.Context())
		if err != nil || len(s) != nodes+1 {
			t.Fatalf("%d members told, %d known: %v", len(s), len(m.Members()), err)
		}
		for i, st := range s {
			if i != id(1) && (st.state != stateAlive || st.incarnation != 256) {
				t.Errorf("%v: %v", i, st)
			}
		}
	})
}

// An accusation with an old incarnation is none: the accused has answered since.
func TestLateAccusation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 3)
		s, err := all[0].standings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all[1].Publish([]End{end(2, "jobs")})
		has(t, time.Second, "jobs", 1, all...)
		<-time.After(time.Second)
		stop := guard(t, all...)
		all[0].transport.say(accusation(typeDead, s[id(2)].incarnation, id(2), id(1)))
		<-time.After(time.Second)
		stop()
	})
}

// Who is only suspected can say that it is there, before anybody takes it for
// dead.
func TestAccuseQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		all := n.many(t, 3)
		stop := guard(t, all...)
		before, err := all[0].standings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all[0].accuse(map[ID]verdict{id(2): quiet})
		<-time.After(time.Minute)
		after, err := all[0].standings(t.Context())
		if s := after[id(2)]; err != nil || s.state != stateAlive || s.incarnation <= before[id(2)].incarnation {
			t.Errorf("%v, was %v: %v", s, before[id(2)], err)
		}
		stop()
	})
}

// What memberlist takes for a packet holds as many accusations as fit.
func TestPack(t *testing.T) {
	for _, n := range []int{1, 5, 50, 1000} {
		var all [][]byte
		for range n {
			all = append(all, accusation(typeDead, 7, id(1), id(2)))
		}
		b := pack(all)
		parts, ok := compound(b[1:])
		if !packetFits(b) || !ok || len(parts) == 0 || len(parts) > n || n <= 5 && len(parts) != n || len(b) > 1400 {
			t.Errorf("%d: %d parts in %d bytes", n, len(parts), len(b))
		}
	}
}
