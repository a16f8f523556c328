package chanref

import (
	"sync"
	"time"

	"github.com/matveynator/netchan/mux"
)

// FarewellTime is for how long a source that has closed is answered for.
const FarewellTime = time.Minute

// maxFarewells bounds how many closed sources are remembered.
const maxFarewells = 1024

// farewells remembers sources that were closed in good order, for a while: a
// receiving end that knew of one and asks for it too late shall hear of the
// close, or it would wait for one that never comes. The zero value is ready.
type farewells struct {
	mu   sync.Mutex // guards what follows
	byID map[mux.ID]*farewell
	old  ring[*farewell] // in the order in which they ended
}

type farewell struct {
	name string   // of the channel
	open mux.Open // how the source would have opened a stream
	at   time.Time
}

func (f *farewells) add(name string, open mux.Open) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = make(map[mux.ID]*farewell)
	}
	for f.old.len() > 0 && (f.old.len() >= maxFarewells || now.Sub((*f.old.front()).at) > FarewellTime) {
		delete(f.byID, f.old.pop().open.End)
	}
	e := &farewell{name: name, open: open, at: now}
	f.byID[open.End] = e
	f.old.push(e)
}

func (f *farewells) of(id mux.ID) (name string, open mux.Open, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.byID[id]
	if e == nil || time.Since(e.at) > FarewellTime {
		return "", mux.Open{}, false
	}
	return e.name, e.open, true
}

// deaf is the feedback of a stream that brings nothing but its close.
type deaf struct{}

func (deaf) Accepted(mux.Accept) {}
func (deaf) Refused(mux.Refuse)  {}
func (deaf) Acked(mux.Ack)       {}
func (deaf) Stopped(mux.Stop)    {}
func (deaf) Written(*mux.Batch)  {}
func (deaf) Lost(error)          {}
