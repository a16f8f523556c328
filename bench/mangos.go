package main

import (
	"strings"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/pair"
	"go.nanomsg.org/mangos/v3/protocol/pull"
	"go.nanomsg.org/mangos/v3/protocol/push"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/tcp"    // the scheme tcp
	_ "go.nanomsg.org/mangos/v3/transport/tlstcp" // the scheme tls+tcp
)

// Mangos: push and pull where values flow one way, a pair of sockets for each client, req
// and rep with contexts for requests.
func mangosSystems() []*system {
	return []*system{mangosSystem("mangos-tls", "tls+tcp"), mangosSystem("mangos", "tcp")}
}

func mangosSystem(name, scheme string) *system {
	open := func(e *env, make func() (mangos.Socket, error)) (mangos.Socket, error) {
		s, err := make()
		if err != nil {
			return nil, err
		}
		for _, option := range []string{mangos.OptionReadQLen, mangos.OptionWriteQLen} {
			_ = s.SetOption(option, e.Buffer) // the other direction's is refused
		}
		return s, nil
	}
	m := mangosScheme{scheme, open}
	return &system{
		name: name, tls: scheme == "tls+tcp", peer: true, buffer: 1024,
		ints: func(e *env) (oneWay[int64], error) { return mangosOneWay(e, m, appendFixed, readFixed) },
		events: func(e *env) (oneWay[event], error) {
			return mangosOneWay(e, m, func(b []byte, v event) []byte { return appendEvent(b, &v) }, readEvent)
		},
		blocks: func(e *env) (oneWay[[]byte], error) {
			return mangosOneWay(e, m,
				func(b []byte, v []byte) []byte { return append(b, v...) },
				func(b []byte) ([]byte, error) { return append([]byte(nil), b...), nil })
		},
		duplexes: m.duplexes,
		calls:    m.calls,
	}
}

type mangosScheme struct {
	scheme string
	open   func(e *env, make func() (mangos.Socket, error)) (mangos.Socket, error)
}

// listen returns where it listens.
func (m mangosScheme) listen(e *env, s mangos.Socket) (string, error) {
	options := map[string]any{}
	if m.scheme != "tcp" {
		options[mangos.OptionTLSConfig] = e.tlsConfig()
	}
	l, err := s.NewListener(m.scheme+"://127.0.0.1:0", options)
	if err != nil {
		return "", err
	}
	err = l.Listen() // then it knows its port
	return l.Address(), err
}

func (m mangosScheme) dial(e *env, s mangos.Socket, addr string) error {
	options := map[string]any{}
	if m.scheme != "tcp" {
		options[mangos.OptionTLSConfig] = e.tlsConfig()
	}
	return s.DialOptions(addr, options)
}

// socket makes one, and connects it with its only counterpart.
func (m mangosScheme) socket(e *env, atServer, atClient func() (mangos.Socket, error)) (mangos.Socket, error) {
	if e.Role == client {
		s, err := m.open(e, atClient)
		if err != nil {
			return nil, err
		}
		return s, m.dial(e, s, e.Addr)
	}
	s, err := m.open(e, atServer)
	if err != nil {
		return nil, err
	}
	addr, err := m.listen(e, s)
	if err == nil {
		e.announce(addr)
	}
	return s, err
}

func mangosOneWay[T any](e *env, m mangosScheme, encode func([]byte, T) []byte, decode func([]byte) (T, error)) (w oneWay[T], err error) {
	s, err := m.socket(e, pull.NewSocket, push.NewSocket)
	if err != nil {
		return w, err
	}
	return oneWay[T]{
		send: func(v T) error { return mangosSend(s, v, encode) },
		recv: func() (T, error) { return mangosRecv(s, decode) },
	}, nil
}

// mangosSend makes a message of the library's pool.
func mangosSend[T any](to interface{ SendMsg(*mangos.Message) error }, v T, encode func([]byte, T) []byte) error {
	size := 64
	if b, ok := any(v).([]byte); ok {
		size = len(b)
	}
	m := mangos.NewMessage(size)
	m.Body = encode(m.Body, v)
	return to.SendMsg(m)
}

func mangosRecv[T any](from interface {
	RecvMsg() (*mangos.Message, error)
}, decode func([]byte) (T, error)) (v T, err error) {
	m, err := from.RecvMsg()
	if err != nil {
		return v, err
	}
	v, err = decode(m.Body)
	m.Free()
	return v, err
}

func (m mangosScheme) duplexes(e *env, n int) ([]duplex, error) {
	all := make([]duplex, n)
	addrs := strings.Split(e.Addr, ",")
	if e.Role == server {
		addrs = make([]string, n)
		defer func() { e.announce(strings.Join(addrs, ",")) }()
	}
	for i := range all {
		s, err := m.open(e, pair.NewSocket)
		if err != nil {
			return nil, err
		}
		if e.Role == client {
			err = m.dial(e, s, addrs[i])
		} else {
			addrs[i], err = m.listen(e, s)
		}
		if err != nil {
			return nil, err
		}
		all[i] = duplex{
			send: func(v int64) error { return mangosSend(s, v, appendFixed) },
			recv: func() (int64, error) { return mangosRecv(s, readFixed) },
		}
	}
	return all, nil
}

// calls has a context for each request that is under way, at both ends.
func (m mangosScheme) calls(e *env) (func(int64) (int64, error), error) {
	s, err := m.socket(e, rep.NewSocket, req.NewSocket)
	if err != nil {
		return nil, err
	}
	free := make(chan mangos.Context, answers)
	for range answers {
		c, err := s.OpenContext()
		if err != nil {
			return nil, err
		}
		if e.Role == client {
			free <- c
			continue
		}
		go func() {
			for {
				n, err := mangosRecv(c, readFixed)
				if err == nil {
					err = mangosSend(c, n*n, appendFixed)
				}
				if err != nil {
					fatal(err)
				}
			}
		}()
	}
	return func(n int64) (int64, error) {
		c := <-free
		defer func() { free <- c }()
		if err := mangosSend(c, n, appendFixed); err != nil {
			return 0, err
		}
		return mangosRecv(c, readFixed)
	}, nil
}
