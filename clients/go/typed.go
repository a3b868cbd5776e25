package specserve

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sync/atomic"
)

// What clients of one model stand on; `specgen model-client` writes them. Before the first call
// the digest of the server's bundle is compared with that of the bundle that the client was made
// from, and with each answer the digest of the model. Inputs are checked before anything is sent,
// and what comes back is taken by name and type: a model that changed is ErrModelChanged, never a
// wrong number.

// ModelInput is a key of data, input or parameter, and what it takes.
type ModelInput struct {
	Name, Type       string
	Optional         bool
	MaxBytes, Length int // 0: no limit
	Values           []interface{}
	Minimum, Maximum *float64
}

// ModelOutput is a result; Length is of an array that has one.
type ModelOutput struct {
	Name, Type string
	Encoded    bool // a number that is written as text
	Length     int
}

// ModelSpec is the model that a typed client was made for.
type ModelSpec struct {
	Name, Version, InputType  string
	BundleDigest, ModelDigest string // as its server says them
	Inputs                    []ModelInput
	Outputs                   []ModelOutput
}

// TypedModel calls one model by the names of its documents. Safe for many goroutines.
type TypedModel struct {
	spec     *ModelSpec
	runtime  *ModelRuntime
	compared atomic.Bool
}

// NewTypedModel is for clients that specgen writes.
func NewTypedModel(client *Client, spec *ModelSpec) *TypedModel {
	return &TypedModel{spec: spec, runtime: client.Model(spec.Name).Runtime()}
}

// Predict runs the model on one input. Every output is there, as the Go type of its declared one:
// string, float64, int64, bool, []float32, []string or json.RawMessage.
func (m *TypedModel) Predict(ctx context.Context, values map[string]interface{}, options ...Option) (map[string]interface{}, *RuntimePredictResponse, error) {
	data := map[string]RuntimeValue{}
	for i := range m.spec.Inputs {
		row := &m.spec.Inputs[i]
		value, given := values[row.Name]
		if !given && row.Optional {
			continue
		}
		if err := row.check(value); err != nil {
			return nil, nil, err
		}
		if data, ok := value.([]byte); ok {
			value = base64.StdEncoding.EncodeToString(data)
		}
		data[row.Name] = value
	}
	if err := m.compare(ctx, options); err != nil {
		return nil, nil, err
	}
	var answer Answer
	reply, err := m.runtime.Predict(ctx, &RuntimePredictRequest{InputType: m.spec.InputType, Data: data},
		append(options[:len(options):len(options)], WithAnswer(&answer))...)
	if err != nil {
		return nil, nil, err
	}
	found, err := m.take(reply, &answer)
	return found, reply, err
}

func (r *ModelInput) fault(format string, more ...interface{}) error {
	return &UsageError{r.Name + ": " + fmt.Sprintf(format, more...)}
}

// check tells what the model would not take.
func (r *ModelInput) check(value interface{}) error {
	v := reflect.ValueOf(value)
	if !v.IsValid() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil() {
		return r.fault("is required")
	}
	size := 0
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		size = v.Len()
	}
	isArray := r.Type == "array<float>" || r.Type == "array<string>"
	switch {
	case r.Length > 0 && size != r.Length:
		return r.fault("has %d elements, not %d", size, r.Length)
	case r.MaxBytes > 0 && !isArray && size > r.MaxBytes:
		return r.fault("has %d bytes, at most %d", size, r.MaxBytes)
	case len(r.Values) > 0 && !r.isOneOf(v):
		return r.fault("is none of %v", r.Values)
	case isNumber(v) && (math.IsNaN(number(v)) || math.IsInf(number(v), 0)):
		return r.fault("is not finite")
	case isNumber(v) && r.Minimum != nil && number(v) < *r.Minimum:
		return r.fault("is below %v", *r.Minimum)
	case isNumber(v) && r.Maximum != nil && number(v) > *r.Maximum:
		return r.fault("is above %v", *r.Maximum)
	}
	return nil
}

func (r *ModelInput) isOneOf(v reflect.Value) bool {
	for _, allowed := range r.Values {
		other := reflect.ValueOf(allowed)
		if isNumber(v) && isNumber(other) && number(v) == number(other) || v.Interface() == allowed {
			return true
		}
	}
	return false
}

func changed(answer *Answer, format string, more ...interface{}) error {
	e := failed("MODEL_CHANGED", fmt.Sprintf(format, more...))
	e.Answer = answer
	return e
}

