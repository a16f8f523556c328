package mux

import "testing"

// TestManyStalledUses: what a peer may have lie unread is bounded for all its uses together; a use
// for which nothing is left of what they share brings whole frames all the same, and all comes back
// in the end.
func TestManyStalledUses(t *testing.T) {
	const many = baseBudget/(baseWindow-firstWindow) + 50
	release := make(chan struct{})
	ins := make(chan *In, many)
	h := &handler{serve: func(in *In) {
		if in.Open().Target.Name == "stalled" {
			in.Accept(Accept{Limit: 1 << 40})
			ins <- in
			select {
			case <-release:
			case <-in.Done():
			}
		}
		take(in)
	}}
	a, b := connectYamux(t, h, Config{})
	outs := make([]*Out, many)
	f := newFeedback()
	for i := range outs {
		outs[i] = a.Open(open("stalled"), f)
	}
	granted, small := uint64(0), 0
	for range outs {
		w := want(t, "a use", ins).window.Load()
		if granted += w; w == firstWindow {
			small++
		}
	}
	if limit := uint64(many*firstWindow + baseBudget); granted > limit || small < 40 {
		t.Errorf("%d bytes for %d uses, %d of them have the first window", granted, many, small)
	}
	// Nothing is left; a use that is read goes on, frame by frame.
	g := newFeedback()
	o := a.Open(open("read"), g)
	for range 20 {
		v := NewBatch(ID{1})
		v.B, v.Count = append(v.B, make([]byte, MaxFrame)...), 1
		sendAll(t, o, g, v)
	}
	o.Close(true)
	close(release)
	for _, o := range outs {
		o.Close(true)
	}
	waitFor(t, func() bool {
		b.bases.mu.Lock()
		defer b.bases.mu.Unlock()
		return b.bases.free == baseBudget && b.Stats().Ins == 0
	})
}

// TestWindowFitsAFrame: whatever was read, a sender has room for the longest frame when all of it was.
func TestWindowFitsAFrame(t *testing.T) {
	for _, w := range []uint64{firstWindow, baseWindow, maxWindow} {
		if w-announceAfter(w) < maxWire {
			t.Errorf("a window of %d is announced after %d", w, announceAfter(w))
		}
	}
	if n := len(appendOpen(nil, &Open{Target: Target{Name: string(make([]byte, MaxText))}, Schema: make([]byte, maxSchema), Text: string(make([]byte, MaxText))}, true)); n > firstWindow {
		t.Errorf("an OPEN of %d bytes", n)
	}
}
