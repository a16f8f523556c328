package codec

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func unsendable[T any](t *testing.T, want string) {
	t.Helper()
	_, err := NewWriter[T]()
	var ue *UnsendableError
	if !errors.As(err, &ue) || !strings.Contains(err.Error(), want) {
		t.Errorf("NewWriter: %v, want an UnsendableError with %q", err, want)
	}
	_, err = NewReader[T](writer[int](t).Schema())
	if !errors.As(err, &ue) {
		t.Errorf("NewReader: %v, want an UnsendableError", err)
	}
}

type embedA struct{ X, Y int }
type embedB struct{ X, Z int }
type selfPointer *selfPointer
type wide struct{ F [3]deep1 }
type deep1 struct{ G map[string]chan int }

func TestUnsendable(t *testing.T) {
	unsendable[func()](t, "func(): func can't be sent")
	unsendable[struct{ Callback func() }](t, ".Callback: func can't be sent")
	unsendable[wide](t, "codec.wide.F[].G[]: chan can't be sent")
	unsendable[map[[1]uintptr]int](t, "map[[1]uintptr]int[key][]: uintptr can't be sent")
	unsendable[[]unsafe.Pointer](t, "[]unsafe.Pointer[]: unsafe.Pointer can't be sent")
	unsendable[chan int](t, "chan can't be sent")
	unsendable[error](t, "interface error can't be sent, only any")
	unsendable[struct{ Err error }](t, ".Err: interface error can't be sent")
	unsendable[sync.Mutex](t, "none of them is exported")
	unsendable[struct{ A, B struct{ x int } }](t, ".A: has fields, but none of them is exported")
	unsendable[selfPointer](t, "pointer to nothing but itself")
	unsendable[struct {
		embedA
		embedB
	}](t, `more than one field "X"`)
	unsendable[struct {
		A int `netchan:"B"`
		B int `netchan:"B"`
	}](t, `more than one field "B"`)
	unsendable[struct {
		A int `netchan:",sned"`
	}](t, `.A: unknown option "sned"`)
	unsendable[struct {
		a int `netchan:"A"`
	}](t, ".a: has a netchan tag but is not exported")
	unsendable[struct {
		A int "netchan:\"\x01\""
	}](t, "not printable")
}

type hidden struct {
	A int
	b int
}

type Shown struct{ C string }

func TestEmbedding(t *testing.T) {
	type outer struct {
		hidden // unexported, but A is reachable
		*Shown
		sync.Mutex
		A2 int
	}
	v := outer{hidden: hidden{A: 1}, Shown: &Shown{"c"}, A2: 2}
	same(t, &v)
	same(t, &outer{})
	arrives(t, &v, struct {
		A     int
		Shown struct{ C string }
	}{1, struct{ C string }{"c"}})

	// The outer field hides the inner one; a tag decides between equals.
	type hides struct {
		embedA
		X string
	}
	arrives(t, hides{embedA{1, 2}, "x"}, struct {
		X string
		Y int
	}{"x", 2})
	type tagged struct {
		embedA
		embedB2
	}
	arrives(t, tagged{embedA{1, 2}, embedB2{3}}, struct{ X, Y int }{3, 2})
	// A tag on an embedded struct makes it a field.
	arrives(t, struct {
		embedA `netchan:"in"`
		B      int
	}{embedA{1, 2}, 3}, struct {
		In struct{ X int } `netchan:"in"`
	}{struct{ X int }{1}})
}

type embedB2 struct {
	Q int `netchan:"X"`
}

type event struct {
	time.Time
	What string
}

type ownEvent struct {
	time.Time
	what string
}

func (e *ownEvent) UnmarshalBinary(b []byte) error {
	e.what = string(b[15:])
	return e.Time.UnmarshalBinary(b[:15])
}
func (e ownEvent) MarshalBinary() ([]byte, error) {
	b, err := e.Time.MarshalBinary()
	return append(b, e.what...), err
}

// The methods that a struct gets from what it embeds don't know of its other fields.
func TestInheritedMarshalBinary(t *testing.T) {
	now := time.Unix(1, 2).UTC()
	same(t, event{now, "what"})
	arrives(t, event{now, "what"}, struct{ Time time.Time }{now})
	same(t, ownEvent{now, "what"})
}

type fails struct{ mode int }

func (f fails) MarshalBinary() ([]byte, error) {
	switch f.mode {
	case 1:
		return nil, errors.ErrUnsupported
	case 2:
		panic("ouch")
	}
	return []byte{byte(f.mode)}, nil
}

func (f *fails) UnmarshalBinary(b []byte) error {
	switch b[0] { // panics if b is empty
	case 3:
		return errors.ErrUnsupported
	case 4:
		panic("ouch")
	}
	f.mode = int(b[0])
	return nil
}

func TestUserCodeFails(t *testing.T) {
	same(t, []fails{{5}})
	w := writer[[]fails](t)
	for mode, why := range map[int]string{1: "[]codec.fails[1]: codec.fails can't be encoded: unsupported", 2: "panicked while it was encoded: ouch"} {
		b, err := w.Append([]byte("before"), &[]fails{{5}, {mode}}, nil)
		var ve *ValueError
		if !errors.As(err, &ve) || !strings.Contains(err.Error(), why) || string(b) != "before" {
			t.Errorf("%q, %v, want %q", b, err, why)
		}
	}
	refused[[]fails, []fails](t, []fails{{3}}, "[]codec.fails[0]: codec.fails can't be decoded: unsupported operation")
	refused[[]fails, []fails](t, []fails{{4}}, "panicked while it was decoded: ouch")
	var to fails
	if _, err := reader[fails, fails](t).Read([]byte{0}, &to, nil); err == nil {
		t.Error("user code that panics on no bytes succeeded")
	}
}
