package peer

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// An outbox is driven at random against a plain copy of the stream. What is taken
// is kept as a copy and compared with the memory itself when its write is over:
// nothing may have touched it, whatever was appended and acknowledged meanwhile.
// Now and then the connection breaks, and it goes on where the peer stands.
func TestOutboxAtRandom(t *testing.T) {
	seeds := uint64(40)
	if raceEnabled {
		seeds = 8
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 2))
		fill := rand.NewChaCha8([32]byte{byte(seed)})
		// Another link has now and then claimed what there is.
		pool := &segmentPool{limit: 3}
		o := newOutbox(pool, 1+rnd.IntN(4), minRecord+rnd.IntN(maxRecord))
		var appended, sent []byte
		var pieces [][]byte
		var copied []byte
		var resent, others int
		written := func() {
			if !bytes.Equal(copied, bytes.Join(pieces, nil)) {
				t.Fatalf("seed %d: bytes changed while they were written", seed)
			}
			copied = nil
			o.wrote()
		}
		for range 1000 {
			switch k := rnd.IntN(21); {
			case k < 10:
				b := make([]byte, rnd.IntN(1+rnd.IntN(40<<10)))
				_, _ = fill.Read(b)
				if o.fits(len(b)) {
					o.append(b)
					appended = append(appended, b...)
				}
			case k < 14 && copied == nil && o.unsent() > 0:
				limit := 1 + rnd.IntN(1+rnd.IntN(200<<10))
				pieces = o.take(pieces[:0], limit, 77)
				copied = bytes.Join(pieces, nil)
				got := payloads(t, copied, uint64(len(sent)), o.maxRecord)
				if len(got) == 0 || len(got) > limit+o.maxRecord {
					t.Fatalf("seed %d: %d bytes taken, the limit is %d", seed, len(got), limit)
				}
				sent = append(sent, got...)
			case k < 18 && copied != nil:
				written()
			case k == 18:
				// The peer may have a part of what was taken; so much it says on a
				// new connection.
				if err := o.ack(o.acked + rnd.Uint64N(o.taken-o.acked+1)); err != nil {
					t.Fatal(err)
				}
				if copied != nil {
					written()
				}
				o.rewind()
				resent += len(sent) - int(o.acked)
				sent = sent[:o.acked]
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
			if len(o.segs) > o.maxSegs || len(o.segs) > o.claims+1 || pool.claimed.Load() > pool.limit {
				t.Fatalf("seed %d: %d segments, %d claims, %d in all", seed, len(o.segs), o.claims, pool.claimed.Load())
			}
			switch rnd.IntN(20) {
			case 0:
				if pool.claim() {
					others++
				}
			case 1:
				pool.release(others)
				others = 0
			}
			if !bytes.Equal(sent[o.acked:], appended[o.acked:len(sent)]) {
				t.Fatalf("seed %d: other bytes sent than appended", seed)
			}
		}
		for o.unsent() > 0 {
			sent = append(sent, payloads(t, bytes.Join(o.take(nil, 1, 77), nil), uint64(len(sent)), o.maxRecord)...)
		}
		if !bytes.Equal(sent, appended) {
			t.Fatalf("seed %d: %d bytes sent, %d appended, or not the same", seed, len(sent), len(appended))
		}
		if o.sent != uint64(len(appended)) || o.resent != uint64(resent) {
			t.Errorf("seed %d: counts %d sent, %d again; want %d, %d", seed, o.sent, o.resent, len(appended), resent)
		}
		o.wrote()
		if err := o.ack(o.end); err != nil {
			t.Fatal(err)
		}
		o.rewind() // nothing to take again
		o.shrink()
		if o.kept() != 0 || len(o.segs) != 0 {
			t.Errorf("seed %d: %d bytes, %d segments left", seed, o.kept(), len(o.segs))
		}
		if int(pool.claimed.Load()) != others {
			t.Errorf("seed %d: %d claims are left, %d are another's", seed, pool.claimed.Load(), others)
		}
		o.append([]byte("again"))
		if got := payloads(t, bytes.Join(o.take(nil, 1, 77), nil), uint64(len(sent)), o.maxRecord); string(got) != "again" {
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
		if r.start != position+uint64(len(all)) || r.kind != recordData || r.received != 77 || int(r.length) > longest {
			t.Fatalf("record %+v", r)
		}
		all = append(all, b[recordHead:recordHead+int(r.length)]...)
		b = b[recordHead+int(r.length):]
	}
	return all
}

func TestOutboxRefusesAcks(t *testing.T) {
	o := newOutbox(&segmentPool{limit: 3}, 4, maxRecord)
	o.append(make([]byte, 100))
	if o.ack(1) == nil {
		t.Error("acknowledged before it was sent")
	}
	o.take(nil, 1000, 0)
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
