package codec

import (
	"errors"
	"reflect"
	"runtime/metrics"
	"testing"
	"time"
)

// fuzzTypes are what fuzzed bytes are read as.
var fuzzTypes = []reflect.Type{
	reflect.TypeFor[everything](),
	reflect.TypeFor[any](),
	reflect.TypeFor[recursive](),
	reflect.TypeFor[note](),
	reflect.TypeFor[tree](),
	reflect.TypeFor[map[any]any](),
	reflect.TypeFor[[][]struct{}](),
	reflect.TypeFor[[][1000]*struct{}](),
	reflect.TypeFor[newJob](),
	reflect.TypeFor[[]*[]map[int8]*fails](),
	reflect.TypeFor[struct{}](),
}

func seedSchemas(t testing.TB) (all []*Schema) {
	for _, typ := range append(fuzzTypes, reflect.TypeFor[twinA](), reflect.TypeFor[oldJob](), reflect.TypeFor[[3]*float32]()) {
		w, err := writePlanOf(typ)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w.schema)
	}
	s, err := schemaOf(reflect.TypeFor[[]note](), true)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, s)
}

func heapAllocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// FuzzSchema: what is taken for a schema is stable, can be shown, and can be matched with
// any type without a panic.
func FuzzSchema(f *testing.F) {
	for _, s := range seedSchemas(f) {
		f.Add(s.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSchema(b)
		if err != nil {
			var ce *CorruptError
			if !errors.As(err, &ce) || s != nil {
				t.Fatalf("%v, %v", s, err)
			}
			return
		}
		if len(b) > MaxSchema || len(s.String()) > maxText || string(s.Bytes()) != string(b) {
			t.Fatalf("%d bytes, shown as %q, kept as %x", len(b), s, s.Bytes())
		}
		for _, to := range fuzzTypes {
			var me *MismatchError
			if _, err := readPlanOf(s, to); err != nil && !errors.As(err, &me) {
				t.Fatal(err)
			}
		}
		_, _ = dynamicPlanOf(s)
	})
}

// FuzzValue: bytes of any schema, read as any of the types, give a value, a ValueError
// after which skipping agrees, or a CorruptError; within the bound on memory.
func FuzzValue(f *testing.F) {
	n := note{Text: "a", Kids: []any{1, note{Text: "b"}, map[string]any{"k": []int{1}}}, Up: &note{When: time.Unix(1, 0)}}
	f.Add(writer[note](f).Schema().Bytes(), encode(f, n, nil))
	f.Add(writer[any](f).Schema().Bytes(), encode(f, any(map[any]any{1: &n, "x": time.Second}), nil))
	f.Add(writer[oldJob](f).Schema().Bytes(), encode(f, oldJob{ID: 1, Gone: &oldJob{Tags: []string{"a", ""}}}, nil))
	f.Add(writer[everything](f).Schema().Bytes(), encode(f, everything{Map: map[string]int{"a": 1}, Times: make([]time.Time, 2)}, nil))
	f.Add(writer[tree](f).Schema().Bytes(), encode(f, tree{"a": {"b": nil}}, nil))
	f.Add(writer[[][]struct{}](f).Schema().Bytes(), encode(f, [][]struct{}{make([]struct{}, 1000)}, nil))
	f.Add(writer[[]*[]map[int8]*fails](f).Schema().Bytes(), encode(f, []*[]map[int8]*fails{{{1: {5}}}}, nil))
	for _, s := range seedSchemas(f) {
		f.Add(s.Bytes(), make([]byte, 300))
	}
	known := seedSchemas(f)
	f.Fuzz(func(t *testing.T, schema, value []byte) {
		s, err := ParseSchema(schema)
		if err != nil {
			return
		}
		const bound = 1 << 20
		env := &ReadEnv{MaxBytes: bound, Schema: func(h Hash) *Schema { return known[int(h[0])%len(known)] }}
		left, skipErr := skip(s.root, value, 0)
		for _, to := range fuzzTypes {
			plan, err := readPlanOf(s, to)
			if err != nil {
				continue
			}
			v := reflect.New(to)
			before := heapAllocated()
			rest, err := plan.read(value, v.UnsafePointer(), env)
			if n := heapAllocated() - before; n > 2*bound+uint64(64*len(value)) {
				t.Errorf("%v as %v: %d bytes allocated", s, to, n)
			}
			var ce *CorruptError
			var ve *ValueError
			switch {
			case errors.As(err, &ce) && rest == nil:
			case err == nil, errors.As(err, &ve):
				if skipErr != nil || len(rest) != len(left) {
					t.Errorf("%v as %v: %v, left %d bytes, skipping leaves %d, %v", s, to, err, len(rest), len(left), skipErr)
				}
			default:
				t.Errorf("%v as %v: %v", s, to, err)
			}
		}
	})
}
