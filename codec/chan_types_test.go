package codec

import (
	"strings"
	"testing"
)

type pipes struct {
	A chan int             `netchan:",send"`
	B chan string          `netchan:"b,receive"`
	C []chan int           `netchan:",send"`
	D [2]*[]chan bool      `netchan:",receive"`
	E chan<- int           `netchan:",send"`
	F []<-chan int         `netchan:",receive"`
	G twoWays              `netchan:",receive"`
	H chan pipes           `netchan:",send"`
	I *chan []pipes        `netchan:",receive"`
	J jobsOut              `netchan:",send"`
	K map[string]*subPipes //
}

type subPipes struct {
	C subs `netchan:",send"`
}

type subs []chan<- chan<- int

// A tag gives a direction to channels that have none; nothing else knows of it.
func TestChanTags(t *testing.T) {
	a, b, i := make(chan int), make(chan string), make(chan []pipes)
	v := pipes{
		A: a, B: b, C: []chan int{nil, a}, D: [2]*[]chan bool{nil, {make(chan bool)}}, E: a, F: []<-chan int{a}, G: a,
		H: make(chan pipes), I: &i, J: make(chan job), K: map[string]*subPipes{"k": {subs{nil, make(chan<- chan<- int)}}},
	}
	same(t, v)
	same(t, pipes{})
	same(t, []pipes{{}, v})
	same(t, struct{ pipes }{v})
	arrives(t, v, struct {
		A chan<- int
		B <-chan string `netchan:"b"`
		C []chan<- int
		G <-chan int
	}{a, b, []chan<- int{nil, a}, a})
	arrives(t, struct{ G <-chan int }{a}, pipes{G: a})
	s := writer[pipes](t).Schema()
	if want := "codec.pipes{A chan<- int, b <-chan string, C []chan<- int, D [2]*[]<-chan bool,"; !strings.HasPrefix(s.String(), want) {
		t.Errorf("%s, want it to begin with %s", s, want)
	}
}

func TestWrongChanTags(t *testing.T) {
	const notFor = `the option "send" in its netchan tag is for a channel, and for slices, arrays and pointers of channels, not for `
	unsendable[struct {
		A map[string]chan int `netchan:",send"`
	}](t, ".A: "+notFor+"map[string]chan int")
	unsendable[struct {
		A struct{ C chan int } `netchan:",send"`
	}](t, ".A: "+notFor+"struct")
	unsendable[struct {
		A []int `netchan:"a,send"`
	}](t, ".A: "+notFor+"[]int")
	unsendable[struct {
		shown `netchan:",send"`
	}](t, ".shown: "+notFor+"codec.shown")
	unsendable[struct {
		A selfSlice `netchan:",send"`
	}](t, ".A: "+notFor+"codec.selfSlice")
	unsendable[struct {
		A shy `netchan:",send"`
	}](t, ".A: "+notFor+"codec.shy")
	unsendable[struct {
		A any `netchan:",receive"`
	}](t, `the option "receive"`)
	unsendable[struct {
		A []*<-chan int `netchan:",send"`
	}](t, `.A: has the option "send" in its netchan tag, but <-chan int is to receive from`)
	unsendable[struct {
		A jobsOut `netchan:",receive"`
	}](t, `.A: has the option "receive" in its netchan tag, but codec.jobsOut is to send on`)
	unsendable[struct {
		A chan int `netchan:",send,receive"`
	}](t, `unknown option "send,receive"`)
	unsendable[struct {
		a chan int `netchan:",send"`
		B int
	}](t, ".a: has a netchan tag but is not exported")
	unsendable[struct {
		A chan chan int `netchan:",send"`
	}](t, ".A<-: say which way")
	unsendable[struct {
		C subs `netchan:",receive"`
	}](t, `.C: has the option "receive" in its netchan tag, but chan<- chan<- int is to send on`)
	unsendable[chan<- struct{ F func() }](t, "chan<- struct { F func() }<-.F: func can't be sent")
	unsendable[chan<- twoWays](t, "<-: say which way")
}

