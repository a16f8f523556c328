package mux

import (
	"context"
	"errors"
	"io"
)

// takeControl appends what is to be said on the control stream, up to about
// controlBatch bytes.
func (s *Session) takeControl(dst []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return dst
	}
	// Before what Ins say: who holds a channel says so before the value that it came with is
	// acknowledged.
	for len(dst) < controlBatch && s.refs.len() > 0 {
		dst = s.refs.take(dst)
	}
	for len(dst) < controlBatch {
		in, ok := s.says.pop()
		if !ok {
			break
		}
		dst = in.say(dst)
	}
	// Behind both: whose channel is gone hears first that values were taken before that.
	for len(dst) < controlBatch && s.says.len() == 0 && s.refs.len() == 0 && s.gones.len() > 0 {
		dst = s.gones.take(dst)
	}
	// Behind what Ins say: what a STOP gives back is there before the end that asks next gets any.
	for len(dst) < controlBatch {
		a, ok := s.attaches.pop()
		if !ok {
			break
		}
		dst = appendAttach(dst, a)
	}
	for len(dst) < controlBatch {
		d, ok := s.denials.pop()
		if !ok {
			break
		}
		dst = appendDeny(dst, d)
	}
	dst = s.takeSingles(dst)
	if s.bye.answer {
		s.bye.answer = false
		dst = appendEmpty(dst, frameGoodbyeOK)
	}
	if s.bye.wanted && !s.bye.sent && s.ready.len() == 0 && s.says.len() == 0 && s.attaches.len()+s.denials.len() == 0 && s.refs.len()+s.gones.len() == 0 && len(s.singles) == 0 {
		s.bye.sent = true
		dst = appendEmpty(dst, frameGoodbye)
	}
	return dst
}

// Attach asks the peer for a use of a sending end. It never blocks.
func (s *Session) Attach(a Attach) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.attaches.push(&a)
		s.nudge()
	}
}

// Deny tells the peer that no use will come. It never blocks. Where 4,096 wait to be
// sent it does nothing: such a peer does not listen.
func (s *Session) Deny(d Deny) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.denials.len() < maxDenials {
		s.denials.push(&d)
		s.nudge()
	}
}

// Goodbye tells the peer that this side is leaving, after all that may be written now,
// and waits for its answer. It returns the context's error if that ends first, the session's if
// the session does.
func (s *Session) Goodbye(ctx context.Context) error {
	s.mu.Lock()
	s.bye.wanted = true
	s.nudge()
	s.mu.Unlock()
	select {
	case <-s.answered:
		return nil
	case <-s.ending:
		return s.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readControl is the control goroutine. It never waits for users.
func (s *Session) readControl(ctl stream) error {
	fr := &frameReader{src: ctl}
	defer fr.release()
	var seen int
	for {
		typ, body, size, err := fr.next()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				select {
				case <-s.ending:
					return nil
				default:
				}
				return violation("control stream", "closed")
			}
			return err
		}
		if seen += size; seen > growsAt {
			seen = 0
			s.grew(ctl)
		}
		if err := s.hear(typ, body); err != nil {
			return err
		}
	}
}

// hear handles one control frame.
func (s *Session) hear(typ byte, body []byte) error {
	switch typ {
	case frameAccept:
		use, bytes, a, err := parseAccept(body)
		if err != nil {
			return err
		}
		return s.hearAccept(use, bytes, a)
	case frameRefuse:
		use, r, err := parseRefuse(body)
		if err != nil {
			return err
		}
		o, err := s.kill(use, typ)
		if o != nil {
			o.fb.Refused(r)
		}
		return err
	case frameAck:
		use, bytes, a, err := parseAck(body)
		if err != nil {
			return err
		}
		return s.hearAck(use, bytes, a)
	case frameStop:
		use, st, more, err := parseStop(body)
		if err != nil {
			return err
		}
		return s.hearStop(use, st, more)
	case frameDone:
		use, err := parseDone(body)
		if err != nil {
			return err
		}
		return s.hearDone(use)
	case frameAttach:
		a, err := parseAttach(body)
		if err != nil {
			return err
		}
		if !s.canAnswer() {
			return violation("control stream", "calm down: more than %d answers are not taken", maxAsked)
		}
		s.h.Attach(s, a)
		return nil
	case frameDeny:
		d, err := parseDeny(body)
		if err != nil {
			return err
		}
		s.h.Denied(s, d)
		return nil
	case frameHold, frameHeld, frameRelease, frameGone:
		return s.hearRefs(typ, body)
	case frameSingle:
		return s.hearSingle(body)
	case frameGoodbye, frameGoodbyeOK:
		if len(body) != 0 {
			return malformed(typ)
		}
		return s.hearGoodbye(typ)
	default:
		return violation("control stream", "frame of type %d", typ)
	}
}

