package mesh

import "slices"

// names say whose ends have a name, of many lists: so to look one up costs what is found, not
// a look at every node. Nothing of it is on the wire.
type names map[string][]place

// place is an end of a list.
type place struct {
	of  *known
	end int
}

func (n names) add(k *known) {
	for i, e := range k.ends {
		n[e.Name] = append(n[e.Name], place{k, i})
	}
}

func (n names) remove(k *known) {
	done := make(map[string]bool, len(k.ends)) // a list may have one name thousands of times
	for _, e := range k.ends {
		if done[e.Name] {
			continue
		}
		done[e.Name] = true
		left := slices.DeleteFunc(n[e.Name], func(p place) bool { return p.of == k })
		if len(left) == 0 {
			delete(n, e.Name)
		} else {
			n[e.Name] = left
		}
	}
}
