package codec

import (
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// allocated is how many bytes f allocates, in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

type cycle struct{ Next, Other *cycle }

func TestCyclesEnd(t *testing.T) {
	one := &cycle{}
	one.Next = one
	two := &cycle{}
	two.Next, two.Other = two, two // 2^64 ways through it
	m := tree{}
	m["m"] = m
	s := selfSlice{nil}
	s[0] = s
	a := []any{nil}
	a[0] = a
	check := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := writer[cycle](t).Append(nil, one, nil)
	check("pointer", err)
	if !strings.Contains(err.Error(), "nested deeper than 64") {
		t.Error(err)
	}
	_, err = writer[cycle](t).Append(nil, two, nil)
	check("two pointers", err)
	_, err = writer[tree](t).Append(nil, &m, nil)
	check("map", err)
	_, err = writer[selfSlice](t).Append(nil, &s, nil)
	check("slice", err)
	_, err = writer[any](t).Append(nil, ptr(any(a)), nil)
	check("any", err)

	// What is shared without end is stopped by size before it is by depth.
	leaf := &cycle{}
	for range MaxDepth - 1 {
		leaf = &cycle{leaf, leaf}
	}
	_, err = writer[cycle](t).Append(nil, leaf, &WriteEnv{MaxBytes: 1 << 16})
	check("shared", err)
	if !strings.Contains(err.Error(), "takes more than 65536 bytes") {
		t.Error(err)
	}
}

// nest is a list of n nodes; the last pointer counts only if it points.
func nest(n int) *list {
	var l *list
	for range n {
		l = &list{Next: l}
	}
	return l
}

type blobs struct {
	Next *blobs
	B    []byte
	S    []string
	M    map[string]int
	A    any
	I    []int8
}

func TestDepth(t *testing.T) {
	same(t, nest(MaxDepth)) // a pointer to nothing is no level
	if _, err := writer[list](t).Append(nil, nest(MaxDepth+2), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d pointers in each other: %v", MaxDepth+1, err)
	}
	bytes := [][]byte{{1}}
	v := any(bytes)
	for range (MaxDepth - 3) / 2 {
		v = []any{v}
	}
	if got, err := convey[any](t, v); err != nil || !reflect.DeepEqual(got, v) {
		t.Error(err)
	}
	// Where the writer stops is where the reader does, and skipping.
	for n := MaxDepth - 5; n < MaxDepth+5; n++ {
		var l *blobs
		for range n {
			l = &blobs{Next: l, B: []byte{1}, S: []string{"x"}, M: map[string]int{"a": 1}, A: 1, I: []int8{1}}
		}
		b, err := writer[*blobs](t).Append(nil, &l, nil)
		if err == nil {
			same(t, l)
			arrives(t, struct{ A, B *blobs }{A: l}, struct{ B *blobs }{})
		}
		if (err == nil) != (n < MaxDepth) {
			t.Errorf("%d deep: %d bytes, %v", n, len(b), err)
		}
	}
	// Bytes count too, although they hold nothing that could be nested.
	v = any([]byte{1})
	for range (MaxDepth - 2) / 2 {
		v = []any{v}
	}
	same(t, v)
	if _, err := writer[*any](t).Append(nil, ptr(&v), nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	// Bytes that say more than a writer would: an encoding, but for its depth.
	deep := make([]byte, 10000)
	for i := 1; i < len(deep)-1; i += 2 {
		deep[i] = 1
	}
	var ce *CorruptError
	var l list
	if rest, err := reader[list, list](t).Read(deep, &l, nil); !errors.As(err, &ce) || rest != nil || l.Next != nil {
		t.Errorf("10,000 bytes of nesting: %v", err)
	}
	var e struct{}
	if _, err := reader[struct{ A *list }, struct{}](t).Read(deep[1:], &e, nil); !errors.As(err, &ce) {
		t.Errorf("the same, skipped: %v", err)
	}
}

func TestCountsAllocateNothing(t *testing.T) {
	huge := appendUvarint(nil, math.MaxInt64)
	big := appendUvarint(nil, 1<<30)
	read := func(name string, f func([]byte) error) {
		t.Helper()
		for _, head := range [][]byte{huge, big, appendUvarint(nil, 1002), appendUvarint(nil, 1<<16)} {
			var err error
			n := allocated(func() { err = f(append(head, make([]byte, 1000)...)) })
			var ce *CorruptError
			if !errors.As(err, &ce) || n > 64<<10 {
				t.Errorf("%s: %v, %d bytes allocated", name, err, n)
			}
		}
	}
	read("string", readAs[string, string])
	read("bytes", readAs[[]byte, []byte])
	read("bytes as string", readAs[[]byte, string])
	read("string as bytes", readAs[string, []byte])
	read("ints", readAs[[]int64, []int64])
	read("floats", readAs[[]float64, []float64])
	read("strings", readAs[[]string, []string])
	read("structs", readAs[[]list, []list])
	read("large elements", readAs[[]struct{ A bool }, []struct {
		A bool
		B [10000]byte
	}])
	read("map", readAs[map[int8]int8, map[int8]int8])
	read("binary", readAs[fails, fails])
	read("times", readAs[[]time.Time, []time.Time])
	read("channels", readAs[[]chan<- int, []chan<- int])
	read("skipped", readAs[struct{ A []string }, struct{}])
	read("no elements' bytes", func(b []byte) error {
		if n, _, _ := uvarint(b); n <= 1<<16 { // so many of these are fine
			return errShort()
		}
		return readAs[[]struct{}, []struct{}](b)
	})
}

// readAs reads b, written as From, into a To with a bound of 1 MiB.
func readAs[From, To any](b []byte) error {
	w, err := NewWriter[From]()
	if err != nil {
		return err
	}
	r, err := NewReader[To](w.Schema())
	if err != nil {
		return err
	}
	_, err = r.Read(b, new(To), &ReadEnv{MaxBytes: 1 << 20, Chan: anyChan})
	return err
}

// Each of these grows from at most 1 MiB to gigabytes, if nobody counts.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 1<<20)
	ones := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = 1
		}
		return b
	}
	counted := func(n int, elems []byte) []byte { return append(appendUvarint(nil, uint64(n)+1), elems...) }
	anys := ones(0)
	for len(anys) < 1<<20 {
		anys = append(anys, tagInline, 3, byte(kindList), 1, byte(kindAny), 1)
	}
	bound := uint64(1<<20 + 64<<10)
	if raceEnabled { // the race detector's allocations are larger
		bound *= 2
	}
	for name, c := range map[string]struct {
		bytes []byte
		read  func([]byte) error
	}{
		"wide structs": {counted(1<<19, zeros), readAs[[]struct{ A bool }, []struct {
			A bool
			B [10000]byte
		}]},
		"wide pointers": {counted(1<<16, zeros), readAs[[]struct{ A bool }, []*struct {
			A bool
			B [10000]byte
		}]},
		"pointers in pointers": {counted(1<<16, zeros), readAs[[]bool, []****bool]},
		"empty maps":           {counted(1<<16, ones(1<<20)), readAs[[]map[int8]int8, []map[int8]int8]},
		"maps":                 {counted(1<<15, []byte(strings.Repeat("\x02\x00\x00", 1<<15))), readAs[[]map[int8]int8, []map[int8]int8]},
		"wide maps": {counted(1<<12, []byte(strings.Repeat("\x02\x00\x00", 1<<12))), readAs[[]map[int8]struct{ A bool }, []map[int8]struct {
			A *bool
			B [1000]byte
		}]},
		"map entries":        {counted(1<<18, zeros), readAs[map[uint16]bool, map[uint16]*bool]},
		"anys":               {counted(len(anys)/6, anys), readAs[[]any, []any]},
		"anys in anys":       {counted(1<<15, anys), readAs[[]any, []any]},
		"channels":           {counted(1<<16, ones(1<<16)), readAs[[]chan<- int, []chan<- int]},
		"channels in anys":   {counted(1<<14, []byte(strings.Repeat(string([]byte{tagInline, 3, byte(kindSend), 1, byte(kindInt), 1}), 1<<14))), readAs[[]any, []any]},
		"no bytes":           {counted(1<<20, nil), readAs[[]struct{}, []*struct{}]},
		"no bytes, again":    {counted(1000, []byte(strings.Repeat(string(counted(1<<20-1, nil)), 1000))), readAs[[][]struct{}, [][]struct{}]},
		"arrays of no bytes": {counted(1000, nil), readAs[[][1 << 20]struct{}, [][1 << 20]*struct{}]},
	} {
		_ = c.read(nil) // makes the plans
		var err error
		n := allocated(func() { err = c.read(c.bytes) })
		if !errors.Is(err, ErrTooLarge) || n > bound {
			t.Errorf("%s: %v, %d bytes allocated", name, err, n)
		}
	}
}

