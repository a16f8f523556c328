package codec

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type twinA struct {
	ID   text
	Kids []twinA
	Up   *twinA
}
type twinB struct {
	ID   string
	Kids []struct {
		ID   text
		Kids []twinB
		Up   *twinB
	}
	Up *twinB
}

// The hash is of the shape and the names of the fields.
func TestSameShapeSameSchema(t *testing.T) {
	if a, b := writer[twinA](t).Schema(), writer[twinB](t).Schema(); a.Hash() != b.Hash() || string(a.Bytes()) != string(b.Bytes()) {
		t.Errorf("%x and %x", a.Bytes(), b.Bytes())
	}
	for i, b := range []*Schema{
		writer[struct {
			ID   text
			Kids []twinA
			UP   *twinA
		}](t).Schema(),
		writer[struct {
			Kids []twinA
			ID   text
			Up   *twinA
		}](t).Schema(),
		writer[struct {
			ID   []byte
			Kids []twinA
			Up   *twinA
		}](t).Schema(),
	} {
		if b.Hash() == writer[twinA](t).Schema().Hash() {
			t.Errorf("%d: another shape has the same hash", i)
		}
	}
	s := writer[twinA](t).Schema()
	if sum := sha256.Sum256(s.Bytes()); s.Hash() != Hash(sum[:16]) {
		t.Error("the hash is not the cut SHA-256 of the bytes")
	}
}

func TestSchemaText(t *testing.T) {
	parsed := func(s *Schema) string {
		p, err := ParseSchema(s.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return p.String()
	}
	s := writer[job](t).Schema()
	if got, want := s.String(), "codec.job{ID int64, Name string, Score float64, Tags []string}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := parsed(s), "struct{ID int64, Name string, Score float64, Tags []string}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := parsed(writer[map[[2]int8]*struct{ T time.Time }](t).Schema()), "map[[2]int8]*struct{T time.Time}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := parsed(writer[twinA](t).Schema()), "struct{ID string, Kids []struct{...}, Up *struct{...}}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, s := range []string{parsed(writer[twinA](t).Schema()), parsed(writer[everything](t).Schema()), writer[everything](t).Schema().String()} {
		if len(s) > maxText {
			t.Errorf("%d bytes: %s", len(s), s)
		}
	}
	_, err := NewReader[struct{ ID string }](s)
	if got, want := fmt.Sprint(err), "ID: int64 is not string (codec.job{ID int64, Name string, Score float64, Tags []string} is sent, struct{ID string} is here)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSchemaLimits(t *testing.T) {
	var fields []reflect.StructField
	for i := range 1000 {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("AFieldWithALongName%04d", i), Type: reflect.TypeFor[int]()})
	}
	var ue *UnsendableError
	if _, err := writePlanOf(reflect.StructOf(fields)); !errors.As(err, &ue) || !strings.Contains(ue.Why, "at most 12288") {
		t.Errorf("a schema of some 24 KiB: %v", err)
	}
	deep := reflect.TypeFor[int]()
	for range MaxDepth {
		deep = reflect.ArrayOf(1, deep)
	}
	if _, err := writePlanOf(deep); !errors.As(err, &ue) || !strings.Contains(ue.Why, "nested deeper") {
		t.Errorf("%d arrays by value: %v", MaxDepth, err)
	}
	long := reflect.StructOf([]reflect.StructField{{Name: "A" + strings.Repeat("b", MaxName), Type: reflect.TypeFor[int]()}})
	if _, err := writePlanOf(long); !errors.As(err, &ue) || !strings.Contains(ue.Why, "too long") {
		t.Errorf("a long name: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	k := func(parts ...any) (b []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case kind:
				b = append(b, byte(p))
			case int:
				b = append(b, byte(p))
			case string:
				b = append(append(b, byte(len(p))), p...)
			}
		}
		return b
	}
	chain := func(n int, of kind) (b []byte) {
		for i := range n {
			b = append(b, byte(of))
			if of == kindArray {
				b = append(b, 1)
			}
			b = appendUvarint(b, uint64(i+1))
		}
		return append(b, byte(kindInt))
	}
	if _, err := ParseSchema(chain(MaxDepth-1, kindArray)); err != nil {
		t.Errorf("arrays %d deep: %v", MaxDepth-1, err)
	}
	if _, err := ParseSchema(chain(4000, kindList)); err != nil {
		t.Errorf("lists of lists: %v", err)
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"unknown kind":      k(0),
		"unknown kind 2":    k(32),
		"too much":          k(kindInt, kindInt),
		"too little":        k(kindList, 1),
		"no number":         k(kindList),
		"gap":               k(kindList, 2, kindInt, kindInt),
		"holds itself":      k(kindStruct, 1, "A", 0),
		"array of itself":   k(kindArray, 1, 0),
		"loop of two":       k(kindStruct, 1, "A", 1, kindArray, 2, 0),
		"pointer to itself": k(kindPtr, 0),
		"pointers in a row": chain(MaxDepth+2, kindPtr),
		"two names":         k(kindNamed, "a", 1, kindNamed, "b", 2, kindInt),
		"same field":        k(kindStruct, 2, "A", 1, "A", 1, kindInt),
		"empty name":        k(kindStruct, 1, "", 1, kindInt),
		"unprintable name":  k(kindStruct, 1, "a\n", 1, kindInt),
		"not UTF-8":         k(kindBinary, "\xff"),
		"cut name":          append(k(kindBinary), 5, 'a'),
		"many fields":       append(k(kindStruct), 0xff, 0xff, 0xff, 0xff, 0x0f),
		"by value too deep": chain(MaxDepth, kindArray),
		"long number":       append(k(kindList), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"too large":         make([]byte, MaxSchema+1),
	} {
		s, err := ParseSchema(b)
		var ce *CorruptError
		if !errors.As(err, &ce) || s != nil {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	// A name of a name is refused; a long one as well.
	if _, err := ParseSchema(append(appendUvarint(k(kindBinary), MaxName+1), strings.Repeat("a", MaxName+1)...)); err == nil {
		t.Error("a long name was taken")
	}
}
