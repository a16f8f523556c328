package codec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func init() {
	Register[jobsOut]()
	Register[holder]()
	Register[linked]()
	RegisterName[<-chan bool]("flags")
	RegisterName[[1 << 16]byte]("page")
	RegisterName[struct {
		C chan int `netchan:",send"`
	}]("tagged")
}

// Inside an any a channel arrives with its direction; one that goes both ways is given away
// to be sent on.
func TestChanInAny(t *testing.T) {
	c, l := make(chan int), make(chan linked)
	for _, v := range []any{
		(chan<- int)(c), (<-chan int)(c), (chan<- int)(nil), []any{(chan<- int)(c), nil}, []<-chan int{c, nil},
		map[<-chan int]*chan<- []string{c: ptr(make(chan<- []string))}, make(chan<- any), make(chan<- (<-chan tiny)), (<-chan *linked)(nil),
		jobsOut(make(chan job)), []jobsOut{nil}, holder(c), linked{l}, (chan<- linked)(l), (<-chan bool)(make(chan bool)),
		struct {
			C chan int `netchan:",send"`
		}{c},
	} {
		got, err := convey[any](t, v)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%T arrived as %T, %v", v, got, err)
		}
	}
	same[holdsOne](t, holder(c))
	refused[any, holdsOne](t, (<-chan int)(c), "<-chan int doesn't implement codec.holdsOne")
	arrives[any, any](t, c, (chan<- int)(c))
	arrives[any, any](t, []chan int{c, nil}, []chan<- int{c, nil})
	arrives[any, any](t, map[string]*chan int{"k": &c}, map[string]*chan<- int{"k": ptr((chan<- int)(c))})
	var seen reflect.Type
	encode(t, []any{[]chan int{c}}, &WriteEnv{Chan: func(ch reflect.Value) (uint64, error) {
		seen = ch.Type()
		return 0, nil
	}})
	if seen != reflect.TypeFor[chan<- int]() {
		t.Errorf("a %v was to be sent", seen)
	}
	for v, text := range map[any]string{
		any(make(chan chan int)):     "any: chan chan int<-: say which way",
		any(make(chan<- []chan int)): "any: chan<- []chan int<-[]: say which way",
		any(make(chan unknown)):      "any(codec.unknown): type is not registered",
		any(make(chan struct{})):     "any(struct {}): it has no name: use RegisterName",
		any(twoWays(c)):              "any(codec.twoWays): a channel type with a name must say which way: chan<- T or <-chan T",
		any(jobsIn(nil)):             "any(codec.jobsIn): type is not registered",
	} {
		_, err := writer[any](t).Append(nil, &v, &WriteEnv{Chan: new(table).number})
		chanErr(t, err, err, text)
	}
}

func TestRegisterChannels(t *testing.T) {
	for name, f := range map[string]func(){
		"both ways, named":   Register[twoWays],
		"both ways, unnamed": func() { RegisterName[chan int]("chan") },
		"no name":            Register[chan<- uint],
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
	// How an element is encoded is settled with the channel.
	_, _ = NewWriter[[]chan<- []hook1]()
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "comes too late") {
			t.Errorf("RegisterFunc of an element: %s", text)
		}
	}()
	RegisterFunc(func(dst []byte, _ *hook1) ([]byte, error) { return dst, nil }, func([]byte, *hook1) error { return nil })
}

// A peer can name types, in an any, that Go does not have.
func TestChanTypesFromElsewhere(t *testing.T) {
	inline := func(form ...byte) []byte { return append([]byte{tagInline, byte(len(form))}, append(form, 1)...) }
	page := []byte(nameHead(kindNamed, "page"))
	page = append(append(page, 2), byte(kindArray), 0x80, 0x80, 4, 3, byte(kindUint8))
	for text, b := range map[string][]byte{
		"too many for a channel": inline(append([]byte{byte(kindSend), 1}, page...)...),
		"nested deeper":          inline(byte(kindRecv), 0),
		"has no name":            inline(byte(kindSend), 1, byte(kindStruct), 0),
		"no type is registered":  inline(append(append([]byte{byte(kindSend), 1}, nameHead(kindNamed, "stranger")...), 2, byte(kindInt))...),
	} {
		v, rest, err := readAny(b)
		var ve *ValueError
		if !errors.As(err, &ve) || !strings.Contains(err.Error(), text) || len(rest) != 1 || v != nil {
			t.Errorf("%s: %v, left %x, %v", text, v, rest, err)
		}
	}
}
