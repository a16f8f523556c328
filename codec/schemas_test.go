package codec

import (
	"errors"
	"fmt"
	"testing"
)

// numbered is the schema of a struct with one field, of a name with n in it.
func numbered(n, length int) []byte {
	name := fmt.Sprintf("F%0*d", length-1, n)
	return append(append([]byte{byte(kindStruct), 1}, append(appendUvarint(nil, uint64(len(name))), name...)...), 1, byte(kindBool))
}

func TestSchemas(t *testing.T) {
	var s Schemas
	a, kept, err := s.Learn(numbered(1, 5))
	if err != nil || !kept || s.Find(a.Hash()) != a {
		t.Fatal(a, kept, err)
	}
	if again, kept, err := s.Learn(numbered(1, 5)); again != a || !kept || err != nil {
		t.Error("the same was learned again", kept, err)
	}
	if _, _, err := s.Learn([]byte{0}); !errors.As(err, new(*CorruptError)) {
		t.Error(err)
	}
	if s.Find(Hash{}) != nil {
		t.Error("found what was never learned")
	}
}

// What one peer announces is bounded, in number and in bytes; what was learned stays.
func TestSchemasAreBounded(t *testing.T) {
	for _, length := range []int{7, 200} {
		var s Schemas
		var first *Schema
		n, bytes := 0, 0
		for {
			b := numbered(n, length)
			schema, kept, err := s.Learn(b)
			if err != nil || schema == nil {
				t.Fatal(err)
			}
			if n == 0 {
				first = schema
			}
			if !kept {
				if s.Find(schema.Hash()) != nil {
					t.Error("found what was not kept")
				}
				if n != MaxTypes && bytes+len(b) <= MaxTypesBytes {
					t.Errorf("no room after %d schemas of %d bytes", n, bytes)
				}
				break
			}
			if bytes += len(b); n > MaxTypes || bytes > MaxTypesBytes {
				t.Fatalf("%d schemas, %d bytes", n, bytes)
			}
			n++
		}
		if s.Find(first.Hash()) != first {
			t.Error("the first was forgotten")
		}
	}
	// The doc comment of MaxTypesBytes says what the worst of them take.
	var worst []byte
	for i := range maxTypes - 1 {
		worst = appendUvarint(append(worst, byte(kindList)), uint64(i+1))
	}
	worst = append(worst, byte(kindBool))
	var err error
	if n := allocated(func() { _, err = ParseSchema(worst) }); err != nil || n > 65*uint64(len(worst)) {
		t.Errorf("%d bytes took %d, %v", len(worst), n, err)
	}
}
