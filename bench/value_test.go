package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// An event is what it was after each of its encodings, and a part of one is an error.
func TestEvent(t *testing.T) {
	for _, v := range []event{events.make(0), events.make(1 << 40), events.make(-5)} {
		b := appendEvent(nil, &v)
		if got, err := readEvent(b); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%+v, %v", got, err)
		}
		for n := range b {
			if _, err := readEvent(b[:n]); err == nil {
				t.Errorf("%d bytes of %d are taken", n, len(b))
			}
		}
		framed := bufio.NewReader(bytes.NewReader(appendFramedEvent(nil, v)))
		if got, err := readFramedEvent(framed); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("framed: %+v, %v", got, err)
		}
		var in eventMessage
		out := eventMessage{v}
		if b := out.append(nil); len(b) > out.size() || in.read(b) != nil || !reflect.DeepEqual(in.v, v) {
			t.Errorf("protobuf: %+v", in.v)
		}
	}
	if n := len(appendEvent(nil, &event{})); n > 20 {
		t.Errorf("an empty one takes %d bytes", n)
	}
	var m eventMessage
	if err := m.read([]byte{8}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := (&number64{}).read(protowire.AppendTag(nil, 1, protowire.BytesType)); err == nil {
		t.Error("a number is bytes")
	}
}

// Numbers are read where the buffer ends, too.
func TestInts(t *testing.T) {
	values := []int64{0, 1, -1, 1 << 20, -1 << 62, 1<<63 - 1}
	var b []byte
	for range 100 {
		for _, v := range values {
			b = appendInt(b, v)
		}
	}
	r := bufio.NewReaderSize(bytes.NewReader(b), 16)
	for range 100 {
		for _, v := range values {
			if got, err := readInt(r); err != nil || got != v {
				t.Fatalf("%d, %v, want %d", got, err, v)
			}
		}
	}
}

// What is lost, doubled or out of order fails a measurement.
func TestReceiveAll(t *testing.T) {
	small := blocks(8)
	room := small.room
	for _, c := range []struct {
		name string
		came []int64
		err  string
	}{
		{"all", []int64{0, 1, 2, -4}, ""},
		{"one is lost", []int64{0, 2, -4}, "number 2, not 1"},
		{"the last is lost", []int64{0, 1, -4}, "number -4"},
		{"one is doubled", []int64{0, 1, 1, -4}, "number 1, not 2"},
	} {
		e := &env{barrier: func() {}}
		recv := func() (int64, error) {
			v := c.came[0]
			c.came = c.came[1:]
			return v, nil
		}
		if _, err := receiveAll(e, recv, ints); (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	n := int64(-1)
	recv := func() ([]byte, error) {
		if n++; n == 3*room {
			return small.make(-1 - n), nil
		}
		return small.make(n), nil
	}
	if _, err := receiveAll(&env{barrier: func() {}}, recv, small); err != nil {
		t.Error(err)
	}
}
