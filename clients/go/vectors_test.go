package specserve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
)

type vector struct {
	Name, Operation string
	Request         json.RawMessage
	Rest            *struct {
		Verb, Target string
		Body         interface{}
	}
	Answer *struct {
		Status  int
		Headers map[string]string
		Body    interface{}
		Text    string
		Base64  []byte
	}
	Error *APIError
}

// withoutEmpty leaves out what is null or empty: to a client it is the same as absent.
func withoutEmpty(value interface{}) interface{} {
	switch v := value.(type) {
	case map[string]interface{}:
		for key, item := range v {
			if v[key] = withoutEmpty(item); v[key] == nil {
				delete(v, key)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []interface{}:
		for i := range v {
			v[i] = withoutEmpty(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	}
	return value
}

func (v *vector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body interface{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	if r.Method != v.Rest.Verb || r.RequestURI != v.Rest.Target || !reflect.DeepEqual(withoutEmpty(body), withoutEmpty(v.Rest.Body)) {
		http.Error(w, r.Method+" "+r.RequestURI, http.StatusTeapot)
		return
	}
	for name, value := range v.Answer.Headers {
		w.Header().Set(name, value)
	}
	if v.Answer.Status != 0 {
		w.WriteHeader(v.Answer.Status)
	}
	answer := append(v.Answer.Base64, v.Answer.Text...)
	if v.Answer.Body != nil {
		answer, _ = json.Marshal(v.Answer.Body)
	}
	_, _ = w.Write(answer)
}

func (v *vector) replay(t *testing.T, service reflect.Value) {
	words := strings.Split(v.Operation[strings.Index(v.Operation, ".")+1:], "_")
	for i := range words {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	method := service.MethodByName(strings.Join(words, ""))
	request := reflect.New(method.Type().In(1).Elem())
	if err := json.Unmarshal(v.Request, request.Interface()); err != nil {
		t.Fatal(err)
	}
	got := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), request})
	err, _ := got[1].Interface().(error)
	var failure *APIError
	if v.Error != nil {
		if !errors.Is(err, v.Error) || errors.As(err, &failure) && v.Error.Retry != "" && failure.Retry != v.Error.Retry {
			t.Errorf("got %v, want %s", err, v.Error.Code)
		}
		return
	}
	var reply interface{}
	text, _ := json.Marshal(got[0].Interface())
	_ = json.Unmarshal(text, &reply)
	if err != nil || !reflect.DeepEqual(withoutEmpty(v.Answer.Body), withoutEmpty(reply)) || withoutEmpty(reply) == nil {
		t.Errorf("%v; got %s", err, text)
	}
}

func TestVectors(t *testing.T) {
	count := 0
	for _, name := range []string{"Runtime", "Registry", "Text"} { // health and oip have no JSON of their own
		var all struct{ Cases []vector }
		text, err := os.ReadFile("../../gen/vectors/" + strings.ToLower(name) + ".json")
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range all.Cases {
			v := &all.Cases[i]
			if v.Rest == nil || v.Answer == nil {
				continue
			}
			count++
			t.Run(v.Name, func(t *testing.T) {
				client := serving(t, v)
				v.replay(t, reflect.ValueOf(client).MethodByName(name).Call(nil)[0])
			})
		}
	}
	if count < 40 {
		t.Errorf("only %d vectors", count)
	}
}
