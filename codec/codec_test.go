package codec

import (
	"bytes"
	"reflect"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func writer[T any](t testing.TB) *Writer[T] {
	t.Helper()
	w, err := NewWriter[T]()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func encode[T any](t testing.TB, v T, env *WriteEnv) []byte {
	t.Helper()
	b, err := writer[T](t).Append(nil, &v, env)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// travel takes the schema of T over the wire and makes a reader of it.
func reader[From, To any](t testing.TB) *Reader[To] {
	t.Helper()
	s, err := ParseSchema(writer[From](t).Schema().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader[To](s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// convey sends v as From and returns what arrives as To.
func convey[To, From any](t testing.TB, v From) (To, error) {
	t.Helper()
	known := make(map[Hash]*Schema)
	var chans table
	b := encode(t, v, &WriteEnv{Met: func(s *Schema) { known[s.Hash()] = s }, Chan: chans.number})
	b = append(b, 0xAA) // the value must end where it ends
	var to To
	rest, err := reader[From, To](t).Read(b, &to, &ReadEnv{Schema: func(h Hash) *Schema { return known[h] }, Chan: chans.find})
	if len(rest) != 1 || rest[0] != 0xAA {
		t.Fatalf("%v: left %x of %x, error %v", reflect.TypeFor[From](), rest, b, err)
	}
	return to, err
}

func same[T any](t *testing.T, v T) {
	t.Helper()
	got, err := convey[T](t, v)
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%T: sent %#v, got %#v, %v", v, v, got, err)
	}
}

// What belongs to the value is not copied where it is most of it, and else is.
func TestReadOwned(t *testing.T) {
	type two struct{ A, B []byte }
	w, err := NewWriter[two]()
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader[two](w.Schema())
	if err != nil {
		t.Fatal(err)
	}
	for _, owned := range []bool{false, true} {
		v := two{bytes.Repeat([]byte{1}, 100), bytes.Repeat([]byte{2}, 10)}
		src, err := w.Append(nil, &v, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got two
		if _, err := r.Read(src, &got, &ReadEnv{Owned: owned}); err != nil {
			t.Fatal(err)
		}
		_ = append(got.A, 9) // what follows in src stays as it is
		if !reflect.DeepEqual(got, v) {
			t.Fatalf("%v", got)
		}
		clear(src)
		if shared := got.A[0] == 0; shared != owned || got.B[0] != 2 {
			t.Errorf("owned: %t, the larger one points into it: %t, the smaller one: %v", owned, shared, got.B)
		}
	}
}
