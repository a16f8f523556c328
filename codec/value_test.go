package codec

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
)

// valueTravels sends v as what it is and checks that it arrives.
func valueTravels(t *testing.T, v any) {
	t.Helper()
	typ := reflect.TypeOf(v)
	w, err := NewValueWriter(typ)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSchema(w.Schema().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewValueReader(s, typ)
	if err != nil {
		t.Fatal(err)
	}
	var known table
	in := reflect.ValueOf(v)
	b, err := w.Append([]byte("before"), &in, &WriteEnv{Chan: known.number})
	if err != nil || string(b[:6]) != "before" {
		t.Fatalf("%v: %q, %v", typ, b, err)
	}
	out := reflect.ValueOf("other")
	rest, err := r.Read(append(b[6:], 0xAA), &out, &ReadEnv{Chan: known.find})
	if err != nil || len(rest) != 1 || out.Type() != typ || !out.CanAddr() || !reflect.DeepEqual(out.Interface(), v) {
		t.Errorf("%v: sent %v, got %v, %v, left % x", typ, v, out, err, rest)
	}
}

func TestValues(t *testing.T) {
	valueTravels(t, 5)
	valueTravels(t, "text")
	valueTravels(t, aJob())
	valueTravels(t, []any{1, &tiny{2}, nil})
	valueTravels(t, struct{}{})
	valueTravels(t, map[string]chan<- int{"c": make(chan int)})
	valueTravels(t, shape(square{3}))
	// What was written as a value is what a Writer writes.
	w, err := NewValueWriter(reflect.TypeFor[job]())
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(aJob())
	b, err := w.Append(nil, &v, nil)
	if err != nil || string(b) != string(encode(t, aJob(), nil)) || w.Schema() != writer[job](t).Schema() {
		t.Errorf("% x, %v", b, err)
	}
	// An interface, with something in it and without.
	w, err = NewValueWriter(reflect.TypeFor[shape]())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewValueReader(w.Schema(), reflect.TypeFor[any]())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []shape{square{4}, nil} {
		v := reflect.ValueOf(&in).Elem()
		var met *Schema
		b, err := w.Append(nil, &v, &WriteEnv{Met: func(s *Schema) { met = s }})
		if err != nil {
			t.Fatal(err)
		}
		var out reflect.Value
		if _, err := r.Read(b, &out, &ReadEnv{Schema: func(Hash) *Schema { return met }}); err != nil || out.Interface() != any(in) {
			t.Errorf("%v arrived as %v, %v", in, out, err)
		}
	}
}

// Each value read is a variable of its own.
func TestValuesAreFresh(t *testing.T) {
	r, err := NewValueReader(writer[int](t).Schema(), reflect.TypeFor[int64]())
	if err != nil {
		t.Fatal(err)
	}
	var a, b reflect.Value
	rest, err := r.Read([]byte{2, 4}, &a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Read(rest, &b, nil); err != nil || a.Int() != 1 || b.Int() != 2 {
		t.Errorf("%v and %v, %v", a, b, err)
	}
}

func TestValueErrors(t *testing.T) {
	var ue *UnsendableError
	if _, err := NewValueWriter(reflect.TypeFor[struct{ F func() }]()); !errors.As(err, &ue) {
		t.Error(err)
	}
	ints := writer[[]int](t).Schema()
	if _, err := NewValueReader(ints, reflect.TypeFor[chan int]()); !errors.As(err, &ue) {
		t.Error(err)
	}
	var me *MismatchError
	if _, err := NewValueReader(ints, reflect.TypeFor[string]()); !errors.As(err, &me) {
		t.Error(err)
	}

	w, err := NewValueWriter(reflect.TypeFor[any]())
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(ptr(any(unknown{1}))).Elem()
	b, err := w.Append([]byte("before"), &v, nil)
	if !errors.Is(err, ErrUnregistered) || string(b) != "before" {
		t.Errorf("%q, %v", b, err)
	}
	v = reflect.ValueOf(ptr(any(make([]byte, 100)))).Elem()
	if _, err = w.Append(nil, &v, &WriteEnv{MaxBytes: 50}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	for _, v := range []reflect.Value{{}, reflect.ValueOf(5)} {
		var ve *ValueError
		if b, err := w.Append([]byte("before"), &v, nil); !errors.As(err, &ve) || string(b) != "before" {
			t.Errorf("%q, %v", b, err)
		}
	}

	r, err := NewValueReader(ints, reflect.TypeFor[[]int8]())
	if err != nil {
		t.Fatal(err)
	}
	b = encode(t, []int{1, 300}, nil)
	out := reflect.ValueOf("other")
	rest, err := r.Read(append(b, 0xAA), &out, nil)
	if want := "[]int8[1]: 300 doesn't fit int8"; fmt.Sprint(err) != want || len(rest) != 1 || out.IsValid() {
		t.Errorf("%v, left % x, %v, want %s", out, rest, err, want)
	}
	out = reflect.ValueOf("other")
	var ce *CorruptError
	if rest, err := r.Read(b[:2], &out, nil); !errors.As(err, &ce) || rest != nil || out.IsValid() {
		t.Errorf("%v, left % x, %v", out, rest, err)
	}
}

// The variables that values are copied into keep nothing, and are not shared by two calls.
func TestConcurrentValues(t *testing.T) {
	w, err := NewValueWriter(reflect.TypeFor[string]())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			text := string(rune('a' + i))
			v := reflect.ValueOf(text)
			for range 200 {
				if b, err := w.Append(nil, &v, nil); err != nil || string(b) != "\x01"+text {
					t.Errorf("%q, %v", b, err)
				}
			}
		})
	}
	wg.Wait()
	if box := w.plan.boxes.Get().(*reflect.Value); !box.IsZero() {
		t.Errorf("%v is kept", box)
	}
}

func TestValueAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	w, err := NewValueWriter(reflect.TypeFor[[4]int]())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewValueReader(w.Schema(), reflect.TypeFor[[4]int]())
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf([4]int{1, 2, 3, 4})
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { _, _ = w.Append(buf, &v, nil) }); n > 0 {
		t.Errorf("%v allocations to write", n)
	}
	b := []byte{2, 4, 6, 8}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Read(b, &v, nil) }); n > 1 {
		t.Errorf("%v allocations to read", n)
	}
}
