package netchan

import (
	"context"
	"errors"
)

// Shutdown ends the node in good order: it takes the receivers' names out of
// the registry, closes every Receiver as Receiver.Close does, waits until every
// Sender has delivered what was sent on it, and says goodbye. When ctx ends
// first it closes the node at once, as Close does, and returns a *StalledError
// for each channel that had values left. A send on C that has not returned is not waited
// for. No new ends can be made meanwhile.
func (n *Node) Shutdown(ctx context.Context) error {
	if err := checkContext(ctx, "Shutdown"); err != nil {
		return err
	}
	if !n.ok() {
		return ErrClosed
	}
	n.mu.Lock()
	n.draining, n.changed = true, true
	closed := n.closed
	ends := make([]end, 0, len(n.ends))
	for _, e := range n.ends {
		ends = append(ends, e)
	}
	n.mu.Unlock()
	if closed {
		return nil
	}
	n.poke()
	for _, e := range ends {
		if r, ok := e.(*receivingEnd); ok {
			r.sink.Close()
		}
	}
	for _, e := range ends {
		if s, ok := e.(*sendingEnd); ok {
			s.source.Close()
		}
	}
	var left []error
	for _, e := range ends {
		s, ok := e.(*sendingEnd)
		if !ok {
			continue
		}
		select {
		case <-s.source.Done():
			continue
		case <-ctx.Done():
		}
		// The time is over: Flush says what is left, and why.
		err := public(s.source.Flush(ctx))
		stalled := (*StalledError)(nil)
		if !isClean(err) && !(errors.As(err, &stalled) && stalled.Left == 0) {
			left = append(left, err)
		}
	}
	for _, err := range n.hub.table.Drain(ctx) {
		left = append(left, public(err))
	}
	if err := n.hub.goodbye(ctx); err != nil && len(left) == 0 && ctx.Err() != nil {
		left = append(left, err)
	}
	if err := n.mesh.Leave(ctx); err != nil && ctx.Err() == nil {
		n.cfg.Logger.Warn("netchan: the others may not have heard that we left", "reason", err)
	}
	n.Close()
	return errors.Join(left...)
}

// Close ends the node at once: every Receiver's C is closed, with ErrClosed in
// Err; every Sender's Done is closed, and what it had not delivered is dropped
// and counted. When it returns no goroutine and no socket of the node is left.
// Closing twice does nothing. The error is always nil.
func (n *Node) Close() error {
	if !n.ok() {
		return nil
	}
	n.closeOnce.Do(func() {
		n.mu.Lock()
		n.closed = true
		n.mu.Unlock()
		close(n.stop)
		n.matcher.Wait()
		n.hub.close(errNodeClosed)
		n.mesh.Close()
	})
	return nil
}
