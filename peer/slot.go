package peer

// slot is what one host knows about its link with one other node, and decides
// which connection becomes that link. It is a plain state machine: no I/O, no
// clock, no lock of its own.
//
// Of two nodes the one with the lower ID decides, so there is one place where
// connections that cross are put in order:
//
//	empty    a HELLO comes: pending, answer NEW
//	pending  another connection's HELLO: STALE; the confirmation comes: live;
//	         the connection fails: empty
//	live     a HELLO that the peer sent before it confirmed, or in which it holds
//	         this same link: STALE. Any other says that the peer has given the
//	         link up: it ends, then as empty
//
// A HELLO that holds a link which is not here gets GONE, and may be followed by
// another one on the same connection.
//
// The higher ID takes every NEW that is newer than the last one taken; one that
// it still had ends. Numbers of HELLOs and NEWs are given out by one counter per
// node, in the same critical section in which the slot is looked at: that is
// what makes "sent before it confirmed" a comparison of numbers.
type slot struct {
	lower   bool      // we have the lower ID: we decide
	state   slotState //
	link    linkID    // pending: what is being made; live: what is there
	carrier uint64    // the connection of link
	horizon uint64    // lower, live: the peer's last HELLO number when it confirmed
	offer   linkID    // lower: the name of the next link
	news    uint64    // higher: number of the last NEW taken
}

type slotState uint8

const (
	slotEmpty slotState = iota
	slotPending
	slotLive
)

// greet fills in what a HELLO says about the link.
func (s *slot) greet(h *hello) {
	if s.state == slotLive {
		h.held = s.link
	} else if s.lower {
		h.offered = s.offer
	}
}

// decide answers the HELLO that came on a connection; lower ID only. number is
// a fresh number of ours, next the name of the link after this one: a name that
// was given in a NEW is never given again, since the peer may already hold it
// when the connection fails before the confirmation. ended names the connection whose link the peer has
// given up, 0: none.
func (s *slot) decide(carrier uint64, h *hello, number uint64, next linkID) (a answer, ended uint64) {
	switch s.state {
	case slotPending:
		return answer{kind: answerStale}, 0
	case slotLive:
		if h.held == s.link || h.number <= s.horizon {
			return answer{kind: answerStale}, 0
		}
		ended = s.carrier
		s.clear()
	}
	if h.held != (linkID{}) {
		return answer{kind: answerGone, link: h.held}, ended
	}
	s.state, s.link, s.carrier, s.offer = slotPending, s.offer, carrier, next
	return answer{kind: answerNew, link: s.link, number: number}, ended
}

// confirm takes the peer's confirmation of the NEW that was sent on a
// connection; lower ID only.
func (s *slot) confirm(carrier uint64, a answer) error {
	if s.state != slotPending || s.carrier != carrier {
		return errStale
	}
	if a.kind != answerNew || a.link != s.link {
		return protocolError("the new link was not confirmed")
	}
	s.state, s.horizon = slotLive, a.number
	return nil
}

// accept takes the NEW that came on a connection; higher ID only. ended names
// the connection of the link that this one replaces, 0: none.
func (s *slot) accept(carrier uint64, a answer) (ended uint64, err error) {
	if a.number <= s.news {
		return 0, errStale
	}
	if s.state == slotLive {
		ended = s.carrier
	}
	s.state, s.link, s.carrier, s.news = slotLive, a.link, carrier, a.number
	return ended, nil
}

// leave says that a connection is over, whatever it was to the slot.
func (s *slot) leave(carrier uint64) {
	if s.state != slotEmpty && s.carrier == carrier {
		s.clear()
	}
}

func (s *slot) clear() {
	s.state, s.link, s.carrier, s.horizon = slotEmpty, linkID{}, 0, 0
}
