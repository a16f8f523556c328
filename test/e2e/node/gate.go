package main

import "sync"

// A gate is open or shut; the zero gate is open.
type gate struct {
	mu    sync.Mutex
	opens chan struct{} // closed when it opens; nil while it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opens == nil {
		g.opens = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opens != nil {
		close(g.opens)
		g.opens = nil
	}
}

// pass waits until the gate is open.
func (g *gate) pass() {
	g.mu.Lock()
	opens := g.opens
	g.mu.Unlock()
	if opens != nil {
		<-opens
	}
}
