//go:build later

package main

import "github.com/matveynator/netchan/test/history"

// value is what nodes of a later version of the program send: fields have moved, have
// another type, and one is new.
type value struct {
	Sum    uint64
	Remark *string
	N      int64
	Pad    []byte
	From   int64
}

func pack(from int64, n, size int) value {
	v, remark := history.Parcel{From: int(from), N: n}, "later"
	v.Fill(size)
	return value{uint64(v.Sum), &remark, int64(n), v.Pad, from}
}

func (v value) unpack() (from int64, n int, intact bool) {
	p := history.Parcel{From: int(v.From), N: int(v.N), Pad: v.Pad, Sum: uint32(v.Sum)}
	return v.From, p.N, p.Intact()
}
