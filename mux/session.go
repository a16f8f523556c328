package mux

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Session is everything between two nodes: uses in both directions over one connection.
// Its methods may be called from any goroutine.
type Session struct {
	// Peer is Config.Peer.
	Peer any
	// Local is Config.Local.
	Local bool

	h   Handler
	cfg Config
	log *slog.Logger
	tr  transport

	bases  budget // what windows have beyond firstWindow
	growth budget // and beyond baseWindow
	values budget // large values being received

	wake   chan struct{} // to the writer: there is something to do
	ending chan struct{} // closed when the session begins to end
	ended  chan struct{} // closed when everything is over
	wg     sync.WaitGroup

	framesOut, bytesOut atomic.Uint64

	mu                    sync.Mutex
	err                   error             // why it ends; set once
	over                  bool              // Lost has been told to all; nobody else will
	outs                  map[uint64]*Out   // whose OPEN was written
	unsaid                map[*Out]struct{} // whose OPEN was not
	lastUse               uint64
	ins                   map[*In]struct{}
	says                  fifo[*In]     // Ins with something to say
	ready                 fifo[*Out]    // Outs with something to write
	unopened              fifo[*Out]    // Outs that wait for a stream
	idle                  []stream      // streams without a use
	closing               fifo[stream]  // streams to be closed by the writer
	attaches              fifo[*Attach] // to be sent
	denials               fifo[*Deny]   // to be sent
	refs                  refQueue
	gones                 refQueue // of GONEs
	singles               []byte   // SINGLE frames to be sent, from singlesAt on
	singlesAt             int
	singlesOut, singlesIn int           // uses of single values
	untold                int           // drops that the peer has not been told of
	calm                  bucket        // of refusals
	lastSingle            uint64        // number of the peer's last one
	known                 map[ID]bool   // hashes of schemas the peer has
	schemas               map[ID][]byte // the peer's schemas
	schemaLen             int           // and their bytes
	opened                uint64        // streams
	bye                   byeState
	answered              chan struct{} // closed when the peer has answered our GOODBYE
	grown                 map[stream]struct{}
	sweep                 *time.Timer // shrinks what is in grown
	later                 later
}

type byeState struct {
	wanted, sent   bool // ours
	heard, answer  bool // the peer's: came; is to be answered
	answerReceived bool
}

func newSession(h Handler, cfg Config) *Session {
	cfg = cfg.withDefaults()
	return &Session{
		Peer:     cfg.Peer,
		Local:    cfg.Local,
		h:        h,
		cfg:      cfg,
		log:      cfg.Logger,
		bases:    budget{free: baseBudget},
		growth:   budget{free: growthBudget},
		values:   budget{free: valueBudget},
		wake:     make(chan struct{}, 1),
		ending:   make(chan struct{}),
		ended:    make(chan struct{}),
		outs:     make(map[uint64]*Out),
		unsaid:   make(map[*Out]struct{}),
		ins:      make(map[*In]struct{}),
		known:    make(map[ID]bool),
		schemas:  make(map[ID][]byte),
		answered: make(chan struct{}),
		grown:    make(map[stream]struct{}),
	}
}

// New starts a session over conn. client must be true on exactly one of the two sides.
// The session owns conn and closes it.
func New(conn Conn, client bool, h Handler, cfg Config) *Session {
	s := newSession(h, cfg)
	s.tr = newYamux(s, conn, client)
	go s.run()
	return s
}

// run starts the session's goroutines and owns them to the end.
func (s *Session) run() {
	defer close(s.ended)
	s.wg.Go(func() {
		ctl, err := s.tr.control()
		if err != nil {
			s.end(err)
			return
		}
		s.wg.Go(func() { s.end(s.readControl(ctl)) })
		s.wg.Go(func() { s.end(s.acceptAll()) })
		s.end(s.write(ctl))
	})
	<-s.ending
	s.tr.close()
	s.wg.Wait()
	s.lose()
	s.h.Ended(s, s.Err())
}

// lose tells what is left that the session is lost.
func (s *Session) lose() {
	s.mu.Lock()
	s.over = true
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.later.stop()
	var lost []Feedback
	for _, o := range s.outs {
		if !o.dead && !o.closeWritten {
			lost = append(lost, o.fb)
		}
	}
	for o := range s.unsaid {
		lost = append(lost, o.fb)
	}
	clear(s.outs)
	clear(s.unsaid)
	clear(s.grown)
	s.idle = nil
	s.refs, s.gones = refQueue{}, refQueue{}
	err := s.err
	s.mu.Unlock()
	for _, fb := range lost {
		fb.Lost(err)
	}
}

// end begins the end of the session; the first reason counts. It never blocks.
func (s *Session) end(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	if err == nil {
		err = ErrClosed
	}
	s.err = err
	for in := range s.ins {
		in.closeDone()
	}
	s.mu.Unlock()
	var pe *ProtocolError
	if errors.As(err, &pe) {
		s.log.Warn("session ended: the peer broke the protocol", "error", err)
	}
	close(s.ending)
}

// Close begins the end of the session at once, for the reason err (nil: ErrClosed), and
// returns without waiting: Wait does that.
func (s *Session) Close(err error) { s.end(err) }

// Done is closed when the session begins to end: nothing goes in or out any more.
func (s *Session) Done() <-chan struct{} { return s.ending }

// Wait waits until the session has ended: Handler.Ended has returned and no goroutine is
// left. It must not be called from a Handler or a Feedback.
func (s *Session) Wait() { <-s.ended }

// Err returns why the session ended; nil until Done is closed.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stats returns the session's counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		StreamsOpened: s.opened,
		StreamsIdle:   len(s.idle),
		Outs:          len(s.outs) + len(s.unsaid),
		Ins:           len(s.ins),
		Uses:          s.lastUse,
		FramesOut:     s.framesOut.Load(),
		BytesOut:      s.bytesOut.Load(),
	}
}

// acceptAll serves the streams that the peer opens.
func (s *Session) acceptAll() error {
	for {
		st, err := s.tr.accept()
		if err != nil {
			return err
		}
		s.wg.Go(func() { s.serveStream(st) })
	}
}

// nudge wakes the writer.
func (s *Session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// shrinkAfter is how long a receive buffer keeps its size without being looked at.
const shrinkAfter = time.Second

// grew notes that the receive buffer of st may be large: it is freed when it is
// found empty. One timer, and only while there is something to look at.
func (s *Session) grew(st stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if len(s.grown) == 0 {
		if s.sweep == nil {
			s.sweep = time.AfterFunc(shrinkAfter, s.shrink)
		} else {
			s.sweep.Reset(shrinkAfter)
		}
	}
	s.grown[st] = struct{}{}
}

func (s *Session) shrink() {
	s.mu.Lock()
	streams := make([]stream, 0, len(s.grown))
	for st := range s.grown {
		streams = append(streams, st)
	}
	clear(s.grown)
	s.mu.Unlock()
	for _, st := range streams {
		st.Shrink()
	}
}
