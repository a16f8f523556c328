package chanref

import (
	"iter"

	"github.com/matveynator/netchan/mux"
)

// byEnd is a map by the IDs of ends, of which most have one only: that takes no map. The zero one is
// empty.
type byEnd[V any] struct {
	id   mux.ID
	v    V
	some bool // id and v are an entry
	more map[mux.ID]V
}

func (m *byEnd[V]) get(id mux.ID) (v V) {
	if m.some && m.id == id {
		return m.v
	}
	return m.more[id]
}

func (m *byEnd[V]) put(id mux.ID, v V) {
	_, there := m.more[id]
	switch {
	case m.some && m.id == id, !m.some && !there:
		m.id, m.v, m.some = id, v, true
	default:
		if m.more == nil {
			m.more = make(map[mux.ID]V)
		}
		m.more[id] = v
	}
}

func (m *byEnd[V]) del(id mux.ID) {
	if m.some && m.id == id {
		var zero V
		m.v, m.some = zero, false
		return
	}
	delete(m.more, id)
}

func (m *byEnd[V]) len() int {
	if m.some {
		return len(m.more) + 1
	}
	return len(m.more)
}

// all are the values, in no order. Nothing may be put meanwhile.
func (m *byEnd[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		if m.some && !yield(m.v) {
			return
		}
		for _, v := range m.more {
			if !yield(v) {
				return
			}
		}
	}
}
