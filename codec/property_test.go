package codec

import (
	"errors"
	"flag"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

var (
	propertySeed   = flag.Uint64("codec.seed", 0, "seed of the property tests, 0 for one of the day")
	propertyRounds = flag.Int("codec.rounds", 500, "rounds of the property tests")
	propertyTime   = flag.Duration("codec.time", 0, "how long a property test goes on, instead of counting rounds")
)

// rounds runs f again and again.
func rounds(t *testing.T, f func()) {
	start, n := time.Now(), 0
	for ; n < *propertyRounds || time.Since(start) < *propertyTime; n++ {
		f()
	}
	t.Logf("%d rounds in %v", n, time.Since(start).Round(time.Millisecond))
}

// namedTypes can't be built with reflect: those that encode themselves, interfaces, and
// types that contain themselves.
var namedTypes = []reflect.Type{
	reflect.TypeFor[time.Duration](), reflect.TypeFor[twinA](), reflect.TypeFor[[]byte](),
	reflect.TypeFor[level](), reflect.TypeFor[id](), reflect.TypeFor[invoice](), reflect.TypeFor[*big.Int](),
	reflect.TypeFor[shape](), reflect.TypeFor[error](), reflect.TypeFor[recursive](), reflect.TypeFor[tree](),
	reflect.TypeFor[note](), reflect.TypeFor[list](), reflect.TypeFor[pipes](), reflect.TypeFor[oneself](), anyType,
}

// shapes and errs are what may stand in such an interface.
var (
	shapes = []reflect.Type{reflect.TypeFor[square](), reflect.TypeFor[*square](), reflect.TypeFor[*rect]()}
	errs   = []reflect.Type{reflect.TypeFor[codeError](), reflect.TypeFor[*codeError]()}
)

// dice makes random types and values.
type dice struct{ *rand.Rand }

func newDice(t *testing.T) dice {
	seed := *propertySeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-codec.seed=%d", seed)
	return dice{rand.New(rand.NewPCG(seed, 1))}
}

// typ makes a type that is nested at most depth deep; key: one that can be a map's key.
func (d dice) typ(depth int, key bool) reflect.Type {
	leaves := len(basicTypes) - int(kindBool)
	if depth == 0 || d.IntN(3) == 0 {
		if i := d.IntN(leaves + 10); i < leaves || key {
			return basicTypes[int(kindBool)+i%leaves]
		}
		return namedTypes[d.IntN(len(namedTypes))]
	}
	kinds := 6
	if key {
		kinds = 3
	}
	switch d.IntN(kinds) {
	case 0:
		return reflect.ArrayOf(d.IntN(4), d.typ(depth-1, key))
	case 1:
		var fields []reflect.StructField
		for _, name := range []string{"A", "B", "C", "D", "E"} {
			if d.IntN(2) == 0 {
				f := reflect.StructField{Name: name, Type: d.typ(depth-1, key)}
				tag := ""
				if d.IntN(4) == 0 { // known under a name that some other field may have in Go
					tag = string(name[0] - 'A' + 'P')
				}
				if f.Type.Kind() == reflect.Chan && f.Type.Name() == "" && d.IntN(2) == 0 { // its tag says the way
					tag += map[reflect.ChanDir]string{reflect.SendDir: ",send", reflect.RecvDir: ",receive"}[f.Type.ChanDir()]
					f.Type = reflect.ChanOf(reflect.BothDir, f.Type.Elem())
				}
				f.Tag = reflect.StructTag(`netchan:"` + tag + `"`)
				fields = append(fields, f)
			}
		}
		d.Shuffle(len(fields), reflect.Swapper(fields))
		return reflect.StructOf(fields)
	case 2:
		return d.channel(depth)
	case 3:
		return reflect.SliceOf(d.typ(depth-1, false))
	case 4:
		return reflect.MapOf(d.typ(depth-1, true), d.typ(depth-1, false))
	default:
		return reflect.PointerTo(d.typ(depth-1, false))
	}
}

// channel makes a type of channel, whose elements may be anything that Go allows.
func (d dice) channel(depth int) reflect.Type {
	dir := []reflect.ChanDir{reflect.SendDir, reflect.RecvDir}[d.IntN(2)]
	if elem := d.typ(depth-1, false); elem.Size() <= maxChanElem {
		return reflect.ChanOf(dir, elem)
	}
	return reflect.ChanOf(dir, reflect.TypeFor[int]())
}

// bits is a number, often one where something changes.
func (d dice) bits() uint64 {
	if d.IntN(2) == 0 {
		return d.Uint64() >> d.IntN(64)
	}
	return uint64(int64(d.IntN(3)-1)) + 1<<d.IntN(64)
}

func (d dice) fill(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(int64(d.Uint32()), int64(d.IntN(1e9))).UTC()
		return
	case *level:
		*x = level(d.IntN(5))
		return
	case *invoice:
		x.number = byte(d.IntN(255))
		return
	case **big.Int:
		if d.IntN(4) > 0 {
			*x = new(big.Int).Lsh(big.NewInt(int64(d.bits())), uint(d.IntN(200)))
		}
		return
	case *shape, *error:
		if depth > 0 && d.IntN(4) > 0 {
			types := shapes
			if v.Type() != reflect.TypeFor[shape]() {
				types = errs
			}
			dynamic := reflect.New(types[d.IntN(len(types))]).Elem()
			d.fill(dynamic, depth)
			v.Set(dynamic)
		}
		return
	}
	float := func() float64 {
		if f := math.Float64frombits(d.bits()); !math.IsNaN(f) {
			return f
		}
		return 0.5
	}
	switch k := basicKind(v.Kind()); {
	case k.signed():
		v.SetInt(int64(d.bits()))
	case k.unsigned():
		v.SetUint(d.bits())
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.IntN(2) == 0)
	case reflect.Float32:
		if f := math.Float32frombits(uint32(d.bits())); f == f {
			v.SetFloat(float64(f))
		}
	case reflect.Float64:
		v.SetFloat(float())
	case reflect.Complex64:
		v.SetComplex(complex(float64(float32(float())), 1))
	case reflect.Complex128:
		v.SetComplex(complex(float(), float()))
	case reflect.String:
		b := make([]byte, d.IntN(4)*d.IntN(4)*d.IntN(30))
		for i := range b {
			b[i] = byte(d.Uint32())
		}
		v.SetString(string(b))
	case reflect.Interface:
		if n := d.IntN(6); n > 0 && depth > 0 {
			t := basicTypes[int(kindBool)+d.IntN(len(basicTypes)-int(kindBool))]
			switch n {
			case 1:
				t = reflect.SliceOf(t)
			case 2:
				t = reflect.MapOf(reflect.TypeFor[string](), anyType)
			case 3:
				t = append(slices.Clone(shapes), reflect.TypeFor[chan<- []any](), reflect.TypeFor[<-chan bool](), reflect.TypeFor[note](), reflect.TypeFor[*invoice](), reflect.TypeFor[[]*color]())[d.IntN(len(shapes)+5)]
			}
			x := reflect.New(t).Elem()
			d.fill(x, depth-1)
			v.Set(x)
		}
	case reflect.Chan:
		if d.IntN(4) > 0 {
			v.Set(reflect.MakeChan(reflect.ChanOf(reflect.BothDir, v.Type().Elem()), 0).Convert(v.Type()))
		}
	case reflect.Pointer:
		if depth > 0 && d.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			d.fill(v.Elem(), depth-1)
		}
	case reflect.Slice:
		if n := d.IntN(6) - 1; n >= 0 && depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				d.fill(v.Index(i), depth-1)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			d.fill(v.Index(i), depth)
		}
	case reflect.Map:
		if n := d.IntN(6) - 1; n >= 0 && depth > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				d.fill(key, depth-1)
				d.fill(elem, depth-1)
				v.SetMapIndex(key, elem)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				d.fill(v.Field(i), depth)
			}
		}
	}
}

