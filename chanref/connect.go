package chanref

import (
	"fmt"
	"strings"

	"github.com/matveynator/netchan/mux"
)

// refusal is why an end does not take this source's values.
type refusal struct {
	session *mux.Session
	node    string
	code    mux.Code
	typ     string // CodeType: what it takes
	why     string // and why that does not fit; CodeRefused: why not
}

// Connect opens a stream to target over session, unless there is one, or the
// same end has refused it there. node is the receiver's node, for people. It
// returns at once; false when the source has ended.
func (s *Source[T]) Connect(session *mux.Session, target mux.Target, node string) bool {
	return s.call(func() { s.connect(session, target, node) })
}

// connect is Connect on the source's goroutine.
func (s *Source[T]) connect(session *mux.Session, target mux.Target, node string) {
	if s.aborted != nil {
		return
	}
	if r := s.refused[target]; r != nil && r.session == session {
		return
	}
	if s.connected(target) {
		return // also over a session that is ending: Lost follows, and then another try
	}
	if s.table.asksAbout(session, s.cfg.Name) {
		s.ask(session, target, node)
	} else {
		s.join(session, target, node)
	}
}

// join opens the stream.
func (s *Source[T]) join(session *mux.Session, target mux.Target, node string) {
	if s.streamsOver(session) >= maxReceivers {
		session.Close(&ProtocolError{Channel: label(s.cfg.Name), Err: fmt.Errorf("calm down: one node has asked for more than %d streams", maxReceivers)})
		return
	}
	delete(s.refused, target)
	o := &outlet[T]{src: s, session: session, target: target, node: node, plain: s.cfg.Plain || session.Local}
	o.lane.o, o.lossy, o.away = o, s.cfg.Lossy, s.table.isAway(session)
	o.sent, o.acked, o.handed = s.base, s.base, s.base
	o.early, o.limit = s.cfg.lone, s.base+earlyValues
	s.d.add(&o.lane)
	s.connects(session, target)
	s.skipped, s.wanting = false, false
	if o.prepared = s.cfg.lone; o.prepared {
		return
	}
	open := s.open()
	open.Target, open.First = target, s.base+1
	o.out = session.Open(open, o)
}

// maxReceivers is how many receivers one node may have of one sending end: as many as it may have
// named ends. Each costs a look with every value.
const maxReceivers = 4096

// earlyValues is how many a lone source sends before it is accepted: every sink has room for so
// many, and most lone sources have no more.
const earlyValues = 1

// away says that the receivers of a session can't be reached, or can again.
func (s *Source[T]) away(session *mux.Session, away bool) {
	s.call(func() {
		for _, l := range s.d.lanes {
			if l.o.session == session {
				l.away = away
				s.giveHeld(l)
			}
		}
	})
}

// open is what each of the source's streams begins with.
func (s *Source[T]) open() mux.Open {
	o := mux.Open{End: s.cfg.ID, First: 1, Hash: s.hash, Schema: s.schema, Text: s.text}
	if s.cfg.Broadcast {
		o.Flags |= flagBroadcast
	}
	if s.cfg.Lossy {
		o.Flags |= flagLossy
	}
	if s.cfg.AtMostOnce {
		o.Flags |= flagAtMostOnce
	}
	return o
}

// Know replaces the list of receivers that ought to be there, with the names
// of their nodes: calls that wait say which of them is missing.
func (s *Source[T]) Know(receivers map[mux.Target]string) {
	s.mu.Lock()
	s.known = receivers
	s.mu.Unlock()
	s.call(func() {
		for t, r := range s.refused {
			if _, ok := receivers[t]; !ok && r.session.Err() != nil {
				delete(s.refused, t)
			}
		}
	})
}

// Forget has Connect ask again where an end has refused.
func (s *Source[T]) Forget() { s.call(func() { clear(s.refused) }) }

// refuse notes that o's receiver wants nothing, and says so once.
func (s *Source[T]) refuse(o *outlet[T], r mux.Refuse) {
	if len(s.refused) >= maxRefusals {
		clear(s.refused)
	}
	if s.refused == nil {
		s.refused = make(map[mux.Target]*refusal)
	}
	typ, why, _ := strings.Cut(r.Text, "\n")
	if r.Code == mux.CodeRefused {
		typ, why = "", reasonText(r.Text)
	}
	s.refused[o.target] = &refusal{session: o.session, node: o.node, code: r.Code, typ: typ, why: why}
	switch r.Code {
	case mux.CodeRefused:
		s.counts.refused.Add(1)
		s.cfg.Logger.Warn("netchan: a node does not let this one send on a channel",
			"channel", label(s.cfg.Name), "node", o.node, "reason", why)
	case mux.CodeType:
		s.counts.mismatches.Add(1)
		s.cfg.Logger.Warn("netchan: a receiver of this name has another type",
			"channel", label(s.cfg.Name), "node", o.node, "sent", s.text, "received", typ, "reason", why)
	}
	if s.cfg.lone {
		s.cfg.of.refused(r)
	} else if s.cfg.Refused != nil {
		s.cfg.Refused(r)
	}
}

// maxRefusals bounds what a source remembers of ends that said no.
const maxRefusals = 4096

// Stall says why values wait.
type Stall struct {
	Left      int
	Reason    StallReason
	Withdrawn bool   // of Deliver: nobody was sent the value, and nobody will be
	Node      string // for StallLink, StallType and StallRefused
	Type      string // for StallType: what the receiver there takes
	Why       string // for StallType: the first difference; for StallRefused: the reason
	Sent      string // for StallType: what this source gives
}

// StallReason is the cause that a Stall names.
type StallReason uint8

const (
	StallNone       StallReason = iota // nothing is known to be in the way
	StallNoReceiver                    // no receiver of the name is known
	StallFull                          // receivers are there, and full
	StallLink                          // a receiver is known whose node can't be reached
	StallType                          // the receivers there take another type
	StallRefused                       // the receivers there are not allowed, there or here
)

func (s Stall) String() string {
	switch s.Reason {
	case StallNoReceiver:
		return "no receiver"
	case StallFull:
		return "receivers full"
	case StallLink:
		return "link to " + s.Node + " down"
	case StallType:
		return fmt.Sprintf("%s receives %s: %s", s.Node, s.Type, s.Why)
	case StallRefused:
		return "not allowed with " + s.Node + ": " + s.Why
	}
	return "with a receiver, not taken yet"
}

// stall looks at what is in the way of the next value.
func (s *Source[T]) stall() Stall {
	st := Stall{Sent: s.text}
	opening := ""
	for _, l := range s.d.lanes {
		if l.room() {
			return st // it is with a receiver, or just going to one
		}
		if l.live && !l.away {
			st.Reason = StallFull
		} else {
			opening = l.o.node
		}
	}
	if st.Reason == StallFull {
		return st
	}
	if opening != "" {
		st.Reason, st.Node = StallLink, opening
		return st
	}
	for _, r := range s.refused {
		switch {
		case r.code == mux.CodeRefused:
			st.Reason, st.Node, st.Type, st.Why = StallRefused, r.node, "", r.why
		case r.code == mux.CodeType && st.Reason != StallRefused:
			st.Reason, st.Node, st.Type, st.Why = StallType, r.node, r.typ, r.why
		}
	}
	s.mu.Lock()
	for t, node := range s.known {
		if s.refused[t] == nil {
			st.Reason, st.Node = StallLink, node
		}
	}
	s.mu.Unlock()
	if st.Reason == StallNone {
		st.Reason = StallNoReceiver
	}
	return st
}
