package chanref

import (
	"github.com/matveynator/netchan/mux"
)

// intake is a sink's bookkeeping of what was pushed into its channel: which
// values the program has taken out again, and of which use. It is a plain
// state machine; how many values lie in the channel is told to it.
type intake struct {
	runs   ring[run] // pushed and not known to be taken, oldest first
	pushed uint64    // values pushed in all
	taken  uint64    // of those, taken
	frozen bool      // the channel is being emptied by us: its length says nothing more
}

// run is count values of one use, pushed one behind the other; skipped ones
// were never pushed, and count as taken once all before them are.
type run struct {
	u       *use
	count   uint64
	skipped bool
}

// use is what a sink knows of one incoming stream. Numbers up to taken are
// taken by the program; next is the number of the next value to arrive.
type use struct {
	in       *mux.In
	end      mux.ID        // of the sender
	single   bool          // it has brought single values, and has no stream
	lossy    bool          // its values make room for newer ones
	every    uint64        // acknowledge at the latest when so many were taken
	replaced chan struct{} // closed when the same sender has opened a newer stream; nil: of a single value

	busy  bool // a single value is being brought, by its own In only
	keeps bool // its source takes back what the program has not taken; guarded by the sink's mu, like all below
	next  uint64
	taken uint64
	told  uint64     // taken, as last acknowledged
	limit uint64     // the last number that its sender may send, as last told
	drops []mux.Drop // not told yet
}

func (k *intake) note(u *use, count uint64, skipped bool) {
	if count == 0 {
		return
	}
	u.next += count
	if !skipped {
		k.pushed += count
	}
	if k.runs.len() > 0 {
		if last := k.runs.back(); last.u == u && last.skipped == skipped {
			last.count += count
			return
		}
	}
	k.runs.push(run{u: u, count: count, skipped: skipped})
}

// settle moves every use forward, given that held values lie in the channel.
// held must have been read after pushed: then it is never too low.
func (k *intake) settle(pushed, held uint64) {
	if k.frozen || held > pushed {
		return // others push into the channel too: later, never early
	}
	now := pushed - held
	for k.runs.len() > 0 {
		r := k.runs.front()
		n := r.count
		if !r.skipped {
			if n = min(n, now-min(now, k.taken)); n == 0 {
				return
			}
			k.taken += n
		}
		r.u.taken += n
		if r.count -= n; r.count == 0 {
			k.runs.pop()
		}
	}
}

// lossy says whether there are values that may lie in the channel, and all of
// them may make room.
func (k *intake) lossy() bool {
	for i := range k.runs.len() {
		if r := k.runs.at(i); !r.skipped && !r.u.lossy {
			return false
		}
	}
	return k.runs.len() > 0
}

// untaken lists, for the values that are not known to be taken, which of them
// came back: isBack is asked for each, oldest first. All others count as taken.
func (k *intake) untaken(isBack func(u *use, i int) bool) map[*use][]mux.Run {
	back := make(map[*use][]mux.Run)
	next := make(map[*use]uint64)
	i := 0
	for n := range k.runs.len() {
		r := k.runs.at(n)
		number, ok := next[r.u]
		if !ok {
			number = r.u.taken + 1
		}
		for range r.count {
			if !r.skipped {
				if isBack(r.u, i) {
					back[r.u] = appendRun(back[r.u], number)
				}
				i++
			}
			number++
		}
		next[r.u] = number
	}
	return back
}

func appendRun(runs []mux.Run, number uint64) []mux.Run {
	if last := len(runs) - 1; last >= 0 && runs[last].First+runs[last].Count == number {
		runs[last].Count++
		return runs
	}
	return append(runs, mux.Run{First: number, Count: 1})
}
