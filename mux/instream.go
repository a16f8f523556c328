package mux

import (
	"errors"
	"io"
	"time"
)

const (
	// growsAt: after so many bytes a receive buffer may be large enough to be worth shrinking.
	growsAt = 8 << 10
)

// An inStream is a stream that the peer opened, and its goroutine's state.
type inStream struct {
	stream
	fr     frameReader
	rs     recvState
	before uint64 // bytes read before the present use began
	last   *In    // the use before
	seen   int    // bytes read since the session was told that the buffer may be large
}

// serveStream serves one use after the other until the peer closes the stream.
func (s *Session) serveStream(st stream) {
	is := &inStream{stream: st}
	is.fr.src = st
	defer is.fr.release()
	for {
		err := s.serveUse(is)
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			s.mu.Lock()
			s.closing.push(st)
			s.nudge()
			s.mu.Unlock()
		default:
			s.end(err)
		}
		return
	}
}

// serveUse serves one use. The error is io.EOF when the stream ends instead of one.
func (s *Session) serveUse(is *inStream) error {
	ev, size, err := s.readEvent(is)
	if err != nil {
		return err
	}
	// The only event that is possible between two uses is an OPEN.
	in := newIn(s, is, ev.open)
	in.read.Store(uint64(size))
	refused, err := s.learn(in, ev.whole)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return s.Err()
	}
	if is.last != nil && is.last.queued {
		// Who does not wait would have us remember an answer for each use that it opens.
		s.mu.Unlock()
		return violation("data stream", "use %d before the DONE of the one before", in.open.Use)
	}
	s.ins[in] = struct{}{}
	s.mu.Unlock()
	if refused {
		in.Refuse(CodeLimit, "too many types")
	} else {
		s.h.Serve(in)
	}
	err = in.discard()
	s.mu.Lock()
	delete(s.ins, in)
	if err == nil {
		in.queue(sayDone)
	}
	s.mu.Unlock()
	is.last = in
	// Only now: until here the layers above may still have accepted it.
	in.narrow()
	is.before += in.read.Load()
	return err
}

// learn finds or keeps the schema of a use.
func (s *Session) learn(in *In, whole bool) (refused bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &in.open
	have, ok := s.schemas[o.Hash]
	switch {
	case !whole && !ok:
		return false, violation("data stream", "a schema that was never sent")
	case !whole:
		o.Schema = have
	case ok:
		if string(have) != string(o.Schema) {
			return false, violation("data stream", "two schemas with one hash")
		}
		o.Schema = have
	case len(s.schemas) >= maxSchemas || s.schemaLen+len(o.Schema) > maxSchemaBytes:
		return true, nil
	default:
		s.schemas[o.Hash] = o.Schema
		s.schemaLen += len(o.Schema)
	}
	return false, nil
}

// readEvent reads the next frame and says what it means.
func (s *Session) readEvent(is *inStream) (recvEvent, int, error) {
	typ, body, size, err := is.fr.next()
	if err != nil {
		select {
		case <-s.ending: // whatever the stream said, this is why
			return recvEvent{}, 0, s.Err()
		default:
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = violation("data stream", "closed within a frame")
		}
		return recvEvent{}, 0, err
	}
	if is.seen += size; is.seen > growsAt {
		is.seen = 0
		s.grew(is.stream)
	}
	ev, err := is.rs.frame(typ, body)
	return ev, size, err
}

// event reads the next frame of the use, counts its bytes and raises the byte limit.
func (in *In) event() (recvEvent, error) {
	if in.bad != nil {
		return recvEvent{}, in.bad
	}
	ev, size, err := in.s.readEvent(in.st)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = violation("data stream", "closed within a use")
		}
		in.bad = err
		return ev, err
	}
	if ev.typ == frameClose {
		in.read.Add(uint64(size))
		in.eof, in.clean = true, ev.clean
		return ev, nil
	}
	read := in.read.Add(uint64(size))
	if read-in.announced >= announceAfter(in.window.Load()) {
		now := time.Now()
		if now.Sub(in.at) < busyWithin {
			in.grow()
		}
		in.announced, in.at = read, now
		in.s.mu.Lock()
		in.queue(sayAck)
		in.s.mu.Unlock()
	}
	return ev, nil
}

// Next returns the next frame. It blocks until one is there. io.EOF is the end of the
// use, see Clean; ErrStopped comes after Refuse and Stop; other errors are the session's.
// While more than 1,024 drops have not been told to the peer, it waits. A
// large value is returned whole: Next waits for a share of the session's budget for
// such values before it reads it.
func (in *In) Next() (Frame, error) {
	in.Decoded()
	in.waitTold()
	if in.eof {
		return Frame{}, io.EOF
	}
	if in.told.Load() {
		return Frame{}, ErrStopped
	}
	ev, err := in.event()
	if err != nil {
		return Frame{}, err
	}
	if in.told.Load() && ev.typ != frameClose {
		in.throwAway(ev)
		return Frame{}, ErrStopped
	}
	switch ev.typ {
	case frameData:
		return Frame{Kind: KindData, Flags: ev.flags, Hash: ev.hash, Count: ev.count, Body: ev.body}, nil
	case frameSchema:
		return Frame{Kind: KindSchema, Body: ev.body}, nil
	case frameRefs:
		return Frame{Kind: KindRefs, Body: ev.body}, nil
	case frameBig:
		return in.big(ev)
	default: // CLOSE: a PIECE comes after BIG only
		return Frame{}, io.EOF
	}
}

// big reads the pieces of a large value.
func (in *In) big(head recvEvent) (Frame, error) {
	f := Frame{Kind: KindData, Flags: head.flags, Hash: head.hash, Count: 1, Size: head.size}
	keep := head.size <= uint64(in.s.cfg.MaxValue)
	takes := head.total
	if head.total < head.size { // compressed: for a while it is there twice
		takes += head.size
	}
	switch {
	case !keep:
		f.Kind = KindTooLarge
	case takes > largeValue:
		if !in.s.values.take(int64(takes), in.done) {
			if err := in.s.Err(); err != nil {
				return Frame{}, err
			}
			return Frame{}, ErrStopped
		}
		in.reserved = int64(takes)
		fallthrough
	default:
		f.Body = make([]byte, 0, head.total)
	}
	for {
		ev, err := in.event()
		if err != nil {
			return Frame{}, err
		}
		if ev.typ == frameClose { // given up within the value
			in.Decoded()
			return Frame{}, io.EOF
		}
		if keep {
			f.Body = append(f.Body, ev.body...)
		}
		if in.told.Load() {
			in.Decoded()
			return Frame{}, ErrStopped
		}
		if ev.last {
			return f, nil
		}
	}
}

// Decoded gives the share that a large value had of the session's budget back: its Body has
// been decoded, or copied into what is accounted for elsewhere. Next does so too.
func (in *In) Decoded() {
	in.s.values.give(in.reserved)
	in.reserved = 0
}

// Clean tells, after io.EOF, whether the sender ended the use with a clean close.
func (in *In) Clean() bool { return in.clean }

// discard reads what is left of the use.
func (in *In) discard() error {
	in.Decoded()
	for !in.eof {
		ev, err := in.event()
		if err != nil {
			return err
		}
		in.throwAway(ev)
	}
	return nil
}

// throwAway is where every frame ends that Next does not return, but the pieces of a large
// value: what is held by references must not be forgotten with them.
func (in *In) throwAway(ev recvEvent) {
	if ev.typ == frameRefs {
		in.s.h.Discarded(in, ev.body)
	}
}
