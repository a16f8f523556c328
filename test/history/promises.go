package history

import (
	"errors"
	"fmt"
)

// The promises, by what it is called when one is broken.
var (
	ErrInvented   = errors.New("invented: a value that nobody sent, or other bytes than were sent")
	ErrDoubled    = errors.New("doubled: a value was taken twice, and that is not counted, or has no reason")
	ErrReordered  = errors.New("reordered: a value came behind a later one of its sender, and was not given back")
	ErrLost       = errors.New("lost: a value was accepted, and neither taken nor dropped for a reason and counted")
	ErrEarly      = errors.New("early: a value was taken before its send began")
	ErrAfterClose = errors.New("after close: the close was told before all values were taken")
	ErrOverrun    = errors.New("overrun: more values are on their way than windows and buffers hold")
	ErrDishonest  = errors.New("dishonest: something was said that is not so")
	ErrGivenUp    = errors.New("given up: a link broke without a fault, or ended before its time")
	ErrUnnoticed  = errors.New("unnoticed: nothing was heard of a node, and its link was not broken in time")
	ErrLate       = errors.New("late: the network is whole, and something does not come to its end")
)

// A Violation is a broken promise.
type Violation struct {
	promise error
	text    string
	when
}

func (v Violation) Error() string { return fmt.Sprintf("%v: %s", v.promise, v.text) }

// Unwrap is the promise: one of the errors above.
func (v Violation) Unwrap() error { return v.promise }
