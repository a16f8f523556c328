package mesh

import (
	"bytes"
	"testing"
	"time"
)

func FuzzMeta(f *testing.F) {
	f.Add(meta{name: "node", version: 3, digest: digest{1}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMeta(b); err == nil && !bytes.Equal(m.encode(), b) {
			t.Errorf("%v does not come back the same", m)
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add(newList(1, manyEnds(3)).body)
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		if ends, err := parseEnds(b); err == nil && !bytes.Equal(appendEnds(nil, ends), b) {
			t.Error("does not come back the same")
		}
	})
}

func FuzzMessage(f *testing.F) {
	a, b := newList(1, manyEnds(30)), newList(2, manyEnds(32))
	f.Add(announce(id(1), nil, newList(1, manyEnds(2))).encode())
	f.Add(announce(id(1), a, b).encode())
	f.Add(announce(id(1), b, newList(5, manyEnds(29))).encode())
	f.Add(announce(id(1), nil, b).encode())
	f.Add(message{kind: msgGone, id: id(1)}.encode())
	r := newRegistry(id(9), 8, 10_000)
	now := time.Unix(1, 0)
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := parseMessage(in)
		if err != nil {
			return
		}
		if !bytes.Equal(m.encode(), in) {
			t.Error("does not come back the same")
		}
		// Whatever is said, the registry keeps its bounds.
		r.heard(m.id, m.version, m.digest, now, now)
		switch m.kind {
		case msgFull:
			r.hint(m.id, m.list, now)
		case msgChange:
			r.hint(m.id, newList(m.delta.from, manyEnds(4)), now)
			r.change(m, now)
		}
		sum := 0
		for _, k := range r.lists {
			sum += len(k.body)
		}
		if sum != r.bytes || sum > r.maxBytes || len(r.lists) > r.maxLists || len(r.wants) > r.maxLists {
			t.Errorf("%d lists, %d wants, %d bytes counted as %d", len(r.lists), len(r.wants), sum, r.bytes)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add(appendTuple([]byte{stateFormat}, tuple{id(1), 2, digest{3}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		tuples, err := parseState(b, 100)
		if err != nil {
			return
		}
		out := []byte{stateFormat}
		for _, u := range tuples {
			out = appendTuple(out, u)
		}
		if !bytes.Equal(out, b) || len(tuples) > 100 {
			t.Error("does not come back the same")
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add(request{kind: askForList, id: id(1)}.encode())
	f.Add(request{kind: askForAll}.encode())
	f.Add(request{kind: askToDial, id: id(1), addr: "1.2.3.4:5"}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		q, err := readRequest(bytes.NewReader(b[1:]))
		if err != nil {
			return
		}
		if out := q.encode(); len(out) > len(b) || !bytes.Equal(out[1:], b[1:len(out)]) {
			t.Errorf("%v does not come back the same", q)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	l := newList(4, manyEnds(2))
	f.Add(appendList([]byte{1}, l))
	f.Add(appendList(append([]byte{0, 0, 0, 1}, make([]byte, 32)...), l))
	f.Add(appendDialAnswer(nil, errRefused))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readListAnswer(bytes.NewReader(b))
		_, _, _ = readDialAnswer(bytes.NewReader(b))
		sum := 0
		_ = readAllAnswer(bytes.NewReader(b), 100, 1000, func(_ ID, l *list) { sum += len(l.body) })
		if sum > 1000 {
			t.Errorf("%d bytes taken", sum)
		}
	})
}

func FuzzPacket(f *testing.F) {
	f.Add([]byte{typePing, 0x81, 0xa5, 'S', 'e', 'q', 'N', 'o', 7})
	f.Add([]byte{typeCompound, 1, 0, 2, typeUser, 1})
	f.Add([]byte{typeCRC, 0, 0, 0, 0, typeCompound, 2, 0, 1, 0, 1, typeUser, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		packetFits(b)
		pingOf(b)
		streamFits(b)
		s := sealer{mustRing(t, testKeys[0])}
		if s.fit(b) {
			t.Error("taken without the key")
		}
		sealed, err := s.seal(b)
		if err != nil || s.fit(sealed) != packetFits(b) {
			t.Errorf("sealed: %v", err)
		}
	})
}

func FuzzStandings(f *testing.F) {
	state := func(fields string) []byte {
		return append([]byte("\x06\x83\xa5Nodes\x01\xacUserStateLen\xd1\x01\x00\xa4Join\xc2"), fields...)
	}
	f.Add(state("\x83\xa4Name\xda\x00\x40" + id(1).String() + "\xabIncarnation\x07\xa5State\x01"))
	f.Add(state("\x82\xa4Meta\xc0\xa4Port\xce\xff\xff\xff\xff"))
	f.Add(state("\x81\xa4Meta\xdb\xff\xff\xff\xff"))
	f.Add([]byte("\x06\x81\xa5Nodes\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStandings(b); err == nil && len(s) > len(b) {
			t.Errorf("%d members in %d bytes", len(s), len(b))
		}
	})
}
