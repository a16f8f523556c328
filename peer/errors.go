package peer

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

var (
	// ErrKeyMismatch is matched by the error of a connection that was refused
	// because the two sides do not hold keys that each other accepts, whichever
	// of the two refused.
	ErrKeyMismatch = errors.New("peer: cluster keys do not match")

	// ErrCertificate is matched by the error of a connection that was refused
	// because of a certificate, where these are the user's (Config.TLS), whichever of
	// the two sides refused. Where it was this one the error wraps why: one of
	// crypto/x509, or of Config.TLS's functions.
	ErrCertificate = errors.New("peer: certificate not accepted")

	// ErrSelf is returned when the address dialled turns out to be our own.
	ErrSelf = errors.New("peer: this address is our own")

	// ErrPeerLost is matched by Link.Err when the link has ended for any reason
	// but a Close on this side.
	ErrPeerLost = errors.New("peer: lost")

	// ErrClosed is returned by what was called on, or interrupted by the closing
	// of, a Link or Host. It matches net.ErrClosed.
	ErrClosed = fmt.Errorf("peer: closed (%w)", net.ErrClosed)

	// errFrameSize is a caller's mistake, not a state of the link.
	errFrameSize = fmt.Errorf("peer: a frame may hold at most %d bytes", maxFrame)

	// errManyLinks turns away who would have one link more than there may be.
	errManyLinks = errors.New("peer: this node has as many links as it may have")

	// errStale is the outcome of a handshake whose connection is not needed:
	// another one makes, or has made, the link.
	errStale = errors.New("peer: another connection makes the link")

	// errIdentity ends a link whose node shows a certificate with another identity
	// than that which the link was made with.
	errIdentity = errors.New("the node has shown a certificate of another identity: a new link is made with that")
)

// WrongNodeError is returned when another node than the wanted one answers at
// an address.
type WrongNodeError struct {
	Want, Got NodeID
}

func (e *WrongNodeError) Error() string {
	return fmt.Sprintf("peer: wanted node %v, but %v answers", e.Want, e.Got)
}

// HandshakeError says that a connection was made but did not become a link:
// the other side speaks no TLS, or something else inside it, or fell silent.
// It wraps the reason.
type HandshakeError struct {
	Addr string // the address dialled, or where the connection came from
	Err  error
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("peer: handshake with %s: %v", e.Addr, e.Err)
}

// Unwrap returns the reason.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Timeout reports whether the handshake ended because its time was up.
func (e *HandshakeError) Timeout() bool { return isTimeout(e.Err) }

// Temporary is there so that HandshakeError is a net.Error; it equals Timeout.
func (e *HandshakeError) Temporary() bool { return e.Timeout() }

// VersionError says that the other side speaks another version of the protocol.
// Both sides are told so.
type VersionError struct {
	Ours, Theirs uint16
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("peer: the other side speaks version %d of the protocol, this one %d", e.Theirs, e.Ours)
}

// ResumeError ends a link that was broken for longer than it may be.
type ResumeError struct {
	Waited time.Duration // since the connection broke
}

func (e *ResumeError) Error() string {
	return fmt.Sprintf("not back %v after it broke", e.Waited.Round(time.Millisecond))
}

// Timeout is true; it makes ResumeError a net.Error.
func (e *ResumeError) Timeout() bool { return true }

// Temporary is true; it makes ResumeError a net.Error.
func (e *ResumeError) Temporary() bool { return true }

// silenceError breaks a connection on which nothing has been heard for too long.
type silenceError struct{}

func (silenceError) Error() string   { return "nothing heard for too long" }
func (silenceError) Timeout() bool   { return true }
func (silenceError) Temporary() bool { return false }

// protocolError says that a peer who holds the key breaks the rules.
type protocolError string

func (e protocolError) Error() string { return "protocol error: " + string(e) }

func protocolErrorf(format string, args ...any) error {
	return protocolError(fmt.Sprintf(format, args...))
}

// LostError is why a link has ended that was not closed on this side. It matches
// ErrPeerLost, and wraps the reason.
type LostError struct {
	Node Info
	Err  error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("link to %s (%v) lost: %v", e.Node.Name, e.Node.ID, e.Err)
}

// Is reports a match with ErrPeerLost.
func (e *LostError) Is(target error) bool { return target == ErrPeerLost }

// Unwrap returns the reason.
func (e *LostError) Unwrap() error { return e.Err }

// lost makes the error of a link that ended because of err.
func lost(node Info, err error) error { return &LostError{Node: node, Err: err} }

func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
