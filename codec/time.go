package codec

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"time"
)

// A time is the seconds since 1970, the nanoseconds, and the zone: 0 for UTC, else one
// more than the zig-zag form of its offset in seconds. So most take half of what
// AppendBinary would give, and what it keeps is kept: the instant, UTC, Local where the
// offset is that of the reader, and other offsets without their names.

var timeType = reflect.TypeFor[time.Time]()

const (
	maxZone  = 1 << 17 // seconds, more than a day
	zoneCost = 256     // memory of a time.Location
)

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	dst = appendVarint(dst, t.Unix())
	dst = appendUvarint(dst, uint64(t.Nanosecond()))
	if t.Location() == time.UTC {
		return append(dst, 0), nil
	}
	_, offset := t.Zone()
	if offset < -maxZone || offset > maxZone {
		return nil, &ValueError{Why: fmt.Sprintf("a time %d seconds from UTC", offset)}
	}
	return appendUvarint(dst, zigzag(int64(offset))+1), nil
}

func (d *decoder) time(b []byte, to *time.Time) ([]byte, error) {
	sec, b, ok := uvarint(b)
	if !ok {
		return nil, errShort()
	}
	nano, b, ok := uvarint(b)
	if !ok {
		return nil, errShort()
	}
	zone, b, ok := uvarint(b)
	if !ok {
		return nil, errShort()
	}
	offset := unzigzag(zone - 1)
	if nano >= 1e9 || zone > 0 && (offset < -maxZone || offset > maxZone) {
		return nil, corrupt("a time with %d ns, %d s from UTC", nano, offset)
	}
	t := time.Unix(unzigzag(sec), int64(nano))
	if zone == 0 {
		*to = t.UTC()
		return b, nil
	}
	if _, local := t.Zone(); int64(local) != offset {
		loc, err := d.zone(int(offset))
		if err != nil {
			return nil, err
		}
		t = t.In(loc)
	}
	*to = t
	return b, nil
}

// zones are those that people use, made when they are first met.
var zones [2*24*4 + 1]atomic.Pointer[time.Location]

const quarter = 15 * 60

func (d *decoder) zone(offset int) (*time.Location, error) {
	if i := offset/quarter + len(zones)/2; offset%quarter == 0 && i >= 0 && i < len(zones) {
		loc := zones[i].Load()
		if loc == nil {
			loc = time.FixedZone("", offset)
			zones[i].Store(loc)
		}
		return loc, nil
	}
	return time.FixedZone("", offset), d.take(1, zoneCost)
}
