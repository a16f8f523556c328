package codec

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("codec.update", false, "write the golden files anew")

// golden is one value in the wire format: testdata/golden/NAME.hex, so that a change of
// the format shows in review.
type golden struct {
	schema, value []byte
	types         map[Hash]*Schema             // those that stand inside anys by their hash
	check         func(t *testing.T, g golden) // g's bytes still are that value
}

// goldenOf is what v is now.
func goldenOf[T any](t testing.TB, v T) golden {
	types := make(map[Hash]*Schema)
	var chans table
	value := encode(t, v, &WriteEnv{Met: func(s *Schema) { types[s.Hash()] = s }, Chan: chans.number})
	return golden{writer[T](t).Schema().Bytes(), value, types, func(t *testing.T, g golden) {
		s, err := ParseSchema(g.schema)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader[T](s)
		if err != nil {
			t.Fatal(err)
		}
		var got T
		rest, err := r.Read(g.value, &got, &ReadEnv{Schema: func(h Hash) *Schema { return types[h] }, Chan: chans.find})
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(got, v) {
			t.Errorf("%x is %#v, want %#v; left %x, %v", g.value, got, v, rest, err)
		}
	}}
}

type manyCoders struct {
	Time   time.Time
	Addr   netip.Addr
	Level  level
	ID     id
	Int    *big.Int
	Float  big.Float
	Mine   *invoice
	Yours  receipt
	Shape  shape
	Shapes []shape
	Err    error
}

func goldens(t testing.TB) map[string]golden {
	s := "text"
	ps := &s
	c := make(chan int)
	when := time.Date(2024, 2, 29, 1, 2, 3, 4, time.UTC)
	return map[string]golden{
		"int64":    goldenOf(t, int64(-300)),
		"job":      goldenOf(t, aJob()),
		"list":     goldenOf(t, list{V: 1, Next: &list{V: 2}}),
		"map":      goldenOf(t, map[uint8][2]bool{7: {true, false}}),
		"anys":     goldenOf(t, []any{nil, 5, "s", int8(-1), []int8{1}, time.Duration(3), map[string]any{"k": 0.5}, tiny{5}, &tiny{6}}),
		"note":     goldenOf(t, note{Text: "a", Kids: []any{note{Text: "b"}}, When: when, Up: &note{}}),
		"nils":     goldenOf(t, everything{}),
		"coders":   goldenOf(t, manyCoders{when, netip.MustParseAddr("fe80::1%eth0"), 3, id{1, 2, 3, 4}, big.NewInt(-1 << 40), *big.NewFloat(0.1), &invoice{5}, receipt{invoice{7}}, square{2}, []shape{nil, &rect{1, 2}}, codeError{7}}),
		"chans":    goldenOf(t, pipes{A: c, C: []chan int{nil, make(chan int)}, E: c, I: new(chan []pipes), J: make(jobsOut)}),
		"anychans": goldenOf(t, []any{(chan<- int)(c), jobsOut(nil), (<-chan bool)(make(chan bool)), []<-chan linked{make(chan linked)}}),
		"everything": goldenOf(t, everything{
			base: base{7}, Bool: true, Int: -1 << 63, I8: -128, I16: -32768, I32: 1<<31 - 1, I64: -1, Uint: 1<<64 - 1, U8: 255, U16: 65535, U32: 1 << 31, U64: 1 << 63,
			F32: -0.5, F64: 1e300, C64: 1 - 2i, C128: -1 + 2i, String: "häh\x00", Bytes: []byte{1, 2}, Int8s: []int8{-1, 1}, Bools: []bool{true, false}, Floats: []float64{1},
			Ints: []int64{1, -1 << 63}, Words: []uint16{1, 65535}, Strings: []string{"", "a"}, Structs: []inner{{A: 1}, {B: &inner{A: 2}}}, Pointers: []*inner{nil, {A: 3}}, Empty: make([]struct{}, 5),
			Array: [3]int32{1, -2, 3}, Raw: [16]byte{15: 9}, Map: map[string]int{"a": 1}, Deep: map[inner2][]map[int8]string{{A: "x", B: [2]int{1, 2}}: {nil, {}, {-5: "y"}}},
			Pointer: &inner{A: 1, B: &inner{}}, PP: &ps, Time: when, Times: []time.Time{{}}, Duration: time.Hour, Addr: netip.MustParseAddr("10.0.0.1"),
			Any: "any", Anys: []any{nil, 1, uint8(2), []string{"x"}}, Renamed: 5,
		}),
	}
}

func goldenFile(name string) string { return filepath.Join("testdata", "golden", name+".hex") }

func (g golden) String() string {
	var b strings.Builder
	for _, part := range []struct {
		name  string
		bytes []byte
	}{{"schema", g.schema}, {"value", g.value}} {
		fmt.Fprintln(&b, part.name)
		for rest := part.bytes; len(rest) > 0; {
			n := min(32, len(rest))
			fmt.Fprintf(&b, "% x\n", rest[:n])
			rest = rest[n:]
		}
	}
	return b.String()
}

func parseGolden(t testing.TB, text string) (g golden) {
	schema, value, ok := strings.Cut(strings.TrimPrefix(text, "schema\n"), "value\n")
	if !ok {
		t.Fatalf("not a golden file: %q", text)
	}
	for _, part := range []struct {
		text string
		to   *[]byte
	}{{schema, &g.schema}, {value, &g.value}} {
		b, err := hex.DecodeString(strings.Join(strings.Fields(part.text), ""))
		if err != nil {
			t.Fatal(err)
		}
		*part.to = b
	}
	return g
}

func TestGolden(t *testing.T) {
	for name, now := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			if *update {
				if err := os.WriteFile(goldenFile(name), []byte(now.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(goldenFile(name))
			if err != nil {
				t.Fatalf("%v (-codec.update writes it)", err)
			}
			if string(file) != now.String() {
				t.Errorf("the wire format has changed. It was\n%s\nand is\n%s", file, now)
			}
			now.check(t, parseGolden(t, string(file)))
		})
	}
	files, err := filepath.Glob(goldenFile("*"))
	if err != nil || len(files) != len(goldens(t)) {
		t.Errorf("%d golden files, %d values, %v", len(files), len(goldens(t)), err)
	}
}
