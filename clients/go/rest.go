package specserve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
)

// REST by net/http.

// httpClient is the client's own, or the caller's, but one that follows no redirect: the answer of
// an address that nobody chose is not the model's, and a token would go there, too.
func (s *settings) httpClient() *http.Client {
	own := http.Client{}
	if s.http != nil {
		own = *s.http
	} else {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
		if usual, ok := http.DefaultTransport.(*http.Transport); ok { // programs may have put another there
			transport = usual.Clone()
		}
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 64
		transport.MaxResponseHeaderBytes = 64 << 10
		transport.TLSClientConfig = s.tls.Clone() // net/http writes into it
		own.Transport = transport
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Timeout = 0 // a call has its own
	return &own
}

func (c *Client) send(ctx context.Context, to *endpoint, call *prepared, header http.Header) outcome {
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
	r, err := http.NewRequestWithContext(ctx, call.verb, to.http()+call.target, bytes.NewReader(call.body))
	if err != nil {
		return outcome{failure: failed("BAD_REQUEST", err.Error())}
	}
	r.Header = header
	for name, values := range call.header {
		r.Header[name] = values
	}
	got, err := c.http.Do(r)
	if err != nil {
		return broken(err, sent)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, int64(c.settings.answerMax)+1))
	if err != nil {
		return broken(err, true)
	}
	if len(body) > c.settings.answerMax {
		return outcome{failure: failed("BAD_ANSWER", fmt.Sprintf("more than %d bytes", c.settings.answerMax)), sent: true}
	}
	answer := &Answer{Protocol: "rest", Status: got.StatusCode, Header: got.Header, Body: body}
	if answer.isGood() {
		return outcome{answer: answer}
	}
	return outcome{answer: answer, failure: errorOf(answer), sent: true}
}

// broken tells what is no HTTP from what was cut off: net/http has no types for it.
func broken(err error, sent bool) outcome {
	said := err.Error()
	if asked := new(url.Error); errors.As(err, &asked) {
		said = asked.Err.Error() // without the URL, which has words of its own
	}
	for _, word := range []string{"malformed", "invalid byte in chunk length", "response headers exceeded", "Content-Length", "transfer encoding"} {
		if strings.Contains(said, word) && !errors.Is(err, context.DeadlineExceeded) {
			return outcome{failure: failed("BAD_ANSWER", err.Error()), sent: true}
		}
	}
	return unanswered(err, sent)
}
