package codec

import (
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

type event struct {
	time.Time
	What string
}

type ownEvent struct {
	time.Time
	what string
}

func (e *ownEvent) UnmarshalBinary(b []byte) error {
	e.what = string(b[15:])
	return e.Time.UnmarshalBinary(b[:15])
}
func (e ownEvent) MarshalBinary() ([]byte, error) {
	b, err := e.Time.MarshalBinary()
	return append(b, e.what...), err
}

// The methods that a struct gets from what it embeds don't know of its other fields.
func TestInheritedMarshalBinary(t *testing.T) {
	now := time.Unix(1, 2).UTC()
	same(t, event{now, "what"})
	arrives(t, event{now, "what"}, struct{ Time time.Time }{now})
	same(t, ownEvent{now, "what"})
}

type fails struct{ mode int }

func (f fails) MarshalBinary() ([]byte, error) {
	switch f.mode {
	case 1:
		return nil, errors.ErrUnsupported
	case 2:
		panic("ouch")
	}
	return []byte{byte(f.mode)}, nil
}

func (f *fails) UnmarshalBinary(b []byte) error {
	switch b[0] { // panics if b is empty
	case 3:
		return errors.ErrUnsupported
	case 4:
		panic("ouch")
	}
	f.mode = int(b[0])
	return nil
}

func TestUserCodeFails(t *testing.T) {
	same(t, []fails{{5}})
	w := writer[[]fails](t)
	for mode, why := range map[int]string{1: "[]codec.fails[1]: codec.fails can't be encoded: unsupported", 2: "panicked while it was encoded: ouch"} {
		b, err := w.Append([]byte("before"), &[]fails{{5}, {mode}}, nil)
		var ve *ValueError
		if !errors.As(err, &ve) || !strings.Contains(err.Error(), why) || string(b) != "before" {
			t.Errorf("%q, %v, want %q", b, err, why)
		}
	}
	refused[[]fails, []fails](t, []fails{{3}}, "[]codec.fails[0]: codec.fails can't be decoded: unsupported operation")
	refused[[]fails, []fails](t, []fails{{4}}, "panicked while it was decoded: ouch")
	var to fails
	if _, err := reader[fails, fails](t).Read([]byte{1}, &to, nil); err == nil {
		t.Error("user code that panics on no bytes succeeded")
	}
}

// level is written as text, because it has no other methods.
type level int

func (l level) MarshalText() ([]byte, error) {
	if l < 0 {
		return nil, errors.New("no such level")
	}
	return []byte(strings.Repeat("+", int(l))), nil
}

func (l *level) UnmarshalText(b []byte) error {
	if strings.Trim(string(b), "+") != "" {
		return errors.New("not a level")
	}
	*l = level(len(b))
	return nil
}

// label has AppendText, which is preferred, and its methods on the pointer.
type label struct{ s string }

func (l *label) AppendText(b []byte) ([]byte, error) { return append(b, l.s...), nil }
func (l *label) MarshalText() ([]byte, error)        { return nil, errors.New("not this one") }
func (l *label) UnmarshalText(b []byte) error        { l.s = string(b); return nil }

// id is an array as UUIDs are, with methods of both kinds: those of bytes are preferred.
type id [4]byte

func (i id) MarshalBinary() ([]byte, error)  { return i[:], nil }
func (i *id) UnmarshalBinary(b []byte) error { *i = id(b); return nil }
func (i id) MarshalText() ([]byte, error)    { return nil, errors.New("not this one") }
func (i *id) UnmarshalText([]byte) error     { return errors.New("not this one") }

// half can be written as text, but not read.
type half struct{ A int }

func (h half) MarshalText() ([]byte, error) { return nil, errors.New("can't be read back") }

// withText gets what it is read by from what it embeds, but is written by its own.
type withText struct {
	label
	N int
}

func (w *withText) AppendText([]byte) ([]byte, error) { return nil, errors.New("not this one") }

func TestTypesThatEncodeThemselves(t *testing.T) {
	same(t, level(3))
	same(t, []level{0, 1})
	same(t, map[level]*level{1: ptr(level(2)), 3: nil})
	same(t, label{"x"})
	same(t, struct{ L, M *label }{L: &label{"x"}})
	same(t, id{1, 2, 3, 4})
	same(t, map[id]id{{1}: {2}})
	same(t, half{5})
	arrives(t, withText{label{"lost"}, 5}, struct{ N int }{5})
	for name, schema := range map[string]*Schema{"\x1b\x0bcodec.level": writer[level](t).Schema(), "\x1a\x08codec.id": writer[id](t).Schema()} {
		if string(schema.Bytes()) != name {
			t.Errorf("%q, want %q", schema.Bytes(), name)
		}
	}
	w := writer[[]level](t)
	if _, err := w.Append(nil, &[]level{1, -1}, nil); err == nil || !strings.Contains(err.Error(), "[]codec.level[1]: codec.level can't be encoded: no such level") {
		t.Error(err)
	}
	var l level
	if rest, err := reader[level, level](t).Read([]byte("\x02-rest"), &l, nil); err == nil || string(rest) != "rest" || !strings.Contains(err.Error(), "not a level") {
		t.Errorf("%q, %v", rest, err)
	}
	mismatch[level, int](t, "codec.level, as MarshalText gives it, is not int")
	mismatch[int, level](t, "int is not codec.level, as MarshalText gives it")
	mismatch[level, string](t, "")
	mismatch[label, level](t, "codec.label, as MarshalText gives it, is not codec.level, as MarshalText gives it")
	mismatch[label, time.Time](t, "")
}

// What the standard library's types are written with.
func TestStandardTypes(t *testing.T) {
	u, err := url.Parse("https://user:pw@example.com:8080/a%2Fb?q=1#f")
	if err != nil {
		t.Fatal(err)
	}
	same(t, *u)
	same(t, u)
	same(t, netip.MustParseAddrPort("[fe80::1%eth0]:80"))
	same(t, netip.MustParsePrefix("10.0.0.0/8"))
	same(t, net.ParseIP("10.1.2.3"))
	same(t, net.HardwareAddr{1, 2, 3, 4, 5, 6})
	same(t, slog.LevelWarn)
	large := new(big.Int).Lsh(big.NewInt(-3), 1000)
	same(t, large)
	same(t, *large)
	same(t, new(big.Int))
	same(t, big.NewRat(-22, 7))
	same(t, new(big.Float).SetPrec(500).SetMode(big.ToZero).SetFloat64(0.1))
	same(t, map[string]*big.Int{"a": large, "b": nil})
}

// A few bytes of text can't be made into a number that takes for ever.
func TestNumbersAreNoBombs(t *testing.T) {
	for name, err := range map[string]error{
		"int": readAs[big.Int, big.Int](append([]byte{13}, "1e1000000000"...)),
		"rat": readAs[big.Rat, big.Rat](append([]byte{13}, "1e1000000000"...)),
	} {
		var ve *ValueError
		if !errors.As(err, &ve) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// unset can't be written as long as it is zero, and nothing can't be read.
type unset struct{ V string }

func (u unset) MarshalBinary() ([]byte, error) {
	if u.V == "" {
		return nil, errors.New("not set")
	}
	return []byte(u.V), nil
}

func (u *unset) UnmarshalBinary(b []byte) error {
	if len(b) == 0 {
		return errors.New("nothing")
	}
	u.V = string(b)
	return nil
}

// A zero value needs no methods.
func TestZeroOfCoders(t *testing.T) {
	same(t, struct {
		A unset
		B *unset
		C []unset
	}{unset{}, &unset{}, []unset{{}, {"x"}, {}}})
	same(t, netip.Addr{})
	same(t, level(0))
	same(t, big.Int{})
	if b := encode(t, []unset{{}, {"x"}}, nil); string(b) != "\x03\x00\x02x" {
		t.Errorf("%q", b)
	}
}
