package chanref

import (
	"testing"
	"unsafe"

	"github.com/matveynator/netchan/mux"
)

// A recent has what it was told: all of the last recentMost IDs after each that it is told, none that
// it was never told, and none for ever.
func TestRecent(t *testing.T) {
	const all = 4 * recentMost
	var r recent
	ids, never := make([]mux.ID, all), 0
	for i := range ids {
		ids[i] = newRefID()
		r.add(ids[i])
		if i%3 == 0 {
			r.add(ids[i]) // twice counts as once
		}
		if oldest := max(0, i-recentMost+1); !r.has(ids[oldest]) || !r.has(ids[i]) || !r.has(ids[(oldest+i)/2]) {
			t.Fatalf("forgotten too soon, with %d added", i+1)
		}
		if r.has(newRefID()) {
			never++
		}
	}
	for i, id := range ids[all-recentMost:] {
		if !r.has(id) {
			t.Fatalf("%d of the last %d is forgotten", i, recentMost)
		}
	}
	for i, id := range ids[:all-recentMost-recentPart] {
		if r.has(id) {
			t.Fatalf("%d of %d is still there", i, all)
		}
	}
	if never > 0 {
		t.Errorf("%d are there that never were", never)
	}
}

// What is told again is new again.
func TestRecentAgain(t *testing.T) {
	var r recent
	id := newRefID()
	for i := range 3 * recentMost {
		if i%recentMost == 0 {
			r.add(id)
		} else {
			r.add(newRefID())
		}
		if !r.has(id) {
			t.Fatalf("forgotten, with %d added", i+1)
		}
	}
}

// One takes little while it has little, 400 KiB at most, and then allocates nothing more.
func TestRecentIsSmall(t *testing.T) {
	var r recent
	size := func() (bytes int) {
		for _, part := range r.parts {
			bytes += cap(part) * int(unsafe.Sizeof(part[0]))
		}
		return bytes
	}
	for i := range 2 * recentMost {
		if most := max(320, 20*i); size() > most {
			t.Fatalf("%d bytes for %d IDs", size(), i)
		}
		r.add(newRefID())
	}
	if size() > 400<<10 {
		t.Errorf("%d bytes", size())
	}
	was := make(map[*uint64]bool)
	for _, part := range r.parts {
		was[&part[0]] = true
	}
	for range 2 * recentMost {
		r.add(newRefID())
	}
	for _, part := range r.parts {
		if !was[&part[0]] {
			t.Error("what is forgotten makes no room for what is new")
		}
	}
}

// Sets are without gaps: each ID is found by whoever begins to look where it would be.
func TestRecentPlaces(t *testing.T) {
	set := make([]uint64, 5)
	last := ^uint64(0) // all of them belong at the end
	for i := range uint64(4) {
		at := place(set, last-i)
		if want := (4 + int(i)) % 5; at != want {
			t.Fatalf("place %d, want %d", at, want)
		}
		set[at] = last - i
	}
	for i := range uint64(4) {
		if at := place(set, last-i); set[at] != last-i {
			t.Errorf("%d is not found", i)
		}
	}
	if at := place(set, last-4); at != 3 {
		t.Errorf("what is not there would be at %d", at)
	}
}
