// Package specserve calls a specserve server over REST. The standard library is
// all it needs. Fields of a later server that the types lack are ignored.
package specserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
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

// WithToken sends a bearer token.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithTraceparent sends a W3C traceparent.
func WithTraceparent(text string) Option { return func(s *settings) { s.traceparent = text } }

// WithRequestID names the request.
func WithRequestID(id string) Option { return func(s *settings) { s.requestID = id } }

// WithHTTPClient brings a transport (TLS, proxies).
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.http = c } }

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
	c.settings.http = http.DefaultClient
	for _, set := range options {
		set(&c.settings)
	}
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

func prepare(op operation, request interface{}) (string, []byte, error) {
	all, err := json.Marshal(request)
	if err != nil {
		return "", nil, err
	}
	left := map[string]json.RawMessage{}
	if err := json.Unmarshal(all, &left); err != nil {
		return "", nil, err
	}
	target, query := op.path, url.Values{}
	for name, raw := range left {
		if hole := "{" + name + "}"; strings.Contains(target, hole) && plain(raw) != "" {
			target = strings.ReplaceAll(target, hole, url.PathEscape(plain(raw)))
			delete(left, name)
		}
	}
	if strings.Contains(op.path, "{") && target == op.path {
		return "", nil, fmt.Errorf("specserve: %s: part of the path is missing", op.path)
	}
	for _, name := range op.query {
		if raw, ok := left[name]; ok && string(raw) != "null" {
			query.Set(name, plain(raw))
		}
		delete(left, name)
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	if !op.hasBody {
		return target, nil, nil
	}
	body, err := json.Marshal(left)
	return target, body, err
}

func (c *Client) call(ctx context.Context, op operation, request, reply interface{}, options []Option) error {
	s := c.settings
	for _, set := range options {
		set(&s)
	}
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
	for attempt := 1; ; attempt++ {
		failure := c.once(ctx, s, op, target, body, reply)
		if failure == nil {
			c.earn()
			return nil
		}
		failure.Attempts = attempt
		if op.safety == "once" || failure.Retry == "NEVER" || attempt == maxAttempts || !c.spend() {
			return failure
		}
		wait := time.Duration(rand.Int63n(int64(50*time.Millisecond) << uint(attempt)))
		if failure.RetryAfter > wait {
			wait = failure.RetryAfter
		}
		select {
		case <-ctx.Done():
			return failure
		case <-time.After(wait):
		}
	}
}

func lost(err error) *APIError {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &APIError{Code: "TIMEOUT", Message: err.Error(), Retry: "NEVER"}
	}
	return &APIError{Code: "UNAVAILABLE", Message: err.Error(), Retry: "LATER"}
}

func (c *Client) once(ctx context.Context, s settings, op operation, target string, body []byte, reply interface{}) *APIError {
	r, err := http.NewRequestWithContext(ctx, op.verb, c.base+target, bytes.NewReader(body))
	if err != nil {
		return &APIError{Code: "INVALID_ARGUMENT", Message: err.Error(), Retry: "NEVER"}
	}
	until, _ := ctx.Deadline()
	r.Header.Set("X-Request-Timeout", strconv.FormatFloat(time.Until(until).Seconds(), 'f', 3, 64))
	for name, value := range map[string]string{"traceparent": s.traceparent, "X-Request-Id": s.requestID} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if s.token != "" {
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
	if raw, ok := reply.(*[]byte); ok && len(got) <= maxAnswer {
		*raw = got
		return nil
	}
	if err = json.Unmarshal(got, reply); err != nil || len(got) > maxAnswer {
		return &APIError{Code: "BAD_ANSWER", Message: fmt.Sprint("not the promised reply: ", err), Retry: "NEVER", HTTP: answer.StatusCode}
	}
	return nil
}

func errorOf(answer *http.Response, got []byte) *APIError {
	var body struct {
		Code    string `json:"error_code"`
		Error   string `json:"error"`
		Message string `json:"error_message"`
	}
	_ = json.Unmarshal(got, &body)
	if body.Error == "" {
		body.Error = body.Message
	}
	e := &APIError{Code: body.Code, Message: body.Error, Retry: "NEVER",
		HTTP: answer.StatusCode, RequestID: answer.Header.Get("X-Request-Id")}
	if e.Code == "" {
		e.Code = "UNKNOWN"
		switch answer.StatusCode {
		case 429, 502, 503, 504:
			e.Code, e.Retry = "UNAVAILABLE", "LATER"
		}
	}
	for _, known := range catalogue {
		if known.Code == e.Code {
			e.Retry = known.Retry
		}
	}
	if seconds, err := strconv.ParseFloat(answer.Header.Get("Retry-After"), 64); err == nil && seconds > 0 && seconds < 86400 {
		e.RetryAfter = time.Duration(seconds * float64(time.Second))
	}
	return e
}
