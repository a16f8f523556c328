package main

import (
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/history"
)

func receiveOptions(o history.Options) []netchan.ReceiveOption {
	opts := []netchan.ReceiveOption{netchan.Buffer(o.Buffer)}
	if o.KeepOpen {
		opts = append(opts, netchan.KeepOpen())
	}
	if o.Lossy {
		opts = append(opts, netchan.Lossy())
	}
	return opts
}

// receive takes values and writes down which.
func (n *node) receive(t *task) error {
	r, err := netchan.NewReceiver[value](n.Node, t.Channel, receiveOptions(t.Options)...)
	if err != nil {
		return err
	}
	end := n.end()
	t.stop = func() {
		n.log.write(script.Line{Is: script.Closes, End: end})
		_ = r.Close()
	}
	n.log.write(script.Line{Is: script.Receiver, End: end, Channel: t.Channel, Options: &t.Options})
	n.wg.Go(func() {
		if n.take(t, end, r.C) {
			n.log.write(script.Line{Is: script.Closed, End: end, Err: text(r.Err())})
		}
	})
	return nil
}

// take takes all values of a channel, each written down before the next one. It is false when
// the node has left before the channel was closed.
func (n *node) take(t *task, end int64, c <-chan value) bool {
	for t.gate.pass(); ; t.gate.pass() {
		var v value
		var ok bool
		select {
		case v, ok = <-c:
		case <-n.ctx.Done():
			return false
		}
		if !ok {
			return true
		}
		from, i, intact := v.unpack()
		n.log.write(script.Line{Is: script.Took, End: end, From: from, N: i, Bad: !intact})
		if t.Every > 0 {
			select {
			case <-time.After(t.Every):
			case <-n.ctx.Done():
			}
		}
	}
}
