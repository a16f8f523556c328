package chanref

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"unicode"

	"github.com/matveynator/netchan/mux"
)

// Allow says whether the node at the other side of a session may send, or receive, on
// the named channel: nil, or why not. It is called by several goroutines at once, under
// no lock, and may take its time.
type Allow func(s *mux.Session, receive bool, channel string) error

// Allow has f asked before an end of another node is joined with a named one of this
// table. It is called before there is a session.
func (t *Table) Allow(f Allow) { t.allow = f }

const (
	// maxAsking is how many calls of Allow may run at once about receivers of one peer;
	// those about its senders run on the senders' own streams. maxAsked is how many
	// questions may wait beside them: what a peer names beyond that is passed over.
	maxAsking = 64
	maxAsked  = 1 << 16
)

// asksAbout says whether it is asked before somebody at the other side of s is joined with
// an end of that name. Those that begin with a zero byte are no names of the program's.
func (t *Table) asksAbout(s *mux.Session, name string) bool {
	return t.allow != nil && !s.Local && !strings.HasPrefix(name, "\x00")
}

// ask asks, on the caller's goroutine. A panic is a no.
func (t *Table) ask(s *mux.Session, receive bool, channel string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			t.log.Error("netchan: Authorize has panicked, which is a no", "channel", channel, "node", t.nodeName(s),
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return t.allow(s, receive, channel)
}

var errPanicked = errors.New("the question whether it is allowed could not be answered")

// asks are the questions about receivers of other nodes. A source's goroutine, or that
// of a control stream, can't wait for the answers: each is got on a goroutine of the
// table, which ends when the peer has no more questions. The zero value is ready.
type asks struct {
	mu    sync.Mutex // guards what follows
	peers map[*mux.Session]*peerAsks
}

type peerAsks struct {
	running int
	waiting ring[question]
}

type question struct {
	channel string
	then    func(error)
}

// askLater asks whether who is at the other side of s may receive, and calls then with
// the answer, on another goroutine. It is false when there are too many questions, or the
// table is closed; then is not called then.
func (t *Table) askLater(s *mux.Session, channel string, then func(error)) bool {
	a := &t.asked
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peers[s]
	if p == nil {
		p = new(peerAsks)
	}
	if p.waiting.len() >= maxAsked {
		return false
	}
	if p.running < maxAsking {
		if !t.startUnlessClosed() {
			return false
		}
		p.running++
		go t.answerAll(s, p)
	}
	if a.peers == nil {
		a.peers = make(map[*mux.Session]*peerAsks)
	}
	a.peers[s] = p
	p.waiting.push(question{channel, then})
	return true
}

// answerAll gets answers until no question waits.
func (t *Table) answerAll(s *mux.Session, p *peerAsks) {
	defer t.running.Done()
	a := &t.asked
	for {
		a.mu.Lock()
		if p.waiting.len() == 0 {
			if p.running--; p.running == 0 {
				delete(a.peers, s)
			}
			a.mu.Unlock()
			return
		}
		q := p.waiting.pop()
		a.mu.Unlock()
		err := s.Err() // whoever it was may be gone
		select {
		case <-t.closing:
			err = ErrClosed
		default:
		}
		if err == nil {
			err = t.ask(s, true, q.channel)
		}
		q.then(err)
	}
}

// startUnlessClosed notes that a goroutine begins, which Close waits for.
func (t *Table) startUnlessClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.running.Add(1)
	}
	return !t.closed
}

// reasonText is a reason as it is told to people: one line, no longer than a frame's text.
func reasonText(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > mux.MaxText {
		text = strings.ToValidUTF8(text[:mux.MaxText], "")
	}
	return text
}

// ask asks whether a receiver may have the source's values, and connects it if so. It
// is on the source's goroutine, which goes on meanwhile.
func (s *Source[T]) ask(session *mux.Session, target mux.Target, node string) {
	if s.asking[target] == session || len(s.asking) >= maxRefusals {
		return
	}
	if !s.table.askLater(session, s.cfg.Name, func(err error) {
		s.call(func() { s.answered(session, target, node, err) })
	}) {
		return
	}
	if s.asking == nil {
		s.asking = make(map[mux.Target]*mux.Session)
	}
	s.asking[target] = session
}

// answered acts on the answer.
func (s *Source[T]) answered(session *mux.Session, target mux.Target, node string, err error) {
	if s.asking[target] == session {
		delete(s.asking, target)
	}
	switch {
	case s.aborted != nil || session.Err() != nil || s.connected(target):
	case err == nil:
		s.join(session, target, node)
	default:
		why := reasonText(err.Error())
		session.Deny(mux.Deny{From: s.cfg.ID, End: target.ID, Code: mux.CodeRefused, Text: why})
		if len(s.refused) >= maxRefusals {
			clear(s.refused)
		}
		if s.refused == nil {
			s.refused = make(map[mux.Target]*refusal)
		}
		s.refused[target] = &refusal{session: session, node: node, code: mux.CodeRefused, why: why}
		s.counts.refused.Add(1)
		s.counts.warn(s.cfg.Logger, "netchan: a receiver is not allowed", "channel", label(s.cfg.Name), "node", node, "reason", why)
	}
}

// sayFarewell answers for a source that has closed, if who asks may know.
func (t *Table) sayFarewell(s *mux.Session, name string, open mux.Open) {
	if !t.asksAbout(s, name) {
		s.Open(open, deaf{}).Close(true)
		return
	}
	t.askLater(s, name, func(err error) {
		if err != nil {
			s.Deny(mux.Deny{From: open.End, End: open.Target.ID, Code: mux.CodeRefused, Text: reasonText(err.Error())})
			return
		}
		s.Open(open, deaf{}).Close(true)
	})
}

// Denied notes that a sender of the peer does not send to a receiver here.
func (t *Table) Denied(s *mux.Session, d mux.Deny) {
	t.mu.Lock()
	end := t.sinks[d.End]
	t.mu.Unlock()
	if end != nil { // else it has ended since
		end.denied(t.net.Node(s).ID, t.nodeName(s), d)
	}
}

// turnAway refuses a sender that is not allowed.
func (s *Sink[T]) turnAway(in *mux.In, err error) {
	why := reasonText(err.Error())
	in.Refuse(mux.CodeRefused, why)
	if s.isOdd(s.senderOf(in, in.Open().End)) {
		return
	}
	s.counts.refused.Add(1)
	s.counts.warn(s.cfg.Logger, "netchan: a sender is not allowed", "channel", label(s.cfg.Name),
		"node", s.table.nodeName(in.Session()), "reason", why)
	s.Evaluate()
}

// denied notes that a sender elsewhere will not come. Who calls sees to it that Evaluate is
// called.
func (s *Sink[T]) denied(node [32]byte, name string, d mux.Deny) {
	if s.isOdd(senderOf{node, d.From}) {
		return
	}
	s.counts.refused.Add(1)
	s.counts.warn(s.cfg.Logger, "netchan: a node does not let this one receive from a channel",
		"channel", label(s.cfg.Name), "node", name, "reason", reasonText(d.Text))
}