// find returns the Out of a use for a control frame: nil if it is over, so that the frame finds
// nobody; an error if it never was, or can't get such a frame. s.mu is held.
func (s *Session) find(use uint64, typ byte) (*Out, error) {
	if use == 0 || use > s.lastUse {
		return nil, violation("control stream", "frame of type %d for use %d, which never was", typ, use)
	}
	o := s.outs[use]
	if o == nil {
		return nil, nil
	}
	asks := typ == frameAccept || typ == frameRefuse
	if o.single { // its first ACK accepts it
		if typ == frameAccept || asks && o.accepted {
			return nil, violation("control stream", "frame of type %d out of turn for use %d", typ, use)
		}
		return o, nil
	}
	if !o.opened || !o.dead && asks == o.accepted {
		return nil, violation("control stream", "frame of type %d out of turn for use %d", typ, use)
	}
	return o, nil
}

// told tells whether o's Feedback still wants to hear. s.mu is held.
func (o *Out) told() bool { return !o.dead && !o.closed }

func (s *Session) hearAccept(use, bytes uint64, a Accept) error {
	s.mu.Lock()
	o, err := s.find(use, frameAccept)
	if o == nil {
		s.mu.Unlock()
		return err
	}
	if o.dead {
		s.mu.Unlock()
		return nil
	}
	tell := o.told()
	o.accepted = true
	s.known[o.open.Hash] = true
	s.raise(o, bytes)
	s.mu.Unlock()
	if tell {
		o.fb.Accepted(a)
	}
	return nil
}

func (s *Session) hearAck(use, bytes uint64, a Ack) error {
	s.mu.Lock()
	o, err := s.find(use, frameAck)
	if o == nil {
		s.mu.Unlock()
		return err
	}
	tell := o.told()
	s.raise(o, bytes)
	if o.single {
		if o.accepted = true; a.Taken >= o.open.First {
			s.endSingle(o)
		}
	}
	s.mu.Unlock()
	if tell {
		o.fb.Acked(a)
	}
	return nil
}

// raise sets o's byte limit. s.mu is held.
func (s *Session) raise(o *Out, bytes uint64) {
	if bytes > o.limit && !o.single {
		o.limit = bytes
		s.queue(o)
	}
}

func (s *Session) hearStop(use uint64, st Stop, more bool) error {
	s.mu.Lock()
	o, err := s.find(use, frameStop)
	if o == nil {
		s.mu.Unlock()
		return err
	}
	if o.dead {
		s.mu.Unlock()
		return nil
	}
	if n := len(o.runs); n > 0 {
		if len(st.NotTaken) > 0 && st.NotTaken[0].First < o.runs[n-1].First+o.runs[n-1].Count ||
			n+len(st.NotTaken) > MaxRuns {
			s.mu.Unlock()
			return malformed(frameStop)
		}
		st.NotTaken = append(o.runs, st.NotTaken...)
	}
	if more {
		o.runs = st.NotTaken
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	o, err = s.kill(use, frameStop)
	if o != nil {
		o.fb.Stopped(st)
	}
	return err
}

// kill marks the Out of a refused or stopped use as dead, so that the writer sends its
// CLOSE. It returns the Out if it is to be told.
func (s *Session) kill(use uint64, typ byte) (*Out, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.find(use, typ)
	if o == nil || o.dead {
		return nil, err
	}
	tell := o.told()
	if o.dead = true; o.single {
		s.endSingle(o)
	} else {
		s.queue(o)
	}
	if !tell {
		return nil, nil
	}
	return o, nil
}

// hearDone: the peer has read the CLOSE of a use; its stream is free.
func (s *Session) hearDone(use uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if use == 0 || use > s.lastUse || s.outs[use] == nil || !s.outs[use].closeWritten {
		return violation("control stream", "DONE for use %d, which is not closed", use)
	}
	o := s.outs[use]
	delete(s.outs, use)
	s.free(o.st)
	o.st = nil
	return nil
}

// free takes a stream that has no use any more. s.mu is held.
func (s *Session) free(st stream) {
	switch {
	case s.unopened.len() > 0:
		s.idle = append(s.idle, st)
		s.unblock()
	case len(s.idle) < maxIdle:
		s.idle = append(s.idle, st)
	default:
		s.closing.push(st)
		s.nudge()
	}
}

// unblock lets Outs that wait for a stream try again. s.mu is held.
func (s *Session) unblock() {
	if o, ok := s.unopened.pop(); ok {
		s.ready.push(o)
		s.nudge()
	}
}

// streamGone: a stream that this side had opened is gone; another may be opened.
func (s *Session) streamGone() {
	s.mu.Lock()
	s.unblock()
	s.mu.Unlock()
}

func (s *Session) hearGoodbye(typ byte) error {
	s.mu.Lock()
	if typ == frameGoodbyeOK {
		defer s.mu.Unlock()
		if !s.bye.sent || s.bye.answerReceived {
			return violation("control stream", "answer to no goodbye")
		}
		s.bye.answerReceived = true
		close(s.answered)
		return nil
	}
	if s.bye.heard {
		s.mu.Unlock()
		return violation("control stream", "second goodbye")
	}
	s.bye.heard = true
	s.mu.Unlock()
	s.h.Goodbye(s) // before the answer: when the peer has that, it goes
	s.mu.Lock()
	s.bye.answer = true
	s.nudge()
	s.mu.Unlock()
	return nil
}
