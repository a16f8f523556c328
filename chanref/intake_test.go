package chanref

import (
	"maps"
	"slices"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// An intakeModel is a channel and all that was ever pushed into it, beside an
// intake that is told only what a sink knows.
type intakeModel struct {
	t       testing.TB
	k       intake
	program []byte

	uses    []*use
	entries []entry // in the order in which they were pushed or skipped
	read    int     // entries before this one are out of the channel
	held    uint64  // values in the channel

	unnoted       uint64 // pushed by the last use, not noted yet
	pusher        *use
	foreign       bool // somebody else has pushed into the channel, now or before
	oldPushed     uint64
	oldHeld       uint64
	looked, stale int
}

// entry is a value in the channel (u is nil for one that is not ours), or one
// that was skipped.
type entry struct {
	u       *use
	number  uint64
	skipped bool
}

const intakeUses = 3

func runIntake(t testing.TB, program []byte) *intakeModel {
	m := &intakeModel{t: t, program: program}
	for i := range intakeUses {
		first := uint64(1 + 10*i) // a use need not begin at 1
		m.uses = append(m.uses, &use{next: first, taken: first - 1})
	}
	for len(m.program) > 0 {
		m.step()
		m.check(false)
	}
	m.note()
	m.k.settle(m.k.pushed, m.held)
	m.check(!m.foreign)
	m.untaken()
	return m
}

func (m *intakeModel) byte() int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b)
}

func (m *intakeModel) step() {
	switch op := m.byte() % 16; op {
	case 0, 1, 2, 3, 4: // one use at a time pushes, and notes later
		if u := m.uses[m.byte()%intakeUses]; u != m.pusher {
			m.note()
			m.pusher = u
		}
		m.push(m.pusher)
		m.unnoted++
	case 5:
		m.note()
	case 6, 7: // a value that can't be decoded
		u := m.uses[m.byte()%intakeUses]
		m.note()
		m.entries = append(m.entries, entry{u: u, number: u.next, skipped: true})
		m.k.note(u, 1, true)
	case 8, 9, 10, 11: // the program
		m.take()
	case 12, 13: // a look
		m.k.settle(m.k.pushed, m.held)
		m.looked++
	case 14: // a look begins, and comes to settle only later
		m.oldPushed, m.oldHeld = m.k.pushed, m.held
	case 15:
		if m.byte()%8 == 0 {
			m.push(nil)
			m.foreign = true
			return
		}
		m.k.settle(m.oldPushed, m.oldHeld)
		m.stale++
	}
}

func (m *intakeModel) push(u *use) {
	e := entry{u: u}
	if u != nil {
		e.number = u.next + m.unnoted
	}
	m.entries = append(m.entries, e)
	m.held++
}

func (m *intakeModel) note() {
	if m.pusher != nil {
		m.k.note(m.pusher, m.unnoted, false)
	}
	m.unnoted = 0
}

// take is the program, which takes the oldest value.
func (m *intakeModel) take() {
	if m.held == 0 {
		return
	}
	for m.entries[m.read].skipped {
		m.read++
	}
	m.read++
	m.held--
}

// check compares with what was really taken. exact: nothing stands in the way
// of knowing it.
func (m *intakeModel) check(exact bool) {
	want := make(map[*use]uint64)
	i := 0
	for ; i < len(m.entries) && (i < m.read || m.entries[i].skipped || m.entries[i].u == nil); i++ {
		if u := m.entries[i].u; u != nil {
			want[u] = m.entries[i].number
		}
	}
	for n, u := range m.uses {
		if want[u] == 0 {
			want[u] = uint64(10 * n)
		}
		if u.taken > want[u] || exact && u.taken != want[u] {
			m.t.Fatalf("use %d: %d counts as taken; %d is", n, u.taken, want[u])
		}
	}
}

