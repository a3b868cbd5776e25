package specserve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The attempts of one call: whom to ask, how long, whether again.
//
//   - the deadline covers all attempts; what is left of it goes out with each
//   - again only when the contract lets the call be repeated (safety) and the error passes
//     (retry); what was never sent may always go again
//   - a retry costs a token of the budget that all calls of the client share, a success gives a
//     tenth back: in an outage retries die out by themselves
//   - full jitter between attempts; a server that names a time is waited for; somebody else who
//     is well is asked at once

const (
	firstWait = 50 * time.Millisecond
	mostWait  = 2 * time.Second
)

// Event is one attempt, for the observer of a client.
type Event struct {
	Operation, Endpoint, RequestID string
	Attempt                        int
	Took                           time.Duration
	Code                           string // "" = success
}

type budget struct {
	mu           sync.Mutex
	tokens, most float64
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens += 0.1; b.tokens > b.most {
		b.tokens = b.most
	}
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 0.999 { // ten tenths
		return false
	}
	b.tokens--
	return true
}

// outcome is what one attempt came to: an answer, or the error of there being none.
type outcome struct {
	answer  *Answer
	failure *APIError
	sent    bool // some byte of the request went out
}

func unanswered(err error, sent bool) outcome {
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return outcome{failure: failed("CANCELLED", err.Error()), sent: sent}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return outcome{failure: failed("TIMEOUT", err.Error()), sent: sent}
	}
	return outcome{failure: failed("UNAVAILABLE", err.Error()), sent: sent}
}

// hurts tells whether the failure shows that the instance is not well.
func (o *outcome) hurts() bool {
	switch o.failure.Code {
	case "UNAVAILABLE", "NOT_READY", "BAD_ANSWER":
		return true
	case "TIMEOUT":
		return o.answer == nil && o.sent
	}
	return false
}

// formOf is the protocol to use: an operation may have one form only.
func formOf(op *operation, to *endpoint) string {
	if op.verb == "" || op.method != "" && (to.scheme == "grpc" || to.scheme == "grpcs") {
		return "grpc"
	}
	return "rest"
}

func newID() string {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// timeoutOf is the time that a call may take with all its attempts.
func (c *Client) timeoutOf(op *operation, s *settings) time.Duration {
	switch {
	case s.timeout > 0:
		return s.timeout
	case op.timeoutMs > 0:
		return time.Duration(op.timeoutMs) * time.Millisecond
	}
	return c.settings.timeout
}

// run makes all attempts of a call; it returns the good answer.
func (c *Client) run(ctx context.Context, op *operation, request interface{}, g *group, s *settings) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeoutOf(op, s))
	defer cancel()
	if s.requestID == "" {
		s.requestID = newID()
	}
	most := c.settings.attempts
	if s.attempts > 0 {
		most = s.attempts
	}
	var tried []*endpoint
	for attempt := 1; ; attempt++ {
		if err := c.refresh(ctx, g); err != nil {
			return nil, err
		}
		to := g.choose(tried)
		if to == nil {
			return nil, failed("UNAVAILABLE", "nobody is known to serve '"+g.name+"'")
		}
		tried = append(tried, to)
		start := time.Now()
		got, err := c.attempt(ctx, op, request, to, s)
		isGood := err == nil && got.failure == nil
		g.done(to, isGood, err == nil && got.failure != nil && got.hurts())
		if err != nil {
			return nil, err
		}
		got.complete(to, attempt, s)
		c.observe(op, to, attempt, time.Since(start), s, got.failure)
		if isGood {
			c.budget.earn()
			return got.answer, nil
		}
		if attempt == most || !mayRepeat(op, &got) {
			return nil, got.failure
		}
		if err := c.pause(ctx, &got, attempt, g, tried); err != nil {
			return nil, err
		}
	}
}

func (o *outcome) complete(to *endpoint, attempt int, s *settings) {
	if o.answer != nil {
		o.answer.Endpoint, o.answer.Attempts = to.url, attempt
		o.answer.RequestID = either(o.answer.Header.Get("X-Request-Id"), s.requestID)
		for _, into := range s.answers {
			*into = *o.answer
		}
	}
	if o.failure != nil {
		o.failure.Attempts = attempt
	}
}

func mayRepeat(op *operation, o *outcome) bool {
	if o.failure.Code == "CANCELLED" {
		return false
	}
	return o.answer == nil && !o.sent || op.safety != "once" && o.failure.Retry != "NEVER"
}

