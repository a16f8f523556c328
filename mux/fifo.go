package mux

// A fifo is a queue that gives its memory back when it has been long.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) push(v T) { f.items = append(f.items, v) }

func (f *fifo[T]) pop() (v T, ok bool) {
	if f.len() == 0 {
		return v, false
	}
	var zero T
	v, f.items[f.head] = f.items[f.head], zero
	f.head++
	switch {
	case f.head == len(f.items):
		f.head = 0
		if cap(f.items) > 1024 {
			f.items = nil
		} else {
			f.items = f.items[:0]
		}
	case f.head >= 1024 && f.head*2 >= len(f.items):
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	return v, true
}
