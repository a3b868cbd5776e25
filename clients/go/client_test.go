package specserve

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serving(t *testing.T, handler http.Handler) *Client {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return New(server.URL, WithTimeout(5*time.Second))
}

type answering struct {
	status     int
	body       string
	retryAfter string
	seen       int32
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt32(&a.seen, 1)
	if r.Header.Get("X-Request-Timeout") == "" {
		a.status = http.StatusTeapot
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func ask(ctx context.Context, c *Client, safety string, options ...Option) error {
	op := operation{verb: "GET", path: "/x", safety: safety}
	return c.call(ctx, op, struct{}{}, new([]byte), options)
}

func TestEveryCataloguedError(t *testing.T) {
	for _, want := range catalogue {
		c := serving(t, &answering{status: 400, body: `{"error_code":"` + want.Code + `","error":"why","error_message":"why"}`})
		err := ask(context.Background(), c, "once")
		var failure *APIError
		if !errors.Is(err, want) || !errors.As(err, &failure) || failure.Retry != want.Retry || failure.Message != "why" {
			t.Errorf("%s: got %v", want.Code, err)
		}
	}
}

// As in the other clients: nobody of ours answered, the status decides.
func TestStatusesOfOthers(t *testing.T) {
	for status, code := range map[int]string{400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
		404: "NOT_IMPLEMENTED", 408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE", 418: "UNKNOWN", 429: "UNAVAILABLE", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE"} {
		err := ask(context.Background(), serving(t, &answering{status: status, body: "<html>"}), "once")
		var failure *APIError
		if !errors.As(err, &failure) || failure.Code != code || failure.HTTP != status || failure.Message == "" ||
			(failure.Retry == "LATER") != (code == "UNAVAILABLE" || code == "REQUEST_TIMEOUT") {
			t.Errorf("%d: got %+v, want %s", status, failure, code)
		}
	}
}

func TestRetriesWhatIsSafeOnly(t *testing.T) {
	for safety, want := range map[string]int32{"read": 3, "idempotent": 3, "once": 1} {
		server := &answering{status: 503}
		err := ask(context.Background(), serving(t, server), safety)
		if seen := atomic.LoadInt32(&server.seen); err == nil || seen != want {
			t.Errorf("%s: %d attempts, want %d; %v", safety, seen, want, err)
		}
	}
}

func TestBudgetEndsRetries(t *testing.T) {
	server := &answering{status: 503}
	c := serving(t, server)
	for i := 0; i < 20; i++ {
		_ = ask(context.Background(), c, "read")
	}
	if seen := atomic.LoadInt32(&server.seen); seen != 30 {
		t.Errorf("%d attempts, want 20 calls and 10 retries", seen)
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"7": 7 * time.Second, "0.5": time.Second / 2, "-1": 0, "soon": 0,
		time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):  time.Minute,
		time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat): 0} {
		err := ask(context.Background(), serving(t, &answering{status: 503, retryAfter: text}), "once")
		var failure *APIError
		if !errors.As(err, &failure) || failure.RetryAfter > want || failure.RetryAfter < want-2*time.Second {
			t.Errorf("%s: got %v, want %v", text, failure.RetryAfter, want)
		}
	}
}

func TestNoWaitBeyondTheDeadline(t *testing.T) {
	server := &answering{status: 503, retryAfter: "60"}
	start := time.Now()
	err := ask(context.Background(), serving(t, server), "read")
	if seen := atomic.LoadInt32(&server.seen); err == nil || seen != 1 || time.Since(start) > 2*time.Second {
		t.Errorf("%d attempts in %v; %v", seen, time.Since(start), err)
	}
}

func TestCancelledAndLate(t *testing.T) {
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, handler := range []http.Handler{slow, &answering{status: 503, retryAfter: "3"}} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		if err := ask(ctx, serving(t, handler), "read"); !errors.Is(err, ErrCancelledError) {
			t.Errorf("cancelled: got %v", err)
		}
	}
	err := ask(context.Background(), serving(t, slow), "read", WithTimeout(50*time.Millisecond))
	if !errors.Is(err, ErrTimeoutError) {
		t.Errorf("late: got %v", err)
	}
}

func TestEveryPartOfThePathIsNeeded(t *testing.T) {
	server := &answering{status: 200}
	c := serving(t, server)
	op := operation{verb: "GET", path: "/{a}/of/{b}", safety: "read"}
	for _, request := range []map[string]interface{}{{}, {"a": "x"}, {"a": "x", "b": ""}, {"a": nil, "b": "y"}} {
		err := c.call(context.Background(), op, request, new([]byte), nil)
		if seen := atomic.LoadInt32(&server.seen); err == nil || seen != 0 {
			t.Errorf("%v: sent %d, got %v", request, seen, err)
		}
	}
	if err := c.call(context.Background(), op, map[string]interface{}{"a": "{b}", "b": 2}, new([]byte), nil); err != nil {
		t.Error(err)
	}
}

func TestNilOptions(t *testing.T) {
	c := serving(t, &answering{status: 200})
	c = New(c.base, nil, WithHTTPClient(nil))
	if err := ask(context.Background(), c, "read", nil, WithHTTPClient(nil)); err != nil {
		t.Error(err)
	}
}

// Two processes do not wait alike, also under Go 1.19, which seeds nothing.
func TestJitter(t *testing.T) {
	if os.Getenv("SHOW_JITTER") != "" {
		t.Log(jitter(time.Hour))
		return
	}
	var texts [2]string
	for i := range texts {
		again := exec.Command(os.Args[0], "-test.run=^TestJitter$", "-test.v")
		again.Env = append(os.Environ(), "SHOW_JITTER=1", "GODEBUG=randautoseed=0")
		out, err := again.Output()
		if err != nil || !strings.Contains(string(out), "client_test.go") {
			t.Fatal(err, string(out))
		}
		texts[i] = string(out[:strings.LastIndex(string(out), "---")])
	}
	if texts[0] == texts[1] {
		t.Errorf("twice %s", texts[0])
	}
}

func TestTokenStaysPrivate(t *testing.T) {
	call := operation{verb: "GET", path: "/x", safety: "once"}
	sent := ""
	local := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
	}))
	if err := local.call(context.Background(), call, struct{}{}, new([]byte), []Option{WithToken("secret")}); err != nil || sent != "Bearer secret" {
		t.Errorf("on this machine: %v, sent %q", err, sent)
	}
	away := New("http://192.0.2.1:1", WithToken("secret"))
	err := away.call(context.Background(), call, struct{}{}, new([]byte), nil)
	if err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("off this machine: %v", err)
	}
}
