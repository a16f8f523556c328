package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// The ideal is what carries values between two channels and does nothing else: no windows,
// no acknowledgements, no names. One goroutine encodes, one writes what has gathered while
// the last write went on, one reads and decodes.
func idealSystems() []*system {
	return []*system{ideal("ideal-tls", true), ideal("ideal", false)}
}

func ideal(name string, secure bool) *system {
	return &system{
		name: name, tls: secure, buffer: 1024,
		ints:   func(e *env) (oneWay[int64], error) { return idealOneWay(e, secure, appendInt, readInt) },
		events: func(e *env) (oneWay[event], error) { return idealOneWay(e, secure, appendFramedEvent, readFramedEvent) },
		blocks: func(e *env) (oneWay[[]byte], error) { return idealOneWay(e, secure, appendBlock, readBlock) },
		duplexes: func(e *env, n int) ([]duplex, error) {
			conns, err := e.connections(n, secure)
			all := make([]duplex, len(conns))
			for i, c := range conns {
				if err == nil {
					all[i] = duplexOf(idealSender(e, c, appendInt), idealReceiver(e, c, readInt))
				}
			}
			return all, err
		},
		many: func(e *env, n int, take func(int, int64)) (func(int, int64) error, error) {
			return idealMany(e, n, take, secure)
		},
	}
}

func idealOneWay[T any](e *env, secure bool, encode func([]byte, T) []byte, decode func(*bufio.Reader) (T, error)) (oneWay[T], error) {
	conns, err := e.connections(1, secure)
	if err != nil {
		return oneWay[T]{}, err
	}
	if e.Role == client {
		return through(idealSender(e, conns[0], encode), nil), nil
	}
	return through(nil, idealReceiver(e, conns[0], decode)), nil
}

// A pending is what waits to be written. There is room while it is below full.
type pending struct {
	mu    sync.Mutex
	moved sync.Cond // there is something where nothing was, or room again
	bytes []byte
}

const full = 64 << 10

func idealSender[T any](e *env, conn net.Conn, encode func([]byte, T) []byte) chan<- T {
	c := make(chan T, e.Buffer)
	p := &pending{bytes: make([]byte, 0, 2*full)}
	p.moved.L = &p.mu
	go func() {
		for v := range c {
			idealGather(p, v, c, encode)
		}
	}()
	go p.writeTo(conn)
	return c
}

// idealGather encodes v, and what else is there.
func idealGather[T any](p *pending, v T, c <-chan T, encode func([]byte, T) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.bytes) >= full {
			p.moved.Wait()
		}
		if len(p.bytes) == 0 {
			p.moved.Signal()
		}
		p.bytes = encode(p.bytes, v)
		select {
		case v = <-c:
		default:
			return
		}
	}
}

func (p *pending) writeTo(conn net.Conn) {
	spare := make([]byte, 0, 2*full)
	for {
		p.mu.Lock()
		for len(p.bytes) == 0 {
			p.moved.Wait()
		}
		if len(p.bytes) >= full {
			p.moved.Signal()
		}
		p.bytes, spare = spare[:0], p.bytes
		p.mu.Unlock()
		if _, err := conn.Write(spare); err != nil {
			fatal(err)
		}
	}
}

func idealReceiver[T any](e *env, conn net.Conn, decode func(*bufio.Reader) (T, error)) <-chan T {
	c := make(chan T, e.Buffer)
	go func() {
		r := bufio.NewReaderSize(conn, 64<<10)
		for {
			v, err := decode(r)
			if err != nil {
				fatal(err)
			}
			c <- v
		}
	}()
	return c
}

func appendInt(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

// readInt looks at what is there, and asks byte by byte only at the end of the buffer.
func readInt(r *bufio.Reader) (int64, error) {
	if r.Buffered() >= binary.MaxVarintLen64 {
		b, _ := r.Peek(binary.MaxVarintLen64)
		if v, n := binary.Varint(b); n > 0 {
			_, _ = r.Discard(n)
			return v, nil
		}
	}
	return binary.ReadVarint(r)
}

// appendFramedEvent leaves a byte for the length, which is never more than fits.
func appendFramedEvent(b []byte, v event) []byte {
	at := len(b)
	b = appendEvent(append(b, 0), &v)
	b[at] = byte(len(b) - at - 1)
	return b
}

func readFramedEvent(r *bufio.Reader) (event, error) {
	size, err := r.ReadByte()
	if err != nil {
		return event{}, err
	}
	b, err := r.Peek(int(size))
	if err != nil {
		return event{}, err
	}
	v, err := readEvent(b)
	_, _ = r.Discard(len(b))
	return v, err
}

func appendBlock(b []byte, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func readBlock(r *bufio.Reader) ([]byte, error) {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	v := make([]byte, size)
	_, err = io.ReadFull(r, v)
	return v, err
}

// tagged is a value of one of many channels.
type tagged struct {
	ch uint32
	v  int64
}

func appendTagged(b []byte, t tagged) []byte {
	return appendInt(binary.LittleEndian.AppendUint32(b, t.ch), t.v)
}

func readTagged(r *bufio.Reader) (t tagged, err error) {
	b, err := r.Peek(4)
	if err != nil {
		return t, err
	}
	t.ch = binary.LittleEndian.Uint32(b)
	_, _ = r.Discard(4)
	t.v, err = readInt(r)
	return t, err
}

// idealMany has one connection, and a channel at the receiver for each number that stands
// before the values.
func idealMany(e *env, n int, take func(int, int64), secure bool) (func(int, int64) error, error) {
	conns, err := e.connections(1, secure)
	if err != nil {
		return nil, err
	}
	if e.Role == client {
		out := idealSender(e, conns[0], appendTagged)
		return func(i int, v int64) error { out <- tagged{uint32(i), v}; return nil }, nil
	}
	all := make([]chan int64, n)
	for i := range all {
		all[i] = make(chan int64, each)
		go func() {
			for v := range all[i] {
				take(i, v)
			}
		}()
	}
	go func() {
		r := bufio.NewReaderSize(conns[0], 64<<10)
		for {
			t, err := readTagged(r)
			if err != nil {
				fatal(err)
			}
			all[t.ch] <- t.v
		}
	}()
	return nil, nil
}
