package chanref

// ring is a queue over a slice that grows and is used again. The zero ring is
// empty and ready.
type ring[E any] struct {
	buf  []E
	head int
	n    int
}

func (r *ring[E]) len() int { return r.n }

func (r *ring[E]) push(e E) {
	if r.n == len(r.buf) {
		r.grow()
	}
	i := r.head + r.n
	if i >= len(r.buf) {
		i -= len(r.buf)
	}
	r.buf[i] = e
	r.n++
}

// front is the oldest element; the ring must not be empty.
func (r *ring[E]) front() *E { return &r.buf[r.head] }

// at is the i-th element from the front.
func (r *ring[E]) at(i int) *E {
	i += r.head
	if i >= len(r.buf) {
		i -= len(r.buf)
	}
	return &r.buf[i]
}

// back is the newest element; the ring must not be empty.
func (r *ring[E]) back() *E { return r.at(r.n - 1) }

func (r *ring[E]) pop() E {
	var zero E
	e := r.buf[r.head]
	r.buf[r.head] = zero // what was popped must not stay reachable
	r.head++
	if r.head == len(r.buf) {
		r.head = 0
	}
	r.n--
	return e
}

func (r *ring[E]) grow() {
	bigger := make([]E, max(1, 2*len(r.buf)))
	for i := range r.n {
		bigger[i] = *r.at(i)
	}
	r.buf, r.head = bigger, 0
}
