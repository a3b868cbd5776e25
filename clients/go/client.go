// Package specserve calls models that specserve serves, and the registry that knows them: over
// REST with the standard library alone, over gRPC with the module specserve/grpc.
//
// Make one Client and keep it: it holds connections, the instances of each model and the retry
// budget. Messages, operations and errors are generated from the contract; the rest is written
// by hand.
package specserve

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Version of this module.
const Version = "0.1.0"

var userAgent = "specserve-go/" + Version + " " + strings.Replace(runtime.Version(), "go", "go/", 1)

type settings struct {
	endpoints []string
	registry  string
	protocol  string
	refresh   time.Duration
	budget    float64
	answerMax int
	token     func(context.Context) (string, error)
	trace     func(context.Context, string) string
	observe   func(Event)
	http      *http.Client
	tls       *tls.Config
	rpc       func(RPCSettings) RPC

	timeout                time.Duration
	attempts               int
	header                 http.Header
	traceparent, requestID string
	answers                []*Answer
}

// scheme is of instances that the registry names.
func (s *settings) scheme() string {
	scheme := map[string]string{"rest": "http", "grpc": "grpc"}[s.protocol]
	if s.tls != nil {
		scheme += "s"
	}
	return scheme
}

// Option says something to a client, or to one call.
type Option func(*settings)

// ---- of a client ----

// WithEndpoints names servers of one model: http://host:port, https, grpc or grpcs.
func WithEndpoints(urls ...string) Option {
	return func(s *settings) { s.endpoints = append(s.endpoints, urls...) }
}

// WithRegistry names the registry that knows who serves what.
func WithRegistry(url string) Option { return func(s *settings) { s.registry = url } }

// WithProtocol is how instances that the registry names are called: "rest" or "grpc".
func WithProtocol(name string) Option { return func(s *settings) { s.protocol = name } }

// WithRefresh is the time after which the registry's list is asked for again; 5 s otherwise.
func WithRefresh(d time.Duration) Option { return func(s *settings) { s.refresh = d } }

// WithRetryTokens is how many retries may fail in a row, over all calls; 10 otherwise.
func WithRetryTokens(count int) Option { return func(s *settings) { s.budget = float64(count) } }

// WithAnswerMax bounds the answers that are taken, in bytes; 64 MiB otherwise.
func WithAnswerMax(size int) Option { return func(s *settings) { s.answerMax = size } }

// WithTrace is asked for the W3C traceparent of each attempt; "" sends none.
func WithTrace(trace func(ctx context.Context, operation string) string) Option {
	return func(s *settings) { s.trace = trace }
}

// WithObserver is told of every attempt. It may be called by many goroutines at once.
func WithObserver(observe func(Event)) Option { return func(s *settings) { s.observe = observe } }

// WithHTTPClient brings what REST goes through (TLS, proxies). Redirects are not followed, and
// its Timeout does not count; nil is the client's own.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.http = c } }

// WithTLS says what is trusted and shown, for both protocols; instances that the registry names
// are then called over TLS. An *http.Client of the caller has its own.
func WithTLS(config *tls.Config) Option { return func(s *settings) { s.tls = config } }

// WithRPC brings gRPC; grpc.Transport() of specserve/grpc is such an option.
func WithRPC(open func(RPCSettings) RPC) Option { return func(s *settings) { s.rpc = open } }

// ---- of a client or of one call ----

// WithTimeout bounds a call with all its attempts; given to a client, those calls that the
// contract sets no time for (30 s otherwise). A stream is bounded if the call says so.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithAttempts bounds the attempts of a call: 3 otherwise, 1 is never again.
func WithAttempts(count int) Option { return func(s *settings) { s.attempts = count } }

// WithHeader sends a header, over gRPC as metadata.
func WithHeader(name, value string) Option {
	return func(s *settings) {
		s.header = s.header.Clone()
		if s.header == nil {
			s.header = http.Header{}
		}
		s.header.Set(name, value)
	}
}

// WithToken sends a bearer token: over TLS, or to this machine.
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource asks for the token before each attempt.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(s *settings) { s.token = source }
}

// ---- of one call ----

// WithTraceparent sends a W3C traceparent.
func WithTraceparent(text string) Option { return func(s *settings) { s.traceparent = text } }

// WithRequestID names the request; one is made otherwise.
func WithRequestID(id string) Option { return func(s *settings) { s.requestID = id } }

// WithAnswer keeps the last answer of the call, as it came.
func WithAnswer(into *Answer) Option {
	return func(s *settings) { s.answers = append(s.answers, into) }
}

