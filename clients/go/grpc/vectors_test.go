package grpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"specserve"
)

type document struct {
	Operations []struct {
		ID, Method, Verb string
		Stream           bool
		Errors           []struct {
			Code, Retry string
			HTTP, GRPC  int
		}
	}
	Cases []struct {
		Name, Operation, Method string
		Request                 json.RawMessage
		Answer                  *struct{ Body interface{} }
		Error                   *specserve.APIError
	}
}

func documents(t *testing.T) map[string]document {
	files, err := filepath.Glob(root + "/gen/vectors/*.json")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	all := map[string]document{}
	for _, file := range files {
		var one document
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &one) != nil {
			t.Fatal(file, err)
		}
		all[file] = one
	}
	return all
}

// method finds "runtime.test_examples" as client.Runtime().TestExamples.
func method(client *specserve.Client, operation string) reflect.Value {
	api, name, _ := strings.Cut(operation, ".")
	service := reflect.ValueOf(client.Target).MethodByName(strings.ToUpper(api[:1]) + api[1:])
	name = strings.ReplaceAll(strings.Title(strings.ReplaceAll(name, "_", " ")), " ", "")
	return service.Call(nil)[0].MethodByName(name)
}

func call(t *testing.T, client *specserve.Client, operation string, request []byte, options ...specserve.Option) (interface{}, error) {
	function := method(client, operation)
	input := reflect.New(function.Type().In(1).Elem())
	if err := json.Unmarshal(request, input.Interface()); err != nil {
		t.Fatal(operation, err)
	}
	arguments := []reflect.Value{reflect.ValueOf(background), input}
	for _, option := range options {
		arguments = append(arguments, reflect.ValueOf(option))
	}
	got := function.Call(arguments)
	err, _ := got[1].Interface().(error)
	return got[0].Interface(), err
}

func decoded(t *testing.T, text []byte) (value interface{}) {
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestVectors(t *testing.T) {
	files, server, count := protocol(t), start(t), 0
	client := connect(t, specserve.WithEndpoints(server.url))
	for _, one := range documents(t) {
		for _, v := range one.Cases {
			if v.Method == "" || v.Answer == nil || v.Answer.Body == nil || v.Error != nil {
				continue
			}
			count++
			t.Run(v.Name, func(t *testing.T) {
				op := methodOf(t, files, v.Method)
				answer := fromJSON(t, op.Output(), v.Answer.Body)
				body, err := proto.Marshal(answer)
				if err != nil {
					t.Fatal(err)
				}
				server.told(body, codes.OK, metadata.MD{})
				reply, err := call(t, client, v.Operation, v.Request, specserve.WithRequestID("vector-1"))
				if err != nil {
					t.Fatal(err)
				}
				got, err := json.Marshal(reply)
				if err != nil {
					t.Fatal(err)
				}
				if back := fromJSON(t, op.Output(), decoded(t, got)); !proto.Equal(back, answer) {
					t.Errorf("read %s\nof %s", got, answer)
				}
				calls := server.calls()
				if len(calls) != 1 || calls[0].method != v.Method || calls[0].header.Get("x-request-id")[0] != "vector-1" ||
					calls[0].left <= 0 || calls[0].left > time.Minute+time.Second {
					t.Fatalf("sent %+v", calls)
				}
				sent, wanted := dynamicpb.NewMessage(op.Input()), fromJSON(t, op.Input(), decoded(t, v.Request))
				if err := proto.Unmarshal(calls[0].request, sent); err != nil || !proto.Equal(sent, wanted) {
					t.Errorf("%v: sent %s, want %s", err, sent, wanted)
				}
			})
		}
	}
	if count < 15 {
		t.Errorf("only %d vectors", count)
	}
}

// Every code of every operation is the error it names, over gRPC.
func TestErrors(t *testing.T) {
	server, done := start(t), map[string]bool{}
	client := connect(t, specserve.WithEndpoints(server.url), specserve.WithAttempts(1))
	for _, one := range documents(t) {
		for _, op := range one.Operations {
			for _, row := range op.Errors {
				if op.Method == "" || op.Stream || done[row.Code] || row.GRPC == 0 {
					continue
				}
				done[row.Code] = true
				server.told(nil, codes.Code(row.GRPC), metadata.Pairs("x-error-code", row.Code))
				input := reflect.New(method(client, op.ID).Type().In(1).Elem())
				got := method(client, op.ID).Call([]reflect.Value{reflect.ValueOf(background), input})
				err, _ := got[1].Interface().(error)
				var failure *specserve.APIError
				if !errors.As(err, &failure) || failure.Code != row.Code || failure.Retry != row.Retry ||
					failure.GRPC != row.GRPC || failure.HTTP != row.HTTP || failure.Message != "said so" {
					t.Errorf("%s: got %+v", row.Code, failure)
				}
			}
		}
	}
	if len(done) < 20 {
		t.Errorf("only %d codes", len(done))
	}
}

// What a later version says survives: fields, values of enums, alternatives of unions.
func TestLaterVersions(t *testing.T) {
	server := start(t)
	client := connect(t, specserve.WithEndpoints(server.url))
	later := []byte("\x8a\x7d\x05later")
	event := append([]byte{0x08, 7, 0x10, 99}, later...) // revision 7, kind 99
	server.told(event, codes.OK, nil)
	server.streams = true
	events, err := client.Registry().Watch(background, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	got, err := events.Next()
	if err != nil || got.Kind != "99" || got.Revision != 7 || !bytes.Equal(got.Extra.Wire, later) {
		t.Fatalf("%v; got %+v", err, got)
	}
	server.told([]byte{}, codes.OK, nil)
	request := &specserve.HealthHealthCheckRequest{Service: "x", Extra: specserve.Extra{Wire: later}}
	checked, err := client.Health().Check(background, request)
	if err != nil || checked.Status != specserve.HealthHealthCheckResponseServingStatusUnknown {
		t.Errorf("%v; got %+v", err, checked)
	}
	if sent := server.calls()[0].request; !bytes.Equal(sent, append([]byte("\x0a\x01x"), later...)) {
		t.Errorf("sent %q", sent)
	}
}
