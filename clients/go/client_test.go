package specserve

import (
	"context"
	"crypto/tls"
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
	return connect(t, WithEndpoints(server.URL), WithTimeout(5*time.Second))
}

func connect(t *testing.T, options ...Option) *Client {
	c, err := New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
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
	return c.call(ctx, &op, &RuntimeHealthRequest{}, new([]byte), options)
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
		if !errors.As(err, &failure) || failure.Code != code || failure.Answer.Status != status || failure.Message == "" ||
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
		if err := ask(ctx, serving(t, handler), "read"); !errors.Is(err, ErrCancelled) {
			t.Errorf("cancelled: got %v", err)
		}
	}
	err := ask(context.Background(), serving(t, slow), "read", WithTimeout(50*time.Millisecond))
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("late: got %v", err)
	}
}

func TestEveryPartOfThePathIsNeeded(t *testing.T) {
	server := &answering{status: 200}
	c := serving(t, server)
	op := operation{verb: "GET", path: "/{app_name}/of/{model_name}", safety: "read"}
	var usage *UsageError
	for _, request := range []*RegistryRegisterRequest{nil, {AppName: "x"}, {ModelName: "x"}} {
		err := c.call(context.Background(), &op, request, new([]byte), nil)
		if seen := atomic.LoadInt32(&server.seen); !errors.As(err, &usage) || seen != 0 {
			t.Errorf("%v: sent %d, got %v", request, seen, err)
		}
	}
	request := &RegistryRegisterRequest{AppName: "{b}", ModelName: "m"}
	if err := c.call(context.Background(), &op, request, new([]byte), nil); err != nil {
		t.Error(err)
	}
}

func TestNilOptions(t *testing.T) {
	server := httptest.NewServer(&answering{status: 200})
	t.Cleanup(server.Close)
	c := connect(t, nil, WithEndpoints(server.URL), WithHTTPClient(nil))
	if err := ask(context.Background(), c, "read", nil, WithHTTPClient(nil)); err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := int32(0)
	other := serving(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { atomic.AddInt32(&followed, 1) }))
	for _, client := range []*http.Client{nil, {}} {
		server := httptest.NewServer(http.RedirectHandler(other.group.endpoints[0].url, http.StatusFound))
		t.Cleanup(server.Close)
		c := connect(t, WithEndpoints(server.URL), WithHTTPClient(client), WithToken("secret"))
		err := ask(context.Background(), c, "read")
		var failure *APIError
		if !errors.As(err, &failure) || failure.Code != "UNKNOWN" || failure.Answer.Status != 302 || followed != 0 {
			t.Errorf("followed %d; %v", followed, err)
		}
		if client != nil && client.CheckRedirect != nil {
			t.Error("the caller's client was changed")
		}
	}
}

func TestWhatAClientIsMadeOf(t *testing.T) {
	var usage *UsageError
	for _, options := range [][]Option{nil, {WithEndpoints("http://a"), WithRegistry("http://b")}, {WithEndpoints("ftp://a")},
		{WithEndpoints("http://a/path")}, {WithEndpoints("http://u@a")}, {WithRegistry("http://")},
		{WithEndpoints("http://a"), WithProtocol("soap")}, {WithEndpoints("http://a"), WithTimeout(-1)}} {
		if c, err := New(options...); !errors.As(err, &usage) || c != nil {
			t.Errorf("got %v", err)
		}
	}
	c := connect(t, WithRegistry("127.0.0.1:1"))
	if _, err := c.Runtime().Health(context.Background(), nil); !errors.As(err, &usage) {
		t.Errorf("no model was named: %v", err)
	}
	if _, err := c.Model("m").Health().Check(context.Background(), nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the registry is not there: %v", err)
	}
	c = connect(t, WithEndpoints("grpc://127.0.0.1:1"))
	if _, err := c.Runtime().Health(context.Background(), nil); !errors.As(err, &usage) || !strings.Contains(err.Error(), "specserve/grpc") {
		t.Errorf("there is no gRPC: %v", err)
	}
	if c.Close() != nil || c.Close() != nil {
		t.Error("Close")
	}
	if _, err := c.Runtime().Health(context.Background(), nil); err == nil {
		t.Error("a closed client called")
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	server := &answering{status: 200}
	c := serving(t, server)
	var usage *UsageError
	for _, option := range []Option{WithRequestID("a\r\nX: y"), WithHeader("A b", "1"), WithHeader("A", "\xe4"), WithTraceparent("\x00"), WithToken("\n")} {
		if err := ask(context.Background(), c, "read", option); !errors.As(err, &usage) {
			t.Error(err)
		}
	}
	for _, row := range [][2]string{{"GET", "@192.0.2.1/"}, {"GET", ""}, {"GET", "/%zz"}, {"GET", "/ x\r\n"}, {"G T", "/"}, {"", "/"}} {
		if _, err := c.Raw(context.Background(), row[0], row[1], nil); !errors.As(err, &usage) {
			t.Errorf("%q: %v", row, err)
		}
	}
	if seen := atomic.LoadInt32(&server.seen); seen != 0 {
		t.Errorf("%d were sent", seen)
	}
}

func TestLessLoadedOfTwo(t *testing.T) {
	g, err := newGroup("", []string{"http://a", "http://b"})
	if err != nil {
		t.Fatal(err)
	}
	first := g.choose(nil)
	for i := 0; i < 20; i++ {
		second := g.choose(nil)
		if second == first {
			t.Fatal("the busy one was taken")
		}
		g.done(second, true, false)
	}
	g.done(first, false, true) // it failed, and rests
	for i := 0; i < 20; i++ {
		if g.choose(nil) == first {
			t.Fatal("the one that rests was taken")
		}
	}
	if err = g.replace([]string{first.url}); err != nil || g.choose(nil) != first || first.failures != 1 {
		t.Error("what is known of an endpoint that stays was forgotten", err)
	}
}

// Two processes do not wait alike, also under Go 1.19, which seeds nothing.
func TestJitter(t *testing.T) {
	if os.Getenv("SHOW_JITTER") != "" {
		t.Log(below(int64(time.Hour)))
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
	sent := ""
	local := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
	}))
	if err := ask(context.Background(), local, "once", WithToken("secret")); err != nil || sent != "Bearer secret" {
		t.Errorf("on this machine: %v, sent %q", err, sent)
	}
	away := connect(t, WithEndpoints("http://192.0.2.1:1"), WithToken("secret"))
	err := ask(context.Background(), away, "once")
	if err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("off this machine: %v", err)
	}
}

// Nobody answers: whatever words the address has, it is not a bad answer.
func TestTheAddressIsNoAnswer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := connect(t, WithEndpoints(server.URL)).Raw(context.Background(), "GET", "/malformed", nil)
	if !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestWhatTheProgramOwnsStaysAsItIs(t *testing.T) {
	config := &tls.Config{}
	_, err := connect(t, WithEndpoints("https://127.0.0.1:1"), WithTLS(config)).Runtime().Health(context.Background(), nil)
	if err == nil || config.NextProtos != nil {
		t.Error(err, config.NextProtos)
	}
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	http.DefaultTransport = struct{ http.RoundTripper }{usual}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err = connect(t, WithEndpoints(server.URL)).Raw(context.Background(), "GET", "/x", nil)
	if !errors.Is(err, ErrNotImplemented) {
		t.Error(err)
	}
}
