package mesh

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func manyEnds(n int) []End {
	out := make([]End, 0, n)
	for i := range n {
		e := end(byte(i), strings.Repeat("x", 1+i%7))
		e.ID[3] = byte(i >> 8)
		out = append(out, e)
	}
	out, _ = tidy(out)
	return out
}

func TestMetaRoundTrip(t *testing.T) {
	for _, name := range []string{"", "a", "ü", strings.Repeat("x", MaxMemberName)} {
		m := meta{name: name, version: 77, digest: digest{1, 2, 3}}
		b := m.encode()
		if len(b) != metaSize {
			t.Fatalf("size %d", len(b))
		}
		if got, err := parseMeta(b); err != nil || got != m {
			t.Errorf("%v, %v", got, err)
		}
		for i := range b {
			if _, err := parseMeta(b[:i]); err == nil {
				t.Errorf("cut to %d bytes and taken", i)
			}
		}
		b[metaSize-1] = 1
		if _, err := parseMeta(b); err == nil {
			t.Error("what lies behind the fields was not looked at")
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"aüb", 2, "a"}, {"a\xffb", 9, "a�b"}, {"", 0, ""}} {
		if got := cut(c.in, c.n); got != c.want {
			t.Errorf("cut(%q, %d) = %q", c.in, c.n, got)
		}
	}
}

func TestTidy(t *testing.T) {
	long := strings.Repeat("y", MaxName+1)
	got, dropped := tidy([]End{end(3, "c"), end(1, "a"), end(3, "c"), end(2, ""), end(2, long), {Name: "t", TypeText: long}})
	if dropped != 2 || len(got) != 3 || got[0].Name != "t" || len(got[0].TypeText) != MaxTypeText || got[1] != end(1, "a") {
		t.Errorf("%d dropped, %v", dropped, got)
	}
	if got, dropped := tidy(manyEnds(MaxEnds + 0)); len(got) != MaxEnds || dropped != 0 {
		t.Errorf("%d, %d", len(got), dropped)
	}
	over := append(manyEnds(MaxEnds), End{ID: [16]byte{255, 255}, Name: "z"})
	if got, dropped := tidy(over); len(got) != MaxEnds || dropped != 1 {
		t.Errorf("%d, %d", len(got), dropped)
	}
	var big []End
	for _, e := range manyEnds(MaxEnds) {
		e.Name, e.TypeText = long[1:], long[1:]
		big = append(big, e)
	}
	got, dropped = tidy(big)
	body := appendEnds(nil, got)
	if dropped == 0 || len(body) > MaxListBytes || len(body)+endSize(big[0]) <= MaxListBytes {
		t.Errorf("%d dropped, %d bytes", dropped, len(body))
	}
	if _, err := parseEnds(body); err != nil {
		t.Error(err)
	}
}

func TestListRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 300, MaxEnds} {
		l := newList(9, manyEnds(n))
		got, err := parseList(9, l.body)
		if err != nil || got.digest != l.digest || !slices.Equal(got.ends, l.ends) {
			t.Errorf("%d ends: %v", n, err)
		}
		if n < 10 {
			for i := range l.body {
				if _, err := parseEnds(l.body[:i]); err == nil {
					t.Errorf("%d ends, cut to %d bytes and taken", n, i)
				}
			}
		}
	}
	if _, err := parseEnds([]byte{0, 0, 0x10, 0}); err == nil {
		t.Error("a count without ends was taken")
	}
	a, b := end(1, "a"), end(2, "b")
	for _, bad := range [][]End{{b, a}, {a, a}, {{ID: a.ID}}} {
		if _, err := parseEnds(appendEnds(nil, bad)); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestDeltas(t *testing.T) {
	all := manyEnds(40)
	for from := 0; from < 1<<10; from += 37 {
		for to := 0; to < 1<<10; to += 41 {
			var a, b []End
			for i := range 10 {
				if from>>i&1 == 1 {
					a = append(a, all[i*3])
				}
				if to>>i&1 == 1 {
					b = append(b, all[i*3])
				}
			}
			la, lb := newList(1, a), newList(2, b)
			got, err := between(la, lb).apply(la, 2)
			if err != nil || got.digest != lb.digest || got.version != 2 {
				t.Fatalf("%b to %b: %v", from, to, err)
			}
		}
	}
	l := newList(1, all[:2])
	for _, d := range []delta{{removed: []uint16{2}}, {added: all[:1]}, {added: manyEnds(MaxEnds)}} {
		if _, err := d.apply(l, 2); err == nil {
			t.Errorf("%d removed, %d added: taken", len(d.removed), len(d.added))
		}
	}
}

func TestAnnounce(t *testing.T) {
	short, long := newList(1, manyEnds(5)), newList(2, manyEnds(200))
	more := newList(3, manyEnds(203))
	for _, c := range []struct {
		before, now *list
		want        byte
	}{{nil, short, msgFull}, {short, long, msgNote}, {long, more, msgChange}, {nil, more, msgNote}, {more, newList(4, nil), msgFull}} {
		m := announce(id(1), c.before, c.now)
		b := m.encode()
		if m.kind != c.want || len(b) > maxMessage {
			t.Errorf("kind %d of %d bytes, want %d", m.kind, len(b), c.want)
		}
		got, err := parseMessage(b)
		if err != nil || got.kind != m.kind || got.id != m.id || got.version != m.version || got.digest != m.digest {
			t.Errorf("%v: %v", got, err)
		}
		if !bytes.Equal(got.encode(), b) {
			t.Error("does not come back the same")
		}
	}
}

func TestRequestRoundTrip(t *testing.T) {
	for _, q := range []request{{kind: askForList, id: id(3)}, {kind: askForAll}, {kind: askToDial, id: id(4), addr: "[::1]:7"}} {
		b := q.encode()
		got, err := readRequest(bytes.NewReader(b[1:]))
		if err != nil || got != q {
			t.Errorf("%v, %v", got, err)
		}
		for i := 1; i < len(b); i++ {
			if _, err := readRequest(bytes.NewReader(b[1:i])); err == nil {
				t.Errorf("cut to %d bytes and taken", i)
			}
		}
	}
	for _, want := range []error{nil, errors.New("no"), errors.New(strings.Repeat("ü", maxWhy))} {
		reached, why, err := readDialAnswer(bytes.NewReader(appendDialAnswer(nil, want)))
		if err != nil || reached != (want == nil) || len(why) > maxWhy || want != nil && !strings.HasPrefix(want.Error(), why) {
			t.Errorf("%v %q %v", reached, why, err)
		}
	}
}
