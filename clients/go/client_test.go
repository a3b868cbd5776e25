package specserve

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func answering(t *testing.T, status int, body string, seen *int) *Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*seen++
		if r.Header.Get("X-Request-Timeout") == "" {
			t.Error("no deadline was sent")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return New(server.URL, WithTimeout(5*time.Second))
}

func TestEveryCataloguedError(t *testing.T) {
	for _, want := range catalogue {
		seen := 0
		c := answering(t, 400, `{"error_code":"`+want.Code+`","error":"why","error_message":"why"}`, &seen)
		err := c.call(context.Background(), operation{verb: "POST", path: "/x", safety: "once"}, struct{}{}, new([]byte), nil)
		var failure *APIError
		if !errors.Is(err, want) || !errors.As(err, &failure) || failure.Retry != want.Retry || failure.Message != "why" {
			t.Errorf("%s: got %v", want.Code, err)
		}
	}
}

func TestRetriesWhatIsSafeOnly(t *testing.T) {
	for safety, want := range map[string]int{"read": 3, "idempotent": 3, "once": 1} {
		seen := 0
		c := answering(t, 503, "", &seen)
		err := c.call(context.Background(), operation{verb: "GET", path: "/x", safety: safety}, struct{}{}, new([]byte), nil)
		if err == nil || seen != want {
			t.Errorf("%s: %d attempts, want %d; %v", safety, seen, want, err)
		}
	}
}

func TestBudgetEndsRetries(t *testing.T) {
	seen := 0
	c := answering(t, 503, "", &seen)
	for i := 0; i < 20; i++ {
		_ = c.call(context.Background(), operation{verb: "GET", path: "/x", safety: "read"}, struct{}{}, new([]byte), nil)
	}
	if seen != 30 {
		t.Errorf("%d attempts, want 20 calls and 10 retries", seen)
	}
}
