package chanref

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/matveynator/netchan/mux"
)

// A byEnd is a map.
func TestByEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var m byEnd[int]
		model := make(map[mux.ID]int)
		for range 40 {
			id := mux.ID{byte(r.IntN(4))}
			switch r.IntN(3) {
			case 0:
				v := r.IntN(100)
				m.put(id, v)
				model[id] = v
			case 1:
				m.del(id)
				delete(model, id)
			}
			if m.get(id) != model[id] || m.len() != len(model) {
				t.Fatalf("%v: %d, %d of them; want %d, %d", id, m.get(id), m.len(), model[id], len(model))
			}
			if got, want := slices.Sorted(m.all()), slices.Sorted(maps.Values(model)); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	}
}
