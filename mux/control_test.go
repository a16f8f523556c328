package mux

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hashicorp/yamux"
)

// hearing returns a session without goroutines, with one use in the state that is asked for.
func hearing(accepted, closed bool) (*Session, *Out, *feedback) {
	s := newSession(&handler{}, Config{Logger: quiet})
	f := newFeedback()
	o := s.Open(open("x"), f)
	s.ready.pop()
	s.number(o)
	o.queued, o.opened, o.accepted = false, true, accepted
	o.closed, o.closeWritten = closed, closed
	o.st = newPipe(nil)
	return s, o, f
}

func frameOf(b []byte) (byte, []byte) { return b[0], b[2:] }

func TestControlFramesOutOfTurn(t *testing.T) {
	stop := Stop{Code: CodeClosed}
	for name, c := range map[string]struct {
		accepted, closed bool
		frame            []byte
	}{
		"accept twice":            {true, false, appendAccept(nil, 1, 1, Accept{Limit: 1})},
		"refuse after accept":     {true, false, appendRefuse(nil, 1, Refuse{Code: CodeType})},
		"ack before accept":       {false, false, appendAck(nil, 1, 1, Ack{})},
		"stop before accept":      {false, false, appendStop(nil, 1, stop, false)},
		"accept of no use":        {false, false, appendAccept(nil, 2, 1, Accept{Limit: 1})},
		"ack of use 0":            {true, false, appendAck(nil, 0, 1, Ack{})},
		"stop of no use":          {true, false, appendStop(nil, 7, stop, false)},
		"done before close":       {true, false, appendDone(nil, 1)},
		"done of no use":          {true, false, appendDone(nil, 2)},
		"answer to no goodbye":    {true, false, appendEmpty(nil, frameGoodbyeOK)},
		"goodbye with a body":     {true, false, []byte{frameGoodbye, 1, 0}},
		"a frame of data streams": {true, false, appendClose(nil, true)},
		"an unknown frame":        {true, false, []byte{77, 0}},
		"references":              {true, false, appendRefs(nil, []byte{1})},
		"an empty deny":           {true, false, appendEmpty(nil, frameDeny)},
		"a deny and more":         {true, false, append([]byte{frameDeny, 35}, make([]byte, 35)...)},
		"an empty hold":           {true, false, appendEmpty(nil, frameHold)},
		"an empty held":           {true, false, appendEmpty(nil, frameHeld)},
		"a release of nothing":    {true, false, []byte{frameRelease, 1, 0}},
		"nothing gone":            {true, false, []byte{frameGone, 1, 0}},
	} {
		s, _, _ := hearing(c.accepted, c.closed)
		var pe *ProtocolError
		if err := s.hear(frameOf(c.frame)); !errors.As(err, &pe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, _, _ := hearing(true, false)
	if err := s.hear(frameOf(appendEmpty(nil, frameGoodbye))); err != nil {
		t.Fatal(err)
	}
	if err := s.hear(frameOf(appendEmpty(nil, frameGoodbye))); err == nil {
		t.Error("second goodbye is accepted")
	}
}

// TestLateFrames: what comes for a use that is over finds nobody, though its stream is in use again.
func TestLateFrames(t *testing.T) {
	s, o, f := hearing(true, true)
	if err := s.hear(frameOf(appendDone(nil, 1))); err != nil {
		t.Fatal(err)
	}
	if s.Stats().StreamsIdle != 1 || o.st != nil {
		t.Fatal("the stream isn't free")
	}
	g := newFeedback()
	next := s.Open(open("y"), g)
	if !s.takeIdle(next) {
		t.Fatal("no stream")
	}
	for _, frame := range [][]byte{
		appendAccept(nil, 1, 1, Accept{Limit: 1}), appendAck(nil, 1, 1<<50, Ack{Taken: 9}), appendRefuse(nil, 1, Refuse{Code: CodeType}),
		appendStop(nil, 1, Stop{Code: CodeClosed}, false),
	} {
		if err := s.hear(frameOf(frame)); err != nil {
			t.Error(err)
		}
	}
	if len(f.events)+len(g.events) > 0 || next.limit != firstWindow || next.dead {
		t.Error("a late frame was heard")
	}
	if err := s.hear(frameOf(appendDone(nil, 1))); err == nil {
		t.Error("DONE is accepted twice")
	}
}

// TestNothingAfterTheEnd: a use that was refused or stopped, or that Close was called for, hears nothing more.
func TestNothingAfterTheEnd(t *testing.T) {
	ack := appendAck(nil, 1, 1, Ack{Taken: 1})
	s, _, f := hearing(true, false)
	_ = s.hear(frameOf(appendStop(nil, 1, Stop{Code: CodeClosed}, false)))
	wantEvent[Stop](t, f)
	for _, frame := range [][]byte{ack, appendStop(nil, 1, Stop{Code: CodeClosed}, false), appendStop(nil, 1, Stop{Code: CodeClosed}, true)} {
		if err := s.hear(frameOf(frame)); err != nil {
			t.Error(err)
		}
	}
	s2, _, f2 := hearing(true, true)
	if err := s2.hear(frameOf(ack)); err != nil {
		t.Error(err)
	}
	if len(f.events)+len(f2.events) > 0 {
		t.Error("something was heard")
	}
}

// TestStopInParts: runs that don't rise over several STOPs are refused.
func TestStopInParts(t *testing.T) {
	s, _, f := hearing(true, false)
	part := func(first uint64, more bool) error {
		return s.hear(frameOf(appendStop(nil, 1, Stop{Code: CodeClosed, UpTo: 100, NotTaken: []Run{{first, 2}}}, more)))
	}
	if err := errors.Join(part(5, true), part(7, true)); err != nil {
		t.Fatal(err)
	}
	if err := part(8, false); err == nil {
		t.Error("overlapping runs are accepted")
	}
	if err := part(9, false); err != nil {
		t.Fatal(err)
	}
	if st := wantEvent[Stop](t, f); len(st.NotTaken) != 3 {
		t.Errorf("%+v", st)
	}
}

// rawConn lets a test speak yamux without guard and session.
type rawConn struct{ *memConn }

func (c rawConn) Write(p []byte) (int, error) { return len(p), c.WriteFrame(p, nil, false) }

// TestHostilePeer: a peer that has yamux right and the rest wrong ends the session with a
// reason; nothing panics and nothing is left.
func TestHostilePeer(t *testing.T) {
	o := Open{Use: 1, First: 1}
	op := appendOpen(nil, &o, true)
	// What is written on the control stream (c) or the first data stream.
	for name, attack := range map[string]func(ctl, data *yamux.Stream){
		"garbage on the control stream": func(c, _ *yamux.Stream) { _, _ = c.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 9)) },
		"garbage on a data stream":      func(_, d *yamux.Stream) { _, _ = d.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 9)) },
		"a long frame":                  func(_, d *yamux.Stream) { _, _ = d.Write([]byte{frameOpen, 0xff, 0xff, 3}) },
		"data before open":              func(_, d *yamux.Stream) { _, _ = d.Write(numbers(NewBatch(ID{}), 1, 1).dataHead()) },
		"references twice": func(_, d *yamux.Stream) {
			_, _ = d.Write(op)
			_, _ = d.Write(appendRefs(appendRefs(nil, []byte{1}), []byte{1}))
		},
		"empty references": func(_, d *yamux.Stream) { _, _ = d.Write(op); _, _ = d.Write([]byte{frameRefs, 0}) },
		"overlong references": func(_, d *yamux.Stream) {
			_, _ = d.Write(op)
			_, _ = d.Write(appendRefs(nil, make([]byte, MaxFrame+1)))
		},
		"references, then the end": func(_, d *yamux.Stream) {
			_, _ = d.Write(op)
			_, _ = d.Write(appendClose(appendRefs(nil, []byte{1}), true))
		},
		"a hold of no direction":     func(c, _ *yamux.Stream) { _, _ = c.Write(appendHold(nil, Hold{Dir: 3})) },
		"a release of more than are": func(c, _ *yamux.Stream) { _, _ = c.Write(appendRelease(nil, []Release{{ref(1), maxReleased + 1}})) },
		"closed in a use":            func(_, d *yamux.Stream) { _, _ = d.Write(op); _ = d.Close() },
		"closed in a frame":          func(_, d *yamux.Stream) { _, _ = d.Write(op[:5]); _ = d.Close() },
		"beyond the byte limit": func(_, d *yamux.Stream) {
			_, _ = d.Write(op)
			_, _ = d.Write(make([]byte, yamuxBody))
			_, _ = d.Write(make([]byte, yamuxBody))
		},
		"a hash nobody knows": func(_, d *yamux.Stream) { _, _ = d.Write(appendOpen(nil, &o, false)) },
		"another schema with the hash": func(_, d *yamux.Stream) {
			_, _ = d.Write(op)
			_, _ = d.Write(appendClose(nil, true))
			_, _ = d.Write(appendOpen(nil, &Open{Use: 2, First: 1, Schema: []byte("x")}, true))
		},
		"a use number again": func(_, d *yamux.Stream) {
			_, _ = d.Write(op)
			_, _ = d.Write(appendClose(nil, true))
			_, _ = d.Write(op)
		},
		"a pipe's end":              func(c, _ *yamux.Stream) { _, _ = c.Write([]byte{frameAccept, 3, 1, 1, 1}) },
		"the control stream closed": func(c, _ *yamux.Stream) { _ = c.Close() },
		"a ping":                    func(c, _ *yamux.Stream) { go func() { _, _ = c.Session().Ping() }() },
		"go away":                   func(c, _ *yamux.Stream) { _ = c.Session().GoAway() },
	} {
		t.Run(name, func(t *testing.T) {
			x, y := memConns(1 << 20)
			y.out.frames = func(head, _ []byte) { // whatever happens, yamux sends none of these
				if h := parseYHead(head); h.typ > yWindow || h.flags > yFIN {
					t.Errorf("sent: type %d, flags %d", h.typ, h.flags)
				}
			}
			blocked := &handler{serve: func(in *In) {
				if name == "beyond the byte limit" {
					<-in.Done()
				}
				for {
					if _, err := in.Next(); err != nil {
						return
					}
				}
			}}
			s := New(y, false, blocked, Config{Logger: quiet})
			cfg := yamux.DefaultConfig()
			cfg.LogOutput, cfg.EnableKeepAlive, cfg.StreamOpenTimeout, cfg.StreamCloseTimeout = io.Discard, false, 0, 0
			peer, err := yamux.Client(rawConn{x}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctl, _ := peer.OpenStream()
			data, _ := peer.OpenStream()
			attack(ctl, data)
			want(t, "the end", s.Done())
			s.Wait()
			var pe *ProtocolError
			if !errors.As(s.Err(), &pe) {
				t.Errorf("ended with %v", s.Err())
			}
			_ = peer.Close()
		})
	}
}

