package main

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// NATS core, with its server in a process of its own, as its users run it. Subjects are
// received from by Go channels. The server and the client library drop values for who is
// too slow, so where values flow one way the sender waits for acknowledgements of ours.
func natsSystems() []*system {
	return []*system{natsSystem("nats-tls", true), natsSystem("nats", false)}
}

func natsSystem(name string, secure bool) *system {
	dial := func(e *env) (*nats.Conn, error) {
		var options []nats.Option
		if secure {
			options = append(options, nats.Secure(e.tlsConfig()))
		}
		return nats.Connect(e.Broker, options...)
	}
	return &system{
		name: name, tls: secure, peer: true,
		broker: func(e *env) error { return natsBroker(e, secure) },
		ints:   func(e *env) (oneWay[int64], error) { return natsOneWay(e, dial, 8, appendFixed, readFixed) },
		events: func(e *env) (oneWay[event], error) {
			return natsOneWay(e, dial, 64, func(b []byte, v event) []byte { return appendEvent(b, &v) }, readEvent)
		},
		blocks: func(e *env) (oneWay[[]byte], error) {
			return natsOneWay(e, dial, e.blockSize(), func(_, v []byte) []byte { return v }, func(b []byte) ([]byte, error) { return b, nil })
		},
		duplexes: func(e *env, n int) ([]duplex, error) { return natsDuplexes(e, dial, n) },
		calls:    func(e *env) (func(int64) (int64, error), error) { return natsCalls(e, dial) },
		many: func(e *env, n int, take func(int, int64)) (func(int, int64) error, error) {
			return natsMany(e, dial, n, take)
		},
	}
}

// natsBuffer is the room in a subscription's channel, more than can be on their way.
const natsBuffer = 65536

// natsEach is the room in each channel of W8, where about one value is on its way to each. A
// channel that is full would lose values.
const natsEach = 64

type natsDial func(e *env) (*nats.Conn, error)

func natsBroker(e *env, secure bool) error {
	o := &natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: 8 << 20}
	if secure {
		o.TLS, o.TLSConfig, o.TLSTimeout = true, e.tlsConfig(), 10
	}
	s, err := natsserver.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("the server does not start")
	}
	e.announce(s.ClientURL())
	return nil
}

func appendFixed(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }

func readFixed(b []byte) (int64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("a number of %d bytes", len(b))
	}
	return int64(binary.LittleEndian.Uint64(b)), nil
}

// A pace lets the sender have at most four chunks of values on their way.
type pace struct {
	nc     *nats.Conn
	chunk  int64
	tokens chan struct{}
}

// newPace is for either side. So many values are in flight that nothing is dropped: the
// NATS server lets 64 MB wait for a client, and a subscription has room for natsBuffer values.
func newPace(e *env, nc *nats.Conn, window int) (*pace, error) {
	p := &pace{nc: nc, chunk: int64(max(1, window/4)), tokens: make(chan struct{}, 8)}
	if e.Role == server {
		return p, nil
	}
	for range 4 {
		p.tokens <- struct{}{}
	}
	_, err := nc.Subscribe("acknowledged", func(*nats.Msg) { p.tokens <- struct{}{} })
	return p, err
}

// sending is called before value n is sent.
func (p *pace) sending(n int64) {
	if n%p.chunk == 0 {
		<-p.tokens
	}
}

// taken is called when n values were taken.
func (p *pace) taken(n int64) error {
	if n%p.chunk == 0 {
		return p.nc.Publish("acknowledged", nil)
	}
	return nil
}

