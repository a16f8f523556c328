package mux

import (
	"io"
	"testing"
	"testing/synctest"
)

// TestCloseComesLast: a Close that is called while a batch is in hand, small or of many
// frames, comes behind it.
func TestCloseComesLast(t *testing.T) {
	for _, size := range []int{8, 5*MaxFrame + 1, 2 * baseWindow} {
		synctest.Test(t, func(t *testing.T) {
			got := make(chan int, 1)
			a, _ := connectPair(t, &handler{serve: func(in *In) {
				in.Accept(Accept{Limit: 10})
				n := 0
				for {
					f, err := in.Next()
					if err != nil {
						if err != io.EOF || !in.Clean() {
							t.Errorf("%v, clean %v", err, in.Clean())
						}
						break
					}
					n += len(f.Body)
				}
				got <- n
			}}, Config{})
			f := newFeedback()
			o := a.Open(open("jobs"), f)
			b := NewBatch(ID{1})
			b.B, b.Count = append(b.B, make([]byte, size)...), 1
			o.Send(b)
			o.Close(true)
			if n := want(t, "the end", got); n != size {
				t.Errorf("%d bytes came, %d were sent", n, size)
			}
			want(t, "Written", f.written)
		})
	}
}
