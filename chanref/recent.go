package chanref

import (
	"hash/maphash"
	"math/bits"

	"github.com/matveynator/netchan/mux"
)

// recentMost is as many as go at once when a peer is lost.
const recentMost = MaxRefs

// A recent remembers IDs for a while: at least the last recentMost of them. The zero one is
// empty. It grows with what it has been told, up to 400 KiB, and allocates nothing from then on.
//
// It keeps 64 bits of a hash of each. An ID that it was never told is taken for one that it
// was with a chance of one in 4*10^14 at most: an intruder is then taken for late, which is
// refused all the same, or, where that weighs more, a channel for one that is gone.
type recent struct {
	parts [recentParts][]uint64 // sets with open addressing, the newest first; 0 is a free place
	n     int                   // in the newest
}

const (
	recentParts  = 5
	recentPart   = recentMost / (recentParts - 1) // IDs of one part: all but the newest are full
	recentPlaces = recentPart * 5 / 4             // free ones end the search for what is not there
)

// recentSeed is secret: nobody can choose IDs that are in each other's way.
var recentSeed = maphash.MakeSeed()

func hashOf(id mux.ID) uint64 { return max(1, maphash.Bytes(recentSeed, id[:])) }

func (r *recent) add(id mux.ID) {
	h := hashOf(id)
	if newest := r.parts[0]; len(newest) > 0 && newest[place(newest, h)] == h {
		return
	}
	if r.n == recentPart {
		oldest := r.parts[recentParts-1]
		copy(r.parts[1:], r.parts[:])
		clear(oldest)
		r.parts[0], r.n = oldest, 0
	}
	if size := len(r.parts[0]); size < recentPlaces && r.n >= size/5*4 {
		grown := make([]uint64, min(max(40, 2*size), recentPlaces))
		for _, h := range r.parts[0] {
			if h != 0 {
				grown[place(grown, h)] = h
			}
		}
		r.parts[0] = grown
	}
	r.parts[0][place(r.parts[0], h)] = h
	r.n++
}

func (r *recent) has(id mux.ID) bool {
	h := hashOf(id)
	for _, part := range r.parts {
		if len(part) > 0 && part[place(part, h)] == h {
			return true
		}
	}
	return false
}

// place is where h is in a set, or the free place where it would be. There is always one.
func place(set []uint64, h uint64) int {
	first, _ := bits.Mul64(h, uint64(len(set)))
	i := int(first)
	for set[i] != 0 && set[i] != h {
		if i++; i == len(set) {
			i = 0
		}
	}
	return i
}
