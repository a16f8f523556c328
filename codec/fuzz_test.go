package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
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
	reflect.TypeFor[manyCoders](),
	reflect.TypeFor[map[shape][]error](),
	reflect.TypeFor[pipes](),
	reflect.TypeFor[map[<-chan int][]*chan<- oneself](),
	reflect.TypeFor[string](),
	reflect.TypeFor[int64](),
}

// seedSchemas are those of all types, and what comes in anys.
func seedSchemas(t testing.TB) (all []*Schema) {
	for _, typ := range append(fuzzTypes, reflect.TypeFor[twinA](), reflect.TypeFor[oldJob](), reflect.TypeFor[[3]*float32]()) {
		w, err := writePlanOf(typ)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w.schema)
	}
	for _, typ := range append(slices.Concat(shapes, errs), reflect.TypeFor[[]note](), reflect.TypeFor[note](), reflect.TypeFor[[]chan []any](), reflect.TypeFor[<-chan bool]()) {
		s, err := schemaOf(typ, true)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// slack is what a call may allocate whatever it is given.
const slack = 64 << 10

// within checks that f allocates no more than limit. Other goroutines' allocations count
// as well, so that f gets more than one chance.
func within(t *testing.T, limit uint64, f func()) {
	var least uint64 = math.MaxUint64
	for range 5 {
		before := heapAllocated()
		f()
		if least = min(least, heapAllocated()-before); least <= limit {
			return
		}
	}
	t.Errorf("%d bytes allocated, at most %d are allowed", least, limit)
}

func heapAllocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// FuzzSchema: what is taken for a schema is stable, can be shown, takes memory in
// proportion, and can be matched with any type without a panic.
func FuzzSchema(f *testing.F) {
	for _, s := range seedSchemas(f) {
		f.Add(s.Bytes())
	}
	for _, g := range goldens(f) {
		f.Add(g.schema)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s *Schema
		var err error
		within(t, slack+65*uint64(len(b)), func() { s, err = ParseSchema(b) })
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
		if again, err := ParseSchema(s.Bytes()); err != nil || again.Hash() != s.Hash() || again.String() != s.String() {
			t.Fatalf("parsed again: %v, %v", again, err)
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
// after which skipping agrees, or a CorruptError; within the bound on memory. A value
// that came out can be written, and what is written comes out as the same.
func FuzzValue(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.schema, g.value)
	}
	f.Add(writer[oldJob](f).Schema().Bytes(), encode(f, oldJob{ID: 1, Gone: &oldJob{Tags: []string{"a", ""}}}, nil))
	f.Add(writer[tree](f).Schema().Bytes(), encode(f, tree{"a": {"b": nil}}, nil))
	f.Add(writer[[][]struct{}](f).Schema().Bytes(), encode(f, [][]struct{}{make([]struct{}, 1000)}, nil))
	f.Add(writer[[]chan<- int](f).Schema().Bytes(), []byte{5, 0, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
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
		env := &ReadEnv{MaxBytes: bound, Schema: func(h Hash) *Schema {
			for _, k := range known {
				if k.Hash() == h {
					return k
				}
			}
			return known[int(h[0])%len(known)]
		}, Chan: anyChan}
		left, skipErr := skip(s.root, value, 0)
		for _, to := range fuzzTypes {
			plan, err := readPlanOf(s, to)
			if err != nil {
				continue
			}
			var v reflect.Value
			var rest []byte
			within(t, bound+bound/2+slack+uint64(to.Size()), func() {
				v = reflect.New(to)
				rest, err = plan.read(value, v.UnsafePointer(), env)
			})
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
			if err == nil {
				again(t, to, v)
			}
		}
	})
}

// anyChan is a ReadEnv.Chan that has a channel for most numbers, and for some what is none.
func anyChan(number uint64, t reflect.Type) (reflect.Value, error) {
	switch number % 8 {
	case 5:
		return reflect.Value{}, errNoSuchChan
	case 6:
		return reflect.Zero(t), nil
	case 7:
		return reflect.ValueOf(number), nil
	}
	return reflect.MakeChan(reflect.ChanOf(reflect.BothDir, t.Elem()), 0), nil
}

// again checks that what v is written as is read as what is written the same way.
func again(t *testing.T, typ reflect.Type, v reflect.Value) {
	w, err := writePlanOf(typ)
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[Hash]*Schema)
	var chans table
	out := &WriteEnv{Met: func(s *Schema) { types[s.Hash()] = s }, Chan: chans.number}
	first, err := w.append(nil, v.UnsafePointer(), out)
	if err != nil {
		var ve *ValueError
		if !errors.As(err, &ve) {
			t.Fatal(err)
		}
		return // user code that can't, or too deep with what an any adds
	}
	plan, err := readPlanOf(w.schema, typ)
	if err != nil {
		t.Fatal(err)
	}
	v2 := reflect.New(typ)
	rest, err := plan.read(first, v2.UnsafePointer(), &ReadEnv{Schema: func(h Hash) *Schema { return types[h] }, Chan: chans.find})
	if err != nil {
		var ve *ValueError
		if !errors.As(err, &ve) {
			t.Fatalf("%v can't be read: %v", typ, err)
		}
		return
	}
	second, err := w.append(nil, v2.UnsafePointer(), out)
	if err != nil || len(rest) != 0 || len(second) != len(first) { // a map has no order
		t.Fatalf("%v was written as %x, and then as %x, %v", typ, first, second, err)
	}
}

// FuzzCompressed: what is no block is an error, and nothing is allocated for what one
// only announces. What comes out can be compressed, and comes back.
func FuzzCompressed(f *testing.F) {
	for _, text := range compressedGoldens {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 16<<10)
	}
	for _, g := range goldens(f) {
		var c Compressor
		block, _ := c.Compress(bytes.Repeat(g.value, 1+2*MinCompress/len(g.value)))
		f.Add(bytes.Clone(block), 1<<20)
	}
	f.Fuzz(func(t *testing.T, block []byte, most int) {
		most = min(max(most, 0), 1<<20)
		var plain []byte
		var err error
		within(t, uint64(most)+slack, func() { plain, err = Decompress(nil, block, most) })
		if err != nil {
			var ce *CorruptError
			if !errors.As(err, &ce) || plain != nil {
				t.Fatalf("%d bytes, %v", len(plain), err)
			}
			return
		}
		if len(plain) > most {
			t.Fatalf("%d bytes, %d are allowed", len(plain), most)
		}
		var c Compressor
		out, ok := c.Compress(bytes.Clone(plain))
		if !ok {
			if !bytes.Equal(out, plain) {
				t.Fatal("what was not compressed has changed")
			}
			return
		}
		back, err := Decompress(nil, out, len(plain))
		if err != nil || !bytes.Equal(back, plain) || len(out) >= len(plain) {
			t.Fatalf("%d bytes became %d and came back as %d, %v", len(plain), len(out), len(back), err)
		}
	})
}
