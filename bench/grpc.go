package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// gRPC with bidirectional streams, and unary calls for W7.
func grpcSystems() []*system {
	return []*system{grpcSystem("grpc-tls", true), grpcSystem("grpc", false)}
}

func grpcSystem(name string, secure bool) *system {
	return &system{
		name: name, tls: secure, peer: true,
		ints: func(e *env) (oneWay[int64], error) {
			var out, in number64
			return grpcOneWay(e, secure, &out, &in, func(v int64) { out.n = v }, func() int64 { return in.n })
		},
		events: func(e *env) (oneWay[event], error) {
			var out, in eventMessage
			return grpcOneWay(e, secure, &out, &in, func(v event) { out.v = v }, func() event { return in.v })
		},
		blocks: func(e *env) (oneWay[[]byte], error) {
			var out, in bytesMessage
			return grpcOneWay(e, secure, &out, &in, func(v []byte) { out.b = v }, func() []byte { return in.b })
		},
		duplexes: func(e *env, n int) ([]duplex, error) { return grpcDuplexes(e, secure, n) },
		calls:    func(e *env) (func(int64) (int64, error), error) { return grpcCalls(e, secure) },
		many: func(e *env, n int, take func(int, int64)) (func(int, int64) error, error) {
			return grpcMany(e, secure, n, take)
		},
	}
}

// Larger than what gRPC takes by itself, which is slower by half where values are large.
const (
	grpcWindow = 4 << 20
	grpcBuffer = 128 << 10
)

const (
	grpcStream = "/bench/Values"
	grpcSquare = "/bench/Square"
)

// grpcServe runs a server whose streams are handled by f.
func grpcServe(e *env, secure bool, f func(grpc.ServerStream) error) error {
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(e.tlsConfig())
	}
	s := grpc.NewServer(grpc.Creds(creds), grpc.ForceServerCodecV2(handCodec{}), grpc.MaxRecvMsgSize(8<<20),
		grpc.WriteBufferSize(grpcBuffer), grpc.ReadBufferSize(grpcBuffer), grpc.InitialWindowSize(grpcWindow), grpc.InitialConnWindowSize(grpcWindow))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Values", ClientStreams: true, ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return f(stream) }}},
		Methods: []grpc.MethodDesc{{MethodName: "Square", Handler: grpcSquareHandler}},
	}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { fatal(s.Serve(l)) }()
	e.announce(l.Addr().String())
	return nil
}

func grpcSquareHandler(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in number64
	if err := decode(&in); err != nil {
		return nil, err
	}
	return &number64{in.n * in.n}, nil
}

func grpcDial(e *env, secure bool) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(e.tlsConfig())
	}
	return grpc.NewClient(e.Addr, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(handCodec{})),
		grpc.WithWriteBufferSize(grpcBuffer), grpc.WithReadBufferSize(grpcBuffer), grpc.WithInitialWindowSize(grpcWindow), grpc.WithInitialConnWindowSize(grpcWindow))
}

func grpcOpen(c *grpc.ClientConn) (grpc.ClientStream, error) {
	return c.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, grpcStream)
}

// grpcAccept waits for n streams, which stay open.
func grpcAccept(e *env, secure bool, n int) ([]grpc.ServerStream, error) {
	came := make(chan grpc.ServerStream)
	err := grpcServe(e, secure, func(s grpc.ServerStream) error {
		came <- s
		<-s.Context().Done()
		return nil
	})
	all := make([]grpc.ServerStream, n)
	for i := range all {
		if err == nil {
			all[i] = <-came
		}
	}
	return all, err
}

// grpcOneWay uses the same two messages for all values.
func grpcOneWay[T any](e *env, secure bool, out, in handMessage, set func(T), get func() T) (w oneWay[T], err error) {
	if e.Role == server {
		streams, err := grpcAccept(e, secure, 1)
		w.recv = func() (T, error) {
			err := streams[0].RecvMsg(in)
			return get(), err
		}
		return w, err
	}
	conn, err := grpcDial(e, secure)
	if err != nil {
		return w, err
	}
	stream, err := grpcOpen(conn)
	w.send = func(v T) error {
		set(v)
		return stream.SendMsg(out)
	}
	return w, err
}

func grpcDuplexes(e *env, secure bool, n int) ([]duplex, error) {
	all := make([]duplex, n)
	if e.Role == server {
		streams, err := grpcAccept(e, secure, n)
		for i, s := range streams {
			all[i] = grpcDuplex(s)
		}
		return all, err
	}
	for i := range all {
		conn, err := grpcDial(e, secure)
		if err != nil {
			return nil, err
		}
		stream, err := grpcOpen(conn)
		if err != nil {
			return nil, err
		}
		all[i] = grpcDuplex(stream)
	}
	return all, nil
}

func grpcDuplex(s interface {
	SendMsg(m any) error
	RecvMsg(m any) error
}) duplex {
	var out, in number64
	return duplex{
		send: func(v int64) error { out.n = v; return s.SendMsg(&out) },
		recv: func() (int64, error) { err := s.RecvMsg(&in); return in.n, err },
	}
}

func grpcCalls(e *env, secure bool) (func(int64) (int64, error), error) {
	if e.Role == server {
		return nil, grpcServe(e, secure, nil)
	}
	conn, err := grpcDial(e, secure)
	if err != nil {
		return nil, err
	}
	return func(n int64) (int64, error) {
		var answer number64
		err := conn.Invoke(context.Background(), grpcSquare, &number64{n}, &answer)
		return answer.n, err
	}, nil
}

// grpcMany has a stream for each, all on one connection. The server numbers them as they come.
func grpcMany(e *env, secure bool, n int, take func(int, int64)) (func(int, int64) error, error) {
	if e.Role == server {
		var came atomic.Int64
		var all sync.WaitGroup
		all.Add(n)
		err := grpcServe(e, secure, func(s grpc.ServerStream) error {
			i := int(came.Add(1) - 1)
			all.Done()
			var in number64
			for {
				if err := s.RecvMsg(&in); err != nil {
					return err
				}
				take(i, in.n)
			}
		})
		if err == nil {
			all.Wait()
		}
		return nil, err
	}
	conn, err := grpcDial(e, secure)
	if err != nil {
		return nil, err
	}
	streams := make([]grpc.ClientStream, n)
	for i := range streams {
		if streams[i], err = grpcOpen(conn); err != nil {
			return nil, err
		}
	}
	var out number64
	return func(i int, v int64) error { out.n = v; return streams[i].SendMsg(&out) }, nil
}
