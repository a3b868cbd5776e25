package specserve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// JSON of messages. Reading is strict about what the contract promises (a required key, a type)
// and keeps what it does not know. 1.0 is an integer; a key's case counts.

func unmarshal(text []byte, message interface{}) error {
	if !utf8.Valid(text) {
		return wrong("", "is not UTF-8")
	}
	into := reflect.ValueOf(message).Elem()
	return planOf(into.Type()).readJSON(text, into, "")
}

func (p *plan) readJSON(text []byte, into reflect.Value, at string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return wrong(at, "is not an object")
	}
	into.Set(reflect.Zero(into.Type()))
	for i := range p.fields {
		f := &p.fields[i]
		raw, given := object[f.json]
		delete(object, f.json)
		where := at + "/" + f.json
		if !given || isNull(raw) && f.kind != "json" {
			if f.required {
				return wrong(where, "is missing")
			}
			continue
		}
		if err := f.readField(raw, into.Field(f.index), where); err != nil {
			return err
		}
	}
	if p.extra >= 0 && len(object) > 0 {
		into.Field(p.extra).Set(reflect.ValueOf(Extra{Keys: object}))
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func (f *field) readField(raw json.RawMessage, into reflect.Value, at string) error {
	switch f.card {
	case reflect.Slice:
		return f.readList(raw, into, at)
	case reflect.Map:
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			return wrong(at, "is not an object")
		}
		into.Set(reflect.MakeMapWithSize(into.Type(), len(object)))
		for key, item := range object {
			value := reflect.New(f.of).Elem()
			if err := f.readValue(item, value, at+"/"+key); err != nil {
				return err
			}
			into.SetMapIndex(reflect.ValueOf(key), value)
		}
		return nil
	}
	return f.readValue(raw, slot(into), at)
}

