package codec

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// arrives checks that v, sent as From, is want when it is received as To.
func arrives[From, To any](t *testing.T, v From, want To) {
	t.Helper()
	got, err := convey[To](t, v)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%T %v as %T: got %#v, %v, want %#v", v, v, want, got, err, want)
	}
}

// refused checks that the one value v, sent as From, can't be received as To, and that
// To is zero then.
func refused[From, To any](t *testing.T, v From, why string) {
	t.Helper()
	got, err := convey[To](t, v)
	var ve *ValueError
	var zero To
	if !errors.As(err, &ve) || !strings.Contains(err.Error(), why) || !reflect.DeepEqual(got, zero) {
		t.Errorf("%T %v as %T: got %#v, %v, want a ValueError with %q", v, v, zero, got, err, why)
	}
}

// mismatch checks that To can't be had from From at all.
func mismatch[From, To any](t *testing.T, why string) {
	t.Helper()
	s, err := ParseSchema(writer[From](t).Schema().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewReader[To](s)
	var me *MismatchError
	if !errors.As(err, &me) || !strings.Contains(me.Why, why) {
		t.Errorf("%v as %v: %v, want a MismatchError with %q", reflect.TypeFor[From](), reflect.TypeFor[To](), err, why)
	}
}

func TestIntegers(t *testing.T) {
	arrives(t, int8(-5), int64(-5))
	arrives(t, int64(-5), int8(-5))
	arrives(t, int64(-128), int8(-128))
	arrives(t, int64(127), int8(127))
	arrives(t, int64(math.MinInt16), int16(math.MinInt16))
	arrives(t, int64(math.MinInt32), int32(math.MinInt32))
	arrives(t, uint8(200), int(200))
	arrives(t, int(200), uint8(200))
	arrives(t, uint64(math.MaxInt64), int64(math.MaxInt64))
	arrives(t, int64(math.MaxInt64), uint64(math.MaxInt64))
	arrives(t, int(-1), int64(-1))
	arrives(t, uint(1<<63), uint64(1<<63))
	arrives(t, uint32(7), uint16(7))
	arrives(t, int16(9), time.Duration(9))
	arrives(t, []int8{-1, 2}, []int64{-1, 2})
	arrives(t, []byte{1, 2}, []uint32{1, 2})
	arrives(t, []uint32{1, 255}, []byte{1, 255})
	arrives(t, [3]byte{1, 2, 3}, [3]int{1, 2, 3})
	arrives(t, [3]int{1, 2, 3}, [3]byte{1, 2, 3})
	refused[int64, int8](t, 128, "128 doesn't fit int8")
	refused[int64, int8](t, -129, "-129 doesn't fit int8")
	refused[int, int16](t, 1<<15, "doesn't fit int16")
	refused[int, int32](t, 1<<31, "doesn't fit int32")
	refused[int, uint](t, -1, "-1 doesn't fit uint")
	refused[int8, uint8](t, -1, "-1 doesn't fit uint8")
	refused[int, color](t, 256, "256 doesn't fit codec.color")
	refused[uint8, int8](t, 128, "128 doesn't fit int8")
	refused[uint64, int64](t, 1<<63, "doesn't fit int64")
	refused[uint64, uint32](t, 1<<32, "doesn't fit uint32")
	refused[[]int, []byte](t, []int{1, 256}, "[]uint8[1]: 256 doesn't fit uint8")
	mismatch[int, float64](t, "int is not float64")
	mismatch[int, bool](t, "")
	mismatch[int, string](t, "")
	mismatch[bool, uint8](t, "")
}

func TestFloats(t *testing.T) {
	arrives(t, float32(1.5), 1.5)
	arrives(t, 1.5, float32(1.5))
	arrives(t, 0.1, float32(0.1))
	arrives(t, math.Inf(1), float32(math.Inf(1)))
	arrives(t, complex64(1-2i), 1-2i)
	arrives(t, 1-2i, complex64(1-2i))
	refused[float64, float32](t, 1e300, "1e+300 doesn't fit float32")
	refused[complex128, complex64](t, complex(0, -1e300), "doesn't fit complex64")
	mismatch[float64, complex128](t, "")
	mismatch[float64, int](t, "")
	if got, err := convey[float32](t, math.NaN()); err != nil || got == got {
		t.Errorf("NaN arrived as %v, %v", got, err)
	}
}

type (
	text string
	blob []byte
)

func TestStringsAndBytes(t *testing.T) {
	arrives(t, "a", []byte("a"))
	arrives(t, []byte("a"), "a")
	arrives(t, "", []byte{})
	arrives(t, []byte(nil), "")
	arrives(t, text("a"), blob("a"))
	arrives(t, blob("a"), text("a"))
	arrives(t, map[string]int{"a": 1}, map[text]int8{"a": 1})
	mismatch[string, []int8](t, "")
	mismatch[string, []rune](t, "")
	mismatch[string, [1]byte](t, "")
}

func TestPointers(t *testing.T) {
	five := 5
	p := &five
	arrives(t, 5, &five)
	arrives(t, &five, 5)
	arrives(t, &p, 5)
	arrives(t, 5, &p)
	arrives(t, &p, &five)
	arrives(t, (*int)(nil), 0)
	arrives(t, (**int)(nil), (*int)(nil))
	arrives(t, []int{5}, []*int{&five})
	arrives(t, []*int{&five, nil}, []int{5, 0})
	arrives(t, struct{}{}, &struct{}{})
	arrives(t, [2]struct{}{}, [2]*struct{}{{}, {}})
	arrives(t, []struct{}{{}}, []*struct{}{{}})
	refused[*int, int8](t, ptr(300), "300 doesn't fit int8")
	mismatch[*int, string](t, "")
	mismatch[int, *string](t, "")
}

func ptr[T any](v T) *T { return &v }

type oldJob struct {
	ID    int32
	Name  string
	Old   []map[string]any
	Where struct{ X, Y float32 }
	Gone  *oldJob
	Tags  []string
}

type newJob struct {
	Tags  []text
	New   map[string]int
	Where *struct{ Y, Z float64 }
	Title string `netchan:"Name"`
	ID    int64
}

func TestStructs(t *testing.T) {
	old := oldJob{ID: -4, Name: "n", Old: []map[string]any{{"a": 1, "b": []string{"x"}}, nil}, Gone: &oldJob{Name: "g"}, Tags: []string{"t"}}
	old.Where.X, old.Where.Y = 1, 2
	arrives(t, old, newJob{ID: -4, Title: "n", Tags: []text{"t"}, Where: &struct{ Y, Z float64 }{Y: 2}})
	arrives(t, newJob{ID: 1, Title: "n", New: map[string]int{"a": 1}, Tags: []text{"t", ""}}, oldJob{ID: 1, Name: "n", Tags: []string{"t", ""}})
	arrives(t, []oldJob{old, {}}, []struct{ ID int }{{-4}, {0}})
	refused[newJob, oldJob](t, newJob{ID: 1 << 40}, "codec.oldJob.ID: 1099511627776 doesn't fit int32")

	arrives(t, struct{}{}, oldJob{})
	arrives(t, oldJob{ID: 1}, struct{}{})
	mismatch[oldJob, struct{ Other int }](t, "no field in common")
	mismatch[struct{ J oldJob }, struct{ J struct{ Other int } }](t, "J: the structs have no field in common")
	mismatch[oldJob, struct{ ID string }](t, "ID: int32 is not string")
	mismatch[oldJob, struct{ Gone struct{ Tags []int } }](t, "Gone.Tags[]: string is not int")
	mismatch[oldJob, struct{ Old []map[int]any }](t, "Old[][key]: string is not int")
	mismatch[oldJob, struct{ Old []map[string]int }](t, "Old[][]: any is not int")
	mismatch[oldJob, int](t, "")
	mismatch[int, oldJob](t, "")
}

func TestContainers(t *testing.T) {
	arrives(t, map[int8][]int{1: {2}}, map[uint64][]int16{1: {2}})
	arrives(t, [2]struct{ A, B int }{{1, 2}, {3, 4}}, [2]struct{ B int }{{2}, {4}})
	mismatch[[2]int, [3]int](t, "")
	mismatch[[2]int, []int](t, "")
	mismatch[[]int, [2]int](t, "")
	mismatch[[]int, map[int]int](t, "")
	mismatch[any, int](t, "")
	mismatch[int, any](t, "")
	mismatch[time.Time, string](t, "")
	mismatch[time.Time, struct{}](t, "")
	mismatch[struct{}, time.Time](t, "")
	refused[map[string]int, map[string]int8](t, map[string]int{"k": 1000}, `map[string]int8["k"]: 1000 doesn't fit int8`)
	refused[map[int]int, map[int8]int](t, map[int]int{1000: 1}, "[key]: 1000 doesn't fit int8")
}

type recursive struct {
	Kids []recursive
	Up   *recursive
	N    int
}

type recursive2 struct {
	N    int8
	Up   *recursive2
	Kids []*recursive2
}

func TestRecursiveMatch(t *testing.T) {
	arrives(t, recursive{N: 1, Kids: []recursive{{N: 2, Up: &recursive{N: 3}}}},
		recursive2{N: 1, Kids: []*recursive2{{N: 2, Up: &recursive2{N: 3}}}})
	refused[recursive, recursive2](t, recursive{Kids: []recursive{{}, {N: 999}}}, "recursive2.Kids[1].N: 999")
}

// After a value that can't be had the next one is read.
func TestNextValueAfterError(t *testing.T) {
	w := writer[recursive](t)
	var b []byte
	for _, n := range []int{1, 1000, 2} {
		v := recursive{Kids: []recursive{{N: n}}, N: n}
		var err error
		if b, err = w.Append(b, &v, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := reader[recursive, recursive2](t)
	var got []int8
	for len(b) > 0 {
		v := recursive2{N: 77}
		rest, err := r.Read(b, &v, nil)
		var ve *ValueError
		if err != nil && !errors.As(err, &ve) {
			t.Fatal(err)
		}
		got, b = append(got, v.N), rest
	}
	if !reflect.DeepEqual(got, []int8{1, 0, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestReaderIsKept(t *testing.T) {
	a, b := reader[oldJob, newJob](t), reader[oldJob, newJob](t)
	if a.plan != b.plan {
		t.Error("the same schema was matched with the same type twice")
	}
}
