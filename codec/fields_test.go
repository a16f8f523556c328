package codec

import (
	"errors"
	"strings"
	"sync"
	"testing"
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
	unsendable[struct{ Callback func() }](t, ".Callback: func can't be sent; the tag `netchan:\"-\"` leaves a field out")
	unsendable[wide](t, "codec.wide.F[].G[]: say which way: chan<- T or <-chan T, or the tag `netchan:\",send\"`")
	unsendable[map[[1]uintptr]int](t, "map[[1]uintptr]int[key][]: uintptr can't be sent")
	unsendable[[]unsafe.Pointer](t, "[]unsafe.Pointer[]: unsafe.Pointer can't be sent")
	unsendable[chan int](t, "chan int: say which way")
	unsendable[sync.Mutex](t, "none of them is exported")
	unsendable[struct{ A, B struct{ x int } }](t, ".A: struct { x int } has fields, but none of them is exported; the tag `netchan:\"-\"` leaves a field out")
	unsendable[selfPointer](t, "pointer to nothing but itself")
	unsendable[struct {
		embedA
		embedB
	}](t, `more than one field "X"`)
	unsendable[struct {
		A int `netchan:"B"`
		B int
	}](t, `more than one field "B"`)
	unsendable[struct {
		embedA
		embedB2
	}](t, `more than one field "X"`)
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

	// The outer field hides the inner one.
	type hides struct {
		embedA
		X string
	}
	arrives(t, hides{embedA{1, 2}, "x"}, struct {
		X string
		Y int
	}{"x", 2})
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
