package codec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type note struct {
	Text string
	Kids []any
	When time.Time
	Up   *note
}

type color uint8

type tiny struct{ A int }

type unknown struct{ A int }

func init() {
	Register[note]()
	Register[*color]() // registers color
	RegisterName[tiny]("t")
	RegisterName[struct{ X, Y int }]("point")
	RegisterName[[]color]("palette")
}

func TestAny(t *testing.T) {
	n := note{Text: "a", Kids: []any{1, note{Text: "b"}, nil}, Up: &note{}}
	var nobody *note
	for _, v := range []any{
		nil, true, false, 1, int8(-1), int16(-2), int32(-3), int64(-4), uint(1), uint8(2), uint16(3), uint32(4), uint64(5),
		float32(1.5), 2.5, complex64(1), complex128(2i), "s", []byte("b"), []any{}, []any{1, "x", []any{nil}},
		map[string]any{"a": 1, "b": map[string]any{}}, map[any]any{1: "x", "y": 2.5, true: nil},
		[][]string{{"a"}, nil}, map[int][]float64{1: {2}}, ptr(3), ptr("p"), ptr[any](5),
		time.Second, time.Unix(5, 0).UTC(), []time.Duration{1, 2}, map[string]time.Time{"t": time.Unix(9, 0).UTC()},
		n, &n, []note{n, {}}, map[string]*note{"x": &n, "nil": nil}, nobody, color(7), []color{1, 2}, [][]color{{1}},
		tiny{5}, &tiny{6}, struct{ X, Y int }{1, 2}, []struct{ X, Y int }{{1, 2}}, []int(nil), map[string]int(nil),
	} {
		same(t, v)
		same(t, struct {
			A int
			V any
			B string
		}{1, v, "b"})
		got, err := convey[any](t, v)
		if err != nil || reflect.TypeOf(got) != reflect.TypeOf(v) {
			t.Errorf("%T arrived as %T, %v", v, got, err)
		}
	}
	type Payload any
	same(t, Payload(5))
}

func TestMet(t *testing.T) {
	count := make(map[string]int)
	env := &WriteEnv{Met: func(s *Schema) { count[s.String()]++ }}
	encode(t, []any{note{}, 1, note{Kids: []any{note{}}}, []note{}, tiny{}, "s", []int{1}}, env)
	want := map[string]int{"codec.note{Text string, Kids []any, When time.Time, Up *codec.note}": 3, "[]codec.note": 1}
	if !reflect.DeepEqual(count, want) {
		t.Errorf("met %v, want %v", count, want)
	}
}

func TestUnregistered(t *testing.T) {
	w := writer[map[string]any](t)
	for v, want := range map[any]string{
		struct{ A int }{}: "use RegisterName",
		[2]int{}:          "use RegisterName",
		errors.New("e"):   "error types of your own can",
		twoWays(nil):      "must say which way",
		unknown{}:         "(codec.unknown): type is not registered (see netchan.Register)",
		&[]shape{}:        "",
	} {
		if _, err := w.Append(nil, &map[string]any{"k": v}, nil); !errors.Is(err, ErrUnregistered) || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: %v, want %q", v, err, want)
		}
	}
	for _, v := range []any{unknown{}, &unknown{}, []unknown{}, map[unknown]int{}, struct{ A int }{}, [2]int{}, text("x"), errors.New("e"), func() {}, twoWays(nil), make(chan unknown), [][]map[int]*unknown{}} {
		b, err := w.Append([]byte("before"), &map[string]any{"k": v}, nil)
		if !errors.Is(err, ErrUnregistered) || string(b) != "before" {
			t.Errorf("%T: %q, %v", v, b, err)
		}
		if want := `map[string]any["k"]`; !strings.HasPrefix(fmt.Sprint(err), want) {
			t.Errorf("%v, want it to begin with %s", err, want)
		}
	}
}

// readAny reads the any in b, with the byte FF behind it.
func readAny(b []byte, known ...*Schema) (any, []byte, error) {
	s, err := ParseSchema([]byte{byte(kindAny)})
	if err != nil {
		return nil, nil, err
	}
	r, err := NewReader[any](s)
	if err != nil {
		return nil, nil, err
	}
	v := any("before")
	rest, err := r.Read(append(b, 0xFF), &v, &ReadEnv{Schema: func(h Hash) *Schema {
		for _, k := range known {
			if k.Hash() == h {
				return k
			}
		}
		return nil
	}})
	return v, rest, err
}

// foreign is a schema as another program would send it.
func foreign(t *testing.T, name string, s *Schema) *Schema {
	t.Helper()
	b := []byte(nameHead(kindNamed, name))
	b = append(b, 1)
	shifted, err := ParseSchema(append(b, shift(s.root)...))
	if err != nil {
		t.Fatal(err)
	}
	return shifted
}

// shift is the form of a struct of basic fields, one type further back.
func shift(n *node) []byte {
	b := []byte{byte(kindStruct), byte(len(n.fields))}
	var kinds []byte
	for i, f := range n.fields {
		b = append(append(append(b, byte(len(f.name))), f.name...), byte(i+2))
		kinds = append(kinds, byte(f.node.kind))
	}
	return append(b, kinds...)
}

