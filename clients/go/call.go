package specserve

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
)

// operation is one endpoint, as the contract has it; generated files hold one each.
type operation struct {
	id, verb, path string   // verb "": no REST form
	query          []string // what goes there instead of into the body
	hasBody        bool
	method         string // "/package.Service/Method"; "": no gRPC form
	safety         string // read, idempotent, once
	timeoutMs      int    // 0: the client's
}

// Answer is an answer as it came: what is behind a reply or an error.
type Answer struct {
	Protocol  string      // rest, grpc
	Status    int         // of HTTP or of gRPC
	Header    http.Header // or initial and trailing metadata
	Body      []byte      // JSON or protobuf
	Message   string      // of gRPC's status
	Endpoint  string
	Attempts  int
	RequestID string // as the server calls it, or as it was sent
}

func (a *Answer) isGood() bool {
	if a.Protocol == "grpc" {
		return a.Status == 0
	}
	return a.Status/100 == 2
}

// prepared is a request as bytes, ready for any endpoint of the protocol.
type prepared struct {
	verb, target, method string
	body                 []byte
	header               http.Header
}

// escape is for a part of a path and for a value of a query: a space is %20 in both.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func plainText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

var hole = regexp.MustCompile(`\{\w+\}`)

// prepare makes the request for an endpoint that speaks the protocol.
func prepare(op *operation, request interface{}, protocol string) (*prepared, error) {
	if ready, ok := request.(*prepared); ok {
		return ready, nil
	}
	if value := reflect.ValueOf(request); value.IsNil() { // a request that says nothing
		request = reflect.New(value.Type().Elem()).Interface()
	}
	var made *prepared
	var err error
	if protocol == "grpc" {
		made = &prepared{method: op.method}
		made.body, err = MarshalProto(request)
	} else {
		made, err = prepareREST(op, request)
	}
	if err != nil {
		return nil, &UsageError{op.id + ": " + err.Error()}
	}
	return made, nil
}

func prepareREST(op *operation, request interface{}) (*prepared, error) {
	made := &prepared{verb: op.verb, target: op.path}
	all, err := marshal(bare(reflect.ValueOf(request)).Interface())
	if err != nil {
		return nil, err
	}
	if op.hasBody {
		made.body, made.header = all, http.Header{"Content-Type": {"application/json"}}
	}
	if !strings.Contains(op.path, "{") && len(op.query) == 0 {
		return made, nil
	}
	left := map[string]json.RawMessage{}
	if err := json.Unmarshal(all, &left); err != nil {
		return nil, err
	}
	made.target = hole.ReplaceAllStringFunc(op.path, func(match string) string {
		name := strings.Trim(match, "{}")
		value := plainText(left[name])
		if value == "" {
			err = wrong("/"+name, "is part of the path and must be given")
		}
		delete(left, name)
		return escape(value)
	})
	var query []string
	for _, name := range op.query {
		if raw, ok := left[name]; ok && !isNull(raw) {
			query = append(query, name+"="+escape(plainText(raw)))
		}
		delete(left, name)
	}
	if len(query) > 0 {
		made.target += "?" + strings.Join(query, "&")
	}
	if op.hasBody {
		var body bytes.Buffer
		err = either2(err, putJSON(left, &body, ""))
		made.body = body.Bytes()
	}
	return made, err
}

func either2(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// readReply fills reply, a message or bytes, from a good answer.
func readReply(op *operation, a *Answer, reply interface{}) error {
	if raw, ok := reply.(*[]byte); ok {
		*raw = a.Body
		return nil
	}
	read := unmarshal
	if a.Protocol == "grpc" {
		read = UnmarshalProto
	}
	if err := read(a.Body, reply); err != nil {
		e := failed("BAD_ANSWER", op.id+": "+err.Error())
		e.Answer, e.Attempts = a, a.Attempts
		return e
	}
	return nil
}
