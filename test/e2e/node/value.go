//go:build !later

package main

import "github.com/matveynator/netchan/test/history"

// value is what nodes send.
type value history.Parcel

func pack(from int64, n, size int) value {
	v := history.Parcel{From: int(from), N: n}
	v.Fill(size)
	return value(v)
}

func (v value) unpack() (from int64, n int, intact bool) {
	p := history.Parcel(v)
	return int64(p.From), p.N, p.Intact()
}
