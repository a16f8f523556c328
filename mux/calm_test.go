package mux

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/yamux"
)

// calmed tells whether err ends a session because of what the peer asks for.
func calmed(err error) bool {
	var pe *ProtocolError
	return errors.As(err, &pe) && strings.Contains(pe.Why, "calm down")
}

func TestBucket(t *testing.T) {
	var b bucket
	now := time.Now()
	for range 5 {
		if !b.take(now, 5, 10) {
			t.Fatal("less than the burst")
		}
	}
	if b.take(now, 5, 10) {
		t.Error("more than the burst")
	}
	now = now.Add(200 * time.Millisecond)
	for i := range 3 {
		if b.take(now, 5, 10) != (i < 2) {
			t.Error("not two after 200 ms")
		}
	}
	now = now.Add(time.Hour)
	for range 5 {
		if !b.take(now, 5, 10) {
			t.Fatal("less than the burst, later")
		}
	}
	if b.take(now, 5, 10) {
		t.Error("more than the burst, later")
	}
}

// TestHostileOpens: who opens uses in vain as fast as it can loses the session, and who is refused
// because something has closed meanwhile does not.
func TestHostileOpens(t *testing.T) {
	for _, code := range []Code{CodeNoSuch, CodeClosed} {
		h := &handler{serve: func(in *In) { in.Refuse(code, "") }}
		a, b := connectYamux(t, h, Config{})
		f := newFeedback()
		n := 0
		for ; n < 4*refusalBurst && b.Err() == nil; n++ {
			if n >= 64 { // some on their way, but not more than f holds
				want(t, "an answer", f.events)
			}
			a.Open(open("nobody"), f)
			if code == CodeClosed && n > refusalBurst+100 {
				break
			}
		}
		if code == CodeClosed {
			if b.Err() != nil {
				t.Errorf("who could not know: %v", b.Err())
			}
			continue
		}
		if !calmed(b.Err()) || n < refusalBurst {
			t.Errorf("after %d: %v", n, b.Err())
		}
	}
}

// TestHostileAttaches: uses that a peer asks for and does not take are not made without end, nor is what
// else it asks for.
func TestHostileAttaches(t *testing.T) {
	for name, answer := range map[string]func(s *Session, a Attach){
		"uses":  func(s *Session, a Attach) { s.Open(Open{Target: Target{ID: a.End}}, newDeaf()) },
		"words": func(s *Session, _ Attach) { s.Gone(Ref{ID{1}, ToReceive}) },
	} {
		s := newSession(&handler{attach: answer}, Config{Logger: quiet})
		typ, body := frameOf(appendAttach(nil, &Attach{End: ID{1}}))
		n := 0
		var err error
		for ; err == nil && n < 2*maxAsked; n++ {
			err = s.hear(typ, body)
		}
		if !calmed(err) || n != maxAsked+1 {
			t.Errorf("%s: after %d: %v", name, n, err)
		}
	}
}

type deafFeedback struct{}

func newDeaf() Feedback              { return deafFeedback{} }
func (deafFeedback) Accepted(Accept) {}
func (deafFeedback) Refused(Refuse)  {}
func (deafFeedback) Acked(Ack)       {}
func (deafFeedback) Stopped(Stop)    {}
func (deafFeedback) Written(*Batch)  {}
func (deafFeedback) Lost(error)      {}

// TestHostileUses: a peer that opens one use after the other on a stream, and does not wait until it
// has heard that the one before is over, would have an answer kept for each.
func TestHostileUses(t *testing.T) {
	x, y := memConns(1 << 20)
	stuck := make(chan struct{})
	y.out.frames = func(head, _ []byte) { // the peer does not listen
		if parseYHead(head).typ == yData {
			<-stuck
		}
	}
	s := New(y, false, &handler{serve: take}, Config{Logger: quiet})
	cfg := yamux.DefaultConfig()
	cfg.LogOutput, cfg.EnableKeepAlive, cfg.StreamOpenTimeout, cfg.StreamCloseTimeout = io.Discard, false, 0, 0
	peer, err := yamux.Client(rawConn{x}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = peer.OpenStream()
	data, _ := peer.OpenStream()
	for use := range uint64(4) { // one is being written, one waits, and the next is too many
		_, _ = data.Write(appendOpen(nil, &Open{Use: 1 + use, First: 1}, true))
		_, _ = data.Write(appendClose(nil, true))
	}
	want(t, "the end", s.Done())
	close(stuck)
	s.Wait()
	var pe *ProtocolError
	if !errors.As(s.Err(), &pe) || !strings.Contains(pe.Why, "before the DONE") {
		t.Errorf("ended with %v", s.Err())
	}
	_ = peer.Close()
}

// TestDropsOfAllUses: what many uses have dropped is bounded together.
func TestDropsOfAllUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(&handler{}, Config{Logger: quiet})
		var ins []*In
		for s.untold <= maxUntoldAll {
			in := newIn(s, &inStream{stream: newPipe(nil)}, Open{Use: 1})
			in.answered = true
			for i := range uint64(maxUntold) { // with values between them
				in.drop(Drop{First: 2*i + 1, Count: 1, Code: CodeDecode})
			}
			ins = append(ins, in)
		}
		waited := make(chan struct{})
		last := ins[len(ins)-1]
		go func() { last.waitTold(); close(waited) }()
		newIn(s, &inStream{stream: newPipe(nil)}, Open{Use: 1}).waitTold() // has dropped nothing, and need not
		synctest.Wait()
		select {
		case <-waited:
			t.Fatal("it did not wait")
		default:
		}
		for _, in := range ins {
			s.mu.Lock()
			in.todo = sayAck
			for len(in.ack.Drops) > 0 {
				in.todo |= sayAck
				in.say(nil)
			}
			s.mu.Unlock()
		}
		<-waited
		if s.untold != 0 {
			t.Errorf("%d are counted at the end", s.untold)
		}
	})
}
