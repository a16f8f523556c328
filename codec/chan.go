package codec

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

// A channel travels as a number that the caller gives it, and makes a channel of again:
// nothing here sends, receives, makes or closes.

// The options of a netchan tag that say which way a chan T goes.
const (
	optionSend    = "send"
	optionReceive = "receive"
)

// whichWay is what to do about a channel that goes both ways.
const whichWay = "say which way: chan<- T or <-chan T, or the tag `netchan:\",send\"` or `netchan:\",receive\"` on its field"

// channel reports whether k is a channel.
func (k kind) channel() bool { return k == kindSend || k == kindRecv }

// chanDir is the direction of a channel of kind k.
func (k kind) chanDir() reflect.ChanDir {
	if k == kindSend {
		return reflect.SendDir
	}
	return reflect.RecvDir
}

// chanKind is the kind of the channel type t. One that goes both ways, which only an any
// may hold, is given away to be sent on.
func chanKind(t reflect.Type) kind {
	if t.ChanDir() == reflect.RecvDir {
		return kindRecv
	}
	return kindSend
}

// plainChan is the channel type t as it travels: directed, and without a name.
func plainChan(t reflect.Type) reflect.Type {
	return reflect.ChanOf(chanKind(t).chanDir(), t.Elem())
}

// chanOption is the direction that an option of a netchan tag gives; 0 for no option.
func chanOption(option, path string) (reflect.ChanDir, error) {
	switch option {
	case "":
		return 0, nil
	case optionSend:
		return reflect.SendDir, nil
	case optionReceive:
		return reflect.RecvDir, nil
	}
	return 0, &UnsendableError{path, fmt.Sprintf("unknown option %q in its netchan tag", option)}
}

// directed is t with the direction that an option gave to the channels in it. Variables of
// the two types lie in memory the same way, so that only plans need to know.
func directed(t reflect.Type, dir reflect.ChanDir, path string) (reflect.Type, error) {
	option, other := optionSend, "receive from"
	if dir == reflect.RecvDir {
		option, other = optionReceive, "send on"
	}
	out, leaf := turned(t, dir, 0)
	if out == nil {
		return nil, &UnsendableError{path, fmt.Sprintf("the option %q in its netchan tag is for a channel, and for slices, arrays and pointers of channels, not for %v", option, typeName(t))}
	}
	if leaf.ChanDir() != dir {
		return nil, &UnsendableError{path, fmt.Sprintf("has the option %q in its netchan tag, but %v is to %s", option, typeName(leaf), other)}
	}
	return out, nil
}

// turned is t with a direction for the channel in it, and the type of that channel; nil
// where there is none.
func turned(t reflect.Type, dir reflect.ChanDir, depth int) (out, leaf reflect.Type) {
	if depth > MaxDepth || isWhole(t) {
		return nil, nil
	}
	switch t.Kind() {
	case reflect.Chan:
		if t.ChanDir() == reflect.BothDir {
			t = reflect.ChanOf(dir, t.Elem())
		}
		return t, t
	case reflect.Slice, reflect.Array, reflect.Pointer:
		out, leaf = turned(t.Elem(), dir, depth+1)
	}
	switch {
	case out == nil:
		return nil, nil
	case t.Kind() == reflect.Slice:
		return reflect.SliceOf(out), leaf
	case t.Kind() == reflect.Array:
		return reflect.ArrayOf(t.Len(), out), leaf
	}
	return reflect.PointerTo(out), leaf
}

// channel matches a channel with the local channel type t. Elements are not read here: that
// they fit is found out now, but how is of no use.
func (m *matcher) channel(out []readStep, s readStep, n *node, t reflect.Type, path string) ([]readStep, error) {
	if n.kind != chanKind(t) {
		where := path
		if where != "" {
			where += ": "
		}
		if n.kind == kindSend {
			return nil, fmt.Errorf("%sa channel to send on is not one to receive from", where)
		}
		return nil, fmt.Errorf("%sa channel to receive from is not one to send on", where)
	}
	if _, err := m.prog(n.elem, t.Elem(), path+"<-"); err != nil {
		return nil, err
	}
	s.op, s.sub = opChan, &readSub{typ: plainChan(t)}
	return append(out, s), nil
}

// appendChan writes the channel in the variable at p as one of type t.
func appendChan(dst []byte, p unsafe.Pointer, t reflect.Type, env *WriteEnv) ([]byte, error) {
	if *(*unsafe.Pointer)(p) == nil {
		return append(dst, 0), nil
	}
	if env == nil || env.Chan == nil {
		return nil, &ValueError{Why: "a channel can't be sent here"}
	}
	// What is in the variable, not the variable: it may change while the channel is kept.
	ch := reflect.ValueOf(reflect.NewAt(t, p).Elem().Interface())
	number, err := env.Chan(ch)
	if err != nil {
		return nil, &ValueError{Why: "the channel can't be sent", Err: err}
	}
	if number == math.MaxUint64 {
		return nil, &ValueError{Why: "the number of a channel is too large", Err: ErrTooLarge}
	}
	return appendUvarint(dst, number+1), nil
}

// channel reads a channel into the variable at p, as one of type t.
func (d *decoder) channel(t reflect.Type, b []byte, p unsafe.Pointer) ([]byte, error) {
	x, rest, ok := uvarint(b)
	if !ok {
		return nil, errShort()
	}
	if x == 0 {
		return rest, nil
	}
	if d.env == nil || d.env.Chan == nil {
		return nil, &ValueError{Why: "a channel can't be received here"}
	}
	if err := d.take(1, chanMemory); err != nil {
		return nil, err
	}
	ch, err := d.env.Chan(x-1, t)
	if err != nil {
		return nil, &ValueError{Why: "the channel can't be had", Err: err}
	}
	if !isChan(ch, t) {
		return nil, &ValueError{Why: fmt.Sprintf("there is no %v of that number", t)}
	}
	*(*unsafe.Pointer)(p) = ch.UnsafePointer()
	return rest, nil
}

// isChan reports whether ch is a channel that a variable of type t may hold, and not nil.
func isChan(ch reflect.Value, t reflect.Type) bool {
	return ch.Kind() == reflect.Chan && ch.Type().Elem() == t.Elem() && ch.Type().ChanDir()&t.ChanDir() != 0 && !ch.IsNil()
}
