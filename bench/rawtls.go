package main

import (
	"encoding/binary"
	"io"
	"net"
)

// Raw TLS has no channels and no values, only bytes: the wall (W9).
func rawSystems() []*system {
	return []*system{{
		name: "raw-tls", tls: true, only: []string{"W4", "W5"},
		blocks: func(e *env) (oneWay[[]byte], error) {
			conns, err := e.connections(1, true)
			if err != nil {
				return oneWay[[]byte]{}, err
			}
			buf := make([]byte, e.blockSize())
			return oneWay[[]byte]{
				send: func(b []byte) error { _, err := conns[0].Write(b); return err },
				recv: func() ([]byte, error) { _, err := io.ReadFull(conns[0], buf); return buf, err },
			}, nil
		},
		duplexes: func(e *env, n int) ([]duplex, error) {
			conns, err := e.connections(n, true)
			all := make([]duplex, len(conns))
			for i, c := range conns {
				all[i] = rawDuplex(c)
			}
			return all, err
		},
	}}
}

func rawDuplex(c net.Conn) duplex {
	var out, in [8]byte
	return duplex{
		send: func(v int64) error {
			binary.LittleEndian.PutUint64(out[:], uint64(v))
			_, err := c.Write(out[:])
			return err
		},
		recv: func() (int64, error) {
			_, err := io.ReadFull(c, in[:])
			return int64(binary.LittleEndian.Uint64(in[:])), err
		},
	}
}
