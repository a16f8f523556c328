package mux

// An Out is the sending side of one use. Its methods may be called from any
// goroutine, callbacks included, and never block.
type Out struct {
	s    *Session
	fb   Feedback
	open Open
	st   stream // nil until it has one; the writer's after that

	// What follows is guarded by s.mu.
	queued  bool // in s.ready or s.unopened, or in the writer's hands
	batch   *Batch
	off     int // of a large batch: what has left; -1: not even its BIG
	schemas [][]byte

	single   bool // one value, without a stream
	waits    bool // OPEN waits for the first Send, Begin or Close
	opened   bool // OPEN was written
	accepted bool
	dead     bool // refused or stopped
	closed   bool // Close was called
	clean    bool

	closeWritten bool // nothing more leaves; the stream comes back with DONE

	sent, limit uint64 // bytes of this use
	runs        []Run  // of STOPs that said more
}

// Open begins a use of the peer's end o.Target. It never blocks: OPEN goes out with the
// writer. If the session has ended, f.Lost is called from a goroutine of
// its own.
func (s *Session) Open(o Open, f Feedback) *Out { return s.open(o, f, false) }

// Prepare is Open, but OPEN waits for Send, Begin or Close, so that it leaves in one piece with
// the first values.
func (s *Session) Prepare(o Open, f Feedback) *Out { return s.open(o, f, true) }

func (s *Session) open(o Open, f Feedback, waits bool) *Out {
	out := &Out{s: s, fb: f, open: o, off: -1, limit: firstWindow, waits: waits}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		go f.Lost(s.err)
		return out
	}
	s.unsaid[out] = struct{}{}
	s.queue(out)
	return out
}

// number gives o its number: it is the next to write an OPEN, and on a stream that was used
// before numbers rise. s.mu is held.
func (s *Session) number(o *Out) {
	s.lastUse++
	o.open.Use = s.lastUse
	delete(s.unsaid, o)
	s.outs[s.lastUse] = o
}

// Begin has OPEN leave where Send was not called yet.
func (o *Out) Begin() {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.waits = false
	o.s.queue(o)
}

// Send hands b over. It may be called only while the Out is idle: at its beginning, and
// after Written. The batch comes back through Written.
func (o *Out) Send(b *Batch) {
	if b.Count < 1 || b.Count > 1 && b.big() {
		panic("mux: a batch must hold at least one value, and only one if it is longer than MaxFrame")
	}
	if len(b.Refs) > MaxFrame {
		panic("mux: the references of a batch are at most MaxFrame bytes")
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	if o.batch != nil {
		panic("mux: Send while a batch is in hand")
	}
	b.refsSent = false
	o.batch, o.off = b, -1
	o.s.queue(o)
}

// Schema sends a schema ahead of the next batch. The bytes are not copied and must not
// change. It may be called only while the Out is idle.
func (o *Out) Schema(schema []byte) {
	if len(schema) == 0 || len(schema) > maxSchema {
		panic("mux: empty or overlong schema")
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.schemas = append(o.schemas, schema)
}

// Close ends the use after what was sent; clean is what In.Clean says at the other side. The
// batch that is in hand still comes back through Written; nothing else comes but
// Lost, if the session ends before the CLOSE was written. Only the first Close counts.
func (o *Out) Close(clean bool) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	if o.closed {
		return
	}
	if o.closed, o.clean = true, clean; o.single {
		o.s.endSingle(o)
		return
	}
	o.s.queue(o)
}

// queue puts o where the writer finds it, if it has something to write. s.mu is held.
func (s *Session) queue(o *Out) {
	if o.queued || o.closeWritten && o.batch == nil || !o.due() {
		return
	}
	o.queued = true
	s.ready.push(o)
	s.nudge()
}

// due tells whether o has something that may be written now. s.mu is held.
func (o *Out) due() bool {
	switch {
	case o.dead:
		return true
	case !o.opened:
		return !o.waits || o.batch != nil || o.closed
	case o.batch != nil || len(o.schemas) > 0 && o.closed:
		return o.sent+uint64(o.next()) <= o.limit
	default:
		return o.closed
	}
}

// next is the length of the next frame that the byte limit must cover. s.mu is held.
func (o *Out) next() int {
	if len(o.schemas) > 0 {
		n := len(o.schemas[0])
		return frameHead(n) + n
	}
	if b := o.batch; b != nil {
		if b.refsDue() {
			return frameHead(len(b.Refs)) + len(b.Refs)
		}
		return b.wire(o.off)
	}
	return 0
}

// ahead tells whether a frame goes before the values: a schema, or references. s.mu is held.
func (o *Out) ahead() bool {
	return o.batch != nil && (len(o.schemas) > 0 || o.batch.refsDue()) || o.closed && len(o.schemas) > 0
}

// goAhead appends the next of these frames. s.mu is held.
func (o *Out) goAhead(dst []byte) []byte {
	if len(o.schemas) == 0 {
		o.batch.refsSent = true
		return appendRefs(dst, o.batch.Refs)
	}
	dst = appendSchema(dst, o.schemas[0])
	o.schemas[0] = nil
	o.schemas = o.schemas[1:]
	return dst
}
