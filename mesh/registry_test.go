package mesh

import (
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

func mustRing(t *testing.T, key []byte) *memberlist.Keyring {
	t.Helper()
	r, err := memberlist.NewKeyring(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegistryOwn(t *testing.T) {
	r := newRegistry(id(1), 10, 1000)
	if r.stale() || r.publish(nil) {
		t.Error("nothing is news")
	}
	ends := manyEnds(2)
	if !r.publish(ends) || !r.stale() {
		t.Error("ends are news")
	}
	before, now := r.advance()
	if before.version != 0 || now.version != 1 || len(now.ends) != 2 || r.stale() {
		t.Errorf("%d, %d", before.version, now.version)
	}
	if r.refute(0, digest{}) || r.refute(1, now.digest) {
		t.Error("what is so needs no answer")
	}
	if !r.refute(1, digest{9}) {
		t.Error("another list under our version was left alone")
	}
	if _, now = r.advance(); now.version != 2 {
		t.Errorf("version %d", now.version)
	}
	if !r.refute(1<<50, digest{9}) {
		t.Error("a version above ours was left alone")
	}
	if _, now = r.advance(); now.version != 1<<50+1 || r.stale() {
		t.Errorf("version %d", now.version)
	}
	if r.refute(maxVersion, digest{9}); r.floor > maxVersion {
		t.Error("beyond the highest version")
	}
}

func TestRegistryOthers(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRegistry(id(1), 3, 400)
	a1, a2, other2 := newList(1, manyEnds(1)), newList(2, manyEnds(2)), newList(2, manyEnds(3))
	if !r.heard(id(2), 2, a2.digest, now, now) || r.heard(id(2), 2, a2.digest, now, now) || r.heard(id(2), 1, a1.digest, now, now) {
		t.Error("heard")
	}
	if !r.hint(id(2), a1, now) || r.wants[id(2)] == nil {
		t.Error("an older list ends no want")
	}
	if !r.hint(id(2), a2, now) || r.wants[id(2)] != nil {
		t.Error("the list wanted ends the want")
	}
	if r.hint(id(2), a2, now) || r.hint(id(2), a1, now) || r.heard(id(2), 0, digest{}, now, now) {
		t.Error("what is old was taken")
	}
	// Between two lists of one version the owner decides, once.
	if !r.hint(id(2), other2, now) || !r.hint(id(2), a2, now) {
		t.Error("nobody's word against nobody's")
	}
	before := r.lists[id(2)]
	if !r.fromOwner(id(2), other2, before, now) || r.hint(id(2), a2, now) || r.heard(id(2), 2, a2.digest, now, now) {
		t.Error("the owner's word does not hold")
	}
	// It holds against a higher version too, unless that came while we asked.
	if !r.hint(id(2), newList(1<<40, nil), now) {
		t.Error("hint")
	}
	if r.fromOwner(id(2), other2, before, now) {
		t.Error("an answer older than what came since was taken")
	}
	if !r.fromOwner(id(2), other2, r.lists[id(2)], now) {
		t.Error("a made-up version stays")
	}
	if r.hint(id(1), a2, now) || r.heard(id(1), 9, a2.digest, now, now) {
		t.Error("others write our own list")
	}
	if r.hint(id(3), newList(1, manyEnds(9)), now) {
		t.Error("more bytes than there is room for")
	}
	r.hint(id(4), a1, now)
	r.hint(id(5), a1, now)
	if r.hint(id(6), a1, now) {
		t.Error("more lists than there is room for")
	}
	alive := func(x ID) bool { return x == id(4) }
	r.forget(alive, now.Add(time.Minute), now.Add(-time.Second))
	if len(r.lists) != 3 {
		t.Error("forgotten too early")
	}
	r.forget(alive, now.Add(time.Hour), now.Add(time.Minute))
	if len(r.lists) != 1 || r.bytes != len(a1.body) {
		t.Errorf("%d lists, %d bytes", len(r.lists), r.bytes)
	}
}

func TestRegistryChange(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRegistry(id(1), 10, 1<<20)
	from, to := newList(4, manyEnds(50)), newList(7, manyEnds(53))
	m := announce(id(2), from, to)
	if m.kind != msgChange {
		t.Fatal(m.kind)
	}
	if r.change(m, now) {
		t.Error("a change of nothing")
	}
	r.hint(id(2), from, now)
	bad := m
	bad.digest[0]++
	if r.change(bad, now) || r.lists[id(2)].version != 4 {
		t.Error("a change that leads elsewhere")
	}
	if !r.change(m, now) || r.lists[id(2)].digest != to.digest || r.change(m, now) {
		t.Error("the change")
	}
}
