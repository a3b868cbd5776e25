package specserve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// faulty is tests/e2e/faulty_server.py: a server that does what it is told, right or wrong.
type faulty struct{ url string }

type step map[string]interface{}

type request struct {
	Verb, Target string
	Headers      map[string]string
	Body         []byte
	At           float64
}

func startFaulty(t *testing.T) *faulty {
	command := exec.Command("python3", "../../tests/e2e/faulty_server.py")
	out, err := command.StdoutPipe()
	if err != nil || command.Start() != nil {
		t.Fatal("python3 is not there", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &faulty{"http://127.0.0.1:" + strings.Fields(line)[1]}
}

func (f *faulty) script(t *testing.T, steps ...step) {
	body, _ := json.Marshal(steps)
	answer, err := http.Post(f.url+"/_script", "application/json", bytes.NewReader(body))
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(steps, err)
	}
	_ = answer.Body.Close()
}

func (f *faulty) seen(t *testing.T) (all []request) {
	answer, err := http.Get(f.url + "/_seen")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

var well = step{"status": "ok", "model": "m", "version": "1.2.0"}

func doing(what string) step { return step{"do": what, "body": well, "seconds": 1} }

var (
	background = context.Background()
	full       = step{"do": "answer", "status": 503, "body": step{"success": false, "error": "full", "error_code": "OVERLOADED"}}
)

func (f *faulty) client(t *testing.T, options ...Option) *ModelRuntime {
	return connect(t, append(options, WithEndpoints(f.url))...).Runtime()
}

func TestFaultyServer(t *testing.T) {
	f := startFaulty(t)
	for _, what := range []string{"garbage", "bad_chunk", "long_head", "endless"} {
		t.Run(what+" is an error and not repeated", func(t *testing.T) {
			f.script(t, doing(what))
			_, err := f.client(t, WithAnswerMax(1<<20)).Health(background, nil)
			if seen := f.seen(t); !errors.Is(err, ErrBadAnswer) || len(seen) != 1 {
				t.Errorf("%d attempts; %v", len(seen), err)
			}
		})
	}
	for _, what := range []string{"answer", "chunked", "interim", "close_after", "answer"} {
		t.Run(what+" is read", func(t *testing.T) {
			f.script(t, doing(what))
			api := f.client(t)
			for i := 0; i < 2; i++ {
				if reply, err := api.Health(background, nil); err != nil || reply.Model != "m" {
					t.Error(reply, err)
				}
			}
		})
	}
	for _, what := range []string{"drop", "reset", "drop_head", "drop_body"} {
		t.Run(what+" is tried again", func(t *testing.T) {
			f.script(t, doing(what), doing("answer"))
			var answer Answer
			if _, err := f.client(t).Health(background, nil, WithAnswer(&answer)); err != nil || answer.Attempts != 2 {
				t.Errorf("%d attempts; %v", answer.Attempts, err)
			}
		})
	}
	for _, what := range []string{"hang", "slow", "drip"} {
		t.Run(what+" meets the deadline", func(t *testing.T) {
			f.script(t, doing(what))
			start := time.Now()
			_, err := f.client(t).Health(background, nil, WithTimeout(300*time.Millisecond))
			if took := time.Since(start); !errors.Is(err, ErrTimeout) || took > 900*time.Millisecond {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	f := startFaulty(t)
	t.Run("a storm of 503 stays within the budget", func(t *testing.T) {
		f.script(t, full)
		api, calls := f.client(t), 40
		for i := 0; i < calls; i++ {
			_, err := api.Predict(background, &RuntimePredictRequest{InputType: "text", Data: map[string]RuntimeValue{"text": "C"}})
			if !errors.Is(err, ErrOverloaded) {
				t.Fatal(err)
			}
		}
		if seen := f.seen(t); len(seen) != calls+10 {
			t.Errorf("%d attempts", len(seen))
		}
	})
	t.Run("Retry-After is waited for", func(t *testing.T) {
		busy := step{"headers": step{"Retry-After": "1"}}
		for key, value := range full {
			busy[key] = value
		}
		f.script(t, busy, doing("answer"))
		if _, err := f.client(t).Health(background, nil); err != nil {
			t.Fatal(err)
		}
		seen := f.seen(t)
		if len(seen) != 2 || seen[1].At-seen[0].At < 0.95 || seen[0].Headers["x-request-id"] != seen[1].Headers["x-request-id"] {
			t.Fatalf("%+v", seen)
		}
		first, _ := strconv.ParseFloat(seen[0].Headers["x-request-timeout"], 64)
		second, _ := strconv.ParseFloat(seen[1].Headers["x-request-timeout"], 64)
		if first <= 1 || first > 2 || second > first-0.95 {
			t.Errorf("told %v s, then %v s", first, second)
		}
	})
	t.Run("what may not be repeated is sent once", func(t *testing.T) {
		for _, what := range []step{{"do": "drop"}, {"do": "answer", "status": 503}} {
			f.script(t, what)
			_, err := connect(t, WithEndpoints(f.url)).Raw(background, "POST", "/anything", []byte("{}"))
			if seen := f.seen(t); !errors.Is(err, ErrUnavailable) || len(seen) != 1 || string(seen[0].Body) != "{}" {
				t.Errorf("%+v; %v", seen, err)
			}
		}
	})
}

func TestHooks(t *testing.T) {
	f := startFaulty(t)
	var events []Event
	parent := "00-" + strings.Repeat("1", 32) + "-" + strings.Repeat("2", 16) + "-01"
	api := f.client(t, WithObserver(func(e Event) { events = append(events, e) }), WithHeader("X-Always", "a"),
		WithTrace(func(_ context.Context, operation string) string { return parent + operation[:0] }),
		WithTokenSource(func(context.Context) (string, error) { return "secret", nil }))
	f.script(t, doing("drop"), doing("answer"))
	if _, err := api.Health(background, nil, WithRequestID("mine"), WithHeader("X-More", "1")); err != nil {
		t.Fatal(err)
	}
	headers := f.seen(t)[1].Headers
	for name, wanted := range map[string]string{"authorization": "Bearer secret", "x-request-id": "mine", "x-more": "1",
		"x-always": "a", "traceparent": parent, "user-agent": userAgent} {
		if headers[name] != wanted {
			t.Errorf("%s: %s", name, headers[name])
		}
	}
	if len(events) != 2 || events[0].Operation != "runtime.health" || events[0].Code != "UNAVAILABLE" || events[0].Attempt != 1 ||
		events[1].Code != "" || events[1].Attempt != 2 || events[1].RequestID != "mine" {
		t.Errorf("%+v", events)
	}
	if strings.Contains(fmt.Sprint(events), "secret") {
		t.Error("the token was told")
	}
}

// One of two is not there: no call fails, and nobody waits.
func TestFailover(t *testing.T) {
	f := startFaulty(t)
	f.script(t, doing("answer"))
	api := connect(t, WithEndpoints("http://127.0.0.1:1", f.url)).Runtime()
	start := time.Now()
	for i := 0; i < 50; i++ {
		if _, err := api.Health(background, nil); err != nil {
			t.Fatal(i, err)
		}
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Error(took)
	}
}
