package netchan

import (
	"context"
	"io"

	"github.com/matveynator/netchan/chanref"
	"github.com/matveynator/netchan/codec"
)

// Done returns a channel that is closed when nothing can pass through ch any
// more. It does not block, and ch may be of any channel type. When that is:
//
//   - the C of a Sender or Receiver, and what Listen and Dial return: at its end.
//   - a channel to send on that came in a value: when it was closed or released here, and
//     all that was sent on it has been taken; when the channel was closed or dropped at its
//     home; and when its home's node is lost.
//   - a channel to receive from that came in a value: when it was closed at its home, and all
//     values are here (some may still be in ch); when it was released, or passed on to
//     another node; and when its home's node is lost.
//   - a channel of this node that went out in a value: when nobody elsewhere has it any more,
//     whether it was dropped there or with its node, or when it was closed, here (that shows
//     with the next value that comes) or elsewhere. A value on its way counts as having it, also one that
//     its receiver has not taken before it died, and that waits for another. When
//     it goes out again after that, it begins anew: ask again.
//
// The program has taken all values that came, or they are in ch, when Done is closed; one that
// lies in a channel of this node counts as on its way, so read that first. For any other channel
// Done stays open, until that goes out in a value. It is nil for a nil channel and for what is
// no channel.
func Done(ch any) <-chan struct{} {
	if e := chanref.PendingEnding(ch); e != nil {
		return e.Done()
	}
	return nil
}

// Err says why Done(ch) is closed; nil while it is not. It does not block.
//
// For a channel to send on it is then never nil: ErrClosed after a close or Release here, and
// what matches ErrClosed where the channel was closed or dropped at its home. For one to
// receive from it is nil when that was closed in good order, and matches ErrClosed after a
// Release, and when it was passed on. For a channel of this node that went out it matches
// ErrClosed when nobody has it any more. Where a node was lost, it matches ErrPeerLost, and
// errors.As finds the *PeerLostError that says which; where types turned out not to fit,
// ErrTypeMismatch.
func Err(ch any) error {
	if e, _ := chanref.EndingOf(ch); e != nil {
		return public(e.Err())
	}
	return nil
}

// Flush returns nil when all values sent on ch before the call are
// acknowledged, as Sender.Flush does: it blocks until then, or until ctx ends. ch is
//
//   - a Sender's C, or a channel to send on from Listen or Dial;
//   - a channel to send on that came in a value: acknowledged is what was taken out of the
//     channel at its home. (Where the home can't be reached straight, it is what the node
//     that passed ch on has given further.)
//   - a channel of this node that went out to be received from: what others took.
//
// Any other one has nothing to wait for. The error is a *StalledError when ctx ends first, a
// *DropError when a value was dropped, and Err(ch) when it has ended otherwise than by close or
// Release.
func Flush(ctx context.Context, ch any) error {
	if err := checkContext(ctx, "Flush"); err != nil {
		return err
	}
	if e, _ := chanref.EndingOf(ch); e != nil {
		return public(e.Flush(ctx))
	}
	return nil
}

// Release gives up a channel that came in a value, now instead of when
// the program has dropped it and the garbage is collected. What was sent on it is still
// delivered, and when it was taken Done is closed, at both ends. What is sent later is dropped, or
// delivered where Release has not taken effect yet, and may block until what was sent before has
// been taken. What lies in one to
// receive from goes back to the channel's home, for who receives there from afar, and it is
// closed. The channel at its home is not closed. Release does not wait, and does nothing to
// other channels.
//
// A channel in a value that has not left this node yet arrives as one that is gone: before you release
// what you pass on, Flush what it was sent on, or leave it to the garbage collector, which
// waits for that by itself.
func Release(ch any) {
	if e, _ := chanref.EndingOf(ch); e != nil {
		e.Release()
	}
}

// Home is the node where a channel that has travelled lives: the one that made it. ok is
// false for any other channel.
func Home(ch any) (m Member, ok bool) {
	e, _ := chanref.EndingOf(ch)
	if e == nil {
		return Member{}, false
	}
	n, ok := e.Home()
	return Member{ID: NodeID(n.ID), Name: n.Name, Addr: n.Addr}, ok
}

