// Command new is the program ../old after its types changed.
package main

import (
	"fmt"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/testdata/versions/peer"
)

// Job is what the two send each other.
type Job struct {
	Added   string
	Note    any
	Parts   map[string]Part
	Deputy  *Person
	Owner   Person
	Caption string `netchan:"Title"` // the name that old versions know
	Text    []byte
	Ratio   float64
	Index   uint
	Count   int64
	ID      int
}

type Person struct {
	Mail string
	Age  int64
	Name []byte
}

type Part struct {
	Weight *int64
	Colour string
	Price  string
}

// Remark is registered under the name of old versions' Note.
type Remark struct {
	Author string
	Length uint `netchan:"Lines"`
	Text   []byte
}

func job(n int, own string) Job {
	weight, none := int64(n), int64(0)
	j := Job{
		ID: n, Added: own, Count: int64(-n), Index: uint(n), Ratio: float64(n) / 4,
		Text: fmt.Append(nil, "text ", n), Caption: fmt.Sprint("title ", n),
		Owner:  Person{Name: []byte("owner"), Age: int64(n), Mail: own},
		Deputy: &Person{Name: []byte("deputy"), Age: int64(n), Mail: own},
		Parts:  map[string]Part{"bolt": {Colour: "red", Price: own, Weight: &weight}, "nut": {Weight: &none}},
		Note:   Remark{Author: own, Text: fmt.Append(nil, "note ", n), Length: uint(n)},
	}
	switch {
	case n%2 == 0:
	case own != "":
		j.Deputy = nil
	default:
		j.Deputy = &Person{Name: []byte{}} // old versions have no nil
	}
	return j
}

func main() {
	netchan.RegisterName[Remark]("versions.Note")
	peer.Version[Job, int]{
		Name: "new", Peer: "old",
		Job:    job,
		Misfit: Job{Count: 1 << 40},
	}.Main()
}