func (f *field) readList(raw json.RawMessage, into reflect.Value, at string) error {
	if (f.kind == "f32" || f.kind == "f64") && !bytes.Contains(raw, []byte("null")) {
		if json.Unmarshal(raw, into.Addr().Interface()) != nil {
			return wrong(at, "is not a list of numbers")
		}
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return wrong(at, "is not a list")
	}
	into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
	for i, item := range items {
		if err := f.readValue(item, into.Index(i), at+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func (f *field) readValue(raw json.RawMessage, into reflect.Value, at string) error {
	switch f.kind {
	case "msg":
		return planOf(f.of).readJSON(raw, into, at)
	case "union":
		return planOf(unions[f.of]).readUnion(raw, into, at)
	case "json":
		into.Set(reflect.ValueOf(append(json.RawMessage(nil), raw...)))
		return nil
	case "bool", "str", "time", "enum":
		if isNull(raw) || json.Unmarshal(raw, into.Addr().Interface()) != nil {
			return wrong(at, "is %.20s, expected %s", raw, f.kind)
		}
		return nil
	case "bytes":
		var text string
		err := json.Unmarshal(raw, &text)
		if err == nil && !isNull(raw) {
			var decoded []byte
			if decoded, err = base64.StdEncoding.DecodeString(text); err == nil {
				into.SetBytes(decoded)
				return nil
			}
		}
		return wrong(at, "is not base64")
	}
	return f.readNumber(raw, into, at)
}

func (f *field) readNumber(raw json.RawMessage, into reflect.Value, at string) error {
	text := string(raw)
	ok := text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9')
	real, err := strconv.ParseFloat(text, 64)
	ok = ok && err == nil
	isWhole := real == math.Trunc(real) && math.Abs(real) <= 1<<53
	switch {
	case !ok:
	case into.CanFloat():
		if ok = !into.OverflowFloat(real); ok {
			into.SetFloat(real)
		}
	case into.CanInt():
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil && isWhole {
			value, err = int64(real), nil // 1.0 is an integer
		}
		if ok = err == nil && !into.OverflowInt(value); ok {
			into.SetInt(value)
		}
	default:
		value, err := strconv.ParseUint(text, 10, 64)
		if err != nil && isWhole && real >= 0 {
			value, err = uint64(real), nil
		}
		if ok = err == nil && !into.OverflowUint(value); ok {
			into.SetUint(value)
		}
	}
	if !ok {
		return wrong(at, "is %.20s, expected %s", raw, f.kind)
	}
	return nil
}

// readUnion takes the first kind that the JSON fits; free JSON takes what is left.
func (p *plan) readUnion(raw json.RawMessage, into reflect.Value, at string) error {
	for i := range p.fields {
		f := &p.fields[i]
		if f.kind == "json" {
			continue
		}
		value := reflect.New(f.of).Elem()
		if list := f.listOf(); list != nil {
			if raw[0] != '[' || list.readList(raw, value.Field(list.index), at) != nil ||
				value.Field(list.index).Len() == 0 && p.byKind("json") != nil {
				continue
			}
		} else if f.readValue(raw, value, at) != nil {
			continue
		}
		into.Set(f.value(value).Convert(into.Type()))
		return nil
	}
	if f := p.byKind("json"); f != nil {
		value := reflect.New(f.of).Elem()
		_ = f.readValue(raw, value, at)
		into.Set(value)
		return nil
	}
	return wrong(at, "is nothing that a %s may be", p.name)
}

func (p *plan) byKind(kind string) *field {
	for i := range p.fields {
		if p.fields[i].kind == kind {
			return &p.fields[i]
		}
	}
	return nil
}

// ---- writing ----

func marshal(message interface{}) ([]byte, error) {
	var out bytes.Buffer
	value := reflect.ValueOf(message)
	if err := planOf(value.Type()).writeJSON(value, &out, ""); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (p *plan) writeJSON(message reflect.Value, out *bytes.Buffer, at string) error {
	between := "{"
	key := func(name string) {
		out.WriteString(between)
		_ = putJSON(name, out, at)
		out.WriteByte(':')
		between = ","
	}
	for i := range p.fields {
		f := &p.fields[i]
		value := message.Field(f.index)
		if !f.isSet(value) {
			if !f.always && !(f.required && f.card != reflect.Invalid) {
				continue
			}
			key(f.json)
			out.WriteString(map[reflect.Kind]string{reflect.Slice: "[]", reflect.Map: "{}", 0: "null"}[f.card])
			continue
		}
		key(f.json)
		if err := f.writeJSON(value, out, at+"/"+f.json); err != nil {
			return err
		}
	}
	if p.extra >= 0 {
		for name, raw := range message.Field(p.extra).Interface().(Extra).Keys {
			key(name)
			out.Write(raw)
		}
	}
	if between == "{" {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return nil
}

func (f *field) writeJSON(value reflect.Value, out *bytes.Buffer, at string) error {
	if f.kind != "msg" { // also of unions: JSON has them bare
		return putJSON(value.Interface(), out, at)
	}
	switch f.card {
	case reflect.Slice:
		for i := 0; i < value.Len(); i++ {
			out.WriteByte("[,"[min(i, 1)])
			if err := planOf(f.of).writeJSON(value.Index(i), out, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	case reflect.Map:
		between := byte('{')
		for _, key := range value.MapKeys() {
			out.WriteByte(between)
			between = ','
			if err := putJSON(key.String(), out, at); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := planOf(f.of).writeJSON(value.MapIndex(key), out, at+"/"+key.String()); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	}
	return planOf(f.of).writeJSON(bare(value), out, at)
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// putJSON writes any value. What is no UTF-8 is refused: encoding/json would change it.
func putJSON(value interface{}, out *bytes.Buffer, at string) error {
	if !validText(reflect.ValueOf(value)) {
		return wrong(at, "is not UTF-8")
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return wrong(at, "%s", err)
	}
	out.Truncate(out.Len() - 1) // the encoder's new line
	return nil
}

func validText(v reflect.Value) bool {
	v = bare(v)
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Slice:
		if kind := v.Type().Elem().Kind(); kind != reflect.String && kind != reflect.Interface {
			return true
		}
		for i := 0; i < v.Len(); i++ {
			if !validText(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if !validText(key) || !validText(v.MapIndex(key)) {
				return false
			}
		}
	}
	return true
}
