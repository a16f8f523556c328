package codec

import (
	"math"
	"net/netip"
	"testing"
	"time"
)

type inner struct {
	A int8
	B *inner
	c int
}

type base struct{ ID uint16 }

type everything struct {
	base
	Bool     bool
	Int      int
	I8       int8
	I16      int16
	I32      int32
	I64      int64
	Uint     uint
	U8       uint8
	U16      uint16
	U32      uint32
	U64      uint64
	F32      float32
	F64      float64
	C64      complex64
	C128     complex128
	String   string
	Bytes    []byte
	Int8s    []int8
	Bools    []bool
	Floats   []float64
	Ints     []int64
	Words    []uint16
	Strings  []string
	Structs  []inner
	Pointers []*inner
	Empty    []struct{}
	Array    [3]int32
	Raw      [16]byte
	None     [0]int
	Nothing  struct{}
	Map      map[string]int
	Deep     map[inner2][]map[int8]string
	Pointer  *inner
	PP       **string
	Time     time.Time
	Times    []time.Time
	Duration time.Duration
	Addr     netip.Addr
	Any      any
	Anys     []any
	Renamed  int `netchan:"other"`
	Left     int `netchan:"-"`
}

type inner2 struct {
	A string
	B [2]int
}

func TestEveryKind(t *testing.T) {
	same(t, everything{})
	s := "text"
	ps := &s
	v := everything{
		base: base{7}, Bool: true, Int: math.MinInt64, I8: -128, I16: math.MinInt16, I32: math.MaxInt32, I64: -1,
		Uint: math.MaxUint64, U8: 255, U16: math.MaxUint16, U32: math.MaxUint32, U64: 1 << 63,
		F32: -0.5, F64: math.MaxFloat64, C64: 1 - 2i, C128: -1 + 2i, String: "häh\x00",
		Bytes: []byte{1, 2}, Int8s: []int8{-1, 1}, Bools: []bool{true, false}, Floats: []float64{1, math.Inf(-1)},
		Ints: []int64{1, -1 << 63}, Words: []uint16{1, 65535}, Strings: []string{"", "a"},
		Structs: []inner{{A: 1}, {B: &inner{A: 2}}}, Pointers: []*inner{nil, {A: 3}}, Empty: make([]struct{}, 5),
		Array: [3]int32{1, -2, 3}, Raw: [16]byte{15: 9}, Map: map[string]int{"a": 1, "": 2},
		Deep:    map[inner2][]map[int8]string{{A: "x", B: [2]int{1, 2}}: {nil, {}, {-5: "y"}}},
		Pointer: &inner{A: 1, B: &inner{}}, PP: &ps, Time: time.Date(2024, 2, 29, 1, 2, 3, 4, time.UTC),
		Times: []time.Time{{}, time.Unix(1, 0).UTC()}, Duration: time.Hour, Addr: netip.MustParseAddr("fe80::1%eth0"),
		Any: "any", Anys: []any{nil, 1, uint8(2), []string{"x"}, map[string]any{"k": []any{1.5}}, time.Second}, Renamed: 5,
	}
	same(t, v)
	v.Left = 1
	if got, err := convey[everything](t, v); err != nil || got.Left != 0 {
		t.Errorf("a field with the tag - arrived as %d, %v", got.Left, err)
	}
}

func TestNilAndEmptyAreKeptApart(t *testing.T) {
	same(t, []int(nil))
	same(t, []int{})
	same(t, []byte(nil))
	same(t, []byte{})
	same(t, []inner{})
	same(t, []struct{}{})
	same(t, map[int]int(nil))
	same(t, map[int]int{})
	same(t, (*int)(nil))
	same(t, any(nil))
	same(t, struct{}{})
}

func TestRootKinds(t *testing.T) {
	for _, x := range []int64{0, 1, -1, 63, 64, -64, -65, math.MaxInt64, math.MinInt64} {
		same(t, x)
		same(t, int(x))
		same(t, int32(x))
		same(t, int16(x))
		same(t, int8(x))
		same(t, uint64(x))
		same(t, uint(x))
		same(t, uint32(x))
		same(t, uint16(x))
		same(t, uint8(x))
		same(t, float64(x))
		same(t, float32(x))
		same(t, complex(float64(x), 1))
		same(t, time.Duration(x))
		same(t, struct{ hidden, A int64 }{A: x})
		same(t, []struct{ hidden, A int64 }{{A: x}, {A: 2}})
	}
	same(t, []struct {
		hidden bool
		A      string
	}{{A: "a"}, {A: "b"}})
	same(t, []struct {
		A      float64
		hidden float64
	}{{A: 1}, {A: 2}})
	same(t, true)
	same(t, "x")
	same(t, [2][2]string{{"a", "b"}, {"c", "d"}})
	same(t, any(3))
}

type list struct {
	V    int
	Next *list
}

type tree map[string]tree

type selfSlice []selfSlice

func TestRecursiveTypes(t *testing.T) {
	same(t, list{1, &list{2, &list{3, nil}}})
	same(t, tree{"a": {"b": nil}, "c": {}})
	same(t, selfSlice{{}, {{}, nil}})
}

// A value written with the plan of a type must end where skip says.
func TestSkipAgrees(t *testing.T) {
	v := everything{Strings: []string{"a"}, Structs: []inner{{B: &inner{}}}, Anys: []any{1, "x", []int{1}, nil}, Map: map[string]int{"a": 1}}
	b := encode(t, v, nil)
	rest, err := skip(writer[everything](t).Schema().root, b, 0)
	if err != nil || len(rest) != 0 {
		t.Fatalf("left %d bytes, %v", len(rest), err)
	}
	for i := range b {
		if _, err := skip(writer[everything](t).Schema().root, b[:i], 0); err == nil {
			t.Fatalf("%d of %d bytes were enough", i, len(b))
		}
	}
}
