// Package codec turns Go values into bytes and back.
//
// A Writer appends values of one Go type to a byte slice; its Schema says, in a
// canonical form, what those bytes are made of. A Reader is made from the schema of
// whoever wrote and the reader's own type: the two are matched once, by field name,
// when two ends meet, so that programs of different versions understand each other
// and no name travels with a value.
//
// A Compressor makes the bytes of many values shorter while that pays, Schemas keeps
// what one peer has said of its types.
//
// What never happens here: no I/O, no goroutine, no state between two values (any
// value can be read alone, in any order), no framing.
//
// Invariants:
//
//   - A value never arrives changed in silence. What doesn't fit is an error: of the
//     type, when the Reader is made (MismatchError, UnsendableError), or of the one
//     value (ValueError), after which the next value can still be read.
//   - Bytes are never believed. A count is checked against the bytes that are there
//     before anything is allocated, nesting is bounded by MaxDepth, the memory that one
//     value takes by ReadEnv.MaxBytes, a schema by MaxSchema, what a peer makes us keep by
//     MaxTypes, and nothing panics.
//   - Code of the user that runs here (MarshalBinary, UnmarshalText, what RegisterFunc was
//     given) may panic; that is an error of its value.
//
// # What can travel
//
// Bools, all integers but uintptr, floats, complex numbers, strings, time.Time, slices, arrays,
// maps, structs, pointers (nil stays nil, sharing is not kept), recursive types, types that
// encode themselves, any and other interfaces, channels.
//
// A channel is a number here: WriteEnv.Chan gives one to each, ReadEnv.Chan has the channel
// for it, and what that means is theirs to know. chan<- T is one that whoever reads the value
// may send on, <-chan T one to receive from. A chan T must say which of them it is, by the
// option send or receive in the tag of the field that it, or a slice, array or pointer of
// it, is in (`netchan:",send"`, `netchan:"name,receive"`).
//
// A type encodes itself by the functions that RegisterFunc was given for it; else by
// AppendBinary or MarshalBinary and UnmarshalBinary (netip.Addr, url.URL); else
// by AppendText or MarshalText and UnmarshalText.
//
// Inside an any, and inside other interfaces, may be: bool, numbers, strings, types given
// to Register, and slices, maps, pointers and channels made of all these. A chan T in it is
// one to send on.
//
// Of a struct the exported fields travel, under the name that a tag gives
// (`netchan:"name"`) or their own; `netchan:"-"` leaves one out. Fields of embedded
// structs count as the outer struct's own, as in encoding/json, with two differences:
// an embedded pointer is a field with the name of its type (so that nil stays nil), and
// two fields of one name, equally deep, are an error.
//
// # What fits what
//
//	integers          any integer; a value out of range is a ValueError
//	float, complex    the other size; a finite value that overflows is a ValueError
//	string, []byte    each other
//	T, *T             each other; nil read as T is T's zero value
//	slices, maps      if their elements fit
//	arrays            of the same length, if their elements fit
//	structs           by field name; what was not sent stays zero, what is not known is
//	                  skipped; at least one field in common, unless one of them has none
//	time.Time         time.Time
//	self-encoding     the type of the same name that does so in the same way
//	channels          of the same direction, if their elements fit
//	any, interfaces   each other; a value without the methods is a ValueError
//
// # Bytes
//
// Integers of 16 bits and more are base-128 varints, signed ones zig-zag; int8, uint8
// and bool are one byte; floats 4 or 8 bytes, least significant first. A string is its
// length and its bytes; a time.Time its seconds since 1970 as a signed
// integer, its nanoseconds, and its zone: 0 for UTC, else one more than its offset in
// seconds, zig-zag; a slice or map its length plus one (0 is nil) and its elements;
// an array its elements; a pointer a byte 0 (nil), or 1 and what it points to; a struct
// its fields in order; a type that encodes itself 0 for its zero value, else the
// length of its bytes plus one and these; a channel 0 (nil), or one more than its number.
// An any is a byte: 0 nil; 1 followed by a schema's hash, the length of the value and the value;
// 2 followed by a schema's length, the schema and the value; else a basic kind and the value.
package codec
