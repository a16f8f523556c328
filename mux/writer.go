package mux

import "runtime"

// write is the writer goroutine: all that is written to, opened or closed on streams
// happens here. Control frames go first; then Outs take turns, one frame each.
func (s *Session) write(ctl stream) error {
	w := &writer{s: s, ctl: ctl}
	for {
		w.control = s.takeControl(w.control[:0])
		if len(w.control) > 0 {
			if err := s.writeFrame(ctl, w.control); err != nil {
				return err
			}
		}
		more, err := w.turn()
		if err != nil {
			return err
		}
		if more || len(w.control) > 0 {
			continue
		}
		s.tr.flush()
		select {
		case <-s.wake:
			if s.onlySays() {
				runtime.Gosched() // who was just given something may have an answer for it: one write less
			}
		case <-s.ending:
			return nil
		}
	}
}

// onlySays tells whether acknowledgements and the like are all there is to write.
func (s *Session) onlySays() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready.len() == 0 && len(s.singles) == 0
}

// writeFrame is the only place that writes to a stream.
func (s *Session) writeFrame(st stream, frames []byte) error {
	s.framesOut.Add(1)
	s.bytesOut.Add(uint64(len(frames)))
	_, err := st.Write(frames)
	return err
}

type writer struct {
	s       *Session
	ctl     stream
	control []byte // scratch for control frames
	scratch []byte // scratch for small frames of an Out
}

// gatherBelow: a frame this small is copied behind the frames that go before it
// instead of being written by itself.
const gatherBelow = 4 << 10

// gathers tells whether a frame of n bytes goes into one write with what is in scratch. It
// keeps a write, and the turn of an Out, near one frame.
func (w *writer) gathers(n int) bool {
	return len(w.scratch) == 0 || n <= gatherBelow && len(w.scratch) <= MaxFrame
}

// turn closes one stream and gives one Out its turn, where there are any.
func (w *writer) turn() (more bool, err error) {
	s := w.s
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return false, nil
	}
	st, toClose := s.closing.pop()
	o, ok := s.ready.pop()
	s.mu.Unlock()
	if toClose {
		if err := st.Close(); err != nil {
			return false, err
		}
	}
	if ok {
		err = w.step(o)
	}
	return ok || toClose, err
}

// step writes what o has to say, up to one frame of values.
func (w *writer) step(o *Out) error {
	s := w.s
	s.mu.Lock()
	if !o.opened && o.closed && !o.clean && o.batch == nil {
		// Given up before a word was said: there is nothing to take back.
		o.opened, o.closeWritten = true, true
		delete(s.unsaid, o)
		s.unblock() // it may have been woken for a stream that another can use
	}
	if o.closeWritten {
		s.mu.Unlock()
		w.done(o, true)
		return nil
	}
	if o.st == nil && !s.takeIdle(o) {
		if !s.tr.room() {
			s.unopened.push(o)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		st, err := s.tr.open()
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.opened++
		o.st = st
	}
	st := o.st
	frames, back := w.take(o)
	s.mu.Unlock()
	if len(frames) > 0 {
		if err := s.writeFrame(st, frames); err != nil {
			return err
		}
	}
	w.done(o, back)
	if cap(w.scratch) > 2*MaxFrame {
		w.scratch = nil
	}
	return nil
}

// done ends o's turn. back: its batch goes back to its owner.
func (w *writer) done(o *Out, back bool) {
	s := w.s
	var b *Batch
	s.mu.Lock()
	if back {
		b, o.batch = o.batch, nil
	}
	o.queued = false
	s.queue(o)
	s.mu.Unlock()
	if b != nil {
		o.fb.Written(b)
	}
}

// takeIdle gives o a stream that was used before, if there is one. s.mu is held.
func (s *Session) takeIdle(o *Out) bool {
	n := len(s.idle)
	if n == 0 {
		return false
	}
	o.st = s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	return true
}

// take returns what o writes in this turn and notes it as written; back:
// the batch goes back after it. s.mu is held.
func (w *writer) take(o *Out) (frames []byte, back bool) {
	w.scratch = w.scratch[:0]
	if !o.opened {
		o.opened = true
		w.s.number(o)
		w.scratch = appendOpen(w.scratch, &o.open, !w.s.known[o.open.Hash])
		o.sent += uint64(len(w.scratch))
	}
	if o.dead {
		w.close(o)
		return w.scratch, true
	}
	for o.ahead() {
		n := o.next()
		if o.sent+uint64(n) > o.limit || !w.gathers(n) {
			return w.scratch, false
		}
		o.sent += uint64(n)
		w.scratch = o.goAhead(w.scratch)
	}
	if b := o.batch; b != nil && o.sent+uint64(b.wire(o.off)) <= o.limit {
		if !w.gathers(b.wire(o.off)) {
			return w.scratch, false // the values follow in the next turn, uncopied
		}
		var f []byte
		switch {
		case !b.big():
			f, back = b.dataHead(), true
		case o.off < 0:
			f, o.off = b.bigHead(), 0
		default:
			f = b.piece(o.off)
			o.off += min(b.Len()-o.off, MaxFrame)
			back = o.off == b.Len()
		}
		o.sent += uint64(len(f))
		if len(f) > gatherBelow {
			return f, back
		}
		w.scratch = append(w.scratch, f...)
	}
	if o.closed && (o.batch == nil || back) && len(o.schemas) == 0 {
		w.close(o)
	}
	return w.scratch, back
}

// close appends the CLOSE of o. s.mu is held.
func (w *writer) close(o *Out) {
	o.closeWritten = true
	w.scratch = appendClose(w.scratch, o.clean && !o.dead)
	o.schemas, o.runs = nil, nil
}
