package mux

import "encoding/binary"

// A single value is a whole use in one frame: a channel that brings one answer, and is dropped
// then, needs no stream, and its value travels with those of others. The frame goes over the
// control stream, so singles come in the order in which they were given, and values of a
// length that would hold up what else is said there take a stream.
const (
	// MaxSingle is the length of the longest one, in bytes.
	MaxSingle = 1 << 10
	// maxSingles is how many of one side may be without their last answer.
	maxSingles = 4096
)

// Single begins a use of the peer's end o.Target, which is named by its ID, and of one value;
// that leaves with what is said next, and is copied. The use ends with the first of: an ACK that
// takes the value, REFUSE, STOP, Close, the session's end. Until then f hears Acked, which is also
// said when the value has arrived, Refused, Stopped, and Lost; never Accepted and Written.
// It is nil when the value has to take a stream: it is too long, the peer has accepted no use
// with this schema yet, too many are under way, or the session has ended.
func (s *Session) Single(o Open, value []byte, f Feedback) *Out {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || len(value) > MaxSingle || o.Target.Name != "" || !s.known[o.Hash] || s.singlesOut >= maxSingles {
		return nil
	}
	s.lastUse++
	o.Use = s.lastUse
	out := &Out{s: s, fb: f, open: o, single: true, opened: true}
	s.outs[o.Use] = out
	s.singlesOut++
	s.singles = appendSingle(s.singles, &o, value)
	s.nudge()
	return out
}

// takeSingles appends what waits, up to about controlBatch bytes. s.mu is held.
func (s *Session) takeSingles(dst []byte) []byte {
	for len(dst) < controlBatch && s.singlesAt < len(s.singles) {
		rest := s.singles[s.singlesAt:]
		body, n := binary.Uvarint(rest[1:])
		n += 1 + int(body)
		dst = append(dst, rest[:n]...)
		s.singlesAt += n
	}
	if rest := s.singles[s.singlesAt:]; len(rest) <= s.singlesAt { // else what has left would stay while some waits
		if s.singlesAt = 0; len(rest) == 0 && cap(s.singles) > 4*controlBatch {
			s.singles = nil
		}
		s.singles = s.singles[:copy(s.singles, rest)]
	}
	return dst
}

// endSingle: nothing more is heard of o. s.mu is held.
func (s *Session) endSingle(o *Out) {
	o.dead = true
	if s.outs[o.open.Use] == o {
		delete(s.outs, o.open.Use)
		s.singlesOut--
	}
}

// hearSingle brings a single value to the layer above.
func (s *Session) hearSingle(body []byte) error {
	o, value, err := parseSingle(body)
	if err != nil {
		return err
	}
	in := newIn(s, nil, o)
	s.mu.Lock()
	schema, known := s.schemas[o.Hash]
	switch {
	case s.err != nil:
		s.mu.Unlock()
		return nil
	case !known:
		err = violation("control stream", "a single value of a schema that was never sent")
	case o.Use <= s.lastSingle:
		err = violation("control stream", "use %d after %d", o.Use, s.lastSingle)
	case s.singlesIn >= maxSingles:
		err = violation("control stream", "more than %d single values without an answer", maxSingles)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.lastSingle, in.open.Schema = o.Use, schema
	s.ins[in] = struct{}{}
	s.singlesIn++
	s.mu.Unlock()
	if s.h.Single(in, value, false) {
		return nil
	}
	value = append([]byte(nil), value...)
	s.wg.Go(func() { s.h.Single(in, value, true) })
	return nil
}

// Single says whether the use is of a single value.
func (in *In) Single() bool { return in.st == nil }

// Leave ends the use of a single value whose last Ack was said.
func (in *In) Leave() {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	in.told.Store(true)
	in.closeDone()
	in.leave()
}

// leave forgets a single value's use, once what was said of it is written: a peer that does not
// listen must not make us keep answers without end. s.mu is held.
func (in *In) leave() {
	if in.st != nil || in.queued || !in.told.Load() {
		return
	}
	if _, there := in.s.ins[in]; there {
		delete(in.s.ins, in)
		in.s.singlesIn--
		in.toldDrops(len(in.ack.Drops))
	}
}

func appendSingle(dst []byte, o *Open, value []byte) []byte {
	start := len(dst)
	dst = begin(dst, frameSingle)
	dst = binary.AppendUvarint(dst, o.Use)
	dst = append(dst, o.Target.ID[:]...)
	dst = append(dst, o.End[:]...)
	dst = binary.AppendUvarint(dst, o.First)
	dst = append(dst, o.Flags)
	dst = append(dst, o.Hash[:]...)
	return finish(append(dst, value...), start)
}

// parseSingle reads a SINGLE; value is a piece of body.
func parseSingle(body []byte) (o Open, value []byte, err error) {
	c := cursor{b: body}
	o.Use = c.uvarint()
	o.Target.ID = c.id()
	o.End = c.id()
	o.First = c.uvarint()
	o.Flags = c.byte()
	o.Hash = c.id()
	if c.bad || o.Use == 0 || o.First == 0 || len(c.b) > MaxSingle {
		return Open{}, nil, malformed(frameSingle)
	}
	return o, c.b, nil
}
