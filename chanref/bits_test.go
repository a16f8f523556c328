package chanref

import (
	"math"
	"reflect"
	"testing"
	"unsafe"
)

// padded has holes between its fields and behind them.
type padded struct {
	A int8
	B int64
	C bool
	D struct {
		E uint16
		F [3]struct {
			G byte
			H uint32
		}
	}
	I any
	J byte
}

// fill sets every byte of v, padding included, but for the interface: a pointer
// of any bits is none.
func fill(v *padded, b byte) {
	for i := range unsafe.Sizeof(*v) {
		if from := unsafe.Offsetof(v.I); i < from || i >= from+unsafe.Sizeof(v.I) {
			*(*byte)(unsafe.Add(unsafe.Pointer(v), i)) = b
		}
	}
}

// set gives v the same fields, whatever lay in its padding.
func set(v *padded) {
	v.A, v.B, v.C, v.D.E, v.I, v.J = 1, -2, true, 4, 5, 6
	for i := range v.D.F {
		v.D.F[i].G, v.D.F[i].H = byte(i), uint32(i)
	}
}

func TestBitsLeaveOutPadding(t *testing.T) {
	b := newBits(reflect.TypeFor[padded]())
	var x, y padded
	fill(&x, 0)
	fill(&y, 0xff)
	set(&x)
	set(&y)
	y.I = x.I
	if !b.same(unsafe.Pointer(&x), unsafe.Pointer(&y)) {
		t.Fatal("padding makes a difference")
	}
	for i, change := range []func(*padded){
		func(v *padded) { v.A++ },
		func(v *padded) { v.B++ },
		func(v *padded) { v.C = !v.C },
		func(v *padded) { v.D.E++ },
		func(v *padded) { v.D.F[0].G++ },
		func(v *padded) { v.D.F[2].H++ },
		func(v *padded) { v.I = "another" },
		func(v *padded) { v.I = nil },
		func(v *padded) { v.J++ },
	} {
		z := x
		change(&z)
		if b.same(unsafe.Pointer(&x), unsafe.Pointer(&z)) {
			t.Errorf("change %d makes no difference", i)
		}
	}
}

func TestBitsOfKinds(t *testing.T) {
	p, q := new(int), new(int)
	check(t, 1, 1, 2)
	check(t, int8(-1), int8(-1), int8(1))
	check(t, math.NaN(), math.NaN(), 0)
	check(t, math.Copysign(0, -1), math.Copysign(0, -1), 0.0) // equal, and not the same
	check(t, p, p, q)
	check(t, "abc", "abc", "abd")
	check(t, [2]string{"a", "b"}, [2]string{"a", "b"}, [2]string{"a", "c"})
	check(t, any(7), any(7), any("7"))
	bytes := []byte("abc")
	check(t, bytes, bytes, bytes[:2])
	check(t, bytes, bytes, []byte("abc")) // equal, and not the same
	check(t, [4]byte{1}, [4]byte{1}, [4]byte{3: 1})
	var large, other [maxSpans + 1]struct {
		A byte
		B int32
	}
	other[maxSpans].B = 1
	check(t, large, large, other)
	none := newBits(reflect.TypeFor[struct{}]())
	if !none.same(unsafe.Pointer(&struct{}{}), unsafe.Pointer(&struct{}{})) || len(none.spans) > 0 {
		t.Error("nothing differs from nothing")
	}
}

func check[T any](t *testing.T, v, same, other T) {
	t.Helper()
	b := newBits(reflect.TypeFor[T]())
	if !b.same(unsafe.Pointer(&v), unsafe.Pointer(&same)) || !b.same(unsafe.Pointer(&v), unsafe.Pointer(&v)) {
		t.Errorf("%v is not the same as itself", v)
	}
	if b.same(unsafe.Pointer(&v), unsafe.Pointer(&other)) {
		t.Errorf("%v is the same as %v", v, other)
	}
}

// Fields that lie side by side are compared in one piece.
func TestBitsSpans(t *testing.T) {
	if n := len(newBits(reflect.TypeFor[struct{ A, B, C int32 }]()).spans); n != 1 {
		t.Errorf("%d spans, want 1", n)
	}
	if n := len(newBits(reflect.TypeFor[padded]()).spans); n < 4 {
		t.Errorf("%d spans: padding is compared", n)
	}
	if n := len(newBits(reflect.TypeFor[[maxSpans]struct {
		A byte
		B int64
	}]()).spans); n > 2*maxSpans {
		t.Errorf("%d spans", n)
	}
}
