package main

import (
	"context"
	"errors"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/history"
)

func sendOptions(o history.Options) []netchan.SendOption {
	opts := []netchan.SendOption{netchan.Buffer(o.Buffer)}
	if o.Broadcast {
		opts = append(opts, netchan.Broadcast())
	}
	if o.Lossy {
		opts = append(opts, netchan.Lossy())
	}
	if o.AtMostOnce {
		opts = append(opts, netchan.AtMostOnce())
	}
	return opts
}

// send sends numbered values.
func (n *node) send(t *task) error {
	s, err := netchan.NewSender[value](n.Node, t.Channel, sendOptions(t.Options)...)
	if err != nil {
		return err
	}
	end := n.end()
	n.log.write(script.Line{Is: script.Sender, End: end, Channel: t.Channel, Options: &t.Options})
	n.sending.Add(1)
	n.wg.Go(func() {
		ctx, cancel := context.WithCancel(n.ctx)
		defer cancel()
		n.wg.Go(func() {
			select {
			case <-t.told:
				cancel()
			case <-ctx.Done():
			}
		})
		if s.WaitReceivers(ctx, t.Peers) == nil {
			n.values(t, end, s.C, func(v value) error { return s.Deliver(ctx, v) })
		}
		n.sending.Done()
		if t.Count > 0 && !t.Close {
			<-t.told
		}
		n.endSender(t, end, s)
	})
	return nil
}

// values sends on a channel what the task says, until it is told to finish.
func (n *node) values(t *task, end int64, c chan<- value, deliver func(value) error) {
	for i := 1; t.Count == 0 || i <= t.Count; i++ {
		if !t.wait() {
			return
		}
		v := pack(end, i, t.Size)
		n.log.write(script.Line{Is: script.Sends, End: end, N: i})
		if t.Call {
			n.log.write(script.Line{Is: script.Delivers, End: end, N: i})
			err := deliver(v)
			n.log.write(script.Line{Is: script.Delivered, End: end, N: i, Err: text(err)})
			continue
		}
		select {
		case c <- v:
			n.log.write(script.Line{Is: script.Sent, End: end, N: i})
		case <-t.told:
			return
		}
	}
}

// wait waits for the time of the next value; it is false when there is to be none.
func (t *task) wait() bool {
	select {
	case <-t.told:
		return false
	default:
	}
	if t.Every == 0 {
		return true
	}
	timer := time.NewTimer(t.Every)
	defer timer.Stop()
	select {
	case <-t.told:
		return false
	case <-timer.C:
		return true
	}
}

// endSender ends a sender when all it had sent is taken, as it was told.
func (n *node) endSender(t *task, end int64, s *netchan.Sender[value]) {
	if !t.Lossy && !t.Close {
		n.log.write(script.Line{Is: script.Flushes, End: end})
		err := s.Flush(n.ctx)
		n.log.write(script.Line{Is: script.Flushed, End: end, Err: text(err)})
	}
	if t.how == script.Detach {
		n.log.write(script.Line{Is: script.Detaches, End: end})
		_ = s.Close()
	} else {
		n.log.write(script.Line{Is: script.ClosesC, End: end})
		close(s.C)
	}
	<-s.Done()
	line := script.Line{Is: script.Done, End: end, Err: text(s.Err())}
	n.log.write(line)
	st := s.Stats()
	n.log.write(script.Line{Is: script.Counts, End: end, Stats: &history.Stats{
		Sent: st.Sent, Acknowledged: st.Acknowledged, InFlight: st.InFlight, Waiting: st.Waiting,
		Redelivered: st.Redelivered, Dropped: st.Dropped,
	}})
}

// text is how errors are written down; that something was closed in good order is one word.
func text(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, netchan.ErrClosed):
		return script.Closed
	}
	return err.Error()
}
