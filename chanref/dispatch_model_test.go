package chanref

import (
	"slices"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// A dispatchModel does with plain lists what a dispatch does, and compares the two
// after each step. Its values are three times their seq.
type dispatchModel struct {
	t       testing.TB
	d       dispatch[uint64]
	program []byte

	seq     uint64
	lanes   []*modelLane
	back    []item[uint64]
	clock   int
	fates   map[uint64]*fate
	ok, bad uint64 // settled: acknowledged, dropped
	again   uint64
}

type modelLane struct {
	l                  *lane[uint64]
	sent, acked, limit uint64
	values             []item[uint64] // acked+1 .. sent
	dropped            map[uint64]bool
	last               int // when it last got a value
}

// fate is what has come of a value: how often it was given out for the first
// time (a broadcast to several lanes), and how often it was settled.
type fate struct{ given, settled int }

func runDispatch(t testing.TB, program []byte, broadcast, atMostOnce bool) *dispatchModel {
	m := &dispatchModel{t: t, program: program, fates: make(map[uint64]*fate)}
	m.d.broadcast, m.d.atMostOnce = broadcast, atMostOnce
	m.d.resolve = func(seq uint64, _ *mux.Drop, _ bool) { m.fates[seq].settled++ }
	for len(m.program) > 0 {
		m.step()
		m.check()
	}
	return m
}

// byte is the next byte of the program; 0 behind its end.
func (m *dispatchModel) byte() int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b)
}

func (m *dispatchModel) lane() *modelLane {
	if len(m.lanes) == 0 {
		return nil
	}
	return m.lanes[m.byte()%len(m.lanes)]
}

func (m *dispatchModel) step() {
	switch op := m.byte() % 16; op {
	case 0:
		if len(m.lanes) < 6 {
			l := &lane[uint64]{}
			m.d.add(l)
			m.lanes = append(m.lanes, &modelLane{l: l, dropped: make(map[uint64]bool)})
		}
	case 1, 2:
		if l := m.lane(); l != nil {
			l.l.live = true
			m.ack(l, mux.Ack{Taken: l.acked, Limit: l.limit + uint64(m.byte()%8)})
		}
	case 3, 4, 5, 6, 7, 8:
		m.assign()
	case 9, 10, 11:
		if l := m.lane(); l != nil {
			m.ackSome(l)
		}
	case 12:
		if l := m.lane(); l != nil {
			m.badAck(l)
		}
	case 13:
		if l := m.lane(); l != nil {
			m.stop(l)
		}
	case 14:
		if l := m.lane(); l != nil {
			m.lose(l)
		}
	case 15:
		if l := m.lane(); l != nil {
			if m.byte()%2 == 0 {
				l.l.blocked = !l.l.blocked
			} else {
				l.l.away = !l.l.away
			}
		}
	}
}

// best is the lane with room that has the least outstanding, then the longest
// without a value.
func (m *dispatchModel) best() *modelLane {
	var free []*modelLane
	for _, l := range m.lanes {
		if l.l.live && !l.l.blocked && !l.l.away && l.sent < l.limit {
			free = append(free, l)
		}
	}
	if len(free) == 0 {
		return nil
	}
	return slices.MinFunc(free, func(a, b *modelLane) int {
		if n := len(a.values) - len(b.values); n != 0 {
			return n
		}
		return a.last - b.last
	})
}

// assign gives out the next value, as the source does: what was given back first.
func (m *dispatchModel) assign() {
	if m.d.broadcast {
		m.spread()
		return
	}
	best, picked := m.best(), m.d.pick()
	if best == nil || picked == nil {
		if (best == nil) != (picked == nil) {
			m.t.Fatalf("picked %v, want %v", picked, best)
		}
		return
	}
	// Lanes that never got a value are equal.
	if picked != best.l && (picked.outstanding() != best.l.outstanding() || picked.used != 0 || best.last != 0) {
		m.t.Fatalf("picked a lane with %d outstanding, last used at %d; want %d and %d",
			picked.outstanding(), picked.used, len(best.values), best.last)
	}
	for _, l := range m.lanes {
		if l.l == picked {
			best = l
		}
	}
	it, ok := m.d.next()
	if ok != (len(m.back) > 0) {
		m.t.Fatalf("next: %v, with %d values given back", ok, len(m.back))
	}
	if ok {
		if it != m.back[0] {
			m.t.Fatalf("next is %+v, want %+v", it, m.back[0])
		}
		m.back = m.back[1:]
	} else {
		m.seq++
		it = item[uint64]{v: 3 * m.seq, seq: m.seq}
		m.fates[m.seq] = &fate{given: 1}
	}
	m.give(best, it)
}

