package mux

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
)

// A program is bytes that drive two sessions; while it runs, and at its end, what both
// sides see is checked against what was done.
type program struct {
	t        testing.TB
	sessions [2]*Session
	uses     []*progUse
	release  chan struct{} // closed at the end: stalled receivers go on

	mu       sync.Mutex
	killed   bool
	attached [2]uint64 // ATTACHes heard by each side
	asked    [2]uint64 // and asked for by the other
	said     [4][]any  // Holds, Helds and Releases said to each side, and Refs: those come by themselves
	heard    [4]int    // how many of them it has heard
	ended    int

	lastSingle [2]uint64 // that each side has heard
}

// A progUse is one use: its sender's side, its receiver's, and what each has seen.
type progUse struct {
	p     *program
	key   ID
	mode  byte // of its receiver
	out   *Out
	token chan struct{} // one for each frame that a stalled receiver takes

	mu       sync.Mutex
	single   bool // it has no stream
	one      []byte
	hand     *Batch
	sent     uint64 // values
	closed   bool
	clean    bool
	accepted bool
	over     any // Refuse, Stop or lost that was heard
	acked    uint64
	taken    uint64 // by the receiver
	acks     uint64 // as told by the receiver
	end      error  // what its Next said last
	served   int
	stop     Stop // that the receiver said
	inClean  bool
	refsSent []uint64 // numbers of the first values of batches whose references left
	refsSeen []uint64 // and of those that came, in Next or in Discarded
}

// Receivers' modes.
const (
	modeTakes = iota
	modeStalls
	modeRefuses
	modeStops // after some frames
	modes
)

func (p *program) errorf(format string, args ...any) { p.t.Helper(); p.t.Errorf(format, args...) }

// Single is the receiver of a use of one value. One that stalls holds up nothing else.
func (p *program) Single(in *In, value []byte, wait bool) bool {
	u := p.use(in)
	o := in.Open()
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.single || string(value) != string(u.one) || o.First != 1 || string(o.Schema) != "schema" || wait != (u.served == 1) {
		p.errorf("use %x comes as %x of %+v, waits: %v, after %d times", u.key[:8], value, o, wait, u.served)
	}
	if u.served++; !wait {
		p.inOrder(in, u)
	}
	if u.mode == modeStalls && !wait {
		return false
	}
	switch u.mode {
	case modeRefuses:
		in.Refuse(CodeNoSuch, "no")
		return true
	case modeStalls, modeStops:
		in.Ack(Ack{Limit: 1000}) // it has arrived
	}
	if u.mode == modeStalls {
		u.mu.Unlock()
		select {
		case <-u.token:
		case <-p.release:
		case <-in.Done():
		}
		u.mu.Lock()
	}
	if u.mode == modeStops {
		u.stop = Stop{Code: CodeClosed, Text: "enough", NotTaken: []Run{}}
		in.Stop(u.stop)
		return true
	}
	u.taken, u.acks = 1, 1
	in.Ack(Ack{Taken: 1, Limit: 1001})
	in.Leave()
	return true
}

