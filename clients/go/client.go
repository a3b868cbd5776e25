// Package specserve calls a specserve server over REST. The standard library is
// all it needs. Fields of a later server that the types lack are ignored.
package specserve

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxAttempts = 3
	maxAnswer   = 64 << 20
	budgetFull  = 10.0
)

// APIError is a call that failed. Code says why; compare with errors.Is.
type APIError struct {
	Code, Message, Retry, RequestID string
	HTTP, Attempts                  int
	RetryAfter                      time.Duration
}

func (e *APIError) Error() string { return e.Code + ": " + e.Message }

// Is tells whether target is an APIError of the same code.
func (e *APIError) Is(target error) bool {
	other, ok := target.(*APIError)
	return ok && other.Code == e.Code
}

type settings struct {
	timeout                       time.Duration
	token, traceparent, requestID string
	http                          *http.Client
}

// Option changes a client, or one call.
type Option func(*settings)

// WithTimeout bounds a call with all its attempts.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithToken sends a bearer token; over plain HTTP only to this machine.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithTraceparent sends a W3C traceparent.
func WithTraceparent(text string) Option { return func(s *settings) { s.traceparent = text } }

// WithRequestID names the request.
func WithRequestID(id string) Option { return func(s *settings) { s.requestID = id } }

// WithHTTPClient brings a transport (TLS, proxies); nil is http.DefaultClient.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.http = c } }

func (s *settings) apply(options []Option) {
	for _, set := range options {
		if set != nil {
			set(s)
		}
	}
	if s.http == nil {
		s.http = http.DefaultClient
	}
}

// Client calls one server. It is safe for many goroutines.
type Client struct {
	base     string
	settings settings
	mu       sync.Mutex
	tokens   float64
}

// New makes a client of the server at base, "http://127.0.0.1:8000".
func New(base string, options ...Option) *Client {
	c := &Client{base: strings.TrimRight(base, "/"), tokens: budgetFull}
	c.settings.apply(options)
	return c
}

type operation struct {
	verb, path string
	query      []string
	hasBody    bool
	safety     string
	timeoutMs  int
}

func (c *Client) earn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens += 0.1; c.tokens > budgetFull {
		c.tokens = budgetFull
	}
}

func (c *Client) spend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens < 1 {
		return false
	}
	c.tokens--
	return true
}

func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// escape is for a part of a path and for a value of a query: a space is %20 in both.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

var hole = regexp.MustCompile(`\{\w+\}`)

func prepare(op operation, request interface{}) (string, []byte, error) {
	all, err := json.Marshal(request)
	if err != nil {
		return "", nil, err
	}
	left := map[string]json.RawMessage{}
	if err := json.Unmarshal(all, &left); err != nil {
		return "", nil, err
	}
	target := hole.ReplaceAllStringFunc(op.path, func(match string) string {
		name := strings.Trim(match, "{}")
		value := plain(left[name])
		if value == "" {
			err = fmt.Errorf("specserve: %s: '%s' is part of the path and must be given", op.path, name)
		}
		delete(left, name)
		return escape(value)
	})
	if err != nil {
		return "", nil, err
	}
	var query []string
	for _, name := range op.query {
		if raw, ok := left[name]; ok && string(raw) != "null" {
			query = append(query, name+"="+escape(plain(raw)))
		}
		delete(left, name)
	}
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	if !op.hasBody {
		return target, nil, nil
	}
	body, err := json.Marshal(left)
	return target, body, err
}

