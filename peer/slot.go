package peer

// slot is what one host knows about its link with one other node, and decides
// which connection carries that link. It is a plain state machine: no I/O, no
// clock, no lock of its own.
//
// A link outlives its connections: it is held, over a connection or broken,
// until it is given up. Of two nodes the one with the lower ID decides, so there
// is one place where connections that cross are put in order. It answers a HELLO
//
//	STALE   while another connection's answer waits to be confirmed, unless both
//	        are about the link that is held here and this HELLO is newer: then the
//	        other connection may be dead; or when the peer said it before it
//	        confirmed the last one; or when we dialled, and the link is back already
//	RESUME  when it holds the link that is held here
//	GONE    when it holds another one; another HELLO may follow on the connection
//	NEW     when it holds none. In both cases the peer has given up the link that
//	        is held here, if there is one: it ends
//
// NEW and RESUME count when the higher ID has confirmed them. That one takes
// every NEW and RESUME that is newer than the last one taken. Numbers of HELLOs,
// NEWs and RESUMEs are given out by one counter per node, in the same critical
// section in which the slot is looked at: that is what makes "before it
// confirmed" a comparison of numbers.
type slot struct {
	lower   bool   // we have the lower ID: we decide
	link    linkID // the link that is held; zero: none
	carrier uint64 // the connection that it goes over; 0: it is broken

	// The lower ID's.
	pending uint64 // the connection whose answer waits to be confirmed; 0: none does
	making  linkID // what that answer named: link, or the next one
	asked   uint64 // number of the HELLO that got it
	horizon uint64 // the peer's last HELLO number when it last confirmed
	offer   linkID // the name of the next link

	news uint64 // the higher ID's: number of the last NEW or RESUME taken
}

// greet fills in what a HELLO says about the link.
func (s *slot) greet(h *hello) {
	switch {
	case s.link != linkID{}:
		h.held = s.link
	case s.lower:
		h.offered = s.offer
	}
}

// decide answers the HELLO that came on a connection, which we dialled if ours
// says so; lower ID only. number is a fresh number of ours, next the name of the
// link after this one: a name that was given in a NEW is never given again,
// since the peer may already hold it when the connection fails before the
// confirmation. ended names the link that the peer has given up, zero: none.
func (s *slot) decide(carrier uint64, ours bool, h *hello, number uint64, next linkID) (a answer, ended linkID) {
	held := h.held
	known := held != (linkID{}) && held == s.link
	undecided := s.pending != 0 && !(known && h.number > s.asked)
	if undecided || h.number <= s.horizon || (known && ours && s.carrier != 0) {
		return answer{kind: answerStale}, linkID{}
	}
	if known {
		// The peer would not ask if the old connection carried anything.
		s.carrier, s.pending, s.making, s.asked = 0, carrier, held, h.number
		return answer{kind: answerResume, link: held, number: number}, linkID{}
	}
	ended = s.link
	s.drop(ended)
	if held != (linkID{}) {
		return answer{kind: answerGone, link: held}, ended
	}
	s.pending, s.making, s.asked, s.offer = carrier, s.offer, h.number, next
	return answer{kind: answerNew, link: s.making, number: number}, ended
}

// confirm takes the peer's confirmation of the answer that was sent on a
// connection; lower ID only.
func (s *slot) confirm(carrier uint64, a answer) error {
	if s.pending != carrier {
		return errStale
	}
	want := answerNew
	if s.making == s.link {
		want = answerResume
	}
	if a.kind != want || a.link != s.making {
		return protocolError("the answer was not confirmed")
	}
	s.link, s.carrier, s.horizon = s.making, carrier, a.number
	s.pending, s.making, s.asked = 0, linkID{}, 0
	return nil
}

// accept takes the NEW or RESUME that came on a connection; higher ID only.
// ended names the link that a new one replaces, zero: none.
func (s *slot) accept(carrier uint64, a answer) (ended linkID, err error) {
	if a.number <= s.news || (a.kind == answerResume && a.link != s.link) {
		return linkID{}, errStale
	}
	if a.kind == answerNew {
		ended = s.link
	}
	s.link, s.carrier, s.news = a.link, carrier, a.number
	return ended, nil
}

// leave says that a connection is over, whatever it was to the slot.
func (s *slot) leave(carrier uint64) {
	if s.carrier == carrier {
		s.carrier = 0
	}
	if s.pending == carrier {
		s.pending, s.making, s.asked = 0, linkID{}, 0
	}
}

// drop says that a link is given up here.
func (s *slot) drop(link linkID) {
	if link == (linkID{}) {
		return
	}
	if s.link == link {
		s.link, s.carrier = linkID{}, 0
	}
	if s.making == link {
		s.pending, s.making, s.asked = 0, linkID{}, 0
	}
}

// empty reports whether nothing would be lost by forgetting the slot's link.
func (s *slot) empty() bool { return s.link == linkID{} && s.pending == 0 }