// FuzzPeer: whatever bytes a peer sends, the session ends and leaves nothing behind.
func FuzzPeer(f *testing.F) {
	syn := append(yHeaderBytes(yWindow, ySYN, 1, grow), yHeaderBytes(yWindow, ySYN, 3, grow)...)
	data := func(id uint32, b []byte) []byte {
		return append(yHeaderBytes(yData, 0, id, uint32(len(b))), b...)
	}
	op := appendOpen(nil, &Open{Use: 1, First: 1}, true)
	f.Add(append(append(syn, data(3, op)...), data(3, numbers(NewBatch(ID{}), 1, 3).dataHead())...))
	f.Add(append(append(syn, data(1, appendAttach(nil, &Attach{}))...), data(1, appendAccept(nil, 1, 1, Accept{Limit: 1}))...))
	f.Add(append(append(syn, data(3, op)...), data(3, appendClose(nil, true))...))
	f.Add(append(syn, yHeaderBytes(yWindow, yFIN, 3, 0)...))
	refs := numbers(NewBatch(ID{}), 1, 3).dataHead()
	refs = append(appendRefs(nil, []byte("refs")), refs...)
	f.Add(append(append(append(syn, data(3, op)...), data(3, refs)...), data(3, appendRefs(nil, []byte("more")))...))
	words := appendHeld(appendHold(nil, Hold{ID{1}, ToSend, &Gate{Number: 1}}), ref(1), true)
	f.Add(append(syn, data(1, appendGone(appendRelease(words, []Release{{ref(1), 2}}), []Ref{ref(2)}))...))
	one := openSingle(1, 1)
	one.Use, one.Hash = 2, ID{}
	single := appendSingle(nil, &one, []byte("value"))
	f.Add(slices.Concat(syn, data(3, op), data(1, single)))
	f.Add(slices.Concat(syn, data(3, op), data(1, append(single, appendAck(nil, 1, 0, Ack{Limit: 1})...)), data(1, single)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		x, y := memConns(1 << 20)
		h := &handler{serve: take, single: func(in *In, _ []byte, wait bool) bool {
			return in.Open().First > 1 && !wait || takes(came{in: in})
		}, said: func(s *Session, what any) {
			if h, ok := what.(Hold); ok {
				s.Held(Ref{h.Channel, h.Dir}, true)
			}
		}}
		s := New(y, false, h, Config{Logger: quiet, MaxStreams: 16})
		s.Open(open("ours"), newFeedback())
		for len(stream) > 0 {
			n := min(len(stream), 1000)
			if x.WriteFrame(stream[:n], nil, false) != nil {
				break
			}
			stream = stream[n:]
		}
		x.out.mu.Lock() // the end of the bytes, not of what lies there
		x.out.closed = true
		x.out.cond.Broadcast()
		x.out.mu.Unlock()
		want(t, "the end", s.Done())
		_ = x.Close()
		s.Wait()
	})
}