// MaxBytes is about memory, not about encoded size, and what is within it is read.
func TestMaxBytes(t *testing.T) {
	b := encode(t, make([]int64, 1000), nil)
	r := reader[[]int64, []int64](t)
	var v []int64
	if _, err := r.Read(b, &v, &ReadEnv{MaxBytes: 8000}); err != nil || len(v) != 1000 {
		t.Error(err)
	}
	rest, err := r.Read(append(b, 1), &v, &ReadEnv{MaxBytes: 7999})
	if !errors.Is(err, ErrTooLarge) || len(rest) != 1 || v != nil || !strings.Contains(err.Error(), "takes more than 7999 bytes in memory") {
		t.Errorf("%v, left %d", err, len(rest))
	}
	w := writer[string](t)
	s := strings.Repeat("x", 1000)
	if _, err := w.Append(make([]byte, 5000), &s, &WriteEnv{MaxBytes: 1002}); err != nil {
		t.Error(err)
	}
	if b, err := w.Append([]byte("before"), &s, &WriteEnv{MaxBytes: 1001}); !errors.Is(err, ErrTooLarge) || string(b) != "before" {
		t.Errorf("%q, %v", b, err)
	}
	many := make([]struct{}, maxZeroWidth+1)
	if _, err := writer[[]struct{}](t).Append(nil, &many, nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	same(t, many[:maxZeroWidth])
}

func TestBadBools(t *testing.T) {
	var ce *CorruptError
	for name, err := range map[string]error{
		"bool":          readAs[bool, bool]([]byte{2}),
		"pointer":       readAs[*int, *int]([]byte{2, 0}),
		"pointer as T":  readAs[*int, int]([]byte{2, 0}),
		"skipped":       readAs[struct{ A bool }, struct{}]([]byte{2}),
		"long number":   readAs[int, int]([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}),
		"number of 65b": readAs[int, int]([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 2}),
	} {
		if !errors.As(err, &ce) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A schema of 12 KiB against a type that repeats it can't make a match explode.
func TestMatchIsBounded(t *testing.T) {
	inner := make([]reflect.StructField, 400)
	for i := range inner {
		inner[i] = reflect.StructField{Name: "F" + strings.Repeat("x", i%7) + string(rune('A'+i/20)) + string(rune('A'+i%20)), Type: reflect.TypeFor[bool]()}
	}
	outer := make([]reflect.StructField, 400)
	for i := range outer {
		outer[i] = inner[i]
		outer[i].Type = reflect.StructOf(inner)
	}
	typ := reflect.StructOf(outer)
	w, err := writePlanOf(typ)
	if err != nil {
		t.Fatal(err)
	}
	var me *MismatchError
	if _, err = readPlanOf(w.schema, typ); !errors.As(err, &me) || !strings.Contains(err.Error(), "more than 65536 steps") {
		t.Errorf("%.200v", err)
	}
}

// Fields without bytes cost nothing, however many there are.
func TestSkipLooksAtBytesOnly(t *testing.T) {
	type hollow struct {
		A, B, C struct{}
		Z       bool
		D       [5]struct{}
	}
	s := writer[[]hollow](t).Schema()
	if n := s.root.elem; len(n.fields) != 5 || len(n.solid) != 1 || n.solid[0].name != "Z" {
		t.Errorf("%d fields, %v", len(n.fields), n.solid)
	}
	arrives(t, struct{ X []hollow }{[]hollow{{Z: true}, {}}}, struct{}{})
}

// Keys that differ may be equal where they are read: no entry goes in silence.
func TestKeysThatBecomeEqual(t *testing.T) {
	type two struct{ A, B int }
	type one struct{ A int }
	arrives(t, map[two]int{{1, 1}: 1, {2, 1}: 2}, map[one]int{{1}: 1, {2}: 2})
	const why = "keys of the map that were different are equal here"
	refused[map[two]int, map[one]int](t, map[two]int{{1, 1}: 1, {1, 2}: 2}, why)
	refused[map[float64]int, map[float32]int](t, map[float64]int{1: 1, 1 + 1e-12: 2}, why)
	refused[map[*int]int, map[int]int](t, map[*int]int{ptr(5): 1, ptr(5): 2}, why)
	when := time.Now()
	refused[map[time.Time]int, map[time.Time]int](t, map[time.Time]int{when: 1, when.Round(0): 2}, why)
	nans := map[float64]int{math.NaN(): 1}
	nans[math.NaN()] = 2
	if got, err := convey[map[float64]int](t, nans); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	// Of keys without bytes any number could be announced for nothing.
	if err := readAs[map[struct{}]struct{}, map[struct{}]struct{}](appendUvarint(nil, 1<<10)); err == nil || !strings.Contains(err.Error(), why) {
		t.Error(err)
	}
}

// quotes says all that it can't read.
type quotes struct{ A int }

func (q quotes) MarshalBinary() ([]byte, error)  { return make([]byte, 1<<20), nil }
func (q *quotes) UnmarshalBinary(b []byte) error { return errors.New(string(b)) }

func TestReasonsAreShort(t *testing.T) {
	_, err := convey[quotes](t, quotes{1})
	if err == nil || len(err.Error()) > 3*maxPath {
		t.Errorf("a reason of %d bytes", len(err.Error()))
	}
}

// How to read a type inside an any is found out once for each peer, and in all only so
// much: a few bytes that name another type each must not make us do it again and again.
func TestPlansOfAnysAreBounded(t *testing.T) {
	var types Schemas
	fields := make([]reflect.StructField, 0, 1900)
	for i := range 1900 {
		fields = append(fields, reflect.StructField{Name: "F" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)), Type: reflect.TypeFor[bool]()})
	}
	env := &ReadEnv{Schema: types.Find, MaxBytes: 1 << 20}
	var all []byte
	n := 0
	for ; ; n++ {
		fields[0].Name = "N" + string(rune('a'+n%26)) + string(rune('a'+n/26))
		w, err := writePlanOf(reflect.StructOf(fields))
		if err != nil {
			t.Fatal(err)
		}
		form := append([]byte(nameHead(kindNamed, "t")), 1)
		b := append([]byte{byte(kindStruct)}, appendUvarint(nil, uint64(len(fields)+1))...)
		b = append(append(b, 1, 'A'), 2)
		for _, f := range w.schema.root.fields {
			b = append(append(append(b, byte(len(f.name))), f.name...), 2)
		}
		s, kept, err := types.Learn(append(append(form, b...), byte(kindUint8)))
		if err != nil {
			t.Fatal(err)
		}
		if !kept {
			break
		}
		all = append(all, hashed(s, make([]byte, len(fields)+1)...)[:17]...)
		all = append(appendUvarint(all, uint64(len(fields)+1)), make([]byte, len(fields)+1)...)
	}
	if n < 10 {
		t.Fatalf("only %d schemas were kept", n)
	}
	read := func() {
		for b := all; len(b) > 0; {
			var v any
			rest, err := reader[any, any](t).Read(b, &v, env)
			if err != nil || v != any(tiny{0}) {
				t.Fatal(v, err)
			}
			b = rest
		}
	}
	read()
	left := types.budget.Load()
	if used := maxPlanCost - left; used < int64(n*len(fields)) {
		t.Fatalf("%d plans cost %d", n, used)
	}
	read()
	if types.budget.Load() != left {
		t.Errorf("reading the same again cost %d", left-types.budget.Load())
	}
	types.budget.Store(0)
	for _, s := range types.all {
		s.plan.Store(nil)
	}
	var v any
	if rest, err := reader[any, any](t).Read(all, &v, env); !errors.Is(err, ErrTooLarge) || len(rest) == 0 {
		t.Errorf("beyond the bound: %d left, %v", len(rest), err)
	}
}
