package chanref

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// errGone ends a use from outside: the sink has ended, the stream is gone, or
// another stream of the same sender is there.
var errGone = errors.New("the stream is gone")

// serve is one stream's goroutine, from its OPEN on.
func (s *Sink[T]) serve(in *mux.In) {
	reader := s.readerFor(in)
	if reader == nil {
		return
	}
	u := s.admit(in)
	if u == nil {
		in.Refuse(mux.CodeClosed, "the receiving end was closed")
		return
	}
	s.mu.Lock()
	accept := mux.Accept{Limit: u.limit} // the clock raises it, where u goes on from single values
	s.mu.Unlock()
	if s.cfg.Lossy {
		accept.Flags |= flagLossy
	}
	in.Accept(accept)
	if s.cfg.export != nil && !s.cfg.export.enter(in) {
		s.leave(u, false)
		return
	}
	err := s.receive(u, reader, s.table.typesOf(in.Session()))
	switch err {
	case errUserClosed:
		s.conclude(err)
	case errCollected:
		select {
		case <-s.ending.Done():
		case <-in.Done():
		}
	}
	clean := err == io.EOF && in.Clean()
	if broken := (*ProtocolError)(nil); errors.As(err, &broken) {
		s.counts.warn(s.cfg.Logger, "netchan: a sender's stream has ended", "channel", label(s.cfg.Name),
			"node", s.table.nodeName(in.Session()), "reason", err)
	}
	s.leave(u, clean)
}

// readerFor is what reads a sender's values; nil when it was refused.
func (s *Sink[T]) readerFor(in *mux.In) decoder[T] {
	schema, err := s.schemaOf(in.Open())
	if err != nil {
		in.Session().Close(&ProtocolError{Channel: label(s.cfg.Name), Err: err})
		in.Refuse(mux.CodeProtocol, err.Error())
		return nil
	}
	if schema == s.writer.Schema() && s.own != nil {
		return s.own
	}
	reader, err := s.reader(schema)
	if err != nil {
		s.mismatch(in, err)
		in.Refuse(mux.CodeType, s.text+"\n"+reasonOf(err))
		return nil
	}
	return reader
}

// schemaOf is the schema of what a sender sends; most send what is received here.
func (s *Sink[T]) schemaOf(o *mux.Open) (*codec.Schema, error) {
	if own := s.writer.Schema(); own.Hash() == o.Hash && bytes.Equal(own.Bytes(), o.Schema) {
		return own, nil
	}
	schema, err := codec.ParseSchema(o.Schema)
	if err == nil && schema.Hash() != o.Hash {
		err = errors.New("a schema with the hash of another")
	}
	return schema, err
}

// reasonOf is why two types don't fit, without the types.
func reasonOf(err error) string {
	if m := (*codec.MismatchError)(nil); errors.As(err, &m) {
		return m.Why
	}
	return err.Error()
}

// mismatch notes a sender of another type, and logs it once.
func (s *Sink[T]) mismatch(in *mux.In, err error) {
	if s.isOdd(s.senderOf(in, in.Open().End)) {
		return
	}
	s.counts.mismatches.Add(1)
	s.cfg.Logger.Warn("netchan: a sender of this name has another type", "channel", label(s.cfg.Name),
		"node", s.table.nodeName(in.Session()), "sent", in.Open().Text, "received", s.text, "reason", err)
}

// receive brings u's values into the channel until the stream ends: io.EOF
// when its sender has ended it.
func (s *Sink[T]) receive(u *use, reader decoder[T], types *codec.Schemas) error {
	p := pusher[T]{s: s, u: u, reader: reader}
	p.env.Schema = types.Find
	p.refs.table = s.table
	p.env.Chan = p.refs.claim
	defer p.refs.close()
	defer p.close()
	for {
		f, err := u.in.Next()
		if err != nil {
			return err
		}
		switch f.Kind {
		case mux.KindTooLarge:
			if !s.mayBring(u, 1) {
				return s.protocol(u, errors.New("a value more than allowed"))
			}
			if !s.lock(u) {
				return errGone
			}
			p.skip(mux.CodeTooLarge, fmt.Sprintf("a value of %d bytes", f.Size))
			s.unlock()
			p.refs.close()
			continue
		case mux.KindRefs:
			if err := p.refs.read(u.in.Session(), f.Body); err != nil {
				return s.protocol(u, err)
			}
			continue
		case mux.KindSchema:
			schema, kept, err := types.Learn(f.Body)
			if err != nil {
				return s.protocol(u, err)
			}
			if !kept {
				s.counts.warn(s.cfg.Logger, "netchan: a node sends more types inside any than are kept", "channel", label(s.cfg.Name),
					"node", s.table.nodeName(u.in.Session()), "type", schema, "kept", codec.MaxTypes)
			}
			continue
		}
		if f.Hash != u.in.Open().Hash {
			return s.protocol(u, errors.New("values of another schema than the stream's"))
		}
		if !s.mayBring(u, f.Count) {
			return s.protocol(u, fmt.Errorf("%d values more than allowed", f.Count))
		}
		// The first value is decoded before the wait for the right to push: a large
		// one holds a share of the session's memory until then, and others need it.
		if err := p.open(f); err != nil {
			return s.protocol(u, err)
		}
		p.env.Owned = f.Size > 0 // it was made for this value alone
		if err := p.read(); err != nil {
			return err
		}
		if f.Count == 1 && len(p.body) == 0 {
			p.body, f.Body = nil, nil // what is accounted for must not be held any longer
			u.in.Decoded()
		}
		if !s.lock(u) {
			return errGone
		}
		err = p.push(f.Count)
		s.unlock()
		p.close()
		p.refs.close()
		if err != nil {
			return err
		}
	}
}

