package mux

// Direction says what a channel is for, to who holds a reference to it.
type Direction uint8

const (
	ToSend    Direction = 1 // values go to the channel's home
	ToReceive Direction = 2 // values come from there
)

// A Ref is a channel of one side that the other holds.
type Ref struct {
	Channel ID
	Dir     Direction
}

// A Gate is a value that must have been done with before something counts: the value of that
// number that the end of that node sent.
type Gate struct {
	Node   [32]byte
	End    ID
	Number uint64
}

// A Hold says that a channel of the peer is held here.
type Hold struct {
	Channel ID
	Dir     Direction
	Gate    *Gate // nil: nothing must come first
}

// A Release says that so many references to a channel are held no more.
type Release struct {
	Ref
	Count uint64
}

// Hold tells the peer that this side holds a channel of it; Handler.Held is the answer. Hold,
// Held and Release of one session arrive in the order in which they were called, and before
// what an In says that is called later. Gone comes behind all of that which was called before.
// They never block, and do nothing once the session has ended.
func (s *Session) Hold(h Hold) {
	s.sayRef(refSaying{typ: frameHold, ref: Ref{h.Channel, h.Dir}, gate: h.Gate})
}

// Held answers a Hold of the peer. A peer that goes on asking and takes no answers loses the
// session.
func (s *Session) Held(r Ref, ok bool) { s.sayRef(refSaying{typ: frameHeld, ref: r, ok: ok}) }

// Release tells the peer that count references to a channel of it are held no more. A count
// of 0 says nothing.
func (s *Session) Release(r Ref, count uint64) {
	if count > 0 {
		s.sayRef(refSaying{typ: frameRelease, ref: r, count: count})
	}
}

// Gone tells the peer that a channel of this side is gone.
func (s *Session) Gone(r Ref) { s.sayRef(refSaying{typ: frameGone, ref: r}) }

// A refSaying is one HOLD or HELD, or an entry of a RELEASE or GONE.
type refSaying struct {
	typ   byte
	ok    bool // HELD
	ref   Ref
	count uint64 // RELEASE
	gate  *Gate  // HOLD
}

func (s *Session) sayRef(r refSaying) {
	if r.ref.Dir != ToSend && r.ref.Dir != ToReceive {
		panic("mux: a reference without a direction")
	}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	q := &s.refs
	if r.typ == frameGone {
		q = &s.gones
	}
	ok := q.push(r)
	s.nudge()
	s.mu.Unlock()
	if !ok {
		s.end(violation("control stream", "more than %d holds without taking the answers", maxAnswers))
	}
}

// A refQueue is what is to be said about channels, in order.
type refQueue struct {
	fifo[refSaying]
	answers int // HELDs in it: the only ones that a peer can make more of than this side holds
}

// push appends r; false when there are too many answers already.
func (q *refQueue) push(r refSaying) bool {
	if r.typ == frameHeld {
		if q.answers >= maxAnswers {
			return false
		}
		q.answers++
	}
	q.fifo.push(r)
	return true
}

// take appends the next frame: of RELEASEs and GONEs as many as follow each other.
func (q *refQueue) take(dst []byte) []byte {
	switch r := &q.items[q.head]; {
	case r.typ == frameHold:
		dst = appendHold(dst, Hold{r.ref.Channel, r.ref.Dir, r.gate})
		q.pop()
	case r.typ == frameHeld:
		dst = appendHeld(dst, r.ref, r.ok)
		q.pop()
		q.answers--
	case r.typ == frameGone:
		rs := make([]Ref, q.alike())
		for i := range rs {
			r, _ := q.pop()
			rs[i] = r.ref
		}
		dst = appendGone(dst, rs)
	case r.count > maxReleased: // more than an entry can say
		r.count -= maxReleased
		dst = appendRelease(dst, []Release{{r.ref, maxReleased}})
	default:
		rs := make([]Release, q.alike())
		for i := range rs {
			r, _ := q.pop()
			rs[i] = Release{r.ref, r.count}
		}
		dst = appendRelease(dst, rs)
	}
	return dst
}

// alike is how many from the first on go into one frame.
func (q *refQueue) alike() int {
	n := 1
	for ; n < min(q.len(), maxRefsPerFrame); n++ {
		if r := &q.items[q.head+n]; r.typ != q.items[q.head].typ || r.count > maxReleased {
			break
		}
	}
	return n
}

// hearRefs handles one frame about channels.
func (s *Session) hearRefs(typ byte, body []byte) error {
	switch typ {
	case frameHold:
		h, err := parseHold(body)
		if err != nil {
			return err
		}
		s.h.Hold(s, h)
	case frameHeld:
		r, ok, err := parseHeld(body)
		if err != nil {
			return err
		}
		s.h.Held(s, r, ok)
	case frameRelease:
		rs, err := parseRelease(body)
		if err != nil {
			return err
		}
		s.h.Release(s, rs)
	case frameGone:
		rs, err := parseGone(body)
		if err != nil {
			return err
		}
		s.h.Gone(s, rs)
	}
	return nil
}
