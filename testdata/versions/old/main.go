// Command old is a program before its types changed; ../new is it after that.
package main

import (
	"fmt"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/testdata/versions/peer"
)

// Job is what the two send each other. The comments say what became of a field.
type Job struct {
	ID     int             // is the last one
	Gone   string          // was removed
	Count  int32           // is an int64
	Index  int             // is a uint
	Ratio  float32         // is a float64
	Text   string          // is a []byte
	Title  string          // is called Caption in Go
	Owner  Person          // has changed inside
	Deputy Person          // is a pointer
	Parts  map[string]Part // hold another Part
	Note   any             // holds another Note
}

type Person struct {
	Name  string
	Age   int32
	Phone string
}

type Part struct {
	Colour string
	Size   string
	Weight int32
}

// Note is registered: it stands in an any.
type Note struct {
	Pinned string
	Text   string
	Lines  int
}

func job(n int, own string) Job {
	j := Job{
		ID: n, Gone: own, Count: int32(-n), Index: n, Ratio: float32(n) / 4,
		Text: fmt.Sprint("text ", n), Title: fmt.Sprint("title ", n),
		Owner: Person{Name: "owner", Age: int32(n), Phone: own},
		Parts: map[string]Part{"bolt": {Colour: "red", Size: own, Weight: int32(n)}, "nut": {}},
		Note:  Note{Pinned: own, Text: fmt.Sprint("note ", n), Lines: n},
	}
	if n%2 == 0 {
		j.Deputy = Person{Name: "deputy", Age: int32(n), Phone: own}
	}
	return j
}

func main() {
	netchan.RegisterName[Note]("versions.Note")
	peer.Version[Job, string]{
		Name: "old", Peer: "new",
		Job:    job,
		Misfit: Job{Index: -1},
	}.Main()
}