// inOrder checks that single values come in the order in which the other side has sent them.
func (p *program) inOrder(in *In, u *progUse) {
	n := binary.BigEndian.Uint64(u.key[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	last := &p.lastSingle[p.index(in.Session())]
	if n < *last {
		p.errorf("single value %d comes after %d", n, *last)
	}
	*last = n
}

func (p *program) Attach(s *Session, a Attach) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(s)
	p.attached[i]++
	if n := binary.BigEndian.Uint64(a.End[:]); n != p.attached[i] {
		p.errorf("attach %d comes as number %d", n, p.attached[i])
	}
}

func (p *program) Denied(*Session, Deny)            { p.errorf("a denial comes") }
func (p *program) Hold(s *Session, h Hold)          { p.hear(s, h) }
func (p *program) Held(s *Session, r Ref, ok bool)  { p.hear(s, held{r, ok}) }
func (p *program) Release(s *Session, rs []Release) { hearAll(p, s, rs) }
func (p *program) Gone(s *Session, rs []Ref)        { hearAll(p, s, rs) }
func hearAll[T any](p *program, s *Session, all []T) {
	for _, v := range all {
		p.hear(s, v)
	}
}

// hear checks that what was said comes in order.
func (p *program) hear(s *Session, what any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := line(p.index(s), what)
	n := p.heard[i]
	if p.heard[i]++; n >= len(p.said[i]) || !reflect.DeepEqual(p.said[i][n], what) {
		p.errorf("side %d hears %+v as number %d of %d", i, what, n, len(p.said[i]))
	}
}

// line is the order in which what is said to a side stands.
func line(side int, what any) int {
	if _, ok := what.(Ref); ok {
		return side + 2
	}
	return side
}

// say says something about a channel to a side.
func (p *program) say(to int, kind byte) {
	p.mu.Lock()
	n := len(p.said[to]) + len(p.said[to+2])
	s, r := p.sessions[1-to], Ref{Dir: Direction(1 + n%2)}
	binary.BigEndian.PutUint64(r.Channel[:], uint64(n))
	what := []any{
		Hold{Channel: r.Channel, Dir: r.Dir}, Hold{r.Channel, r.Dir, &Gate{End: ID{1}, Number: uint64(n)}},
		held{r, n%2 == 0}, Release{r, 1 + uint64(n)}, r,
	}[kind%5]
	to = line(to, what)
	p.said[to] = append(p.said[to], what)
	p.mu.Unlock()
	say(s, what)
}

func (p *program) use(in *In) *progUse {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.uses[binary.BigEndian.Uint64(in.Open().End[:])]
}

func (p *program) Discarded(in *In, refs []byte) {
	u := p.use(in)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sees(refs)
}

// sees notes references that came, and returns the number of the value that they come before.
// u.mu is held.
func (u *progUse) sees(refs []byte) uint64 {
	n := binary.BigEndian.Uint64(refs)
	u.refsSeen = append(u.refsSeen, n)
	return n
}

func (p *program) index(s *Session) int {
	if s == p.sessions[0] {
		return 0
	}
	return 1
}

func (p *program) Goodbye(*Session) {}

func (p *program) Ended(s *Session, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
	if err == nil {
		p.errorf("ended without a reason")
	}
}

func (p *program) Serve(in *In) {
	u := p.use(in)
	u.mu.Lock()
	u.served++
	u.mu.Unlock()
	if u.mode == modeRefuses {
		in.Refuse(CodeNoSuch, "no")
		return
	}
	in.Accept(Accept{Limit: 1000})
	var before uint64 // number of the value that the references that came last are for
	for frames := 0; ; frames++ {
		if u.mode == modeStalls {
			select {
			case <-u.token:
			case <-p.release:
			case <-in.Done():
			}
		}
		if u.mode == modeStops && frames == 2 {
			u.mu.Lock()
			u.stop = Stop{Code: CodeClosed, Text: "enough", UpTo: u.taken}
			u.mu.Unlock()
			in.Stop(u.stop)
			return
		}
		f, err := in.Next()
		u.mu.Lock()
		if err != nil {
			u.end, u.inClean = err, in.Clean()
			u.mu.Unlock()
			return
		}
		if before > 0 && (f.Kind != KindData || before != u.taken+1) {
			p.errorf("use %x: references for value %d, then a frame of kind %d after %d", u.key[:8], before, f.Kind, u.taken)
		}
		before = 0
		if f.Kind == KindRefs {
			before = u.sees(f.Body)
		}
		if f.Kind == KindData {
			for i := range uint64(f.Count) {
				if n := binary.BigEndian.Uint64(f.Body[8*i:]); n != u.taken+i+1 {
					p.errorf("use %x: value %d after %d", u.key[:8], n, u.taken+i)
				}
			}
			u.taken += uint64(f.Count)
			u.acks = u.taken
		}
		a := Ack{Taken: u.taken, Limit: u.taken + 1000}
		u.mu.Unlock()
		in.Ack(a)
	}
}

func (u *progUse) Accepted(a Accept) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.accepted || u.over != nil || a.Limit != 1000 {
		u.p.errorf("accepted %+v, before: %v, %v", a, u.accepted, u.over)
	}
	u.accepted = true
}

func (u *progUse) Acked(a Ack) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.accepted && !u.single || u.over != nil || u.single && u.acked == 1 || a.Taken < u.acked || a.Taken > u.acks {
		u.p.errorf("ack %+v after %d, the receiver said %d; over: %v", a, u.acked, u.acks, u.over)
	}
	u.acked = a.Taken
}

func (u *progUse) ends(what any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over != nil {
		u.p.errorf("%#v after %#v", what, u.over)
	}
	u.over = what
}

func (u *progUse) Refused(r Refuse) { u.ends(r) }
func (u *progUse) Stopped(st Stop)  { u.ends(st) }
func (u *progUse) Lost(err error)   { u.ends(lost{err}) }

func (u *progUse) Written(b *Batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hand != b {
		u.p.errorf("a batch comes back that was not sent")
	}
	u.hand = nil
	if b.RefsSent() {
		u.refsSent = append(u.refsSent, binary.BigEndian.Uint64(b.Refs))
	}
}

