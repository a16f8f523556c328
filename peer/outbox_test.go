package peer

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// An outbox is driven at random against a plain copy of the stream. What is taken
// is kept as a copy and compared with the memory itself when its write is over:
// nothing may have touched it, whatever was appended and acknowledged meanwhile.
func TestOutboxAtRandom(t *testing.T) {
	seeds := uint64(12)
	if raceEnabled {
		seeds = 4
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 2))
		fill := rand.NewChaCha8([32]byte{byte(seed)})
		o := newOutbox(&segmentPool{}, 1+rnd.IntN(4), minRecord+rnd.IntN(maxRecord))
		var appended, sent []byte
		var pieces [][]byte
		var copied []byte
		for step := range 1000 {
			switch k := rnd.IntN(10); {
			case k < 5:
				b := make([]byte, rnd.IntN(1+rnd.IntN(40<<10)))
				_, _ = fill.Read(b)
				if o.fits(len(b)) {
					o.append(b)
					appended = append(appended, b...)
				}
			case k < 7 && copied == nil && o.unsent() > 0:
				pieces = o.take(pieces[:0], 77)
				copied = bytes.Join(pieces, nil)
				sent = append(sent, payloads(t, copied, uint64(len(sent)), o.maxRecord)...)
			case k < 9 && copied != nil:
				if !bytes.Equal(copied, bytes.Join(pieces, nil)) {
					t.Fatalf("seed %d, step %d: bytes changed while they were written", seed, step)
				}
				copied = nil
				o.wrote()
			default:
				// Anything up to what was taken, often all of it, even while it is
				// being written.
				n := o.taken - o.acked
				if rnd.IntN(2) == 0 {
					n = rnd.Uint64N(n + 1)
				}
				if err := o.ack(o.acked + n); err != nil {
					t.Fatal(err)
				}
			}
			if len(o.segs) > o.maxSegs+1 {
				t.Fatalf("seed %d: %d segments", seed, len(o.segs))
			}
		}
		if o.unsent() > 0 {
			sent = append(sent, payloads(t, bytes.Join(o.take(nil, 77), nil), uint64(len(sent)), o.maxRecord)...)
		}
		if !bytes.Equal(sent, appended) {
			t.Fatalf("seed %d: %d bytes sent, %d appended, or not the same", seed, len(sent), len(appended))
		}
		o.wrote()
		if err := o.ack(o.end); err != nil {
			t.Fatal(err)
		}
		o.shrink()
		if o.kept() != 0 || len(o.segs) != 0 {
			t.Errorf("seed %d: %d bytes, %d segments left", seed, o.kept(), len(o.segs))
		}
		o.append([]byte("again"))
		if got := payloads(t, bytes.Join(o.take(nil, 77), nil), uint64(len(sent)), o.maxRecord); string(got) != "again" {
			t.Errorf("seed %d: %q after shrinking", seed, got)
		}
	}
}

// payloads takes records apart, whose stream begins at position.
func payloads(t *testing.T, b []byte, position uint64, longest int) []byte {
	t.Helper()
	var all []byte
	for len(b) > 0 {
		r, err := parseRecord(b[:recordHead])
		if err != nil {
			t.Fatal(err)
		}
		if err := r.follows(position + uint64(len(all))); err != nil {
			t.Fatal(err)
		}
		if r.kind != recordData || r.received != 77 || int(r.length) > longest {
			t.Fatalf("record %+v", r)
		}
		all = append(all, b[recordHead:recordHead+int(r.length)]...)
		b = b[recordHead+int(r.length):]
	}
	return all
}

func TestOutboxRefusesAcks(t *testing.T) {
	o := newOutbox(&segmentPool{}, 4, maxRecord)
	o.append(make([]byte, 100))
	if o.ack(1) == nil {
		t.Error("acknowledged before it was sent")
	}
	o.take(nil, 0)
	if err := o.ack(60); err != nil {
		t.Error(err)
	}
	if o.ack(59) == nil {
		t.Error("taken back")
	}
	if o.ack(101) == nil {
		t.Error("more than there is")
	}
	if err := o.ack(100); err != nil {
		t.Error(err)
	}
}
