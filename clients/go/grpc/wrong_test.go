package grpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"specserve"
)

// What a wrong gRPC server does to a client, and TLS over both protocols.

func TestBrokenMessages(t *testing.T) {
	server := start(t)
	api := connect(t, specserve.WithEndpoints(server.url), specserve.WithAnswerMax(1000)).Runtime()
	for _, bytes := range []string{"\xff\xff\xff", "\x0a\x05ab", "", strings.Repeat("x", 2000)} {
		server.told([]byte(bytes), codes.OK, nil)
		_, err := api.Health(background, nil)
		if !errors.Is(err, specserve.ErrBadAnswer) || len(server.calls()) != 1 {
			t.Errorf("%.9q: %d attempts; %v", bytes, len(server.calls()), err)
		}
	}
}

func TestSlowServer(t *testing.T) {
	server := start(t)
	api := connect(t, specserve.WithEndpoints(server.url)).Runtime()
	server.told(nil, codes.OK, nil)
	server.wait = 2 * time.Second
	begun := time.Now()
	_, err := api.Health(background, nil, specserve.WithTimeout(200*time.Millisecond))
	if took := time.Since(begun); !errors.Is(err, specserve.ErrTimeout) || took > time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err = api.Health(ctx, nil); !errors.Is(err, specserve.ErrCancelled) {
		t.Error(err)
	}
}

func TestStorm(t *testing.T) {
	server := start(t)
	api := connect(t, specserve.WithEndpoints(server.url)).Runtime()
	server.told(nil, codes.ResourceExhausted, metadata.Pairs("x-error-code", "OVERLOADED", "grpc-retry-pushback-ms", "1"))
	for i := 0; i < 40; i++ {
		if _, err := api.Health(background, nil); !errors.Is(err, specserve.ErrOverloaded) {
			t.Fatal(err)
		}
	}
	if count := len(server.calls()); count != 40+10 {
		t.Errorf("%d attempts", count)
	}
}

// gRPC itself answers: the status decides, and what passes is tried again.
func TestStatusesOfOthers(t *testing.T) {
	server := start(t)
	api := connect(t, specserve.WithEndpoints(server.url)).Runtime()
	for status, wanted := range map[codes.Code]string{codes.Unavailable: "UNAVAILABLE", codes.Unauthenticated: "UNAUTHENTICATED",
		codes.Unimplemented: "NOT_IMPLEMENTED", codes.DataLoss: "UNKNOWN", codes.DeadlineExceeded: "TIMEOUT"} {
		server.told(nil, status, nil)
		_, err := api.Health(background, nil)
		var failure *specserve.APIError
		attempts := 1
		if wanted == "UNAVAILABLE" || wanted == "TIMEOUT" {
			attempts = 3
		}
		if !errors.As(err, &failure) || failure.Code != wanted || len(server.calls()) != attempts {
			t.Errorf("%s: %d attempts; %v", status, len(server.calls()), err)
		}
	}
}

func TestStreams(t *testing.T) {
	server := start(t)
	api := connect(t, specserve.WithEndpoints(server.url)).Registry()
	open := func(ctx context.Context, code codes.Code, options ...specserve.Option) *specserve.Stream[specserve.RegistryWatchEvent] {
		server.told([]byte("\x08\x01\x10\x01"), code, nil)
		server.streams = true
		events, err := api.Watch(ctx, nil, options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(events.Close)
		if first, err := events.Next(); err != nil || first.Revision != 1 {
			t.Fatal(first, err)
		}
		return events
	}
	if _, err := open(background, codes.Unavailable).Next(); !errors.Is(err, specserve.ErrUnavailable) {
		t.Errorf("dropped: %v", err)
	}
	if _, err := open(background, codes.OK, specserve.WithTimeout(100*time.Millisecond)).Next(); !errors.Is(err, specserve.ErrTimeout) {
		t.Errorf("late: %v", err)
	}
	ctx, cancel := context.WithCancel(background)
	events := open(ctx, codes.OK)
	cancel()
	if _, err := events.Next(); !errors.Is(err, specserve.ErrCancelled) {
		t.Errorf("cancelled: %v", err)
	}
	events = open(background, codes.OK)
	time.AfterFunc(50*time.Millisecond, events.Close)
	for i := 0; i < 2; i++ {
		if _, err := events.Next(); err != io.EOF {
			t.Errorf("closed: %v", err)
		}
	}
	server.told([]byte("\xff"), codes.OK, nil)
	server.streams = true
	events, err := api.Watch(background, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.Next(); !errors.Is(err, specserve.ErrBadAnswer) {
		t.Errorf("broken: %v", err)
	}
	if _, err := connect(t, specserve.WithEndpoints("grpc://127.0.0.1:1")).Registry().Watch(background, nil); err != nil {
		t.Error(err) // Next() says it
	}
}

// Each side shows a certificate, and a token goes through.
func TestTLS(t *testing.T) {
	var token, shown string
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, shown = r.Header.Get("Authorization"), r.TLS.PeerCertificates[0].Issuer.String()
		_, _ = w.Write([]byte(`{"status":"ok","model":"m","version":"1"}`))
	}))
	web.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	web.StartTLS()
	t.Cleanup(web.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(web.Certificate())
	config := &tls.Config{RootCAs: trusted, Certificates: web.TLS.Certificates}
	server := start(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: web.TLS.Certificates, ClientAuth: tls.RequireAnyClientCert})))
	server.told([]byte("\x0a\x02ok\x12\x01m\x1a\x011"), codes.OK, nil)
	over := strings.Replace(server.url, "grpc://", "grpcs://", 1)
	own := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	for _, row := range []struct {
		url  string
		with specserve.Option
		ok   bool
	}{{web.URL, specserve.WithTLS(config), true}, {web.URL, specserve.WithHTTPClient(own), true}, {over, specserve.WithTLS(config), true},
		{web.URL, nil, false}, {over, nil, false}, {server.url, specserve.WithTLS(config), false},
		{web.URL, specserve.WithTLS(&tls.Config{RootCAs: trusted}), false}, {over, specserve.WithTLS(&tls.Config{RootCAs: trusted}), false}} {
		client := connect(t, specserve.WithEndpoints(row.url), row.with, specserve.WithToken("secret"), specserve.WithAttempts(1))
		reply, err := client.Runtime().Health(background, nil)
		if row.ok && (err != nil || reply.Model != "m") || !row.ok && !errors.Is(err, specserve.ErrUnavailable) {
			t.Errorf("%s: %v", row.url, err)
		}
	}
	calls := server.calls()
	if token != "Bearer secret" || shown == "" || len(calls) != 1 || calls[0].header.Get("authorization")[0] != "Bearer secret" {
		t.Errorf("token %q, certificate %q, %d calls", token, shown, len(calls))
	}
}