func natsOneWay[T any](e *env, dial natsDial, size int, encode func([]byte, T) []byte, decode func([]byte) (T, error)) (w oneWay[T], err error) {
	nc, err := dial(e)
	if err != nil {
		return w, err
	}
	p, err := newPace(e, nc, min(natsBuffer/2, (8<<20)/size))
	if err != nil {
		return w, err
	}
	n := int64(0)
	if e.Role == client {
		var b []byte
		w.send = func(v T) error {
			p.sending(n)
			n++
			b = encode(b[:0], v)
			return nc.Publish("values", b)
		}
		return w, nc.Flush()
	}
	in := make(chan *nats.Msg, natsBuffer)
	if _, err := nc.ChanSubscribe("values", in); err != nil {
		return w, err
	}
	w.recv = func() (v T, err error) {
		m := <-in
		n++
		if err := p.taken(n); err != nil {
			return v, err
		}
		return decode(m.Data)
	}
	return w, natsAnnounce(e, nc)
}

// natsAnnounce lets the client begin when the NATS server knows the subscriptions.
func natsAnnounce(e *env, nc *nats.Conn) error {
	if err := nc.Flush(); err != nil {
		return err
	}
	e.announce("by the NATS server")
	return nil
}

// natsDuplexes has a connection for each client, and one at the server.
func natsDuplexes(e *env, dial natsDial, n int) ([]duplex, error) {
	all := make([]duplex, n)
	there, back := "requests.", "answers."
	if e.Role == server {
		there, back = back, there
	}
	var nc *nats.Conn
	for i := range all {
		if nc == nil || e.Role == client {
			var err error
			if nc, err = dial(e); err != nil {
				return nil, err
			}
		}
		conn, subject := nc, fmt.Sprint(there, i)
		in := make(chan *nats.Msg, 1024)
		if _, err := conn.ChanSubscribe(fmt.Sprint(back, i), in); err != nil {
			return nil, err
		}
		if err := conn.Flush(); err != nil {
			return nil, err
		}
		var b []byte
		all[i] = duplex{
			send: func(v int64) error { b = appendFixed(b[:0], v); return conn.Publish(subject, b) },
			recv: func() (int64, error) { return readFixed((<-in).Data) },
		}
	}
	if e.Role == server {
		return all, natsAnnounce(e, nc)
	}
	return all, nil
}

func natsCalls(e *env, dial natsDial) (func(int64) (int64, error), error) {
	nc, err := dial(e)
	if err != nil {
		return nil, err
	}
	if e.Role == server {
		_, err := nc.Subscribe("square", func(m *nats.Msg) {
			n, err := readFixed(m.Data)
			if err == nil {
				err = m.Respond(appendFixed(nil, n*n))
			}
			if err != nil {
				fatal(err)
			}
		})
		if err != nil {
			return nil, err
		}
		return nil, natsAnnounce(e, nc)
	}
	return func(n int64) (int64, error) {
		m, err := nc.Request("square", appendFixed(nil, n), 10*time.Second)
		if err != nil {
			return 0, err
		}
		return readFixed(m.Data)
	}, nil
}

// natsMany has a subject, a channel and a goroutine for each.
func natsMany(e *env, dial natsDial, n int, take func(int, int64)) (func(int, int64) error, error) {
	nc, err := dial(e)
	if err != nil {
		return nil, err
	}
	p, err := newPace(e, nc, min(natsBuffer/2, max(n, natsEach)))
	if err != nil {
		return nil, err
	}
	subjects := make([]string, n)
	for i := range subjects {
		subjects[i] = fmt.Sprint("channels.", i)
	}
	if e.Role == client {
		var b []byte
		sent := int64(0)
		return func(i int, v int64) error {
			p.sending(sent)
			sent++
			b = appendFixed(b[:0], v)
			return nc.Publish(subjects[i], b)
		}, nc.Flush()
	}
	var taken atomic.Int64
	for i, subject := range subjects {
		in := make(chan *nats.Msg, natsEach)
		if _, err := nc.ChanSubscribe(subject, in); err != nil {
			return nil, err
		}
		go func() {
			for m := range in {
				v, err := readFixed(m.Data)
				if err == nil {
					take(i, v)
					err = p.taken(taken.Add(1))
				}
				if err != nil {
					fatal(err)
				}
			}
		}()
	}
	return nil, natsAnnounce(e, nc)
}
