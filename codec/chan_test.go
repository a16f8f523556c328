package codec

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// table is the channels that two ends know by number.
type table struct {
	mu      sync.Mutex
	chans   []reflect.Value
	numbers map[any]uint64 // a channel that goes two ways has two
}

// number is a WriteEnv.Chan.
func (c *table) number(ch reflect.Value) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.numbers[ch.Interface()]
	if !ok {
		if c.numbers == nil {
			c.numbers = make(map[any]uint64)
		}
		n = uint64(len(c.chans))
		c.numbers[ch.Interface()] = n
		c.chans = append(c.chans, ch)
	}
	return n, nil
}

// find is a ReadEnv.Chan: the channel itself, or one of another type in its place.
func (c *table) find(number uint64, t reflect.Type) (reflect.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number >= uint64(len(c.chans)) {
		return reflect.Value{}, errNoSuchChan
	}
	if ch := c.chans[number]; ch.Type() == t {
		return ch, nil
	}
	return reflect.MakeChan(reflect.ChanOf(reflect.BothDir, t.Elem()), 0), nil
}

var errNoSuchChan = errors.New("no such channel")

type (
	twoWays  chan int
	jobsOut  chan<- job
	jobsIn   <-chan job
	oneself  chan<- oneself
	linked   struct{ Next chan<- linked }
	shy      chan int // says itself what it is
	holdsOne interface{ Hold() }
	holder   <-chan int
	hook1    struct{ A int }
)

func (s shy) MarshalText() ([]byte, error) { return fmt.Append(nil, cap(s)), nil }
func (s *shy) UnmarshalText(b []byte) error {
	var n int
	_, err := fmt.Sscan(string(b), &n)
	*s = make(shy, n)
	return err
}

func (holder) Hold() {}

// The channel that went in comes out, wherever it stands, and nil stays nil.
func TestChannels(t *testing.T) {
	c, d := make(chan int), make(chan string, 3)
	var out chan<- int = c
	var in <-chan string = d
	same(t, out)
	same(t, in)
	same(t, (chan<- int)(nil))
	same(t, (<-chan string)(nil))
	same(t, struct {
		A int
		C chan<- int
		D <-chan string
		N chan<- bool
		B string
	}{1, out, in, nil, "b"})
	same(t, []chan<- int{out, nil, c, make(chan int)})
	same(t, [2]<-chan string{nil, in})
	same(t, map[string]chan<- int{"a": c, "": nil})
	same(t, map[<-chan string][]chan<- int{in: {c}, nil: nil})
	same(t, map[struct{ C chan<- int }]int{{c}: 1, {}: 2})
	same(t, &out)
	same(t, struct{ C ***chan<- int }{ptr(ptr(ptr(out)))})
	same(t, jobsOut(make(chan job)))
	same(t, jobsIn(make(chan job)))
	same(t, oneself(make(chan oneself)))
	same(t, linked{make(chan linked)})
	same(t, make(chan<- (<-chan []chan<- map[string]linked)))
	same(t, [3]struct{ C chan<- struct{} }{1: {make(chan struct{})}})
	same(t, []struct {
		hidden chan int
		C      chan<- int
	}{{C: c}})
	// It is that channel: what is sent on it arrives.
	got, err := convey[struct{ C chan<- string }](t, struct{ C chan<- string }{d})
	if err != nil || got.C == nil {
		t.Fatal(got, err)
	}
	got.C <- "x"
	if v := <-d; v != "x" {
		t.Error(v)
	}
	// A type that encodes itself does.
	if got, err := convey[struct{ C shy }](t, struct{ C shy }{make(shy, 7)}); err != nil || cap(got.C) != 7 {
		t.Errorf("capacity %d, %v", cap(got.C), err)
	}
}

