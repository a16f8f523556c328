package main

import (
	"bytes"
	"fmt"
	"math"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// handMessage is a Protocol Buffers message that is encoded and decoded by hand, which is
// faster than what protoc generates.
type handMessage interface {
	size() int // at least what append needs
	append(b []byte) []byte
	read(b []byte) error
}

// handCodec is gRPC's codec for these. Like gRPC's own, it takes large buffers from a pool.
type handCodec struct{}

func (handCodec) Name() string { return "hand" }

func (handCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(handMessage)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	size := m.size()
	if mem.IsBelowBufferPoolingThreshold(size) {
		return mem.BufferSlice{mem.SliceBuffer(m.append(make([]byte, 0, size)))}, nil
	}
	pool := mem.DefaultBufferPool()
	b := pool.Get(size)
	*b = m.append((*b)[:0])
	return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
}

func (handCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(handMessage)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	return m.read(b.ReadOnlyData())
}

// number64 is message { int64 n = 1; }
type number64 struct{ n int64 }

func (m *number64) size() int { return 11 }

func (m *number64) append(b []byte) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(m.n))
}

func (m *number64) read(b []byte) error {
	m.n = 0
	return eachField(b, func(_ protowire.Number, t protowire.Type, b []byte) int {
		if t != protowire.VarintType {
			return -1
		}
		v, n := protowire.ConsumeVarint(b)
		m.n = int64(v)
		return n
	})
}

// bytesMessage is message { bytes b = 1; }
type bytesMessage struct{ b []byte }

func (m *bytesMessage) size() int { return len(m.b) + 16 }

func (m *bytesMessage) append(b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), m.b)
}

func (m *bytesMessage) read(b []byte) error {
	return eachField(b, func(_ protowire.Number, t protowire.Type, b []byte) int {
		if t != protowire.BytesType {
			return -1
		}
		v, n := protowire.ConsumeBytes(b)
		m.b = bytes.Clone(v)
		return n
	})
}

// eventMessage is message { int64 id = 1; string name = 2; double score = 3;
// repeated string tags = 4; int64 at = 5; bool ok = 6; }
type eventMessage struct{ v event }

func (m *eventMessage) size() int {
	n := 48 + len(m.v.Name)
	for _, t := range m.v.Tags {
		n += 8 + len(t)
	}
	return n
}

func (m *eventMessage) append(b []byte) []byte {
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(m.v.ID))
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), m.v.Name)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 3, protowire.Fixed64Type), math.Float64bits(m.v.Score))
	for _, t := range m.v.Tags {
		b = protowire.AppendString(protowire.AppendTag(b, 4, protowire.BytesType), t)
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), uint64(m.v.At))
	return protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), protowire.EncodeBool(m.v.OK))
}

func (m *eventMessage) read(b []byte) error {
	m.v = event{}
	return eachField(b, func(field protowire.Number, t protowire.Type, b []byte) int {
		switch t {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			switch field {
			case 1:
				m.v.ID = int64(v)
			case 5:
				m.v.At = int64(v)
			case 6:
				m.v.OK = v != 0
			}
			return n
		case protowire.Fixed64Type:
			v, n := protowire.ConsumeFixed64(b)
			m.v.Score = math.Float64frombits(v)
			return n
		case protowire.BytesType:
			v, n := protowire.ConsumeString(b)
			if field == 2 {
				m.v.Name = v
			} else {
				m.v.Tags = append(m.v.Tags, v)
			}
			return n
		}
		return -1
	})
}

// eachField calls f with what follows each tag; f says how much of it it took.
func eachField(b []byte, f func(field protowire.Number, t protowire.Type, b []byte) int) error {
	for len(b) > 0 {
		field, t, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if n = f(field, t, b); n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
	}
	return nil
}