func (m *dispatchModel) spread() {
	if !m.d.ready(false) {
		return
	}
	m.seq++
	m.fates[m.seq] = &fate{}
	for _, l := range m.lanes {
		if l.l.live {
			if !l.l.room() {
				m.t.Fatal("a broadcast is ready, and a lane has no room")
			}
			m.give(l, item[uint64]{v: 3 * m.seq, seq: m.seq})
			m.fates[m.seq].given++
		}
	}
	if m.fates[m.seq].given == 0 {
		m.t.Fatal("a broadcast is ready, and there is nobody")
	}
}

func (m *dispatchModel) give(l *modelLane, it item[uint64]) {
	m.d.assign(l.l, it)
	if it.again {
		m.again++
		it.again = false
	}
	if m.d.broadcast {
		it.v = 0
	}
	m.clock++
	l.last = m.clock
	l.sent++
	l.values = append(l.values, it)
}

func (m *dispatchModel) ack(l *modelLane, a mux.Ack) {
	if err := m.d.ack(l.l, a); err != nil {
		m.t.Fatalf("ack %+v: %v", a, err)
	}
	l.limit = max(l.limit, a.Limit)
	for _, d := range a.Drops {
		l.drop(d)
	}
	for l.acked < a.Taken {
		l.acked++
		m.settle(l, l.acked, l.dropped[l.acked])
	}
}

// drop notes what will not be taken. Of runs that overlap the first one counts.
func (l *modelLane) drop(d mux.Drop) {
	for n := max(d.First, l.acked+1); n < d.First+d.Count; n++ {
		if l.dropped[n] {
			return
		}
	}
	for n := d.First; n < d.First+d.Count; n++ {
		l.dropped[n] = true
	}
}

// settle takes the oldest value of l away.
func (m *dispatchModel) settle(l *modelLane, number uint64, dropped bool) {
	if dropped {
		m.bad++
	} else {
		m.ok++
	}
	l.values = l.values[1:]
}

// ackSome acknowledges a part of what is on its way, with drops or not.
func (m *dispatchModel) ackSome(l *modelLane) {
	a := mux.Ack{Limit: l.limit}
	for range m.byte() % 4 { // drops, ahead of what is acknowledged or not
		if n := uint64(len(l.values)); n > 0 {
			first := l.acked + 1 + uint64(m.byte())%n
			count := 1 + uint64(m.byte())%(l.sent-first+1)
			a.Drops = append(a.Drops, mux.Drop{First: first, Count: count, Code: mux.CodeDecode})
		}
	}
	a.Taken = l.acked + uint64(m.byte())%uint64(len(l.values)+1)
	if m.byte()%4 == 0 {
		a.Taken -= min(a.Taken, 3) // an old one, heard again
	}
	m.ack(l, a)
}

// badAck says what no honest receiver says; nothing may change.
func (m *dispatchModel) badAck(l *modelLane) {
	good := mux.Drop{First: l.sent, Count: 1, Code: mux.CodeDecode}
	bad := []mux.Ack{
		{Taken: l.sent + 1, Limit: l.limit + 9},
		{Taken: ^uint64(0), Limit: l.limit + 9},
		{Taken: l.sent, Limit: l.limit + 9, Drops: []mux.Drop{{First: l.sent + 1, Count: 1}}},
		{Taken: l.sent, Limit: l.limit + 9, Drops: []mux.Drop{good, {First: l.sent, Count: 2}}},
		{Taken: l.sent, Limit: l.limit + 9, Drops: []mux.Drop{good, {First: 1, Count: ^uint64(0)}}},
		{Taken: l.sent, Limit: l.limit + 9, Drops: []mux.Drop{good, {First: 1, Count: 0}}},
	}
	a := bad[m.byte()%len(bad)]
	if err := m.d.ack(l.l, a); err == nil {
		m.t.Fatalf("ack %+v with %d sent is no error", a, l.sent)
	}
}

func (m *dispatchModel) remove(l *modelLane) {
	m.lanes = slices.DeleteFunc(m.lanes, func(o *modelLane) bool { return o == l })
}

func (m *dispatchModel) giveBack(l *modelLane, again bool) {
	it := l.values[0]
	it.again = it.again || again
	l.values = l.values[1:]
	m.back = append(m.back, it)
	slices.SortFunc(m.back, func(a, b item[uint64]) int { return int(a.seq) - int(b.seq) })
}

