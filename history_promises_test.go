package netchan

import (
	"errors"
	"fmt"
)

// The promises, by what it is called when one is broken.
var (
	errInvented   = errors.New("invented: a value that nobody sent, or other bytes than were sent")
	errDoubled    = errors.New("doubled: a value was taken twice, and that is not counted, or has no reason")
	errReordered  = errors.New("reordered: a value came behind a later one of its sender, and was not given back")
	errLost       = errors.New("lost: a value was accepted, and neither taken nor dropped for a reason and counted")
	errEarly      = errors.New("early: a value was taken before its send began")
	errAfterClose = errors.New("after close: the close was told before all values were taken")
	errOverrun    = errors.New("overrun: more values are on their way than windows and buffers hold")
	errDishonest  = errors.New("dishonest: something was said that is not so")
	errGivenUp    = errors.New("given up: a link broke without a fault, or ended before its time")
	errUnnoticed  = errors.New("unnoticed: nothing was heard of a node, and its link was not broken in time")
	errLate       = errors.New("late: the network is whole, and something does not come to its end")
)

// violation is a broken promise.
type violation struct {
	promise error
	text    string
	when
}

func (v violation) Error() string { return fmt.Sprintf("%v: %s", v.promise, v.text) }
func (v violation) Unwrap() error { return v.promise }
