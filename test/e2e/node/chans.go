package main

import (
	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
)

// A request brings the channel for its answer.
type request struct {
	N     int
	Reply chan<- answer
}

type answer struct{ N, Square int }

// ask makes requests, one after the other, and looks at the answers.
func (n *node) ask(t *task) error {
	s, err := netchan.NewSender[request](n.Node, t.Channel, sendOptions(t.Options)...)
	if err != nil {
		return err
	}
	n.wg.Go(func() {
		defer func() { _ = s.Close() }()
		for i := 1; (t.Count == 0 || i <= t.Count) && t.wait(); i++ {
			n.log.write(script.Line{Is: script.Asked, N: i})
			reply := make(chan answer, 1)
			err := netchan.Send(n.ctx, s.C, request{i, reply})
			var a answer
			if err == nil {
				a, err = netchan.Receive(n.ctx, reply)
			}
			n.log.write(script.Line{Is: script.Answered, N: i, Bad: a != answer{i, i * i}, Err: text(err)})
		}
	})
	return nil
}

// answer answers requests.
func (n *node) answer(t *task) error {
	r, err := netchan.NewReceiver[request](n.Node, t.Channel, receiveOptions(t.Options)...)
	if err != nil {
		return err
	}
	t.stop = func() { _ = r.Close() }
	n.wg.Go(func() {
		for q := range r.C {
			q.Reply <- answer{q.N, q.N * q.N}
		}
	})
	return nil
}

// handed is a channel on its way through several nodes.
type handed struct {
	Name string
	To   chan<- value
}

// further is the name of the channel by which a relay passes on what came on another.
const further = " further"

// collect hands a channel out and takes what others send on it.
func (n *node) collect(t *task) error {
	s, err := netchan.NewSender[handed](n.Node, t.Channel)
	if err != nil {
		return err
	}
	c, end := make(chan value, t.Buffer), n.end()
	name := t.Channel + " handed out"
	n.log.write(script.Line{Is: script.Receiver, End: end, Channel: name, Options: &t.Options})
	n.wg.Go(func() {
		defer func() { _ = s.Close() }()
		if err := netchan.Send(n.ctx, s.C, handed{name, c}); err != nil {
			n.log.write(script.Line{Is: script.Logged, Text: "handing out", Err: err.Error()})
			return
		}
		if n.take(t, end, c) {
			n.log.write(script.Line{Is: script.Closed, End: end})
		}
	})
	return nil
}

// relay sends on a channel that comes, and passes it on.
func (n *node) relay(t *task) error {
	s, err := netchan.NewSender[handed](n.Node, t.Channel+further)
	if err != nil {
		return err
	}
	return n.handed(t, t.Channel, func(h handed) {
		end := n.sendOn(t, h)
		n.log.write(script.Line{Is: script.Passed, End: end})
		if err := s.Deliver(n.ctx, h); err != nil {
			n.log.write(script.Line{Is: script.Logged, Text: "passing on", Err: err.Error()})
		}
		n.log.write(script.Line{Is: script.Detaches, End: end})
		netchan.Release(h.To)
		n.done(end, h)
	})
}

// pour sends on a channel that a relay passes on, and closes it.
func (n *node) pour(t *task) error {
	return n.handed(t, t.Channel+further, func(h handed) {
		end := n.sendOn(t, h)
		n.log.write(script.Line{Is: script.ClosesC, End: end})
		close(h.To)
		n.done(end, h)
	})
}

// done waits until nothing more can be delivered.
func (n *node) done(end int64, h handed) {
	select {
	case <-netchan.Done(h.To):
		n.log.write(script.Line{Is: script.Done, End: end, Err: text(netchan.Err(h.To))})
	case <-n.ctx.Done():
	}
}

// handed takes one channel that comes on another, by name.
func (n *node) handed(t *task, on string, use func(handed)) error {
	r, err := netchan.NewReceiver[handed](n.Node, on)
	if err != nil {
		return err
	}
	t.stop = func() { _ = r.Close() }
	n.wg.Go(func() {
		if h, ok := <-r.C; ok {
			use(h)
		}
	})
	return nil
}

// sendOn sends values on a channel that came; its home is written down.
func (n *node) sendOn(t *task, h handed) (end int64) {
	end = n.end()
	options := t.Options
	options.Buffer = cap(h.To)
	home, _ := netchan.Home(h.To)
	n.log.write(script.Line{Is: script.Sender, End: end, Channel: h.Name, Options: &options, Text: home.Name})
	n.values(t, end, h.To, nil)
	return end
}