func (m *dispatchModel) stop(l *modelLane) {
	s := mux.Stop{Code: mux.CodeClosed, UpTo: l.acked + uint64(m.byte())%uint64(len(l.values)+3)}
	notTaken := make(map[uint64]bool)
	for first := l.acked; ; {
		first += 1 + uint64(m.byte()%3)
		count := 1 + uint64(m.byte()%3)
		if first+count-1 > s.UpTo || len(s.NotTaken) > 20 {
			break
		}
		s.NotTaken = append(s.NotTaken, mux.Run{First: first, Count: count})
		for i := range count {
			notTaken[first+i] = true
		}
		first += count
	}
	m.d.stop(l.l, s)
	m.remove(l)
	for number := l.acked + 1; len(l.values) > 0; number++ {
		switch back := notTaken[number] || number > s.UpTo; {
		case back && !m.d.broadcast:
			m.giveBack(l, false)
		default:
			m.settle(l, number, back || l.dropped[number])
		}
	}
}

func (m *dispatchModel) lose(l *modelLane) {
	unsent := l.acked + 1 + uint64(m.byte())%uint64(len(l.values)+1)
	m.d.lose(l.l, unsent, mux.Drop{Code: mux.CodeLost})
	m.remove(l)
	for number := l.acked + 1; len(l.values) > 0; number++ {
		sent := number < unsent
		if m.d.broadcast || m.d.atMostOnce && sent {
			m.settle(l, number, true)
		} else {
			m.giveBack(l, sent)
		}
	}
}

func (m *dispatchModel) check() {
	t, d := m.t, &m.d
	if d.acknowledged != m.ok || d.dropped != m.bad || d.redelivered != m.again {
		t.Fatalf("acknowledged %d, dropped %d, redelivered %d; want %d, %d, %d",
			d.acknowledged, d.dropped, d.redelivered, m.ok, m.bad, m.again)
	}
	if !slices.Equal(d.back, m.back) {
		t.Fatalf("given back: %v, want %v", d.back, m.back)
	}
	if len(d.lanes) != len(m.lanes) {
		t.Fatalf("%d lanes, want %d", len(d.lanes), len(m.lanes))
	}
	places := make(map[uint64]int)
	var unsettled []uint64
	inFlight := 0
	for _, l := range m.lanes {
		m.checkLane(l)
		inFlight += len(l.values)
		for _, it := range l.values {
			places[it.seq]++
			unsettled = append(unsettled, it.seq)
		}
	}
	for _, it := range m.back {
		places[it.seq]++
		unsettled = append(unsettled, it.seq)
		if d.atMostOnce && it.again {
			t.Fatalf("value %d may have been taken, and is to be sent again", it.seq)
		}
	}
	if d.inFlight() != inFlight {
		t.Fatalf("%d in flight, want %d", d.inFlight(), inFlight)
	}
	oldest, ok := d.oldest()
	if ok != (len(unsettled) > 0) || ok && oldest != slices.Min(unsettled) {
		t.Fatalf("oldest is %d, %v; unsettled are %v", oldest, ok, unsettled)
	}
	for seq, f := range m.fates {
		if f.settled+places[seq] != f.given {
			t.Fatalf("value %d was given out %d times, settled %d times and is in %d places", seq, f.given, f.settled, places[seq])
		}
	}
}

func (m *dispatchModel) checkLane(l *modelLane) {
	r := l.l
	if r.sent != l.sent || r.acked != l.acked || r.limit != l.limit || r.outstanding() != uint64(len(l.values)) {
		m.t.Fatalf("lane has sent %d, acked %d, limit %d; want %d, %d, %d", r.sent, r.acked, r.limit, l.sent, l.acked, l.limit)
	}
	if r.sent > r.limit {
		m.t.Fatalf("sent %d, above the limit %d", r.sent, r.limit)
	}
	if m.d.lanes[r.index] != r {
		m.t.Fatal("a lane's index is wrong")
	}
	for i, it := range l.values {
		if *r.kept.at(i) != it {
			m.t.Fatalf("lane keeps %+v as number %d, want %+v", *r.kept.at(i), l.acked+1+uint64(i), it)
		}
	}
	for i := r.kept.len(); i < len(r.kept.buf); i++ {
		if *r.kept.at(i) != (item[uint64]{}) {
			m.t.Fatal("a settled value is still reachable")
		}
	}
	for _, drop := range r.drops {
		if drop.First+drop.Count-1 <= r.acked {
			m.t.Fatalf("drop %+v is kept, %d are acknowledged", drop, r.acked)
		}
	}
}
