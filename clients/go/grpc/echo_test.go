package grpc

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"specserve"
)

// echo is a gRPC server that answers every method with what it was told.
type echo struct {
	url string

	mu       sync.Mutex
	answer   []byte
	status   codes.Code
	trailers metadata.MD
	wait     time.Duration
	streams  bool // one answer, then the status
	seen     []seen
}

type seen struct {
	method  string
	request []byte
	header  metadata.MD
	left    time.Duration
}

func (e *echo) handle(_ interface{}, stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	one := seen{request: request}
	one.method, _ = grpc.MethodFromServerStream(stream)
	one.header, _ = metadata.FromIncomingContext(stream.Context())
	if until, ok := stream.Context().Deadline(); ok {
		one.left = time.Until(until)
	}
	e.mu.Lock()
	e.seen = append(e.seen, one)
	answer, code, trailers, wait, streams := e.answer, e.status, e.trailers, e.wait, e.streams
	e.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-stream.Context().Done():
		return status.FromContextError(stream.Context().Err()).Err()
	}
	if code == codes.OK || streams {
		if err := stream.SendMsg(&answer); err != nil {
			return err
		}
	}
	if streams && code == codes.OK {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	if code != codes.OK {
		stream.SetTrailer(trailers)
		return status.Error(code, "said so")
	}
	return nil
}

// told says what comes next, and forgets what was seen.
func (e *echo) told(answer []byte, code codes.Code, trailers metadata.MD) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer, e.status, e.trailers, e.seen, e.wait, e.streams = answer, code, trailers, nil, 0, false
}

func (e *echo) calls() []seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen
}

func start(t *testing.T, options ...grpc.ServerOption) *echo {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{url: "grpc://" + listener.Addr().String()}
	server := grpc.NewServer(append(options, grpc.UnknownServiceHandler(e.handle), grpc.ForceServerCodec(asBytes{}))...)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return e
}

func connect(t *testing.T, options ...specserve.Option) *specserve.Client {
	client, err := specserve.New(append(options, Transport())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

var background = context.Background()
