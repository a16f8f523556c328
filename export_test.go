package netchan

// SharedLinks counts the links that this process's dialers have.
func SharedLinks() int {
	dialers.mu.Lock()
	defer dialers.mu.Unlock()
	n := 0
	for _, d := range dialers.byKey {
		n += len(d.hub.host.Links())
	}
	return n
}