type shown struct{ C int }

type linked2 struct {
	Next chan linked2 `netchan:",send"`
	N    int
}

// Channels fit if they go the same way and what goes through them fits.
func TestChanMatch(t *testing.T) {
	fit := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := convey[chan<- int8](t, make(chan<- int))
	fit("integers", err)
	_, err = convey[*struct{ C *jobsIn }](t, struct{ C <-chan struct{ ID int } }{make(<-chan struct{ ID int })})
	fit("structs and pointers", err)
	_, err = convey[linked2](t, linked{make(chan linked)})
	fit("recursive types", err)
	_, err = convey[linked](t, linked2{Next: make(chan linked2)})
	fit("recursive types", err)
	_, err = convey[<-chan (<-chan text)](t, make(<-chan (<-chan []byte)))
	fit("channels of channels", err)
	_, err = convey[chan<- any](t, make(chan<- shape))
	fit("interfaces", err)

	mismatch[chan<- int, <-chan int](t, "a channel to send on is not one to receive from")
	mismatch[struct{ C []<-chan int }, struct{ C []chan<- int }](t, "C[]: a channel to receive from is not one to send on")
	mismatch[chan<- int, int](t, "chan<- int is not int")
	mismatch[int, <-chan int](t, "int is not <-chan int")
	mismatch[chan<- int, any](t, "chan<- int is not any")
	mismatch[any, chan<- int](t, "any is not chan<- int")
	mismatch[chan<- int, []int](t, "")
	mismatch[chan<- int, shy](t, "")
	mismatch[shy, chan<- int](t, "")
	mismatch[chan<- string, chan<- int](t, "<-: string is not int")
	mismatch[struct {
		C <-chan struct{ A map[string]int }
	}, struct {
		C <-chan struct{ A map[string]bool }
	}](t, "C<-.A[]: int is not bool")
	mismatch[chan<- (<-chan int), chan<- chan<- int](t, "<-: a channel to receive from is not one to send on")
	mismatch[linked, struct{ Next chan<- struct{ Other int } }](t, "Next<-: the structs have no field in common")
}

func TestChanSchema(t *testing.T) {
	parsed := func(s *Schema) string {
		p, err := ParseSchema(s.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return p.String()
	}
	if got, want := parsed(writer[struct {
		A chan<- int
		B []<-chan string
		C <-chan chan<- *linked
	}](t).Schema()), "struct{A chan<- int, B []<-chan string, C <-chan chan<- *struct{Next chan<- struct{...}}}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := parsed(writer[oneself](t).Schema()); len(got) > maxText || !strings.HasPrefix(got, "chan<- chan<- ") {
		t.Errorf("%q", got)
	}
	if a, b := writer[linked](t).Schema(), writer[struct{ Next chan<- linked }](t).Schema(); a.Hash() != b.Hash() {
		t.Errorf("%x and %x", a.Bytes(), b.Bytes())
	}
	for want, schemas := range map[bool][]*Schema{
		false: {writer[job](t).Schema(), writer[int](t).Schema(), writer[shy](t).Schema(), writer[[]map[string]*[2]list](t).Schema(), basicSchemas[kindTime]},
		true: {
			writer[chan<- int](t).Schema(), writer[[]map[string]*struct{ C <-chan int }](t).Schema(), writer[any](t).Schema(),
			writer[note](t).Schema(), writer[error](t).Schema(), writer[map[chan<- int]int](t).Schema(),
		},
	} {
		for _, s := range schemas {
			p, err := ParseSchema(s.Bytes())
			if err != nil || s.Channels() != want || p.Channels() != want {
				t.Errorf("%s: %v, %v, want %v", s, s.Channels(), p.Channels(), want)
			}
		}
	}
}
