package chanref

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// ErrClosed is why an end that was closed in good order takes nothing more. It
// matches net.ErrClosed.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "netchan: this end of the channel is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// endReason is why nothing passes through a channel that travelled any more, where
// somebody has closed it or let go of it. It matches ErrClosed and net.ErrClosed.
type endReason string

func (e endReason) Error() string        { return "netchan: " + string(e) }
func (e endReason) Is(target error) bool { return target == ErrClosed || target == net.ErrClosed }

// label is a channel's name for people. What is no name of the program's own
// begins with a zero byte.
func label(name string) string { return strings.TrimPrefix(name, "\x00") }

// A DropError says that a value was dropped, and why.
type DropError struct {
	Channel string
	Code    mux.Code
	Text    string
	Err     error // the cause, where it is known here; or nil
}

func (e *DropError) Unwrap() error { return e.Err }

func (e *DropError) Error() string {
	return fmt.Sprintf("channel %q: value dropped: %v: %s", e.Channel, e.Code, e.Text)
}

// codeOf is the code of an error of one value; other is that of any other reason.
func codeOf(err error, other mux.Code) mux.Code {
	switch {
	case errors.Is(err, codec.ErrUnregistered):
		return mux.CodeUnregistered
	case errors.Is(err, codec.ErrTooLarge):
		return mux.CodeTooLarge
	}
	return other
}

// A StallError is what a waiting call returns when its context ends first.
type StallError struct {
	Channel string
	Stall   Stall
	Err     error // the context's
}

func (e *StallError) Error() string {
	return fmt.Sprintf("%d values of %q wait: %v: %v", e.Stall.Left, e.Channel, e.Stall, e.Err)
}

func (e *StallError) Unwrap() error { return e.Err }

// A ProtocolError ends the session with a peer that broke the protocol.
type ProtocolError struct {
	Channel string
	Err     error
}

func (e *ProtocolError) Error() string { return fmt.Sprintf("channel %q: %v", e.Channel, e.Err) }
func (e *ProtocolError) Unwrap() error { return e.Err }

// SourceStats are a source's counters since it was made.
type SourceStats struct {
	Sent         uint64 // values taken from the channel or by Deliver
	Acknowledged uint64 // values taken by a receiving program; a broadcast counts each receiver
	InFlight     uint64 // values with a receiver, not acknowledged
	Waiting      uint64 // values given back, waiting for another receiver
	Redelivered  uint64 // values sent again that a lost receiver may have taken
	Dropped      uint64 // values that no receiver will get; a broadcast counts each receiver
	LastDrop     error  // why the last of them was dropped
	Receivers    int    // receivers connected now
	Mismatches   uint64 // receivers that take another type
	Refused      uint64 // receivers that are not allowed, there or here
}

// sourceCounts are written by the source's goroutine and read by anyone.
type sourceCounts struct {
	sent, acknowledged, inFlight, waiting, redelivered, dropped, receivers atomic.Uint64
	lateDrops, mismatches, refused                                         atomic.Uint64

	mu   sync.Mutex // guards last
	last error
	rate *logRate // of channels that travelled the table's, for there may be many
}

func (s *Source[T]) storeCounts() {
	c, d := &s.counts, &s.d
	s.cfg.dropped(d.dropped - c.dropped.Load())
	live := 0
	for _, l := range d.lanes {
		if l.live && !l.away {
			live++
		}
	}
	c.sent.Store(s.seq)
	c.acknowledged.Store(d.acknowledged)
	c.inFlight.Store(uint64(d.inFlight()))
	c.waiting.Store(uint64(len(d.back)))
	c.redelivered.Store(d.redelivered)
	c.dropped.Store(d.dropped)
	c.receivers.Store(uint64(live))
}

// late counts a value that was sent after the end.
func (c *sourceCounts) late() { c.lateDrops.Add(1) }

func (c *sourceCounts) setLast(err error) {
	c.mu.Lock()
	c.last = err
	c.mu.Unlock()
}

func (c *sourceCounts) warn(l *slog.Logger, msg string, args ...any) {
	if n, ok := c.rate.allow(); ok {
		l.Warn(msg, more(args, n)...)
	}
}

func (c *sourceCounts) stats() SourceStats {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	late := c.lateDrops.Load()
	if late > 0 && last == nil {
		last = ErrClosed
	}
	return SourceStats{
		Sent: c.sent.Load() + late, Acknowledged: c.acknowledged.Load(), InFlight: c.inFlight.Load(),
		Waiting: c.waiting.Load(), Redelivered: c.redelivered.Load(), Dropped: c.dropped.Load() + late,
		LastDrop: last, Receivers: int(c.receivers.Load()), Mismatches: c.mismatches.Load(), Refused: c.refused.Load(),
	}
}

// logRate lets one line a second through and counts the rest.
type logRate struct {
	mu      sync.Mutex
	next    time.Time
	skipped int
}

// more adds how many lines were not written, if any were not.
func more(args []any, skipped int) []any {
	if skipped > 0 {
		args = append(args, "more", skipped)
	}
	return args
}

func (r *logRate) allow() (skipped int, ok bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.next) {
		r.skipped++
		return 0, false
	}
	skipped, r.skipped, r.next = r.skipped, 0, now.Add(time.Second)
	return skipped, true
}

// An EndError says why a proxy has ended: its home has said so.
type EndError struct {
	Node string
	Code mux.Code
	Text string
}

func (e *EndError) Error() string {
	return fmt.Sprintf("netchan: the channel at %s: %v: %s", e.Node, e.Code, e.Text)
}

// Is reports a match with ErrClosed, unless the reason is another one.
func (e *EndError) Is(target error) bool {
	return e.Code != mux.CodeType && (target == ErrClosed || target == net.ErrClosed)
}

func endError(node string, r mux.Refuse) error { return &EndError{node, r.Code, r.Text} }