func (s *settings) apply(options []Option) {
	for _, set := range options {
		if set != nil {
			set(s)
		}
	}
}

// Client calls models. It is safe for many goroutines.
type Client struct {
	*Target  // the endpoints that were named; with a registry, name a model
	settings settings
	http     *http.Client
	rpc      RPC
	budget   budget
	registry *group
	closed   atomic.Bool
	mu       sync.Mutex
	models   map[string]*group
}

// New makes a client of the servers at WithEndpoints or of the models behind WithRegistry.
func New(options ...Option) (*Client, error) {
	c := &Client{models: map[string]*group{}}
	c.settings = settings{protocol: "rest", refresh: 5 * time.Second, budget: 10, answerMax: 64 << 20,
		timeout: 30 * time.Second, attempts: 3, header: http.Header{}}
	c.settings.apply(options)
	s := &c.settings
	if (len(s.endpoints) > 0) == (s.registry != "") {
		return nil, &UsageError{"give one of WithEndpoints and WithRegistry"}
	}
	if s.protocol != "rest" && s.protocol != "grpc" {
		return nil, &UsageError{"the protocol is 'rest' or 'grpc'"}
	}
	if s.timeout <= 0 || s.attempts <= 0 || s.answerMax <= 0 {
		return nil, &UsageError{"a time, the attempts and the largest answer are above 0"}
	}
	var err error
	c.Target = &Target{client: c}
	if s.registry != "" {
		c.registry, err = newGroup("registry", []string{s.registry})
	} else {
		c.group, err = newGroup("", s.endpoints)
	}
	if err != nil {
		return nil, err
	}
	c.budget = budget{tokens: s.budget, most: s.budget}
	c.http = s.httpClient()
	if s.rpc != nil {
		c.rpc = s.rpc(RPCSettings{TLS: s.tls, UserAgent: userAgent, AnswerMax: s.answerMax})
	}
	return c, nil
}

// Model is the instances of a model; with WithEndpoints those, whatever the name.
func (c *Client) Model(name string) *Target {
	if c.registry == nil || name == "" {
		return c.Target
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.models[name] == nil {
		c.models[name] = &group{name: name, found: true, refresh: c.settings.refresh}
	}
	return &Target{client: c, group: c.models[name]}
}

// Close gives the connections back; it may be repeated. Calls after it fail.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if c.settings.http == nil {
		c.http.CloseIdleConnections()
	}
	if c.rpc != nil {
		return c.rpc.Close()
	}
	return nil
}

// Target is whom an operation asks. Its methods (Runtime, Text, ...) offer the operations.
type Target struct {
	client *Client
	group  *group
}

// api is the target of an API: the registry's own goes to the registry, if there is one.
func (t *Target) api(prefix string) *Target {
	if prefix == "registry" && t.client.registry != nil {
		return &Target{client: t.client, group: t.client.registry}
	}
	return t
}

// begin reads the options of a call.
func (t *Target) begin(options []Option) (*settings, error) {
	if t.client.closed.Load() {
		return nil, errClosed
	}
	if t.group == nil {
		return nil, &UsageError{"a model has to be named to the registry: client.Model(name)"}
	}
	s := new(settings)
	s.apply(options)
	return s, nil
}

func (t *Target) call(ctx context.Context, op *operation, request, reply interface{}, options []Option) error {
	s, err := t.begin(options)
	if err != nil {
		return err
	}
	answer, err := t.client.run(ctx, op, request, t.group, s)
	if err != nil {
		return err
	}
	return readReply(op, answer, reply)
}

// Raw sends any REST request, with the endpoints, deadline and retries of the client; only GET,
// HEAD, PUT and DELETE are repeated. The answer is a good one; others are an *APIError.
func (t *Target) Raw(ctx context.Context, verb, target string, body []byte, options ...Option) (*Answer, error) {
	op := &operation{id: "raw " + verb, verb: verb, path: target, safety: "once"}
	switch verb {
	case "GET", "HEAD":
		op.safety = "read"
	case "PUT", "DELETE":
		op.safety = "idempotent"
	}
	s, err := t.begin(options)
	if err != nil {
		return nil, err
	}
	if _, bad := url.ParseRequestURI(target); bad != nil || !strings.HasPrefix(target, "/") || !isToken(verb) {
		return nil, &UsageError{"'" + verb + " " + target + "' is no request"}
	}
	return t.client.run(ctx, op, &prepared{verb: verb, target: target, body: body}, t.group, s)
}