// mayBring says whether u's sender keeps to its limit with n values more: a
// frame of values without size could announce any number.
func (s *Sink[T]) mayBring(u *use, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(n) <= u.limit-(u.next-1)
}

func (s *Sink[T]) protocol(u *use, err error) error {
	e := &ProtocolError{Channel: label(s.cfg.Name), Err: err}
	u.in.Session().Close(e)
	return e
}

// lock gets the right to push, for one frame; false when u is over.
func (s *Sink[T]) lock(u *use) bool {
	select {
	case <-u.replaced:
		return false
	default:
	}
	select {
	case s.push <- struct{}{}:
		return true
	default:
	}
	select {
	case s.push <- struct{}{}:
		return true
	case <-u.in.Done():
	case <-u.replaced:
	case <-s.stop:
	}
	return false
}

func (s *Sink[T]) unlock() { <-s.push }

// pusher brings the values of one use's frames into the channel.
type pusher[T any] struct {
	s      *Sink[T]
	u      *use
	c      conduit[T] // while values are pushed
	reader decoder[T]
	env    codec.ReadEnv
	refs   arrivals // of the frame's values
	body   []byte   // what is left of the frame
	buffer *[]byte  // that body is in, if the frame was compressed
	v      T        // the value that was read last
	bad    error    // or why it can't be had
	n      uint64   // pushed since the last note
	hasty  bool     // it does not wait: errFull
}

// open makes f the frame that is read.
func (p *pusher[T]) open(f mux.Frame) error {
	p.body = f.Body
	large := f.Size > 0
	switch {
	case f.Flags&^flagCompressed != 0:
		return fmt.Errorf("values with unknown flags %x", f.Flags)
	case f.Flags == 0 && large && f.Size != uint64(len(f.Body)):
		return fmt.Errorf("a value of %d bytes, announced with %d", len(f.Body), f.Size)
	case f.Flags == 0:
		return nil
	case large && f.Size <= uint64(len(f.Body)):
		return errors.New("a value that compressing has not made shorter")
	}
	var room []byte
	most := mux.MaxFrame
	if large {
		most = int(f.Size)
	} else {
		p.buffer = frameBuffers.Get().(*[]byte)
		room = *p.buffer
	}
	body, err := codec.Decompress(room, f.Body, most)
	if err == nil && large && len(body) != most {
		err = fmt.Errorf("a value of %d bytes, announced with %d", len(body), most)
	}
	p.body = body
	return err
}

// close gives back what open took.
func (p *pusher[T]) close() {
	p.body = nil
	if p.buffer != nil {
		frameBuffers.Put(p.buffer)
		p.buffer = nil
	}
}

// frameBuffers are for what frames were before they were compressed.
var frameBuffers = sync.Pool{New: func() any {
	b := make([]byte, mux.MaxFrame)
	return &b
}}

// read decodes the frame's next value. An error ends the stream.
func (p *pusher[T]) read() error {
	rest, err := p.reader.Read(p.body, &p.v, &p.env)
	if err != nil {
		if value := (*codec.ValueError)(nil); !errors.As(err, &value) {
			return p.s.protocol(p.u, err)
		}
	}
	p.body, p.bad = rest, err
	return nil
}

// push has frame push into the channel, which it holds for so long.
func (p *pusher[T]) push(count int) (err error) {
	p.c = p.s.grip.conduit()
	defer func() { p.c = nil }()
	if p.s.cfg.travelled {
		defer p.s.recovered(&err)
	}
	if p.c == nil {
		return errCollected
	}
	return p.frame(count)
}

// frame pushes a frame's values, the first of which is read, for the holder of
// the right to push.
func (p *pusher[T]) frame(count int) error {
	s := p.s
	defer func() {
		var zero T
		p.v = zero
		p.note()
	}()
	for i := range count {
		if i > 0 {
			if err := p.read(); err != nil {
				return err
			}
		}
		if p.bad != nil {
			p.skip(codeOf(p.bad, mux.CodeDecode), p.bad.Error())
			continue
		}
		if !p.c.trySend(&p.v) {
			if ok, err := p.wait(); err != nil {
				return err
			} else if !ok {
				continue
			}
		}
		if s.vals != nil {
			s.vals[s.pushes%uint64(len(s.vals))] = p.v
		}
		s.pushes++
		if p.n++; p.n >= p.u.every {
			p.note()
		}
	}
	if len(p.body) > 0 {
		return s.protocol(p.u, fmt.Errorf("%d bytes behind the last value", len(p.body)))
	}
	return nil
}

// wait pushes a value for which there was no room; false when the value was
// dropped instead, which happens only where the channel is lossy.
func (p *pusher[T]) wait() (bool, error) {
	s := p.s
	p.note()
	if p.u.lossy {
		return p.makeRoom(), nil
	}
	if p.hasty {
		return false, errFull
	}
	if s.cfg.travelled {
		return p.patiently()
	}
	if p.c.send(&p.v, &quit{done: p.u.in.Done(), replaced: p.u.replaced, stop: s.stop}) {
		return true, nil
	}
	return false, errGone
}

// skip notes the next number as one that will never reach the channel.
func (p *pusher[T]) skip(code mux.Code, text string) {
	p.note()
	s := p.s
	s.mu.Lock()
	p.u.drop(p.u.next, code, text)
	s.k.note(p.u, 1, true)
	s.openGates()
	s.mu.Unlock()
	if code != mux.CodeLossy {
		s.counts.dropped.Add(1)
		s.counts.lastDrop.Store(&DropError{Channel: label(s.cfg.Name), Code: code, Text: text})
		s.counts.warn(s.cfg.Logger, "netchan: value dropped, it can't be decoded", "channel", label(s.cfg.Name),
			"node", s.table.nodeName(p.u.in.Session()), "reason", text)
	}
	p.settle()
}