// compare asks the server once what it serves: by the digest of the bundle, or by name, version and
// outputs where the server does not know its digest. One that starts knows only that of its
// documents, and has to be asked again.
func (m *TypedModel) compare(ctx context.Context, options []Option) error {
	if m.compared.Load() {
		return nil
	}
	info, err := m.runtime.Info(ctx, nil, options...)
	if err != nil {
		return err
	}
	version, bundle := text(info.ModelVersion), text(info.BundleDigest)
	if bundle == "" || m.spec.BundleDigest == "" {
		if err := m.compareDescription(ctx, version, options); err != nil {
			return err
		}
	} else if bundle != m.spec.BundleDigest {
		return changed(nil, "the server has %s %s with %s; this client was made for %s %s with %s",
			info.Name, version, bundle, m.spec.Name, m.spec.Version, m.spec.BundleDigest)
	}
	m.compared.Store(bundle != "" || info.DocumentsDigest == nil)
	return nil
}

func (m *TypedModel) compareDescription(ctx context.Context, version string, options []Option) error {
	described, err := m.runtime.Capabilities(ctx, nil, options...)
	if err != nil {
		return err
	}
	served := described.Model + " " + version
	if served != m.spec.Name+" "+m.spec.Version {
		return changed(nil, "the server has %s; this client was made for %s %s", served, m.spec.Name, m.spec.Version)
	}
	for i := range described.Capabilities {
		if m.spec.isGivenBy(&described.Capabilities[i]) {
			return nil
		}
	}
	return changed(nil, "%s does not give what this client was made for", served)
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

func (s *ModelSpec) isGivenBy(c *RuntimeCapability) bool {
	taken := false
	for _, name := range c.InputTypes {
		taken = taken || name == s.InputType
	}
	for _, output := range s.Outputs {
		taken = taken && c.OutputSchema[output.Name] == output.Type
	}
	return taken && len(c.OutputSchema) == len(s.Outputs)
}

// take checks the outputs. A declined input is the error it says.
func (m *TypedModel) take(reply *RuntimePredictResponse, answer *Answer) (map[string]interface{}, error) {
	if !reply.Success {
		e := failed(either(text(reply.ErrorCode), "UNKNOWN"), either(text(reply.ErrorMessage), "declined"))
		e.Answer, e.Attempts = answer, answer.Attempts
		return nil, e
	}
	if told := answer.Header.Get("X-Model-Digest"); told != "" && m.spec.ModelDigest != "" && told != m.spec.ModelDigest {
		return nil, changed(answer, "%s: the answer is of the model %s; this client was made for %s", m.spec.Name, told, m.spec.ModelDigest)
	}
	found := map[string]interface{}{}
	for _, output := range m.spec.Outputs {
		value, ok := output.read(reply.Results[output.Name])
		if !ok {
			return nil, changed(answer, "%s: the answer has no %s of type %s", m.spec.Name, output.Name, output.Type)
		}
		found[output.Name] = value
	}
	return found, nil
}

// read turns a value into the Go type of the output.
func (o *ModelOutput) read(value interface{}) (interface{}, bool) {
	if o.Encoded {
		v, ok := value.(string)
		return v, ok
	}
	if isEmptyList(value) && o.Length == 0 {
		switch o.Type {
		case "array<float>":
			return []float32{}, true
		case "array<string>":
			return []string{}, true
		}
	}
	switch v := value.(type) {
	case string:
		if o.Type == "image" || o.Type == "audio" {
			data, err := base64.StdEncoding.DecodeString(v)
			return data, err == nil
		}
		return v, o.Type == "text" || o.Type == "string"
	case []byte:
		return v, o.Type == "image" || o.Type == "audio"
	case bool:
		return v, o.Type == "boolean"
	case float64:
		if o.Type == "integer" {
			return int64(v), v == math.Trunc(v) && math.Abs(v) <= 1<<53
		}
		return v, o.Type == "float"
	case []float32:
		return v, o.Type == "array<float>" && (o.Length == 0 || len(v) == o.Length)
	case []string:
		return v, o.Type == "array<string>" && (o.Length == 0 || len(v) == o.Length)
	case json.RawMessage:
		return v, o.Type == "object" && len(v) > 0 && v[0] == '{'
	}
	return nil, false
}

func isEmptyList(value interface{}) bool {
	raw, ok := value.(json.RawMessage)
	return ok && string(raw) == "[]"
}
