package mux

import (
	"errors"
	"fmt"
	"net"
)

// ErrClosed is the end of a session that was closed without an error of its own. It
// matches net.ErrClosed.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "mux: session closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// ErrStopped is what In.Next returns once the use was stopped or refused from
// this side.
var ErrStopped = errors.New("mux: use stopped")

// A ProtocolError is the end of a session whose peer broke the rules.
type ProtocolError struct {
	Where string // "stream header", "control stream", "data stream"
	Why   string
}

func (e *ProtocolError) Error() string {
	return "mux: protocol error: " + e.Where + ": " + e.Why
}

func violation(where, format string, args ...any) error {
	return &ProtocolError{Where: where, Why: fmt.Sprintf(format, args...)}
}
