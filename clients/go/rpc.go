package specserve

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// gRPC, as far as this module knows it: bytes of messages in, bytes out. The module
// specserve/grpc brings the rest; without it nothing here depends on gRPC.

// RPC carries gRPC calls. Implementations: specserve/grpc. Safe for many goroutines.
type RPC interface {
	// Invoke sends one request and waits for the reply, until ctx ends. It does not retry.
	Invoke(ctx context.Context, to RPCTarget, method string, header http.Header, request []byte) RPCAnswer
	// Open sends one request; the replies follow until ctx ends.
	Open(ctx context.Context, to RPCTarget, method string, header http.Header, request []byte) RPCStream
	Close() error
}

// RPCTarget is who is called.
type RPCTarget struct {
	Host string // with its port
	TLS  bool
}

// RPCSettings is what a client says to its RPC.
type RPCSettings struct {
	TLS       *tls.Config
	UserAgent string
	AnswerMax int
}

// RPCAnswer is the end of a call.
type RPCAnswer struct {
	Status  int
	Message string
	Header  http.Header // initial and trailing metadata
	Body    []byte
	Unsent  bool // nothing of the request went out
	Broken  bool // something came, but no answer that can be taken
}

// RPCStream is the replies of a call.
type RPCStream interface {
	// Recv waits for the next reply; ok is false at the end, which the answer then tells.
	Recv() (reply []byte, end RPCAnswer, ok bool)
}

func (c *Client) needRPC(op string) error {
	if c.rpc == nil {
		return &UsageError{op + ": gRPC needs the option grpc.Transport() of the module specserve/grpc"}
	}
	return nil
}

func target(to *endpoint) RPCTarget { return RPCTarget{Host: to.host, TLS: to.isTLS()} }

func (c *Client) invoke(ctx context.Context, to *endpoint, call *prepared, header http.Header) (outcome, error) {
	if err := c.needRPC(call.method); err != nil {
		return outcome{}, err
	}
	return ended(ctx, c.rpc.Invoke(ctx, target(to), call.method, header, call.body)), nil
}

// ended is what the end of a call means: an answer of the server, or none.
func ended(ctx context.Context, got RPCAnswer) outcome {
	answer := &Answer{Protocol: "grpc", Status: got.Status, Header: got.Header, Body: got.Body, Message: got.Message}
	if answer.Header == nil {
		answer.Header = http.Header{}
	}
	if answer.isGood() {
		return outcome{answer: answer}
	}
	if got.Broken {
		return outcome{failure: failed("BAD_ANSWER", got.Message), sent: true}
	}
	if answer.Header.Get("X-Error-Code") == "" {
		switch {
		case got.Status == 1 && ctx.Err() != nil:
			return unanswered(ctx.Err(), !got.Unsent)
		case got.Status == 4:
			return outcome{failure: failed("TIMEOUT", got.Message), sent: !got.Unsent}
		case got.Status == 14:
			return outcome{failure: failed("UNAVAILABLE", got.Message), sent: !got.Unsent}
		}
	}
	return outcome{answer: answer, failure: errorOf(answer), sent: true}
}

// Stream is the replies of an operation that has many. It ends with the context of the call, with
// Close, or with the server; only one goroutine may call Next.
type Stream[T any] struct {
	op     *operation
	ctx    context.Context
	cancel context.CancelFunc
	once   sync.Once
	closed chan struct{}
	source RPCStream
	group  *group
	to     *endpoint
}

// Next waits for the next reply. io.EOF: the server or Close ended the stream; every other error
// is an *APIError, ErrCancelled and ErrTimeout among them.
func (s *Stream[T]) Next() (*T, error) {
	body, end, ok := s.source.Recv()
	select {
	case <-s.closed:
		return nil, io.EOF
	default:
	}
	if !ok {
		defer s.Close()
		if end.Status == 0 && !end.Broken {
			return nil, io.EOF
		}
		got := ended(s.ctx, end)
		got.failure.Attempts = 1
		if got.hurts() {
			s.group.hurt(s.to)
		}
		return nil, got.failure
	}
	reply := new(T)
	if err := readReply(s.op, &Answer{Protocol: "grpc", Body: body, Endpoint: s.to.url, Attempts: 1}, reply); err != nil {
		s.Close()
		return nil, err
	}
	return reply, nil
}

// Close gives the connection back; it may be called at any time, also again.
func (s *Stream[T]) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.cancel()
	})
}

func openStream[T any](ctx context.Context, t *Target, op *operation, request interface{}, options []Option) (*Stream[T], error) {
	c := t.client
	s, err := t.begin(options)
	if err != nil {
		return nil, err
	}
	asking, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	if err := c.refresh(asking, t.group); err != nil {
		return nil, err
	}
	to := t.group.choose(nil)
	if to == nil {
		return nil, failed("UNAVAILABLE", "nobody is known to serve '"+t.group.name+"'")
	}
	defer t.group.done(to, false, false)
	call, err := prepare(op, request, "grpc")
	if err == nil {
		err = c.needRPC(op.id)
	}
	if err != nil {
		return nil, err
	}
	header, err := c.header(ctx, op, to, s)
	if err != nil {
		return nil, err
	}
	stream := &Stream[T]{op: op, closed: make(chan struct{}), group: t.group, to: to}
	if s.timeout > 0 {
		stream.ctx, stream.cancel = context.WithTimeout(ctx, s.timeout)
	} else {
		stream.ctx, stream.cancel = context.WithCancel(ctx)
	}
	stream.source = c.rpc.Open(stream.ctx, target(to), op.method, header, call.body)
	return stream, nil
}

var errClosed = errors.New("specserve: the client is closed")
