// Package bench compares codec with what else encodes Go values. It is a module of
// its own so that who uses netchan does not download the others.
package bench

import (
	"bytes"
	"encoding/gob"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/matveynator/netchan/codec"
	"github.com/vmihailenco/msgpack/v5"
)

// job is a value as programs send it.
type job struct {
	ID    int64
	Name  string
	Tags  []string
	Score float64
}

// person is the struct of alecthomas/go_serialization_benchmarks.
type person struct {
	Name     string
	BirthDay time.Time
	Phone    string
	Siblings int
	Spouse   bool
	Money    float64
}

var (
	aJob    = job{ID: 123456, Name: "factorize", Tags: []string{"red", "blue"}, Score: 0.75}
	aPerson = person{"0123456789abcdef", time.Unix(1700000000, 5), "0123456789", 3, true, 0.123456789}
)

// A format appends an encoded value to dst, and decodes one.
type format[T any] struct {
	encode func(dst []byte, v *T) ([]byte, error)
	decode func(b []byte, v *T) error
}

func ours[T any](b *testing.B) format[T] {
	w, err := codec.NewWriter[T]()
	if err != nil {
		b.Fatal(err)
	}
	r, err := codec.NewReader[T](w.Schema())
	if err != nil {
		b.Fatal(err)
	}
	return format[T]{
		encode: func(dst []byte, v *T) ([]byte, error) { return w.Append(dst, v, nil) },
		decode: func(b []byte, v *T) error {
			_, err := r.Read(b, v, nil)
			return err
		},
	}
}

func cborFormat[T any](*testing.B) format[T] {
	buf := new(bytes.Buffer)
	return format[T]{
		encode: func(dst []byte, v *T) ([]byte, error) {
			buf.Reset()
			err := cbor.MarshalToBuffer(v, buf)
			return append(dst, buf.Bytes()...), err
		},
		decode: func(b []byte, v *T) error { return cbor.Unmarshal(b, v) },
	}
}

func msgpackFormat[T any](*testing.B) format[T] {
	buf := new(bytes.Buffer)
	in := bytes.NewReader(nil)
	enc, dec := msgpack.NewEncoder(buf), msgpack.NewDecoder(in)
	return format[T]{
		encode: func(dst []byte, v *T) ([]byte, error) {
			buf.Reset()
			enc.Reset(buf)
			err := enc.Encode(v)
			return append(dst, buf.Bytes()...), err
		},
		decode: func(b []byte, v *T) error {
			in.Reset(b)
			dec.Reset(in)
			return dec.Decode(v)
		},
	}
}

// gobFresh says everything about the type with each value, as a value must that can
// be read alone.
func gobFresh[T any](*testing.B) format[T] {
	buf := new(bytes.Buffer)
	return format[T]{
		encode: func(dst []byte, v *T) ([]byte, error) {
			buf.Reset()
			err := gob.NewEncoder(buf).Encode(v)
			return append(dst, buf.Bytes()...), err
		},
		decode: func(b []byte, v *T) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(v) },
	}
}

// gobStream is one stream for all values, whose type is said once.
func gobStream[T any](b *testing.B) format[T] {
	out, in := new(bytes.Buffer), new(bytes.Buffer)
	enc, dec := gob.NewEncoder(out), gob.NewDecoder(in)
	var v T
	if err := enc.Encode(&v); err != nil {
		b.Fatal(err)
	}
	in.Write(out.Bytes())
	if err := dec.Decode(&v); err != nil {
		b.Fatal(err)
	}
	return format[T]{
		encode: func(dst []byte, v *T) ([]byte, error) {
			out.Reset()
			err := enc.Encode(v)
			return append(dst, out.Bytes()...), err
		},
		decode: func(b []byte, v *T) error {
			in.Write(b)
			return dec.Decode(v)
		},
	}
}

func formats[T any](b *testing.B, value string, bench func(b *testing.B, f format[T])) {
	for _, f := range []struct {
		name string
		make func(*testing.B) format[T]
	}{
		{"netchan", ours[T]},
		{"gob-stream", gobStream[T]},
		{"gob-fresh", gobFresh[T]},
		{"cbor", cborFormat[T]},
		{"msgpack", msgpackFormat[T]},
	} {
		b.Run("value="+value+"/format="+f.name, func(b *testing.B) { bench(b, f.make(b)) })
	}
}

func encode[T any](b *testing.B, value string, v T) {
	formats(b, value, func(b *testing.B, f format[T]) {
		b.ReportAllocs()
		var buf []byte
		var err error
		for b.Loop() {
			if buf, err = f.encode(buf[:0], &v); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(buf)), "B/value")
	})
}

func decode[T any](b *testing.B, value string, v T) {
	formats(b, value, func(b *testing.B, f format[T]) {
		b.ReportAllocs()
		buf, err := f.encode(nil, &v)
		if err != nil {
			b.Fatal(err)
		}
		var to, zero T
		for b.Loop() {
			to = zero // nothing that was there is used again
			if err := f.decode(buf, &to); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func both[T any](b *testing.B, value string, v T) {
	formats(b, value, func(b *testing.B, f format[T]) {
		var buf []byte
		var err error
		var to, zero T
		for b.Loop() {
			if buf, err = f.encode(buf[:0], &v); err != nil {
				b.Fatal(err)
			}
			to = zero
			if err := f.decode(buf, &to); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) { encode(b, "job", aJob); encode(b, "person", aPerson) }
func BenchmarkDecode(b *testing.B) { decode(b, "job", aJob); decode(b, "person", aPerson) }
func BenchmarkBoth(b *testing.B)   { both(b, "job", aJob); both(b, "person", aPerson) }
