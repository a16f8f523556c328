package chanref

import (
	"reflect"
	"testing"

	"github.com/matveynator/netchan/mux"
)

func someRefs() []wireRef {
	other := wireRef{kind: refOther, dir: mux.ToReceive, id: mux.ID{1}, size: 1 << 40, home: Node{ID: [32]byte{2}, Name: "a", Addr: "127.0.0.1:1"}, homeID: mux.ID{3}}
	gated := other
	gated.straight, gated.gated, gated.end, gated.number = true, true, mux.ID{4}, 1<<64-1
	return []wireRef{
		{kind: refMine, dir: mux.ToSend, id: mux.ID{5}, size: 3},
		{kind: refYours, dir: mux.ToReceive, id: mux.ID{6}},
		other, gated,
		{kind: refGone, dir: mux.ToSend},
	}
}

func appendTable(refs []wireRef) (b []byte) {
	for i := range refs {
		b = refs[i].append(b)
	}
	return b
}

func TestRefsTravel(t *testing.T) {
	refs := someRefs()
	b := appendTable(refs)
	got, err := parseRefs(b)
	if err != nil || !reflect.DeepEqual(got, refs) {
		t.Fatalf("%+v, %v", got, err)
	}
	ends := map[int]bool{}
	for i := range refs {
		ends[len(appendTable(refs[:i]))] = true
	}
	for n := range len(b) {
		if _, err := parseRefs(b[:n]); (err == nil) != ends[n] {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := parseRefs(make([]byte, maxTable+1)); err == nil {
		t.Error("references of nothing")
	}
	gone := appendTable([]wireRef{{kind: refGone, dir: mux.ToSend}})
	var many []byte
	for range maxTable {
		many = append(many, gone...)
	}
	if _, err := parseRefs(many); err != nil {
		t.Error(err)
	}
	if _, err := parseRefs(append(many, gone...)); err == nil {
		t.Error("one more than there may be")
	}
}

// What is read as a table of references is written as one that is read as the same, no longer.
func FuzzRefs(f *testing.F) {
	refs := someRefs()
	f.Add(appendTable(refs))
	for i := range refs {
		f.Add(appendTable(refs[i : i+1]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := parseRefs(b)
		if err != nil {
			return
		}
		again := appendTable(refs)
		if len(again) > len(b) {
			t.Fatalf("% x became % x", b, again)
		}
		same, err := parseRefs(again)
		if err != nil || !reflect.DeepEqual(same, refs) {
			t.Fatalf("% x became % x: %+v instead of %+v, %v", b, again, same, refs, err)
		}
	})
}
