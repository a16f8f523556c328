package mux

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestRefFramesGolden: the frames about references, byte by byte.
func TestRefFramesGolden(t *testing.T) {
	chan1, node, end := bytes.Repeat([]byte{0xc1}, 16), bytes.Repeat([]byte{0xaa}, 32), bytes.Repeat([]byte{0xee}, 16)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	send, receive := Ref{ID(chan1), ToSend}, Ref{ID{}, ToReceive}
	for what, c := range map[string]struct{ got, expect []byte }{
		"REFS":        {appendRefs(nil, []byte("table")), join([]byte{7, 5}, []byte("table"))},
		"HOLD":        {appendHold(nil, Hold{ID(chan1), ToReceive, nil}), join([]byte{24, 18}, chan1, []byte{2, 0})},
		"HOLD, gated": {appendHold(nil, Hold{ID(chan1), ToSend, &Gate{[32]byte(node), ID(end), 300}}), join([]byte{24, 68}, chan1, []byte{1, 1}, node, end, []byte{0xac, 2})},
		"HELD":        {appendHeld(nil, send, true), join([]byte{25, 18}, chan1, []byte{1, 1})},
		"RELEASE":     {appendRelease(nil, []Release{{send, 1 << 31}, {receive, 1}}), join([]byte{26, 41, 2}, chan1, []byte{1, 0x80, 0x80, 0x80, 0x80, 8}, make([]byte, 16), []byte{2, 1})},
		"GONE":        {appendGone(nil, []Ref{send, receive}), join([]byte{27, 35, 2}, chan1, []byte{1}, make([]byte, 16), []byte{2})},
	} {
		if !bytes.Equal(c.got, c.expect) {
			t.Errorf("%s is\n% x, not\n% x", what, c.got, c.expect)
		}
	}
}

// TestRefFramesRefuseWhatIsWrong: frames that are cut off anywhere, or are too long, or hold what may not be.
func TestRefFramesRefuseWhatIsWrong(t *testing.T) {
	parse := map[byte]func([]byte) error{
		frameHold:    func(b []byte) error { _, err := parseHold(b); return err },
		frameHeld:    func(b []byte) error { _, _, err := parseHeld(b); return err },
		frameRelease: func(b []byte) error { _, err := parseRelease(b); return err },
		frameGone:    func(b []byte) error { _, err := parseGone(b); return err },
	}
	for _, frame := range [][]byte{
		appendHold(nil, Hold{ID{1}, ToSend, nil}), appendHold(nil, Hold{ID{1}, ToSend, &Gate{Number: 1 << 40}}), appendHeld(nil, ref(1), false),
		appendRelease(nil, []Release{{ref(1), 1}, {ref(2), maxReleased}}), appendGone(nil, []Ref{ref(1), ref(2)}),
	} {
		typ, body := cut(t, frame)
		if err := parse[typ](body); err != nil {
			t.Fatal(err)
		}
		for n := range body {
			if parse[typ](body[:n]) == nil {
				t.Errorf("type %d is accepted after %d of %d bytes", typ, n, len(body))
			}
		}
		if parse[typ](append(body, 0)) == nil {
			t.Errorf("type %d is accepted with a byte behind it", typ)
		}
	}
	many := func(n int, one ...byte) []byte {
		return append(binary.AppendUvarint(nil, uint64(n)), bytes.Repeat(one, n)...)
	}
	up, down := append(make([]byte, 16), 1), append(make([]byte, 16), 2)
	for what, c := range map[string]struct {
		typ  byte
		body []byte
		ok   bool
	}{
		"a hold without direction":   {frameHold, append(make([]byte, 16), 0, 0), false},
		"a hold of both directions":  {frameHold, append(make([]byte, 16), 3, 0), false},
		"a hold gated twice":         {frameHold, append(append(up, 2), make([]byte, 49)...), false},
		"a held without direction":   {frameHeld, append(make([]byte, 16), 0, 1), false},
		"a held of 2":                {frameHeld, append(make([]byte, 16), 1, 2), false},
		"releases":                   {frameRelease, many(maxRefsPerFrame, append(down, 1)...), true},
		"no release":                 {frameRelease, many(0), false},
		"too many releases":          {frameRelease, many(maxRefsPerFrame+1, append(down, 1)...), false},
		"a release of none":          {frameRelease, many(1, append(down, 0)...), false},
		"a release of too much":      {frameRelease, many(1, binary.AppendUvarint(down, maxReleased+1)...), false},
		"a release of the most":      {frameRelease, many(1, binary.AppendUvarint(down, maxReleased)...), true},
		"a release without a way":    {frameRelease, many(1, make([]byte, 18)...), false},
		"2^60 releases":              {frameRelease, binary.AppendUvarint(nil, 1<<60), false},
		"gone":                       {frameGone, many(maxRefsPerFrame, up...), true},
		"none gone":                  {frameGone, many(0), false},
		"too many gone":              {frameGone, many(maxRefsPerFrame+1, up...), false},
		"a channel gone without way": {frameGone, many(1, append(make([]byte, 16), 9)...), false},
		"2^60 gone":                  {frameGone, binary.AppendUvarint(nil, 1<<60), false},
	} {
		if err := parse[c.typ](c.body); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	c := cursor{b: many(maxRefsPerFrame, up...)}
	c.b = c.b[:len(c.b)-1]
	if n := c.entries(refLen); n != 0 || !c.bad {
		t.Errorf("room for %d entries that can't be there", n)
	}
}
