package mesh

import (
	"maps"
	"time"
)

// The registry is what a node knows about everybody's lists: a plain state
// machine without goroutine, clock or socket. Mesh.mu guards it.
type registry struct {
	self     ID
	maxLists int
	maxBytes int

	own       *list // what Publish said last; its version means nothing
	announced *list // what others have been told
	floor     uint64
	mine      names // of own

	lists map[ID]*known
	names names // of lists
	wants map[ID]*want
	bytes int // of all bodies in lists
}

// known is a list of another node.
type known struct {
	*list
	id    ID
	owner bool      // it was the owner who gave it to us
	since time.Time // when the owner was last seen alive, for forgetting
}

// want is a list we have heard of and not got.
type want struct {
	version uint64
	digest  digest
	next    time.Time // not to be fetched before
	tries   int
	busy    bool
	asked   bool // somebody was asked for everything since
	since   time.Time
}

func newRegistry(self ID, maxLists, maxBytes int) registry {
	return registry{
		self: self, maxLists: maxLists, maxBytes: maxBytes,
		own: newList(0, nil), announced: newList(0, nil),
		mine: make(names), lists: make(map[ID]*known), names: make(names), wants: make(map[ID]*want),
	}
}

// publish replaces the own list; true if others have to be told.
func (r *registry) publish(ends []End) (news bool) {
	r.own, r.mine = newList(0, ends), make(names)
	r.mine.add(&known{list: r.own, id: r.self})
	return r.stale()
}

// stale tells whether what others have been told is not what is so.
func (r *registry) stale() bool {
	return r.own.digest != r.announced.digest || r.announced.version < r.floor
}

// advance makes the own list the announced one and returns both.
func (r *registry) advance() (before, now *list) {
	before = r.announced
	r.announced = newList(max(before.version+1, r.floor), r.own.ends)
	return before, r.announced
}

// refute is told what somebody says about our own list. If that is not what
// we have announced and would hide it, the next announcement goes above it.
func (r *registry) refute(version uint64, d digest) (news bool) {
	a := r.announced
	if version < a.version || version == a.version && d == a.digest {
		return false
	}
	r.floor = min(version, maxVersion-1) + 1
	return r.stale()
}

// newer tells whether that version would be news about id.
func (r *registry) newer(id ID, version uint64, d digest) bool {
	have := r.lists[id]
	if have == nil {
		return version > 0
	}
	return version > have.version || version == have.version && d != have.digest && !have.owner
}

// heard notes that id's list has that version, if it is news. It is to be
// fetched at next, unless it comes by itself before. fresh means that it had
// not been heard of before.
func (r *registry) heard(id ID, version uint64, d digest, now, next time.Time) (fresh bool) {
	if id == r.self || !r.newer(id, version, d) {
		return false
	}
	w := r.wants[id]
	if w == nil {
		if len(r.wants) >= r.maxLists {
			return false
		}
		r.wants[id] = &want{version: version, digest: d, next: next, since: now}
		return true
	}
	if version < w.version || version == w.version && d == w.digest {
		if next.Before(w.next) && w.tries == 0 {
			w.next = next
		}
		return false
	}
	w.version, w.digest, w.since, w.asked = version, d, now, false
	if next.Before(w.next) || w.tries > 0 {
		w.next, w.tries = next, 0
	}
	return true
}

// hint takes a list that came from somebody else than its owner, if it is
// news and there is room.
func (r *registry) hint(id ID, l *list, now time.Time) (took bool) {
	if id == r.self || !r.newer(id, l.version, l.digest) || !r.room(id, l) {
		return false
	}
	r.put(id, l, false, now)
	return true
}

// fromOwner takes a list that its owner gave when asked; before is what we had
// when we asked. The owner's word holds, whatever others said, unless a later
// version arrived in the meantime: then it is asked again.
func (r *registry) fromOwner(id ID, l *list, before *known, now time.Time) (took bool) {
	have := r.lists[id]
	if have != nil && have != before && have.version > l.version || !r.room(id, l) {
		return false
	}
	if have != nil && have.version == l.version && have.digest == l.digest {
		have.owner = true
		delete(r.wants, id)
		return false
	}
	r.put(id, l, true, now)
	delete(r.wants, id)
	return true
}

func (r *registry) room(id ID, l *list) bool {
	old := 0
	if have := r.lists[id]; have != nil {
		old = len(have.body)
	} else if len(r.lists) >= r.maxLists {
		return false
	}
	return r.bytes-old+len(l.body) <= r.maxBytes
}

func (r *registry) put(id ID, l *list, owner bool, now time.Time) {
	r.drop(id)
	k := &known{list: l, id: id, owner: owner, since: now}
	r.lists[id] = k
	r.names.add(k)
	r.bytes += len(l.body)
	if w := r.wants[id]; w != nil && !r.newer(id, w.version, w.digest) {
		delete(r.wants, id)
	}
}

func (r *registry) drop(id ID) {
	if have := r.lists[id]; have != nil {
		r.bytes -= len(have.body)
		r.names.remove(have)
		delete(r.lists, id)
	}
}

// change takes what leads to a newer version, if we have the one it starts from.
func (r *registry) change(m message, now time.Time) (took bool) {
	have := r.lists[m.id]
	if m.id == r.self || have == nil || have.version != m.delta.from {
		return false
	}
	l, err := m.delta.apply(have.list, m.version)
	if err != nil || l.digest != m.digest {
		return false
	}
	return r.hint(m.id, l, now)
}

// forget drops what belongs to nodes that have not been alive since then.
func (r *registry) forget(alive func(ID) bool, now, then time.Time) {
	for id, k := range r.lists {
		if alive(id) {
			k.since = now
		} else if k.since.Before(then) {
			r.drop(id)
		}
	}
	maps.DeleteFunc(r.wants, func(id ID, w *want) bool {
		return !alive(id) && !w.busy && w.since.Before(then)
	})
}
