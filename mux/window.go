package mux

import "time"

// How far a use's sender may be ahead of what was read of its stream. All that nobody reads lies in
// memory, so each use has the room for one frame for certain, and the rest is shared: what
// one peer may have us keep is 16,384 times the one and the two budgets, whatever it opens.

const (
	// announceShare: the byte limit is announced again when this share of the window was read.
	announceShare = 4
	// busyWithin: announcements that follow each other faster make the window grow.
	busyWithin = 250 * time.Millisecond
	// maxWire is the length of the longest frame, with its head.
	maxWire = maxBody + headGap
)

// announceAfter is after how many bytes the byte limit is announced again: before a sender could
// lack the room for a whole frame.
func announceAfter(window uint64) uint64 {
	return min(window/announceShare, window-maxWire)
}

// widen gives a use that is accepted, or busy, a window of baseWindow, if there is room for it.
func (in *In) widen() {
	if in.st == nil || in.window.Load() != firstWindow || !in.s.bases.tryTake(baseWindow-firstWindow) {
		return
	}
	if !in.window.CompareAndSwap(firstWindow, baseWindow) { // Accept and the stream's goroutine at once
		in.s.bases.give(baseWindow - firstWindow)
	}
}

// grow makes the window of a busy use twice as long, if there is room for it. It is the stream
// goroutine's.
func (in *In) grow() {
	w := in.window.Load()
	if w < baseWindow {
		in.widen()
		return
	}
	if more := min(w, maxWindow-w); more > 0 && in.s.growth.tryTake(int64(more)) {
		in.window.Store(w + more)
	}
}

// narrow gives back what the window of a use that is over has taken.
func (in *In) narrow() {
	if w := in.window.Load(); w >= baseWindow {
		in.s.bases.give(baseWindow - firstWindow)
		in.s.growth.give(int64(w - baseWindow))
	}
}
