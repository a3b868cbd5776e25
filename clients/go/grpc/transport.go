// Package grpc brings gRPC to package specserve, over google.golang.org/grpc:
//
//	client, err := specserve.New(specserve.WithEndpoints("grpc://127.0.0.1:5100"), grpc.Transport())
//
// It carries bytes: messages are made in specserve, attempts are counted there, so retries of
// gRPC's own are off. It is a module of its own so that REST needs none of this.
package grpc

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"specserve"
)

// Transport lets a client call over gRPC. Connections are opened when they are needed.
func Transport() specserve.Option {
	return specserve.WithRPC(func(settings specserve.RPCSettings) specserve.RPC {
		return &transport{settings: settings, connections: map[specserve.RPCTarget]*grpc.ClientConn{}}
	})
}

type transport struct {
	settings    specserve.RPCSettings
	mu          sync.Mutex
	connections map[specserve.RPCTarget]*grpc.ClientConn
}

// asBytes hands messages through as they are.
type asBytes struct{}

func (asBytes) Name() string { return "proto" }

func (asBytes) Marshal(value interface{}) ([]byte, error) { return *value.(*[]byte), nil }

func (asBytes) Unmarshal(data []byte, value interface{}) error {
	*value.(*[]byte) = append([]byte{}, data...)
	return nil
}

func (t *transport) connection(to specserve.RPCTarget) (*grpc.ClientConn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.connections[to]; known != nil {
		return known, nil
	}
	secure := insecure.NewCredentials()
	if to.TLS {
		secure = credentials.NewTLS(t.settings.TLS)
	}
	quick := backoff.DefaultConfig
	quick.BaseDelay, quick.MaxDelay = 100*time.Millisecond, 2*time.Second
	made, err := grpc.Dial("passthrough:///"+to.Host, grpc.WithTransportCredentials(secure),
		grpc.WithUserAgent(t.settings.UserAgent), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: 2 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(asBytes{}), grpc.MaxCallRecvMsgSize(t.settings.AnswerMax),
			grpc.MaxCallSendMsgSize(math.MaxInt32)))
	if err == nil {
		t.connections[to] = made
	}
	return made, err
}

// outgoing makes metadata of headers; the user agent is the connection's.
func outgoing(ctx context.Context, header http.Header) context.Context {
	pairs := metadata.MD{}
	for name, values := range header {
		if name != "User-Agent" {
			pairs.Append(name, values...)
		}
	}
	return metadata.NewOutgoingContext(ctx, pairs)
}

func incoming(parts ...metadata.MD) http.Header {
	header := http.Header{}
	for _, part := range parts {
		for name, values := range part {
			name = http.CanonicalHeaderKey(name)
			header[name] = append(header[name], values...)
		}
	}
	return header
}

// ended is the end of a call, as its error says it.
func ended(err error, header http.Header) specserve.RPCAnswer {
	said := status.Convert(err)
	text := said.Message()
	return specserve.RPCAnswer{Status: int(said.Code()), Message: text, Header: header,
		Unsent: said.Code() == codes.Unavailable && (strings.Contains(text, "error while dialing") ||
			strings.Contains(text, "Error while dialing") || strings.Contains(text, "connection refused")),
		Broken: said.Code() == codes.ResourceExhausted && strings.Contains(text, "larger than max")}
}

func (t *transport) Invoke(ctx context.Context, to specserve.RPCTarget, method string, header http.Header, request []byte) specserve.RPCAnswer {
	connection, err := t.connection(to)
	if err != nil {
		return specserve.RPCAnswer{Status: int(codes.Unavailable), Message: err.Error(), Unsent: true}
	}
	var first, last metadata.MD
	var reply []byte
	err = connection.Invoke(outgoing(ctx, header), method, &request, &reply, grpc.Header(&first), grpc.Trailer(&last))
	if err != nil {
		return ended(err, incoming(first, last))
	}
	return specserve.RPCAnswer{Header: incoming(first, last), Body: reply}
}

type stream struct {
	source grpc.ClientStream
	err    error // it could not be opened
}

func (t *transport) Open(ctx context.Context, to specserve.RPCTarget, method string, header http.Header, request []byte) specserve.RPCStream {
	connection, err := t.connection(to)
	if err != nil {
		return &stream{err: status.Error(codes.Unavailable, err.Error())}
	}
	source, err := connection.NewStream(outgoing(ctx, header), &grpc.StreamDesc{ServerStreams: true}, method)
	if err == nil {
		err = source.SendMsg(&request)
	}
	if err == nil {
		err = source.CloseSend()
	}
	if err == io.EOF { // the reason comes with the first reply
		err = nil
	}
	return &stream{source, err}
}

func (s *stream) Recv() ([]byte, specserve.RPCAnswer, bool) {
	if s.err != nil {
		return nil, ended(s.err, http.Header{}), false
	}
	var reply []byte
	err := s.source.RecvMsg(&reply)
	switch {
	case err == nil:
		return reply, specserve.RPCAnswer{}, true
	case err == io.EOF:
		return nil, specserve.RPCAnswer{Header: incoming(s.source.Trailer())}, false
	}
	first, _ := s.source.Header()
	return nil, ended(err, incoming(first, s.source.Trailer())), false
}

func (t *transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var failure error
	for to, connection := range t.connections {
		delete(t.connections, to)
		if err := connection.Close(); err != nil {
			failure = fmt.Errorf("closing %s: %w", to.Host, err)
		}
	}
	return failure
}
