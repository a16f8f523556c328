package netchan_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// everyKind has every basic kind, alone and nested.
type everyKind struct {
	B    bool
	I    int
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U    uint
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	F32  float32
	F64  float64
	C64  complex64
	C128 complex128
	S    string
	Raw  []byte
	List []string
	Arr  [3]int16
	Map  map[string][]int
	P    *inner
	Nil  *inner
	In   inner
	Any  any
}

type inner struct {
	Name string
	Next *inner
}

func everyValue() everyKind {
	return everyKind{
		true, -1, -8, -16, -32, -64, 1, 8, 16, 32, 1 << 63, 0.5, -2.25, 1 + 2i, 3 - 4i, "text", []byte{0, 1, 255},
		[]string{"a", "", "b"}, [3]int16{1, -2, 3}, map[string][]int{"x": {1, 2}, "y": nil},
		&inner{"p", &inner{"q", nil}}, nil, inner{"in", nil}, map[string]int{"any": 1},
	}
}

func TestPromise9EveryKindArrivesEqual(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[everyKind](t, a, "kinds")
	r := receiver[everyKind](t, b, "kinds")
	want := everyValue()
	give(t, s.C, want)
	if got := take(t, r.C); !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// Ends of other types are to each other as if absent, and are named.
func TestPromise9OtherTypesAreAbsent(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	texts := receiver[string](t, b, "types")
	s := sender[int](t, a, "types", netchan.Buffer(1))
	waitFor(t, "the mismatch to be counted", func() bool {
		return s.Stats().Mismatched == 1 && texts.Stats().Mismatched == 1
	})
	give(t, s.C, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err := s.Flush(ctx)
	stalled := (*netchan.StalledError)(nil)
	if !errors.Is(err, netchan.ErrTypeMismatch) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &stalled) {
		t.Fatalf("Flush: %v", err)
	}
	if stalled.Reason != netchan.OtherType || stalled.Node != "b" || stalled.Type != "string" || stalled.Why != "int is not string" || stalled.Left != 1 ||
		!strings.Contains(err.Error(), `1 value of "types" waits: b receives string (int is not string)`) {
		t.Fatalf("%+v: %v", stalled, err)
	}
	// A fitting one gets the value, and the close of the int sender is not the
	// string receiver's.
	numbers := receiver[int](t, b, "types")
	if v := take(t, numbers.C); v != 1 {
		t.Fatal(v)
	}
	close(s.C)
	if _, ok := <-numbers.C; ok {
		t.Fatal("not closed")
	}
	select {
	case v, ok := <-texts.C:
		t.Fatalf("%v %v on the string receiver", v, ok)
	case <-afterQuiet(t):
	}
	// A sender of another type does not keep a channel open.
	words := sender[string](t, a, "types")
	give(t, words.C, "w")
	if v := take(t, texts.C); v != "w" {
		t.Fatal(v)
	}
	if st := words.Stats(); st.Receivers != 1 {
		t.Fatalf("%+v", st)
	}
}

type jobOld struct {
	ID   int64
	Name string
	Gone bool
}

type jobNew struct {
	Extra []string
	Name  string
	ID    int32
}

// Old and new versions of a struct meet by their fields' names.
func TestPromise9VersionsOfAStruct(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[jobOld](t, a, "versions")
	r := receiver[jobNew](t, b, "versions")
	give(t, s.C, jobOld{7, "seven", true})
	if v := take(t, r.C); v.ID != 7 || v.Name != "seven" || v.Extra != nil {
		t.Fatalf("%+v", v)
	}
	// What does not fit is an error of that value; the channel goes on.
	delivered := make(chan error, 1)
	go func() { delivered <- s.Deliver(testContext(t), jobOld{ID: 1 << 40, Name: "large"}) }()
	dropped := (*netchan.DropError)(nil)
	if err := <-delivered; !errors.As(err, &dropped) || dropped.Channel != "versions" {
		t.Fatalf("Deliver of what does not fit: %v", err)
	}
	give(t, s.C, jobOld{8, "eight", false})
	if v := take(t, r.C); v.ID != 8 {
		t.Fatalf("%+v", v)
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Dropped != 1 || st.LastDrop == nil || st.Acknowledged != 2 {
		t.Fatalf("%+v", st)
	}
	if st := r.Stats(); st.Dropped != 1 || !errors.As(st.LastDrop, &dropped) || !strings.Contains(st.LastDrop.Error(), "ID: 1099511627776 doesn't fit int32") {
		t.Fatalf("%+v", st)
	}
	// Two structs without a common field don't match.
	type other struct{ Else int }
	o := receiver[other](t, b, "versions")
	waitFor(t, "the mismatch", func() bool { return o.Stats().Mismatched == 1 })
}

type unknownToOthers struct{ X int }

func TestUnregisteredTypeIsAnErrorOfTheValue(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	s := sender[any](t, a, "any")
	r := receiver[any](t, b, "any")
	connected(t, s, 1)
	err := s.Deliver(testContext(t), unknownToOthers{1})
	dropped := (*netchan.DropError)(nil)
	if !errors.Is(err, netchan.ErrUnregistered) || !errors.As(err, &dropped) || dropped.Channel != "any" {
		t.Fatalf("%v", err)
	}
	// A Flush tells of it, once.
	give(t, s.C, any(unknownToOthers{2}))
	if err := s.Flush(testContext(t)); !errors.Is(err, netchan.ErrUnregistered) {
		t.Fatalf("%v", err)
	}
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatalf("%v", err)
	}
	give(t, s.C, any("fine"))
	if v := take(t, r.C); v != "fine" {
		t.Fatal(v)
	}
}