// In bytes a channel is its number and one, and who gives out numbers sees the channels in
// order, each with a type that says no more than its direction and its element.
func TestChanNumbers(t *testing.T) {
	type value struct {
		A jobsOut
		N <-chan int
		B <-chan int
		C jobsOut
	}
	a, b := make(chan job), make(chan int)
	v := value{A: a, B: b, C: a}
	var seen []reflect.Value
	bytes := encode(t, v, &WriteEnv{Chan: func(ch reflect.Value) (uint64, error) {
		seen = append(seen, ch)
		return uint64(len(seen)) * 100, nil
	}})
	if want := []byte{101, 0, 201, 1, 173, 2}; !reflect.DeepEqual(bytes, want) {
		t.Errorf("% x, want % x", bytes, want)
	}
	v = value{} // what was seen does not change with it
	if len(seen) != 3 || seen[0].Interface() != any((chan<- job)(a)) || seen[1].Interface() != any((<-chan int)(b)) || seen[2].Interface() != any((chan<- job)(a)) {
		t.Errorf("seen %v", seen)
	}
	var numbers []uint64
	var types []reflect.Type
	_, err := reader[value, value](t).Read(bytes, &v, &ReadEnv{Chan: func(n uint64, t reflect.Type) (reflect.Value, error) {
		numbers, types = append(numbers, n), append(types, t)
		return seen[n/100-1], nil
	}})
	out, in := reflect.TypeFor[chan<- job](), reflect.TypeFor[<-chan int]()
	if err != nil || !reflect.DeepEqual(numbers, []uint64{100, 200, 300}) || !reflect.DeepEqual(types, []reflect.Type{out, in, out}) {
		t.Errorf("asked for %v %v, %v", numbers, types, err)
	}
	if (v != value{A: a, B: b, C: a}) {
		t.Errorf("%+v", v)
	}
	// Those that have no place here are not asked for.
	if _, err := reader[value, struct{ N <-chan int }](t).Read(bytes, new(struct{ N <-chan int }), nil); err != nil {
		t.Error(err)
	}
}

// chanErr checks that err is a ValueError that wraps is and begins with path.
func chanErr(t *testing.T, err, is error, text string) {
	t.Helper()
	var ve *ValueError
	if !errors.As(err, &ve) || !errors.Is(err, is) || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("%v, want %q and %v", err, text, is)
	}
}

type chanErrors struct {
	L []map[string]chan<- int
	Z int
}

func TestChanWriteErrors(t *testing.T) {
	v := chanErrors{L: []map[string]chan<- int{nil, {"k": make(chan int)}}}
	w := writer[chanErrors](t)
	for _, c := range []struct {
		env  *WriteEnv
		is   error
		text string
	}{
		{nil, nil, "a channel can't be sent here"},
		{&WriteEnv{}, nil, "a channel can't be sent here"},
		{&WriteEnv{Chan: func(reflect.Value) (uint64, error) { return 0, errNoSuchChan }}, errNoSuchChan, "the channel can't be sent: no such channel"},
		{&WriteEnv{Chan: func(reflect.Value) (uint64, error) { return math.MaxUint64, nil }}, ErrTooLarge, "the number of a channel is too large"},
	} {
		b, err := w.Append([]byte("before"), &v, c.env)
		if c.is == nil {
			c.is = err
		}
		chanErr(t, err, c.is, `codec.chanErrors.L[1]["k"]: `+c.text)
		if string(b) != "before" {
			t.Errorf("%q", b)
		}
	}
	encode(t, chanErrors{L: []map[string]chan<- int{{"k": nil}}}, nil) // nil is none
	// One below is fine.
	b, err := w.Append(nil, &v, &WriteEnv{Chan: func(reflect.Value) (uint64, error) { return math.MaxUint64 - 1, nil }})
	if err != nil || !strings.Contains(string(b), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") {
		t.Errorf("% x, %v", b, err)
	}
}