// alone sends a single value, if it needs no stream.
func (u *progUse) alone(s *Session, o Open, value []byte) {
	u.mu.Lock()
	u.single, u.one, u.sent = true, value, 1
	copy(value, u.key[:8])
	u.mu.Unlock()
	o.Target = Target{ID: ID{1}}
	if u.out = s.Single(o, value, u); u.out == nil {
		u.mu.Lock()
		u.single, u.sent = false, 0
		u.mu.Unlock()
	}
}

// send hands a batch of count values over, or one value of size bytes; with references of so
// many bytes, if any.
func (u *progUse) send(count, size, refs int) {
	u.mu.Lock()
	if u.hand != nil || u.closed || u.single {
		u.mu.Unlock()
		return
	}
	b := NewBatch(ID{1})
	if size > 0 {
		count = 1
	}
	numbers(b, u.sent+1, uint64(count))
	if size > 0 {
		b.B = append(b.B, make([]byte, size)...)
	}
	if refs > 0 {
		b.Refs = binary.BigEndian.AppendUint64(b.Refs, u.sent+1)
		b.Refs = append(b.Refs, make([]byte, refs-8)...)
	}
	u.sent += uint64(count)
	u.hand = b
	u.mu.Unlock()
	u.out.Send(b)
}

func (u *progUse) close(clean bool) {
	u.mu.Lock()
	first := !u.closed
	if first {
		u.closed, u.clean = true, clean
	}
	u.mu.Unlock()
	u.out.Close(clean)
}

// run runs a program and checks its end.
func run(t testing.TB, bytes []byte, connect func(h Handler) (a, b *Session)) {
	p := &program{t: t, release: make(chan struct{})}
	p.mu.Lock() // nobody looks at the sessions before they are there
	p.sessions[0], p.sessions[1] = connect(p)
	p.mu.Unlock()
	for len(bytes) >= 2 && !p.killed {
		p.step(bytes[0], bytes[1])
		bytes = bytes[2:]
	}
	close(p.release)
	for _, u := range p.uses {
		if !u.single { // those end with their answers
			u.close(u.key[8]%2 == 0)
		}
	}
	if p.killed {
		p.sessions[0].Wait()
		p.sessions[1].Wait()
	} else {
		for i, s := range p.sessions {
			waitFor(t, func() bool { st := s.Stats(); return st.Outs == 0 && st.Ins == 0 || s.Err() != nil })
			if s.Err() != nil {
				t.Fatalf("session %d ended: %v", i, s.Err())
			}
			if err := s.Goodbye(background(t)); err != nil { // behind the ATTACHes
				t.Fatal(err)
			}
		}
	}
	p.check()
	for _, s := range p.sessions {
		s.Close(nil)
		s.Wait()
	}
	if p.ended != 2 {
		t.Errorf("Ended was called %d times", p.ended)
	}
}

func (p *program) step(op, arg byte) {
	side := int(arg) % 2
	if op >= 254 && op%2 == 0 {
		p.killed = true
		p.sessions[side].Close(io.ErrClosedPipe)
		return
	}
	if op%8 == 0 || len(p.uses) == 0 {
		u := &progUse{p: p, mode: arg / 2 % modes, token: make(chan struct{}, 1000)}
		binary.BigEndian.PutUint64(u.key[:], uint64(len(p.uses)))
		u.key[8] = arg / 16
		p.mu.Lock()
		p.uses = append(p.uses, u)
		p.mu.Unlock()
		o := open("x")
		o.End = u.key
		if op/8%2 == 1 {
			u.alone(p.sessions[side], o, make([]byte, 1<<(arg%11)))
		}
		if u.out == nil {
			u.out = p.sessions[side].Open(o, u)
		}
		return
	}
	u := p.uses[int(arg)%len(p.uses)]
	switch op % 8 {
	case 1:
		u.send(1+int(op/8)*3, 0, 0)
	case 2:
		u.send(1+int(op/8)*3, 0, progRefs[op/8%4])
	case 3:
		u.send(0, 1<<(op/8%20), progRefs[op/8%3]*int(op/128))
	case 4:
		u.close(op/8%2 == 0)
	case 5:
		if op/8%2 == 1 {
			for i := range arg % 16 {
				p.say(1-side, arg/16+i/3)
			}
			return
		}
		p.asked[1-side]++
		var a Attach
		binary.BigEndian.PutUint64(a.End[:], p.asked[1-side])
		p.sessions[side].Attach(a)
	case 6:
		select {
		case u.token <- struct{}{}:
		default:
		}
	case 7: // let it come to rest: whatever the batch in hand waits for, it may come back
		u.mu.Lock()
		idle := u.hand == nil && !u.closed && !u.single
		u.mu.Unlock()
		if idle {
			u.out.Schema([]byte("schema"))
			u.send(1, 0, 8)
		}
	}
}