// Send sends v on ch, or says why not: the context's error, Err(ch) once Done(ch)
// is closed, ErrClosed when ch was closed. A nil channel is refused. As with any send, nil means that
// ch has taken v: the other side may go before it has, and then v is dropped and counted.
func Send[T any](ctx context.Context, ch chan<- T, v T) (err error) {
	if ch == nil {
		return &ArgumentError{Call: "Send", Arg: "ch", Problem: "is nil: a send would block for ever"}
	}
	if err := checkContext(ctx, "Send"); err != nil {
		return err
	}
	done := Done(ch)
	select {
	case <-done:
		return Err(ch)
	default:
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	defer func() {
		if recover() != nil { // only a send on a closed channel panics here
			err = ErrClosed
		}
	}()
	select {
	case ch <- v:
		return nil
	case <-done:
		return Err(ch)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Receive receives from ch: what is there first, also when ctx has ended; then
// it waits. The error is io.EOF when ch was closed in good order, be it here or by who held
// it elsewhere; else the reason (see Err), also where ch stays open and Done(ch) is closed: who
// waits for an answer need not wait when nobody is left to give it. So use a fresh channel for each
// question: one that has been dropped elsewhere has ended until it has arrived again. Or it is
// the context's error. A nil channel is refused.
func Receive[T any](ctx context.Context, ch <-chan T) (T, error) {
	var zero T
	if ch == nil {
		return zero, &ArgumentError{Call: "Receive", Arg: "ch", Problem: "is nil: a receive would block for ever"}
	}
	if err := checkContext(ctx, "Receive"); err != nil {
		return zero, err
	}
	end := chanref.PendingEnding(ch)
	result := func(v T, ok bool) (T, error) {
		if ok {
			return v, nil
		}
		if err := public(end.Err()); err != nil && !end.Own() {
			return zero, err
		}
		return zero, io.EOF
	}
	select {
	case v, ok := <-ch:
		return result(v, ok)
	default:
	}
	select {
	case v, ok := <-ch:
		return result(v, ok)
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	case <-end.Done():
	}
	select { // what came before the end
	case v, ok := <-ch:
		return result(v, ok)
	default:
		return zero, public(end.Err())
	}
}

// Register makes T known inside values of type any, under its Go name with its
// package's path; the same goes for other interfaces, as error. Do it at both ends, before
// the first such value. Basic types (time.Time
// among them), time.Duration, and slices, maps, pointers and channels of these and of registered
// types need no registering. It panics on a mistake of the program: two types under one
// name, a type that can't travel or has no name.
func Register[T any]() { codec.Register[T]() }

// RegisterName is Register under a name of your choice, which need not change
// when the type moves to another package.
func RegisterName[T any](name string) { codec.RegisterName[T](name) }

// RegisterFunc has values of a type encoded by functions of yours: for types that know
// how to encode themselves, but not by the methods of package encoding. T is a pointer to
// a named type, or an interface: then it is for all types whose pointers have its methods
// (not for structs that only embed one). For Protocol Buffers it takes one call:
//
//	netchan.RegisterFunc(func(dst []byte, m proto.Message) ([]byte, error) {
//		return proto.MarshalOptions{}.MarshalAppend(dst, m)
//	}, proto.Unmarshal)
//
// appendTo appends v's bytes to dst; read sets v, which is zero, from b, and must not keep
// b. Both may be called by several goroutines at once; an error or panic of theirs is an
// error of the one value. Both ends need it, and the name of the Go type must be the same.
//
// Call it in an init function, or at the start of main. It panics on a mistake of the
// program: another T, a nil function, a T that has its functions already, or a type that a
// Sender or Receiver was made of before.
func RegisterFunc[T any](appendTo func(dst []byte, v T) ([]byte, error), read func(b []byte, v T) error) {
	codec.RegisterFunc(appendTo, read)
}
