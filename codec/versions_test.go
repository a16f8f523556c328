package codec

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// change is one way in which a type may differ between two versions of a program, as
// docs/types.md lists them.
type change struct {
	name string
	test func(t *testing.T)
}

// fits checks that old and new arrive as each other's wants, in both directions.
func fits[Old, New any](old Old, asNew New, new New, asOld Old) func(*testing.T) {
	return func(t *testing.T) {
		arrives(t, old, asNew)
		arrives(t, new, asOld)
	}
}

// differ checks that neither can be had from the other.
func differ[Old, New any](t *testing.T) {
	t.Helper()
	mismatch[Old, New](t, "")
	mismatch[New, Old](t, "")
}

// a and b hold one field of some type; most rules are about that.
type a[T any] struct {
	ID int
	F  T
}

// same values in two types, there and back.
func both[Old, New any](old Old, new New) func(*testing.T) {
	return fits(a[Old]{1, old}, a[New]{1, new}, a[New]{1, new}, a[Old]{1, old})
}

// refuses checks that one value can't be had, while the next one can.
func refuses[Old, New any](bad Old, why string, good Old, asNew New) func(*testing.T) {
	return func(t *testing.T) {
		w, r := writer[a[Old]](t), reader[a[Old], a[New]](t)
		b, err := w.Append(nil, &a[Old]{1, bad}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = w.Append(b, &a[Old]{2, good}, nil); err != nil {
			t.Fatal(err)
		}
		var got a[New]
		rest, err := r.Read(b, &got, nil)
		var ve *ValueError
		if !errors.As(err, &ve) || !strings.Contains(err.Error(), why) || !reflect.DeepEqual(got, a[New]{}) {
			t.Errorf("got %+v, %v, want a ValueError with %q", got, err, why)
		}
		if rest, err = r.Read(rest, &got, nil); err != nil || len(rest) > 0 || !reflect.DeepEqual(got, a[New]{2, asNew}) {
			t.Errorf("the next one is %+v, %v", got, err)
		}
	}
}

type (
	point   struct{ X, Y int }
	point3  struct{ Z, Y, X int }
	renamed struct {
		ID    int
		Title string `netchan:"Name"`
	}
	original struct {
		ID   int
		Name string
	}
	embedded struct {
		original
		More bool
	}
	flat struct {
		ID   int
		Name string
		More bool
	}
)

type (
	tagged struct {
		C chan int `netchan:",send"`
	}
	turnedOut struct{ C chan<- int }
)

var aPipe = make(chan int)

var changes = []change{
	{"a field is added", fits(original{1, "n"}, flat{1, "n", false}, flat{2, "m", true}, original{2, "m"})},
	{"a field is removed", fits(flat{1, "n", true}, original{1, "n"}, original{2, "m"}, flat{2, "m", false})},
	{"fields change places", fits(point{1, 2}, point3{0, 2, 1}, point3{3, 2, 1}, point{1, 2})},
	{"a field is renamed, its tag has the old name", fits(original{1, "n"}, renamed{1, "n"}, renamed{2, "m"}, original{2, "m"})},
	{"fields move into an embedded struct", fits(flat{1, "n", true}, embedded{original{1, "n"}, true}, embedded{original{2, "m"}, true}, flat{2, "m", true})},
	{"all fields get other names", func(t *testing.T) { differ[point, struct{ A, B int }](t) }},
	{"the type gets another name", both(twinA{ID: "1"}, twinB{ID: "1"})},

	{"an integer gets another size", both(int32(-7), int64(-7))},
	{"an integer gets another size, the value does not fit", refuses(int64(1<<40), "a[int32].F: 1099511627776 doesn't fit int32", 5, int32(5))},
	{"an integer gets or loses its sign", both(int64(1<<40), uint64(1<<40))},
	{"an integer gets or loses its sign, the value does not fit", refuses(-1, "-1 doesn't fit uint", 5, uint(5))},
	{"a float gets another size", both(float32(0.5), 0.5)},
	{"a float gets another size, the value does not fit", refuses(1e300, "1e+300 doesn't fit float32", 1.5, float32(1.5))},
	{"an integer becomes a float", func(t *testing.T) { differ[a[int], a[float64]](t) }},
	{"a number becomes a string", func(t *testing.T) { differ[a[int], a[string]](t) }},
	{"a string becomes bytes", both("text", []byte("text"))},
	{"a type gets a name", both("text", text("text"))},

	{"a value becomes a pointer", both(5, ptr(5))},
	{"a value becomes a pointer, which is nil", fits(a[int]{1, 0}, a[*int]{1, ptr(0)}, a[*int]{1, nil}, a[int]{1, 0})},
	{"a struct inside changes", both([]point{{1, 2}}, []point3{{0, 2, 1}})},
	{"the values of a map change", both(map[string]int8{"k": 1}, map[string]*int{"k": ptr(1)})},
	{"the keys of a map change", both(map[int8]bool{5: true}, map[uint64]bool{5: true})},
	{"a slice becomes an array", func(t *testing.T) { differ[a[[]int], a[[2]int]](t) }},
	{"an array gets another length", func(t *testing.T) { differ[a[[3]int], a[[2]int]](t) }},
	{"a slice becomes a single value", func(t *testing.T) { differ[a[[]int], a[int]](t) }},

	{"what goes through a channel changes", both((<-chan map[string]int8)(nil), (<-chan map[string]*int)(nil))},
	{"what goes through a channel no longer fits", func(t *testing.T) { differ[a[chan<- int], a[chan<- string]](t) }},
	{"a tag says which way a channel goes", fits(tagged{aPipe}, turnedOut{aPipe}, turnedOut{aPipe}, tagged{aPipe})},
	{"a channel turns round", func(t *testing.T) { differ[a[chan<- int], a[<-chan int]](t) }},

	{"any becomes an interface", fits(a[any]{1, square{2}}, a[shape]{1, square{2}}, a[shape]{1, square{3}}, a[any]{1, square{3}})},
	{"any becomes an interface that the value does not have", func(t *testing.T) {
		refused[a[any], a[shape]](t, a[any]{1, 5}, "int doesn't implement codec.shape")
	}},
	{"any becomes a type", func(t *testing.T) { differ[a[any], a[point]](t) }},
	{"a registered type inside an any changes", func(t *testing.T) {
		newer := foreign(t, "t", writer[struct {
			B string
			A int8
		}](t).Schema())
		if v, _, err := readAny(hashed(newer, 1, 'x', 5), newer); err != nil || v != any(tiny{5}) {
			t.Errorf("%v, %v", v, err)
		}
	}},
	{"a type gets methods of package encoding", func(t *testing.T) { differ[a[int], a[level]](t) }},
	{"methods for text become methods for bytes", func(t *testing.T) { differ[a[level], a[id]](t) }},
}

// Every rule by which two versions of a type do or don't fit.
func TestVersions(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, c.test)
	}
}