// progRefs are how long the references of a batch may be.
var progRefs = [...]int{8, gatherBelow, MaxFrame, 100}

// check looks at every use when all is over.
func (p *program) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.killed && p.attached != p.asked {
		p.errorf("%d attaches heard of %d", p.attached, p.asked)
	}
	for i := range p.said {
		if !p.killed && p.heard[i] != len(p.said[i]) {
			p.errorf("side %d has heard %d of %d about channels", i, p.heard[i], len(p.said[i]))
		}
	}
	for i, u := range p.uses {
		u.mu.Lock()
		what := fmt.Sprintf("use %d (mode %d, %d sent, %d taken, end %v, over %#v)", i, u.mode, u.sent, u.taken, u.end, u.over)
		if u.taken > u.sent || u.served > 1 && (!u.single || u.mode != modeStalls || u.served > 2) {
			p.errorf("%s: too much", what)
		}
		for i, n := range u.refsSeen {
			if i > 0 && n <= u.refsSeen[i-1] {
				p.errorf("%s: references seen %v", what, u.refsSeen)
			}
		}
		if p.killed {
			u.mu.Unlock()
			continue
		}
		_, isLost := u.over.(lost)
		if u.single {
			if u.served == 0 || isLost || !u.closed && u.over == nil && u.acked != 1 || (u.mode < modeRefuses) != (u.taken == 1) {
				p.errorf("%s: a single value, acked %d", what, u.acked)
			}
		}
		switch {
		case u.single:
		case u.hand != nil || isLost:
			p.errorf("%s: a batch is kept, or it was lost", what)
		case u.served == 0 && (u.sent > 0 || u.clean):
			p.errorf("%s: never served", what)
		case u.end == io.EOF && (u.taken != u.sent || u.inClean != u.clean):
			p.errorf("%s: clean %v instead of %v", what, u.inClean, u.clean)
		case !slices.Equal(u.refsSeen, u.refsSent):
			p.errorf("%s: references sent %v, seen %v", what, u.refsSent, u.refsSeen)
		case u.mode < modeRefuses && u.served > 0 && u.end != io.EOF:
			p.errorf("%s: no end", what)
		}
		if st, ok := u.over.(Stop); ok && (u.mode != modeStops || st.UpTo != u.stop.UpTo || st.Text != "enough") {
			p.errorf("%s: stop %+v", what, st)
		}
		if _, ok := u.over.(Refuse); ok && u.mode != modeRefuses {
			p.errorf("%s: refused", what)
		}
		u.mu.Unlock()
	}
}

var programKinds = []func(t testing.TB) func(h Handler) (a, b *Session){
	func(t testing.TB) func(h Handler) (a, b *Session) {
		return func(h Handler) (a, b *Session) { return connectPair(t, h, Config{}) }
	},
	func(t testing.TB) func(h Handler) (a, b *Session) {
		return func(h Handler) (a, b *Session) { return connectYamux(t, h, Config{}) }
	},
	func(t testing.TB) func(h Handler) (a, b *Session) { // hardly any streams
		return func(h Handler) (a, b *Session) { return connectYamux(t, h, Config{MaxStreams: 40}) }
	},
}

func TestPrograms(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 2+r.IntN(600))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if seed%3 > 0 {
			for i := 0; i < len(b); i += 2 { // no kill
				b[i] %= 254
			}
		}
		for i, kind := range programKinds {
			ok := t.Run(fmt.Sprintf("%d/%d", seed, i), func(t *testing.T) { run(t, b, kind(t)) })
			if !ok {
				return
			}
		}
	}
}

func FuzzProgram(f *testing.F) {
	f.Add(byte(0), []byte{0, 0, 1, 0, 4, 0})
	f.Add(byte(1), []byte{0, 2, 9, 0, 0, 5, 17, 0, 17, 1, 6, 0, 3, 1, 5, 1, 254, 0})
	f.Add(byte(1), []byte{0, 2, 0, 6, 10, 0, 2, 1, 18, 0, 26, 1, 13, 0x2f, 13, 0x4e, 131, 0, 7, 1, 4, 0})
	f.Add(byte(0), []byte{0, 0, 7, 0, 8, 0, 8, 2, 8, 4, 8, 6, 8, 16, 6, 2, 4, 3, 8, 18, 8, 1})
	f.Add(byte(1), []byte{0, 0, 6, 0, 8, 2, 8, 18, 8, 3, 5, 5, 8, 4, 6, 1, 254, 1})
	f.Add(byte(2), []byte{0, 6, 1, 0, 1, 0, 1, 0, 1, 0, 139, 0, 12, 0})
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		run(t, b[:min(len(b), 1000)], programKinds[int(kind)%len(programKinds)](t))
	})
}