// written is a random value of a random type, and what it became.
type written struct {
	value  reflect.Value
	schema *Schema
	bytes  []byte
	env    *ReadEnv
}

func (d dice) written(t *testing.T) written {
	v := reflect.New(d.typ(d.IntN(5), false)).Elem()
	d.fill(v, 5)
	w, err := writePlanOf(v.Type())
	if err != nil {
		t.Fatalf("%v: %v", v.Type(), err)
	}
	known := make(map[Hash]*Schema)
	chans := new(table)
	b, err := w.append(nil, v.Addr().UnsafePointer(), &WriteEnv{Met: func(s *Schema) { known[s.Hash()] = s }, Chan: chans.number})
	if err != nil {
		t.Fatalf("%v: %v", v.Type(), err)
	}
	s, err := ParseSchema(w.schema.Bytes())
	if err != nil {
		t.Fatalf("%v: %v", v.Type(), err)
	}
	if s.Hash() != w.schema.Hash() {
		t.Fatalf("%v: the hash changed on the way", v.Type())
	}
	return written{v, s, b, &ReadEnv{Schema: func(h Hash) *Schema { return known[h] }, Chan: chans.find}}
}

// read reads b, written as w.schema says, as a to. It checks what holds for any bytes.
func (w written) read(t *testing.T, b []byte, to reflect.Type) (reflect.Value, []byte, error) {
	v := reflect.New(to).Elem()
	plan, err := readPlanOf(w.schema, to)
	if err != nil {
		var me *MismatchError
		if !errors.As(err, &me) {
			t.Fatalf("%v as %v: %v", w.value.Type(), to, err)
		}
		return v, nil, err
	}
	if plan.prog == nil {
		t.Fatal("no program")
	}
	rest, err := plan.read(b, v.Addr().UnsafePointer(), w.env)
	left, skipErr := skip(w.schema.root, b, 0)
	if err == nil && (skipErr != nil || len(rest) != len(left)) {
		t.Fatalf("%v as %v: %x left, skipping leaves %x, %v", w.value.Type(), to, rest, left, skipErr)
	}
	return v, rest, err
}

