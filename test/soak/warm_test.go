//go:build !race

package soak

import "sync"

// mostGoroutines is what an attack can have a node start at once, one for each stream that a link may
// have, while those of the attack before it end; and the other ones.
const mostGoroutines = 2*16384 + 4096

// The runtime keeps the descriptor of each goroutine that ever was, for those to come. How many there
// were at once is chance; so that it does not count as growth of the heap, there are once as many
// as there can be. The race detector does not allow so many.
func init() {
	warmGoroutines = func() {
		var all sync.WaitGroup
		end := make(chan struct{})
		for range mostGoroutines {
			all.Go(func() { <-end })
		}
		close(end)
		all.Wait()
	}
}
