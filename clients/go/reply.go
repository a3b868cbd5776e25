package specserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// read fills reply, a message or bytes, from an answer that promises it.
func read(got []byte, reply interface{}) error {
	if len(got) > maxAnswer {
		return fmt.Errorf("more than %d bytes", maxAnswer)
	}
	if raw, ok := reply.(*[]byte); ok {
		*raw = got
		return nil
	}
	if !utf8.Valid(got) {
		return errors.New("not UTF-8")
	}
	if err := json.Unmarshal(got, reply); err != nil {
		return err
	}
	if key := lacks(reflect.TypeOf(reply), got); key != "" {
		return errors.New("'" + key + "' is missing")
	}
	return nil
}

// lacks names a required key that the JSON of a message does not have; "" is none.
// What encoding/json leaves at zero would pass for an answer.
func lacks(t reflect.Type, got json.RawMessage) string {
	var parts []json.RawMessage
	switch t.Kind() {
	case reflect.Ptr:
		return lacks(t.Elem(), got)
	case reflect.Struct:
		return lacksKey(t, got)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			_ = json.Unmarshal(got, &parts)
		}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			values := map[string]json.RawMessage{}
			_ = json.Unmarshal(got, &values)
			for _, value := range values {
				parts = append(parts, value)
			}
		}
	}
	for _, part := range parts {
		if key := lacks(t.Elem(), part); key != "" {
			return key
		}
	}
	return ""
}

func lacksKey(t reflect.Type, got json.RawMessage) string {
	have := map[string]json.RawMessage{}
	_ = json.Unmarshal(got, &have)
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("json"), ",")
		value, given := have[tag[0]]
		isNull := !given || string(value) == "null"
		if len(tag) == 1 && isNull && !(given && field.Type.Kind() == reflect.Ptr) {
			return tag[0]
		}
		if key := lacks(field.Type, value); !isNull && key != "" {
			return key
		}
	}
	return ""
}
