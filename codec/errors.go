package codec

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for errors.Is. They come wrapped in a ValueError.
var (
	// ErrUnregistered: an any holds a type that is not registered, here or where it was read.
	ErrUnregistered = errors.New("type is not registered (see netchan.Register)")
	// ErrTooLarge: a value has too many bytes, takes too much memory, or is nested too deep.
	ErrTooLarge = errors.New("value is too large")
)

// UnsendableError says that a Go type can't travel. It comes when a Writer or Reader is made.
type UnsendableError struct {
	Path string // where, from the type's name on: "main.Job.Callback"
	Why  string // "func can't be sent"
}

// Error is the path and the reason.
func (e *UnsendableError) Error() string { return e.Path + ": " + e.Why }

// MismatchError says that what is sent can't be read as the local type.
type MismatchError struct {
	Sent, Local string // both types, for people
	Why         string // the first difference, with its path
}

// Error names both types and the difference.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s (%s is sent, %s is here)", e.Why, e.Sent, e.Local)
}

// ValueError says that one value can't be written or read. Others can.
type ValueError struct {
	Path string // where in the value: "main.Job.Tags[3]"
	Why  string // may be empty if Err says it
	Err  error  // ErrUnregistered, ErrTooLarge, what user code returned, or nil
}

// Error is the path and the reason.
func (e *ValueError) Error() string {
	s := e.Path
	if e.Why != "" {
		s += ": " + e.Why
	}
	if e.Err != nil {
		text := e.Err.Error() // user code may quote all that it could not read
		s += ": " + text[:min(len(text), maxPath)]
	}
	return strings.ToValidUTF8(s, "")
}

// Unwrap returns Err.
func (e *ValueError) Unwrap() error { return e.Err }

// CorruptError says that bytes are not what their schema says, or are not a schema.
// Where one value ends and the next begins is lost.
type CorruptError struct {
	Why string
}

// Error is the reason.
func (e *CorruptError) Error() string { return "corrupt: " + e.Why }

// at puts part in front of the path of a ValueError; other errors stay as they are.
func at(err error, part string) error {
	if e, ok := err.(*ValueError); ok {
		if e.Path = part + e.Path; len(e.Path) > maxPath {
			e.Path = e.Path[:maxPath] + "..."
		}
	}
	return err
}

func errDoesNotFit(v any, into string) error {
	return &ValueError{Why: fmt.Sprintf("%v doesn't fit %s", v, into)}
}

func errTooDeep() error {
	return &ValueError{Why: fmt.Sprintf("nested deeper than %d: it contains itself, or is a long linked list", MaxDepth), Err: ErrTooLarge}
}

// errTooLong: the bytes or the memory of a value exceed the limit. withLimit adds which.
func errTooLong() error { return &ValueError{Err: ErrTooLarge} }

func withLimit(err error, what string, limit int) error {
	if e, ok := err.(*ValueError); ok && e.Why == "" && e.Err == ErrTooLarge {
		e.Why = fmt.Sprintf("takes more than %d bytes%s", limit, what)
	}
	return err
}

func errShort() error {
	return &CorruptError{Why: "value is cut off, or has a number that is too long"}
}

func corrupt(format string, args ...any) error {
	return &CorruptError{Why: fmt.Sprintf(format, args...)}
}