func (c *Client) call(ctx context.Context, op operation, request, reply interface{}, options []Option) error {
	s := c.settings
	s.apply(options)
	if s.timeout <= 0 {
		s.timeout = time.Duration(op.timeoutMs) * time.Millisecond
	}
	if s.timeout <= 0 {
		s.timeout = 30 * time.Second
	}
	target, body, err := prepare(op, request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	until, _ := ctx.Deadline()
	for attempt := 1; ; attempt++ {
		failure := c.once(ctx, s, op, target, body, reply)
		if failure == nil {
			c.earn()
			return nil
		}
		failure.Attempts = attempt
		wait := jitter(50 * time.Millisecond << uint(attempt))
		if failure.RetryAfter > wait {
			wait = failure.RetryAfter
		}
		if op.safety == "once" || failure.Retry == "NEVER" || attempt == maxAttempts || time.Until(until) <= wait || !c.spend() {
			return failure
		}
		select {
		case <-ctx.Done():
			failure = lost(ctx.Err())
			failure.Attempts = attempt
			return failure
		case <-time.After(wait):
		}
	}
}

// jitter is a random part of most, another one in each process: math/rand is not seeded before Go 1.20.
func jitter(most time.Duration) time.Duration {
	part, err := rand.Int(rand.Reader, big.NewInt(int64(most)))
	if err != nil {
		return most
	}
	return time.Duration(part.Int64())
}

// failed makes the error of a code; the catalogue says whether it passes.
func failed(code, message string) *APIError {
	e := &APIError{Code: code, Message: message, Retry: "NEVER"}
	if code == "UNAVAILABLE" {
		e.Retry = "LATER"
	}
	for _, known := range catalogue {
		if known.Code == code {
			e.Retry = known.Retry
		}
	}
	return e
}

func lost(err error) *APIError {
	switch {
	case errors.Is(err, context.Canceled):
		return failed("CANCELLED", err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return failed("TIMEOUT", err.Error())
	}
	return failed("UNAVAILABLE", err.Error())
}

// A secret may go where nobody else can read it: over TLS, or not off the machine.
func isPrivate(to *url.URL) bool {
	ip := net.ParseIP(to.Hostname())
	return to.Scheme == "https" || to.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Client) once(ctx context.Context, s settings, op operation, target string, body []byte, reply interface{}) *APIError {
	r, err := http.NewRequestWithContext(ctx, op.verb, c.base+target, bytes.NewReader(body))
	if err != nil {
		return failed("BAD_REQUEST", err.Error())
	}
	until, _ := ctx.Deadline()
	r.Header.Set("X-Request-Timeout", strconv.FormatFloat(time.Until(until).Seconds(), 'f', 3, 64))
	for name, value := range map[string]string{"traceparent": s.traceparent, "X-Request-Id": s.requestID} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if s.token != "" {
		if !isPrivate(r.URL) {
			return failed("BAD_REQUEST", c.base+": a token is not sent without TLS")
		}
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	if op.hasBody {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return lost(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return lost(err)
	}
	if answer.StatusCode/100 != 2 {
		return errorOf(answer, got)
	}
	if err = read(got, reply); err != nil {
		failure := failed("BAD_ANSWER", "not the promised reply: "+err.Error())
		failure.HTTP = answer.StatusCode
		return failure
	}
	return nil
}

// codes are of answers that nobody of ours gave; the other clients read them the same way.
var codes = map[int]string{400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_IMPLEMENTED",
	408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE", 429: "UNAVAILABLE", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE"}

func errorOf(answer *http.Response, got []byte) *APIError {
	var body struct {
		Code    string `json:"error_code"`
		Error   string `json:"error"`
		Message string `json:"error_message"`
	}
	_ = json.Unmarshal(got, &body)
	for _, other := range []string{body.Message, "status " + strconv.Itoa(answer.StatusCode)} {
		if body.Error == "" {
			body.Error = other
		}
	}
	if body.Code == "" {
		body.Code = codes[answer.StatusCode]
	}
	if body.Code == "" {
		body.Code = "UNKNOWN"
	}
	e := failed(body.Code, body.Error)
	e.HTTP, e.RequestID = answer.StatusCode, answer.Header.Get("X-Request-Id")
	e.RetryAfter = retryAfter(answer.Header.Get("Retry-After"))
	return e
}

// retryAfter reads seconds or an HTTP date; 0 is what is neither, past, or over a day away.
func retryAfter(text string) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds < 1e6 {
		wait = time.Duration(seconds * float64(time.Second))
	} else if date, err := http.ParseTime(text); err == nil {
		wait = time.Until(date)
	}
	if wait < 0 || wait >= 24*time.Hour {
		return 0
	}
	return wait
}