func hashed(s *Schema, value ...byte) []byte {
	h := s.Hash()
	return append(append(append([]byte{tagHash}, h[:]...), byte(len(value))), value...)
}

func TestAnyFromElsewhere(t *testing.T) {
	// Another version of tiny, in whose program it has more fields.
	newer := foreign(t, "t", writer[struct {
		B string
		A int8
	}](t).Schema())
	v, rest, err := readAny(hashed(newer, 1, 'x', 5), newer)
	if err != nil || v != any(tiny{5}) || len(rest) != 1 {
		t.Errorf("%v, %x, %v", v, rest, err)
	}
	other := foreign(t, "t", writer[struct{ B string }](t).Schema())
	stranger := foreign(t, "stranger", writer[struct{ A int8 }](t).Schema())
	var me *MismatchError
	for name, c := range map[string]struct {
		bytes []byte
		is    func(error) bool
	}{
		"another shape": {hashed(other, 0), func(err error) bool { return errors.As(err, &me) }},
		"unknown name":  {hashed(stranger, 5), func(err error) bool { return errors.Is(err, ErrUnregistered) }},
		"unknown hash": {hashed(writer[job](t).Schema(), 1, 2, 3), func(err error) bool {
			return errors.Is(err, ErrUnregistered)
		}},
		"inline unknown name": {append([]byte{tagInline, byte(len(stranger.Bytes()))}, append(stranger.Bytes(), 5)...), func(err error) bool { return errors.Is(err, ErrUnregistered) }},
		"struct without name": {append([]byte{tagInline, 2}, byte(kindStruct), 0), func(err error) bool { return errors.Is(err, ErrUnregistered) }},
		"key that can't be":   {append([]byte{tagInline, 6}, byte(kindMap), 1, 2, byte(kindList), 2, byte(kindInt), 1), func(err error) bool { return strings.Contains(err.Error(), "key") }},
		"list of itself":      {append([]byte{tagInline, 2}, byte(kindList), 0, 1), func(err error) bool { return errors.Is(err, ErrTooLarge) }},
	} {
		v, rest, err := readAny(c.bytes, other, stranger)
		var ve *ValueError
		if !errors.As(err, &ve) || !c.is(err) || len(rest) != 1 || v != nil {
			t.Errorf("%s: %v, left %x, %v", name, v, rest, err)
		}
	}
	var ce *CorruptError
	for name, b := range map[string][]byte{
		"any too long":    hashed(newer, 1, 'x', 5, 9),
		"any too short":   hashed(newer, 1, 'x'),
		"unknown tag":     {99},
		"schema too long": {tagInline, maxInline + 1},
		"bad schema":      {tagInline, 1, 0},
	} {
		if _, rest, err := readAny(b, newer); !errors.As(err, &ce) || rest != nil {
			t.Errorf("%s: left %x, %v", name, rest, err)
		}
	}
}

// A map that holds anys as keys must not be made to panic by what can't be one.
func TestUnhashableKey(t *testing.T) {
	s := writer[map[any]int](t).Schema()
	list := []byte{tagInline, 3, byte(kindList), 1, byte(kindInt), 1}
	b := append(append([]byte{2}, list...), 0)
	r, err := NewReader[map[any]int](s)
	if err != nil {
		t.Fatal(err)
	}
	var m map[any]int
	var ve *ValueError
	if rest, err := r.Read(b, &m, nil); !errors.As(err, &ve) || len(rest) != 0 || m != nil {
		t.Errorf("%v, left %x, %v", m, rest, err)
	}
}

func TestRegisterPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"unnamed":        Register[struct{ Q int }],
		"interface":      Register[error],
		"unsendable":     func() { RegisterName[func()]("f") },
		"empty name":     func() { RegisterName[unknown]("") },
		"taken name":     func() { RegisterName[unknown]("t") },
		"second name":    func() { RegisterName[tiny]("t2") },
		"a name of ours": func() { RegisterName[unknown]("time.Duration") },
		"very long":      func() { RegisterName[unknown](strings.Repeat("x", MaxName+1)) },
		"unnamed slice":  Register[[]unknown],
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	Register[note]() // again is no harm
	RegisterName[*tiny]("t")
	Register[int]()
	Register[time.Time]()
	if _, ok := registeredName(reflect.TypeFor[unknown]()); ok {
		t.Error("what panicked is registered")
	}
	if name, _ := registeredName(reflect.TypeFor[note]()); name != "github.com/matveynator/netchan/codec.note" {
		t.Errorf("registered as %q", name)
	}
}

// Types that peers make up don't pile up for ever.
func TestBuiltTypesAreBounded(t *testing.T) {
	refused := 0
	var try func(n *node, depth int)
	try = func(n *node, depth int) {
		if _, err := goType(n, 0); errors.Is(err, ErrUnregistered) {
			refused++
		}
		for k := kindBool; k <= kindString && depth > 0 && refused == 0; k++ {
			try(&node{kind: kindMap, key: &node{kind: k}, elem: n}, depth-1)
		}
	}
	before := built.types
	defer func() { built.types = before }()
	built.types = make(map[builtKey]reflect.Type)
	try(&node{kind: kindInt}, 4)
	if refused == 0 || len(built.types) != maxBuiltTypes {
		t.Errorf("%d types, refused %d", len(built.types), refused)
	}
}
