package codec

import (
	"errors"
	"math"
	"testing"
	"time"
)

// zoned are times as programs have them, and some that they hardly have.
func zoned() map[string]time.Time {
	in := func(offset int) time.Time {
		return time.Date(2024, 2, 29, 1, 2, 3, 4, time.FixedZone("somewhere", offset))
	}
	return map[string]time.Time{
		"now": time.Now(), "zero": {}, "epoch": time.Unix(0, 0), "before it": time.Unix(-1, 999999999),
		"UTC": time.Now().UTC(), "far": time.Unix(math.MaxInt64/2, 0), "long ago": time.Unix(math.MinInt64/2, 0),
		"farthest": time.Unix(math.MaxInt64, 0), "longest ago": time.Unix(math.MinInt64, 0),
		"east": in(3600), "west": in(-8 * 3600), "India": in(19800), "Nepal": in(20700), "seconds": in(1234), "minutes": in(300), "97 quarters": in(97 * quarter), "97 quarters west": in(-97 * quarter), "utc+0": in(0),
		"farthest east": in(maxZone), "farthest west": in(-maxZone), "last quarter": in(24 * 3600), "first quarter": in(-24 * 3600),
	}
}

func TestTimes(t *testing.T) {
	for name, v := range zoned() {
		got, err := convey[time.Time](t, v)
		_, want := v.Zone()
		_, zone := got.Zone()
		if err != nil || !got.Equal(v) || zone != want || (got.Location() == time.UTC) != (v.Location() == time.UTC) {
			t.Errorf("%s: %v arrived as %v, %v", name, v, got, err)
		}
		if b, err := v.MarshalBinary(); err == nil && len(encode(t, v, nil)) > len(b)+1 {
			t.Errorf("%s: %d bytes, MarshalBinary has %d", name, len(encode(t, v, nil)), len(b))
		}
	}
	same(t, time.Date(2024, 2, 29, 1, 2, 3, 4, time.UTC))
	same(t, []time.Time{{}, time.Unix(1, 0).UTC()})
	same(t, any(time.Unix(5, 0).UTC()))
	same(t, map[time.Time]*time.Time{time.Unix(5, 0).UTC(): ptr(time.Unix(6, 0).UTC())})
	// Where the offset is the reader's own, the time is in its zone.
	local := time.Local
	defer func() { time.Local = local }()
	time.Local = time.FixedZone("HERE", 7200)
	if got, err := convey[time.Time](t, time.Unix(5, 0).In(time.FixedZone("THERE", 7200))); err != nil || got.Location() != time.Local {
		t.Errorf("%v, %v", got, err)
	}
	if b := encode(t, time.Unix(1700000000, 123456789).UTC(), nil); len(b) > 11 {
		t.Errorf("%d bytes: %x", len(b), b)
	}
}

func TestBadTimes(t *testing.T) {
	w := writer[[]time.Time](t)
	for _, offset := range []int{maxZone + 1, -maxZone - 1, math.MaxInt32} {
		var ve *ValueError
		if _, err := w.Append(nil, &[]time.Time{time.Unix(0, 0).In(time.FixedZone("", offset))}, nil); !errors.As(err, &ve) || ve.Path != "[]time.Time[0]" {
			t.Errorf("%d s from UTC: %v", offset, err)
		}
	}
	for name, b := range map[string][]byte{
		"nanoseconds":  append(appendUvarint([]byte{0}, 1e9), 0),
		"far east":     appendUvarint([]byte{0, 0}, zigzag(maxZone+1)+1),
		"far west":     appendUvarint([]byte{0, 0}, zigzag(-maxZone-1)+1),
		"farther west": appendUvarint([]byte{0, 0}, math.MaxUint64),
		"nothing":      nil,
		"no zone":      {0, 0},
	} {
		if err := readAs[time.Time, time.Time](b); !errors.As(err, new(*CorruptError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each zone takes memory; those that people use take it once.
func TestZonesAreCounted(t *testing.T) {
	many := func(offset func(i int) int) []byte {
		b := appendUvarint(nil, 10001)
		for i := range 10000 {
			b = appendUvarint(append(b, 0, 0), zigzag(int64(offset(i)))+1)
		}
		return b
	}
	read := func(b []byte, most int) error {
		var v []time.Time
		_, err := reader[[]time.Time, []time.Time](t).Read(b, &v, &ReadEnv{MaxBytes: most})
		return err
	}
	if err := read(many(func(i int) int { return i }), 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := read(many(func(i int) int { return i % 20 * quarter }), 1<<20); err != nil {
		t.Error(err)
	}
	if !raceEnabled {
		india := many(func(int) int { return 19800 })
		var v []time.Time
		r := reader[[]time.Time, []time.Time](t)
		if n := testing.AllocsPerRun(5, func() { _, _ = r.Read(india, &v, nil) }); n > 1 {
			t.Errorf("%v allocations for one zone", n)
		}
	}
	odd := many(func(i int) int { return i })
	if n := allocated(func() { _ = read(odd, 64<<20) }); n > 10000*(zoneCost+24)+64<<10 {
		t.Errorf("%d bytes allocated for 10,000 zones", n)
	}
}