// untaken ends it: some of what is not known to be taken comes back.
func (m *intakeModel) untaken() {
	var waiting []entry
	known := make(map[*use]uint64)
	for _, u := range m.uses {
		known[u] = u.taken
	}
	for _, e := range m.entries {
		if e.u != nil && !e.skipped && e.number > known[e.u] {
			waiting = append(waiting, e)
		}
	}
	want := make(map[*use][]uint64)
	asked := 0
	got := m.k.untaken(func(u *use, i int) bool {
		if i != asked || i >= len(waiting) || waiting[i].u != u {
			m.t.Fatalf("asked for value %d of %d, of a wrong use", i, len(waiting))
		}
		asked++
		back := m.byte()%3 > 0 || i%2 == 0
		if back {
			want[u] = append(want[u], waiting[i].number)
		}
		return back
	})
	if asked != len(waiting) {
		m.t.Fatalf("asked for %d of %d values", asked, len(waiting))
	}
	if len(got) != len(want) {
		m.t.Fatalf("values of %d uses came back, want %d", len(got), len(want))
	}
	for u, runs := range got {
		var numbers []uint64
		for i, r := range runs {
			if i > 0 && runs[i-1].First+runs[i-1].Count >= r.First {
				m.t.Fatalf("runs %v don't rise, or could be one", runs)
			}
			for n := range r.Count {
				numbers = append(numbers, r.First+n)
			}
		}
		if !slices.Equal(numbers, want[u]) {
			m.t.Fatalf("%v came back, want %v", numbers, want[u])
		}
	}
}

func TestIntakePrograms(t *testing.T) {
	var taken, looked, stale int
	for seed := range uint64(300) {
		m := runIntake(t, randomProgram(seed, 300))
		taken, looked, stale = taken+int(m.k.taken), looked+m.looked, stale+m.stale
	}
	if taken < 1000 || looked < 1000 || stale < 1000 {
		t.Fatalf("only %d values were taken, in %d looks and %d late ones", taken, looked, stale)
	}
}

func FuzzIntake(f *testing.F) {
	f.Add(randomProgram(1, 40))
	f.Add(randomProgram(2, 200))
	f.Add([]byte{0, 0, 0, 0, 5, 14, 8, 8, 0, 1, 5, 15, 1, 6, 1, 12})
	f.Fuzz(func(t *testing.T, program []byte) { runIntake(t, program[:min(len(program), 1<<11)]) })
}

// A look that is told of more values in the channel than were pushed, because
// the program pushes too, changes nothing.
func TestIntakeForeignValues(t *testing.T) {
	var k intake
	u := &use{next: 1}
	k.note(u, 2, false)
	k.settle(k.pushed, 3)
	if u.taken != 0 || k.taken != 0 {
		t.Fatalf("%d taken", u.taken)
	}
	k.settle(k.pushed, 1)
	if u.taken != 1 {
		t.Fatalf("%d taken, want 1", u.taken)
	}
}

func TestAppendRun(t *testing.T) {
	var runs []mux.Run
	for _, n := range []uint64{1, 2, 3, 7, 9, 10} {
		runs = appendRun(runs, n)
	}
	if want := []mux.Run{{First: 1, Count: 3}, {First: 7, Count: 1}, {First: 9, Count: 2}}; !slices.Equal(runs, want) {
		t.Fatalf("%v, want %v", runs, want)
	}
}

// Values of many uses, pushed in turns, leave no more runs than values.
func TestIntakeRunsJoin(t *testing.T) {
	var k intake
	a, b := &use{next: 1}, &use{next: 1}
	for range 100 {
		k.note(a, 3, false)
		k.note(a, 1, false)
	}
	k.note(b, 0, false)
	if k.runs.len() != 1 || k.pushed != 400 {
		t.Fatalf("%d runs of %d values", k.runs.len(), k.pushed)
	}
	k.note(b, 1, true)
	k.note(b, 1, true)
	if k.runs.len() != 2 || k.pushed != 400 {
		t.Fatalf("%d runs of %d values", k.runs.len(), k.pushed)
	}
	k.settle(400, 0)
	if a.taken != 400 || b.taken != 2 || k.runs.len() != 0 {
		t.Fatalf("%v", slices.Collect(maps.Values(map[int]uint64{1: a.taken, 2: b.taken})))
	}
}