// Whatever can be built and filled arrives as it was.
func TestRoundTripProperty(t *testing.T) {
	d := newDice(t)
	rounds(t, func() {
		w := d.written(t)
		got, rest, err := w.read(t, append(w.bytes, 1, 2, 3), w.value.Type())
		if err != nil || len(rest) != 3 || !reflect.DeepEqual(got.Interface(), w.value.Interface()) {
			t.Fatalf("%v: sent %#v, got %#v, %v, left %x of %x", w.value.Type(), w.value, got, err, rest, w.bytes)
		}
		// A part of it is an error, never a panic or a value.
		if n := len(w.bytes); n > 0 {
			var ce *CorruptError
			if _, _, err := w.read(t, w.bytes[:d.IntN(n)], w.value.Type()); !errors.As(err, &ce) {
				t.Fatalf("%v: a part of the bytes: %v", w.value.Type(), err)
			}
		}
	})
}

// Between two random types a value arrives, or is an error; the next one is always found.
func TestOtherTypeProperty(t *testing.T) {
	d := newDice(t)
	fit := 0
	rounds(t, func() {
		w := d.written(t)
		for range 5 {
			to := d.typ(3, false)
			_, rest, err := w.read(t, append(w.bytes, 1, 2, 3), to)
			var ve *ValueError
			var me *MismatchError
			switch {
			case err == nil, errors.As(err, &ve) && !errors.As(err, &me):
				fit++
				if len(rest) != 3 {
					t.Fatalf("%v as %v: left %x of %x, %v", w.value.Type(), to, rest, w.bytes, err)
				}
			case !errors.As(err, &me):
				t.Fatalf("%v as %v: %v", w.value.Type(), to, err)
			}
		}
	})
	t.Logf("%d pairs of types fit", fit)
	if fit < *propertyRounds/50 {
		t.Errorf("only %d pairs of types fit each other", fit)
	}
}

// Bytes that were changed are a value, a ValueError or a CorruptError.
func TestChangedBytesProperty(t *testing.T) {
	d := newDice(t)
	rounds(t, func() {
		w := d.written(t)
		if len(w.bytes) == 0 {
			return
		}
		b := append([]byte(nil), w.bytes...)
		for range 1 + d.IntN(3) {
			b[d.IntN(len(b))] = byte(d.Uint32())
		}
		_, _, err := w.read(t, b, w.value.Type())
		var ce *CorruptError
		var ve *ValueError
		if err != nil && !errors.As(err, &ce) && !errors.As(err, &ve) {
			t.Fatalf("%v: %v", w.value.Type(), err)
		}
	})
}
