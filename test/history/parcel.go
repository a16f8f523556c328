package history

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
)

// A Parcel is the value that programs send.
type Parcel struct {
	From, N int // unique together; N counts from 1
	Pad     []byte
	Sum     uint32 // of all the others
}

// Fill makes the bytes of a value: a half of them can be compressed.
func (v *Parcel) Fill(size int) {
	v.Pad = make([]byte, size)
	random := rand.NewPCG(uint64(v.From), uint64(v.N))
	for b := v.Pad[:size/2]; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, random.Uint64())
	}
	v.Sum = v.sum()
}

// Intact says whether a value has the bytes that it was made of.
func (v *Parcel) Intact() bool { return v.Sum == v.sum() }

func (v *Parcel) sum() uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v.From))
	binary.LittleEndian.PutUint64(b[8:], uint64(v.N))
	return crc32.Update(crc32.ChecksumIEEE(b[:]), crc32.IEEETable, v.Pad)
}
