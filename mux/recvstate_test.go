package mux

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// What the tests send on a data stream, one letter a frame.
func testFrame(c byte, use uint64) (typ byte, body []byte) {
	var frame []byte
	switch c {
	case 'o':
		frame = appendOpen(nil, &Open{Use: use, First: 1}, true)
	case 's':
		frame = appendSchema(nil, []byte("s"))
	case 'd':
		frame = numbers(NewBatch(ID{}), 1, 2).dataHead()
	case 'b': // of two pieces
		return frameBig, binary.AppendUvarint(binary.AppendUvarint(make([]byte, 17), MaxFrame+1), MaxFrame+1)
	case 'P':
		return framePiece, make([]byte, MaxFrame)
	case 'p':
		return framePiece, []byte{1}
	case 'c':
		frame = appendClose(nil, true)
	case 'a':
		frame = appendClose(nil, false)
	case 'x':
		return framePiece, nil
	case 'r':
		frame = appendRefs(nil, []byte("r"))
	case 'R':
		return frameRefs, make([]byte, MaxFrame)
	case 'e':
		return frameRefs, nil
	case 'l':
		return frameRefs, make([]byte, MaxFrame+1)
	case '?':
		return 99, nil
	}
	return frame[0], frame[2:]
}

func TestRecvState(t *testing.T) {
	for seq, ok := range map[string]bool{
		"oc": true, "oa": true, "ocoaoc": true, "oddsdc": true, "obPpdc": true, "obPpbPpc": true,
		"oba": true, "obPa": true, "obPaoc": true, "obPpa": true,
		"c": false, "d": false, "s": false, "b": false, "p": false, // before OPEN
		"oo": false, "oco?": false, "ocd": false, "occ": false,
		"op": false, "obpp": true, "obPP": false, "obPpp": false, "obd": false, "obs": false, "obo": false, "obb": false,
		"obc": false, "obPc": false, // a clean close in mid-value
		"obx":  false,
		"ordc": true, "osrdRdcordc": true, "osrdRddrdcordc": true, "orbPprbPpc": true, "ordscordc": true, // references
		"ora": true, "ordraordc": true, "orbaordc": true, "orc": false, // their values must follow
		"r": false, "ocr": false, "orr": false, "ors": false, "oro": false, "orp": false, "or?": false, "obr": false, "obPr": false,
		"oe": false, "ol": false, "oR": true,
	} {
		r, use := recvState{}, uint64(0)
		var err error
		for i := 0; i < len(seq) && err == nil; i++ {
			if seq[i] == 'o' {
				use++
			}
			typ, body := testFrame(seq[i], use)
			_, err = r.frame(typ, body)
			if err != nil && i < len(seq)-1 {
				t.Errorf("%s: fails at %d already: %v", seq, i, err)
			}
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", seq, err)
		}
	}
	r := recvState{}
	for _, c := range []struct {
		use uint64
		ok  bool
	}{{5, true}, {5, false}, {4, false}, {6, true}} {
		r.phase = betweenUses
		typ, body := testFrame('o', c.use)
		if _, err := r.frame(typ, body); (err == nil) != c.ok {
			t.Errorf("use %d: %v", c.use, err)
		}
	}
}

// FuzzRecvState: whatever comes, what is passed up is within the limits.
func FuzzRecvState(f *testing.F) {
	for _, seq := range []string{"oddsdc", "obPpdc", "obPaoc", "ordsrbPpraoc"} {
		var stream []byte
		for i := range len(seq) {
			typ, body := testFrame(seq[i], uint64(i+1))
			stream = append(stream, typ)
			stream = binary.AppendUvarint(stream, uint64(len(body)))
			stream = append(stream, body...)
		}
		f.Add(stream)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		fr, r := frameReader{src: bytes.NewReader(stream)}, recvState{}
		var left uint64
		total := 0
		refs := false // came last
		for {
			typ, body, size, err := fr.next()
			if err != nil {
				return
			}
			if total += size; total > len(stream) {
				t.Fatal("more bytes than there were")
			}
			ev, err := r.frame(typ, body)
			if err != nil {
				return
			}
			if refs && ev.typ != frameData && ev.typ != frameBig && (ev.typ != frameClose || ev.clean) {
				t.Fatalf("a frame of type %d after references", ev.typ)
			}
			refs = ev.typ == frameRefs
			switch ev.typ {
			case frameRefs:
				if len(ev.body) == 0 || len(ev.body) > MaxFrame {
					t.Fatalf("references of %d bytes", len(ev.body))
				}
			case frameOpen:
				if ev.open.Use == 0 || ev.open.First == 0 || len(ev.open.Schema) > maxSchema {
					t.Fatalf("%+v", ev.open)
				}
			case frameData:
				if ev.count < 1 || len(ev.body) > MaxFrame {
					t.Fatalf("%d values, %d bytes", ev.count, len(ev.body))
				}
			case frameBig:
				left = ev.total
			case framePiece:
				if left -= uint64(len(ev.body)); ev.last != (left == 0) || left > ev.total && left >= 1<<62 {
					t.Fatalf("%d left, last %v", left, ev.last)
				}
			}
		}
	})
}
