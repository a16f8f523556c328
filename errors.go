package netchan

import (
	"errors"
	"fmt"
	"net"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
	"github.com/matveynator/netchan/peer"
)

// The conditions to test for with errors.Is. What carries data is a type of
// its own, for errors.As, that matches one of these.
var (
	// ErrClosed: the end or the node was closed, here; or a channel that was in a value was
	// closed or let go of, here or elsewhere. It matches net.ErrClosed.
	ErrClosed = chanref.ErrClosed
	// ErrKeyMismatch: the other side does not have our cluster key.
	ErrKeyMismatch = peer.ErrKeyMismatch
	// ErrCertificate: one of the two sides does not take the other's certificate
	// (Config.TLS). Where it was this one, the error wraps why.
	ErrCertificate = peer.ErrCertificate
	// ErrPeerLost: the other node is gone, or was away for too long.
	ErrPeerLost = peer.ErrPeerLost
	// ErrTypeMismatch: the two ends of a channel have types that don't fit.
	ErrTypeMismatch = errors.New("netchan: types don't fit")
	// ErrUnregistered: a value inside an any has a type that was not
	// registered with Register or RegisterName, here or at the receiver.
	ErrUnregistered = codec.ErrUnregistered
	// ErrTooLarge: a value is larger than the limit.
	ErrTooLarge = codec.ErrTooLarge
	// ErrRefused: the other node, or this one, does not let the two ends of a channel
	// meet (Config.Authorize).
	ErrRefused = errors.New("netchan: not allowed")
)

// Why ends that were not closed in good order have ended.
var (
	errNodeClosed = fmt.Errorf("netchan: the node was closed: %w", ErrClosed)
	errEnded      = fmt.Errorf("netchan: the connection was given up: %w", ErrClosed)
	errUnlinked   = fmt.Errorf("netchan: all connections were closed here: %w", ErrClosed)
)

// An ArgumentError says what is wrong with a call: nothing was done.
type ArgumentError struct {
	Call    string // the function, such as "NewSender"
	Arg     string // its argument or field
	Problem string // what is wrong, and what to do instead
	Err     error  // a cause, or nil
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("netchan: %s: %s: %s", e.Call, e.Arg, e.Problem)
}

func (e *ArgumentError) Unwrap() error { return e.Err }

// A VersionError says that another node speaks another version of the protocol.
type VersionError = peer.VersionError

// A Reason is what values wait for.
type Reason uint8

// The reasons that a StalledError names.
const (
	UnderWay   Reason = iota // nothing is known to be in the way: a receiver has them, and has not taken them
	NoReceiver               // there is no receiver of the name, or too few
	Full                     // the receivers are there, and full
	LinkDown                 // a receiver is known, and its node can't be reached now
	OtherType                // the receivers take a type that doesn't fit
	Refused                  // Authorize does not allow the receivers, there or here
)

// String is the reason in words.
func (r Reason) String() string {
	switch r {
	case NoReceiver:
		return "no receiver"
	case Full:
		return "receivers full"
	case LinkDown:
		return "link down"
	case OtherType:
		return "receivers of another type"
	case Refused:
		return "not allowed"
	}
	return "with a receiver, not taken yet"
}

// A StalledError is what a call with a context returns when the context ends
// first. It wraps the context's error, and matches ErrTypeMismatch when its
// Reason is OtherType, ErrRefused when it is Refused. It implements net.Error.
type StalledError struct {
	Channel   string // the channel's name
	Left      int    // values that wait, as far as the call is concerned
	Withdrawn bool   // after Deliver: the value was sent to nobody, and will not be; else it may still arrive
	Reason    Reason
	Node      string // for LinkDown, OtherType and Refused: the other node's name
	Type      string // for OtherType: what the receiver there takes
	Why       string // for OtherType: the first difference; for Refused: what Authorize said
	Err       error  // the context's error
}