func TestChanReadErrors(t *testing.T) {
	r := reader[chanErrors, chanErrors](t)
	b := []byte{2, 2, 1, 'k', 5, 2, 0xAA} // [{"k": channel 4}], 1
	found := func(v any) func(uint64, reflect.Type) (reflect.Value, error) {
		return func(uint64, reflect.Type) (reflect.Value, error) { return reflect.ValueOf(v), nil }
	}
	other := make(chan int)
	for _, c := range []struct {
		env  *ReadEnv
		is   error
		text string
	}{
		{nil, nil, "a channel can't be received here"},
		{&ReadEnv{}, nil, "a channel can't be received here"},
		{&ReadEnv{Chan: new(table).find}, errNoSuchChan, "the channel can't be had: no such channel"},
		{&ReadEnv{Chan: found(nil)}, nil, "there is no chan<- int of that number"},
		{&ReadEnv{Chan: found(7)}, nil, "there is no chan<- int of that number"},
		{&ReadEnv{Chan: found(&other)}, nil, "there is no chan<- int of that number"},
		{&ReadEnv{Chan: found((chan<- int)(nil))}, nil, "there is no chan<- int of that number"},
		{&ReadEnv{Chan: found(make(chan<- int64))}, nil, "there is no chan<- int of that number"},
		{&ReadEnv{Chan: found(make(<-chan int))}, nil, "there is no chan<- int of that number"},
	} {
		v := chanErrors{Z: 7}
		rest, err := r.Read(b, &v, c.env)
		if c.is == nil {
			c.is = err
		}
		chanErr(t, err, c.is, `codec.chanErrors.L[0]["k"]: `+c.text)
		if len(rest) != 1 || v.L != nil || v.Z != 0 {
			t.Errorf("left % x, %+v", rest, v)
		}
	}
	for _, ch := range []any{other, (chan<- int)(other), twoWays(other)} {
		var v chanErrors
		if _, err := r.Read(b, &v, &ReadEnv{Chan: found(ch)}); err != nil || v.L[0]["k"] != (chan<- int)(other) || v.Z != 1 {
			t.Errorf("%T: %+v, %v", ch, v, err)
		}
	}
	var ce *CorruptError
	for _, b := range [][]byte{{}, {0x80}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}} {
		var c chan<- int
		if rest, err := reader[chan<- int, chan<- int](t).Read(b, &c, nil); !errors.As(err, &ce) || rest != nil {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// Channels count, so that a value with many of them is an error before they are made.
func TestChanMemory(t *testing.T) {
	const n = 1000
	chans := make([]chan<- int, n)
	for i := range chans {
		chans[i] = make(chan int)
	}
	var known table
	b := encode(t, chans, &WriteEnv{Chan: known.number})
	made := 0
	env := &ReadEnv{MaxBytes: n*chanMemory/2 + n*8, Chan: func(number uint64, t reflect.Type) (reflect.Value, error) {
		made++
		return known.find(number, t)
	}}
	r := reader[[]chan<- int, []chan<- int](t)
	var got []chan<- int
	if _, err := r.Read(b, &got, env); !errors.Is(err, ErrTooLarge) || made != n/2 {
		t.Errorf("%d made, %v", made, err)
	}
	env.MaxBytes *= 2
	if _, err := r.Read(b, &got, env); err != nil || len(got) != n {
		t.Errorf("%d read, %v", len(got), err)
	}
}

func TestChanAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	type value struct {
		C chan int `netchan:",send"`
		D <-chan job
	}
	var known table
	v := value{make(chan int), make(chan job)}
	w, r := writer[value](t), reader[value, value](t)
	out, in := &WriteEnv{Chan: known.number}, &ReadEnv{Chan: known.find}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { _, _ = w.Append(buf, &v, out) }); n > 0 {
		t.Errorf("%v allocations to write", n)
	}
	b := encode(t, v, out)
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Read(b, &v, in) }); n > 0 {
		t.Errorf("%v allocations to read", n)
	}
}
