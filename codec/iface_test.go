package codec

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

type shape interface{ Area() int }

type square struct{ A int }

func (s square) Area() int { return s.A * s.A }

type rect struct{ A, B int }

func (r *rect) Area() int { return r.A * r.B }

type codeError struct{ Code int }

func (e codeError) Error() string { return fmt.Sprint("code ", e.Code) }

func init() {
	Register[square]()
	Register[rect]()
	Register[codeError]()
}

func TestInterfaces(t *testing.T) {
	same(t, shape(nil))
	same(t, shape(square{2}))
	same(t, shape(&square{2}))
	same(t, shape(&rect{2, 3}))
	same(t, []shape{square{1}, nil, &rect{2, 3}})
	same(t, map[shape]int{square{1}: 5, nil: 6})
	same(t, struct{ Err error }{codeError{7}})
	same(t, struct{ Err error }{})
	same(t, fmt.Stringer(time.Second))
	same(t, any([]any{square{1}}))
	// An any and an interface, and two interfaces, are the same to each other.
	arrives(t, []shape{square{1}}, []any{square{1}})
	arrives(t, []any{square{1}, nil}, []shape{square{1}, nil})
	refused[[]any, []shape](t, []any{square{1}, rect{1, 2}}, "[]codec.shape[1]: codec.rect doesn't implement codec.shape")
	refused[any, error](t, 5, "int doesn't implement error")
	refused[map[any]int, map[shape]int](t, map[any]int{1: 1}, "int doesn't implement codec.shape")
	mismatch[shape, square](t, "any is not codec.square")
	mismatch[square, shape](t, "")
	for _, v := range []error{errors.New("e"), fmt.Errorf("f: %w", codeError{1})} {
		_, err := writer[struct{ Err error }](t).Append(nil, &struct{ Err error }{v}, nil)
		if !errors.Is(err, ErrUnregistered) || !strings.Contains(err.Error(), fmt.Sprintf(".Err(%s): what errors.New and fmt.Errorf make can't be sent", strings.TrimPrefix(fmt.Sprintf("%T", v), "*"))) {
			t.Errorf("%T: %v", v, err)
		}
	}
}

func TestInterfaceAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	w, v := writer[shape](t), shape(&rect{2, 3})
	buf := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() { _, _ = w.Append(buf, &v, nil) }); n > 0 {
		t.Errorf("%v allocations to write", n)
	}
}