func (e *StalledError) Error() string {
	why := e.Reason.String()
	switch e.Reason {
	case LinkDown:
		why = fmt.Sprintf("link to %s down", e.Node)
	case OtherType:
		why = fmt.Sprintf("%s receives %s (%s)", e.Node, e.Type, e.Why)
	case Refused:
		why = fmt.Sprintf("not allowed with %s: %s", e.Node, e.Why)
	}
	if e.Left == 0 {
		return fmt.Sprintf("netchan: %q waits: %s: %v", e.Channel, why, e.Err)
	}
	values := "values"
	verb := "wait"
	if e.Left == 1 {
		values, verb = "value", "waits"
	}
	return fmt.Sprintf("netchan: %d %s of %q %s: %s: %v", e.Left, values, e.Channel, verb, why, e.Err)
}

func (e *StalledError) Unwrap() error { return e.Err }

// Is reports a match with ErrTypeMismatch or ErrRefused.
func (e *StalledError) Is(target error) bool {
	return target == ErrTypeMismatch && e.Reason == OtherType || target == ErrRefused && e.Reason == Refused
}

// Timeout reports whether the context's time was over.
func (e *StalledError) Timeout() bool {
	t, ok := e.Err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// Temporary is part of net.Error: another call may go through.
func (e *StalledError) Temporary() bool { return true }

var _ net.Error = (*StalledError)(nil)

// A PeerLostError says which node was lost, and why: it has died, or left, or was away
// for too long. It matches ErrPeerLost.
type PeerLostError struct {
	Node Member
	Err  error // the reason
}

func (e *PeerLostError) Error() string {
	return fmt.Sprintf("netchan: node %s (%v) was lost: %v", e.Node.Name, e.Node.ID, e.Err)
}

func (e *PeerLostError) Unwrap() error { return e.Err }

// Is reports a match with ErrPeerLost.
func (e *PeerLostError) Is(target error) bool { return target == ErrPeerLost }

// A DropError says that a value was accepted and will not be delivered. It
// matches ErrTooLarge, ErrUnregistered, ErrPeerLost or ErrClosed where that is
// the cause; with ErrPeerLost, errors.As finds the *PeerLostError that says who.
type DropError struct {
	Channel string
	Reason  string // in words
	Err     error  // the cause, if it was found on this side or is a lost node; or nil
	code    mux.Code
}

func (e *DropError) Unwrap() error { return e.Err }

func (e *DropError) Error() string {
	return fmt.Sprintf("netchan: a value of %q was dropped: %s", e.Channel, e.Reason)
}

// Is reports a match with the sentinel that stands for the cause.
func (e *DropError) Is(target error) bool {
	switch e.code {
	case mux.CodeTooLarge:
		return target == ErrTooLarge
	case mux.CodeUnregistered:
		return target == ErrUnregistered
	case mux.CodeLost:
		return target == ErrPeerLost
	case mux.CodeShutdown, mux.CodeClosed:
		return target == ErrClosed || target == net.ErrClosed
	case mux.CodeType:
		return target == ErrTypeMismatch
	case mux.CodeRefused:
		return target == ErrRefused
	}
	return false
}

// public turns an error of the layers below into one of ours.
func public(err error) error {
	if stall := (*chanref.StallError)(nil); errors.As(err, &stall) {
		return &StalledError{
			Channel: stall.Channel, Left: stall.Stall.Left, Reason: Reason(stall.Stall.Reason),
			Node: stall.Stall.Node, Withdrawn: stall.Stall.Withdrawn, Type: stall.Stall.Type, Why: stall.Stall.Why, Err: stall.Err,
		}
	}
	if drop := (*chanref.DropError)(nil); errors.As(err, &drop) {
		reason := drop.Code.String()
		if drop.Text != "" {
			reason += ": " + drop.Text
		}
		return &DropError{Channel: drop.Channel, Reason: reason, Err: cause(drop.Err), code: drop.Code}
	}
	if end := (*chanref.EndError)(nil); errors.As(err, &end) && end.Code == mux.CodeType {
		return fmt.Errorf("%w: %w", ErrTypeMismatch, err)
	}
	return cause(err)
}

// cause makes who was lost known, where err tells it, or that it was this side.
func cause(err error) error {
	if errors.Is(err, peer.ErrClosed) {
		return errUnlinked
	}
	if lost := (*peer.LostError)(nil); errors.As(err, &lost) {
		return &PeerLostError{Node: Member(lost.Node), Err: lost.Err}
	}
	return err
}
