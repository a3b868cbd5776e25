package specserve

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// APIError is a call that failed. Code says why: errors.Is(err, specserve.ErrNotFound) asks for
// one. A code of a later catalogue is an APIError like the others.
type APIError struct {
	Code, Message string
	Retry         string // NEVER, LATER, ELSEWHERE: may the same request go again
	HTTP, GRPC    int    // statuses of the catalogue; 0 and -1: no server says it
	Details       json.RawMessage
	RetryAfter    time.Duration
	Attempts      int
	Answer        *Answer // nil: nobody answered
}

func (e *APIError) Error() string { return e.Code + ": " + e.Message }

// Is tells whether target is an APIError of the same code.
func (e *APIError) Is(target error) bool {
	other, ok := target.(*APIError)
	return ok && other.Code == e.Code
}

// RequestID is the request's name, as the server calls it or as it was sent.
func (e *APIError) RequestID() string {
	if e.Answer == nil {
		return ""
	}
	return e.Answer.RequestID
}

// UsageError is a call that could not be sent as it was asked for.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return "specserve: " + e.Message }

// Errors that no server says.
var (
	// ErrUnavailable: nobody of ours answered: no connection, or a proxy in between.
	ErrUnavailable = &APIError{Code: "UNAVAILABLE", Retry: "LATER", GRPC: -1}
	// ErrUnauthenticated: the server, or something before it, wants to know who calls.
	ErrUnauthenticated = &APIError{Code: "UNAUTHENTICATED", Retry: "NEVER", GRPC: -1}
	// ErrBadAnswer: the answer is not what the contract promises.
	ErrBadAnswer = &APIError{Code: "BAD_ANSWER", Retry: "NEVER", GRPC: -1}
	// ErrModelChanged: the server's model is not the one that the typed client was made for.
	ErrModelChanged = &APIError{Code: "MODEL_CHANGED", Retry: "NEVER", GRPC: -1}
)

var byCode = func() map[string]*APIError {
	known := map[string]*APIError{}
	for _, e := range append(catalogue, ErrUnavailable, ErrUnauthenticated, ErrBadAnswer, ErrModelChanged) {
		known[e.Code] = e
	}
	return known
}()

// failed makes the error of a code; the catalogue says whether it passes.
func failed(code, message string) *APIError {
	e := &APIError{Code: code, Message: message, Retry: "NEVER", GRPC: -1}
	if known := byCode[code]; known != nil {
		e.Retry, e.HTTP, e.GRPC = known.Retry, known.HTTP, known.GRPC
	}
	return e
}

// ofHTTP are statuses without a body of ours: a proxy answered. ofGRPC are statuses without a
// code of ours: gRPC itself answered. The other clients read them the same way.
var (
	ofHTTP = map[int]string{400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
		404: "NOT_IMPLEMENTED", 408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE", 429: "UNAVAILABLE",
		502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "UNAVAILABLE"}
	ofGRPC = map[int]string{1: "CANCELLED", 3: "BAD_REQUEST", 4: "TIMEOUT", 5: "NOT_FOUND",
		6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "OVERLOADED", 12: "NOT_IMPLEMENTED",
		13: "INTERNAL", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED"}
)

func either(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// errorOf is the error that an answer stands for.
func errorOf(a *Answer) *APIError {
	var e *APIError
	if a.Protocol == "grpc" {
		code := either(a.Header.Get("X-Error-Code"), ofGRPC[a.Status], "UNKNOWN")
		e = failed(code, either(a.Message, "gRPC status "+strconv.Itoa(a.Status)))
	} else {
		code, message, details := jsonError(a.Body)
		code = either(code, ofHTTP[a.Status], "UNKNOWN")
		e = failed(code, either(message, "HTTP status "+strconv.Itoa(a.Status)))
		e.Details = details
	}
	e.Answer, e.RetryAfter = a, retryAfter(a.Header)
	return e
}

// jsonError reads a body of ours; all is empty if it is none.
func jsonError(body []byte) (code, message string, details json.RawMessage) {
	object := map[string]json.RawMessage{}
	_ = json.Unmarshal(body, &object)
	if json.Unmarshal(object["error_code"], &code) != nil || code == "" {
		return "", "", nil
	}
	var inner struct{ Message string } // OpenAI's form
	_ = json.Unmarshal(object["error_message"], &message)
	if json.Unmarshal(object["error"], &inner) == nil && inner.Message != "" {
		message = inner.Message
	}
	var said string
	if json.Unmarshal(object["error"], &said) == nil && said != "" {
		message = said
	}
	return code, message, object["details"]
}

// retryAfter reads seconds or an HTTP date, or the milliseconds of gRPC; 0 is none of them, past,
// or over a day away.
func retryAfter(header http.Header) time.Duration {
	var wait time.Duration
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds < 1e6 {
		wait = time.Duration(seconds * float64(time.Second))
	} else if date, err := http.ParseTime(text); err == nil {
		wait = time.Until(date)
	} else if ms, err := strconv.ParseUint(header.Get("Grpc-Retry-Pushback-Ms"), 10, 31); err == nil {
		wait = time.Duration(ms) * time.Millisecond
	}
	if wait < 0 || wait >= 24*time.Hour {
		return 0
	}
	return wait
}