// pause waits before the next attempt, or says why there is none.
func (c *Client) pause(ctx context.Context, o *outcome, attempt int, g *group, tried []*endpoint) error {
	var wait time.Duration
	if !g.hasOther(tried) {
		most := firstWait << uint(min(attempt-1, 10))
		if most > mostWait {
			most = mostWait
		}
		if wait = time.Duration(below(int64(most))); o.failure.RetryAfter > wait {
			wait = o.failure.RetryAfter
		}
	}
	until, _ := ctx.Deadline()
	if time.Until(until) <= wait || !c.budget.spend() {
		return o.failure
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		late := unanswered(ctx.Err(), true).failure
		late.Attempts = attempt
		return late
	case <-timer.C:
		return nil
	}
}

// attempt sends the request once. An error is the caller's fault: nothing was sent.
func (c *Client) attempt(ctx context.Context, op *operation, request interface{}, to *endpoint, s *settings) (outcome, error) {
	if ctx.Err() != nil {
		return unanswered(ctx.Err(), false), nil
	}
	call, err := prepare(op, request, formOf(op, to))
	if err != nil {
		return outcome{}, err
	}
	header, err := c.header(ctx, op, to, s)
	if err != nil {
		return outcome{}, err
	}
	if call.method != "" {
		return c.invoke(ctx, to, call, header)
	}
	until, _ := ctx.Deadline()
	left := math.Max(time.Until(until).Seconds(), 0.001)
	header.Set("X-Request-Timeout", strconv.FormatFloat(left, 'f', 3, 64))
	return c.send(ctx, to, call, header), nil
}

// header is what every request carries.
func (c *Client) header(ctx context.Context, op *operation, to *endpoint, s *settings) (http.Header, error) {
	header := c.settings.header.Clone()
	header.Set("User-Agent", userAgent)
	if s.requestID != "" {
		header.Set("X-Request-Id", s.requestID)
	}
	source := s.token
	if source == nil {
		source = c.settings.token
	}
	if source != nil {
		token, err := source(ctx)
		if err != nil {
			return nil, err
		}
		if !to.isTLS() && !to.isLoopback() {
			return nil, &UsageError{to.url + ": a token is not sent without TLS"}
		}
		header.Set("Authorization", "Bearer "+token)
	}
	parent := s.traceparent
	if parent == "" && c.settings.trace != nil {
		parent = c.settings.trace(ctx, op.id)
	}
	if parent != "" {
		header.Set("Traceparent", parent)
	}
	for name, values := range s.header {
		header[name] = values
	}
	for name, values := range header {
		if !isToken(name) || !isPrintable(values[0]) {
			return nil, &UsageError{"the header " + strconv.Quote(name) + " has bytes that cannot be sent"}
		}
	}
	return header, nil
}

// isToken and isPrintable tell what both protocols carry, so that nobody is blamed who got nothing.
func isToken(text string) bool {
	for _, c := range text {
		if !strings.ContainsRune("!#$%&'*+-.^_`|~", c) && (c > 'z' || c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a') {
			return false
		}
	}
	return text != ""
}

func isPrintable(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func (c *Client) observe(op *operation, to *endpoint, attempt int, took time.Duration, s *settings, failure *APIError) {
	if c.settings.observe == nil {
		return
	}
	event := Event{Operation: op.id, Endpoint: to.url, RequestID: s.requestID, Attempt: attempt, Took: took}
	if failure != nil {
		event.Code = failure.Code
	}
	c.settings.observe(event)
}

// ---- the registry ----

// refresh asks the registry for the group's instances, if it is time to. While the registry is
// away, the last list is used.
func (c *Client) refresh(ctx context.Context, g *group) error {
	if !g.wantsRefresh() {
		return nil
	}
	ask := &settings{timeout: 5 * time.Second}
	if g.size() > 0 { // then the call does not wait long
		ask.timeout, ask.attempts = time.Second, 1
	}
	var reply RegistryResolveResponse
	answer, err := c.run(ctx, &registryResolve, &RegistryResolveRequest{ModelName: g.name}, c.registry, ask)
	if err == nil {
		err = readReply(&registryResolve, answer, &reply)
	}
	if errors.Is(err, ErrNotFound) {
		_ = g.replace(nil)
	}
	if err != nil {
		if g.size() > 0 {
			return nil
		}
		return err
	}
	urls := make([]string, len(reply.Instances))
	for i, instance := range reply.Instances {
		host := c.registry.endpoints[0].name
		if instance.Host != nil && *instance.Host != "" {
			host = *instance.Host
		}
		urls[i] = c.settings.scheme() + "://" + net.JoinHostPort(host, strconv.FormatInt(instance.Port, 10))
	}
	if err := g.replace(urls); err != nil {
		return failed("BAD_ANSWER", "the registry: "+err.Error())
	}
	return nil
}
