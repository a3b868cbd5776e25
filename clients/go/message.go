package specserve

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// What a generated message looks like, told by the tags of its fields: key in JSON, number and
// kind on the wire, and "required" (an answer without it is none), "always" (null is written when
// it is not set) or "plain" (zero and not set are the same). json.go and wire.go walk this.

// Extra is what a message of a later version holds and this package has no name for. It is
// written again, each part in the form it came in.
type Extra struct {
	Keys map[string]json.RawMessage // of JSON
	Wire []byte                     // fields of protobuf
}

// Later is a value of a kind that this package does not know, as it came over gRPC; it can be sent
// again there. JSON has no form of it.
type Later struct{ Wire []byte }

// MarshalJSON writes null.
func (Later) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// Ptr points to a copy of value, for fields that need not be set.
func Ptr[T any](value T) *T { return &value }

type openEnum interface{ numbers() map[string]int32 }

type field struct {
	index                   int
	json, kind              string
	number                  int
	required, always, plain bool
	card                    reflect.Kind // Slice, Map, or Invalid for one
	of                      reflect.Type // one value, element or entry, without its pointer
}

type plan struct {
	name   string
	fields []field
	extra  int // index of the Extra; -1 in the kinds of a union
}

var (
	plans  sync.Map                          // reflect.Type -> *plan
	unions = map[reflect.Type]reflect.Type{} // a union -> the struct of what it may be
)

// union declares what a value of the pointed-to type may be; generated files do, before main.
func union(of, kinds interface{}) bool {
	unions[reflect.TypeOf(of).Elem()] = reflect.TypeOf(kinds)
	return true
}

func planOf(t reflect.Type) *plan {
	if known, ok := plans.Load(t); ok {
		return known.(*plan)
	}
	p := &plan{name: t.Name(), extra: -1}
	for i := 0; i < t.NumField(); i++ {
		tag := strings.Fields(t.Field(i).Tag.Get("spec"))
		if len(tag) < 3 {
			p.extra = i
			continue
		}
		f := field{index: i, json: tag[0], kind: tag[2], of: t.Field(i).Type}
		f.number, _ = strconv.Atoi(tag[1])
		for _, word := range tag[3:] {
			f.required = f.required || word == "required"
			f.always = f.always || word == "always"
			f.plain = f.plain || word == "plain"
			switch word {
			case "list":
				f.card, f.of = reflect.Slice, f.of.Elem()
			case "map":
				f.card, f.of = reflect.Map, f.of.Elem()
			}
		}
		if f.of.Kind() == reflect.Ptr {
			f.of = f.of.Elem()
		}
		p.fields = append(p.fields, f)
	}
	plans.Store(t, p)
	return p
}

func (p *plan) byNumber(number int) *field {
	for i := range p.fields {
		if p.fields[i].number == number {
			return &p.fields[i]
		}
	}
	return nil
}

// isSet tells whether the field of a message says anything.
func (f *field) isSet(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Slice, reflect.Map:
		return value.Len() > 0 || f.card == reflect.Invalid && !f.plain && !value.IsNil()
	case reflect.Ptr, reflect.Interface:
		return !value.IsNil()
	}
	return !f.plain || !value.IsZero()
}

// slot is where one value of the field goes; a pointer is filled.
func slot(value reflect.Value) reflect.Value {
	if value.Kind() == reflect.Ptr {
		value.Set(reflect.New(value.Type().Elem()))
		return value.Elem()
	}
	return value
}

// problem is why a message cannot be read or written.
type problem struct{ at, what string }

func (p *problem) Error() string {
	if p.at == "" {
		return "/: " + p.what
	}
	return p.at + ": " + p.what
}

func wrong(at, format string, more ...interface{}) error {
	return &problem{at, fmt.Sprintf(format, more...)}
}

// ---- unions ----

// listOf is the list inside the message that stands for one in a union, or nil.
func (f *field) listOf() *field {
	if f.kind != "msg" {
		return nil
	}
	if inner := planOf(f.of); len(inner.fields) == 1 && inner.fields[0].card == reflect.Slice {
		return &inner.fields[0]
	}
	return nil
}

// value is what a caller sees of a chosen kind: the list itself instead of the message around it.
func (f *field) value(chosen reflect.Value) reflect.Value {
	if list := f.listOf(); list != nil {
		return chosen.Field(list.index)
	}
	return chosen
}

func isNumber(v reflect.Value) bool {
	return v.CanInt() || v.CanUint() || v.CanFloat()
}

func isInt32(v reflect.Value) bool {
	return isNumber(v) && number(v) == math.Trunc(number(v)) && math.Abs(number(v)) <= math.MaxInt32
}

func number(v reflect.Value) float64 {
	switch {
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	}
	return v.Float()
}

func bare(v reflect.Value) reflect.Value {
	for v.IsValid() && (v.Kind() == reflect.Interface || v.Kind() == reflect.Ptr) {
		v = v.Elem()
	}
	return v
}

// take fills `into`, of this kind, from what a caller gave; false if it does not fit.
func (f *field) take(v reflect.Value, into reflect.Value) bool {
	v = bare(v)
	if !v.IsValid() {
		return false
	}
	if text, ok := v.Interface().(json.Number); ok {
		real, err := text.Float64()
		return err == nil && f.take(reflect.ValueOf(real), into)
	}
	switch f.kind {
	case "bool":
		if v.Kind() == reflect.Bool {
			into.SetBool(v.Bool())
			return true
		}
	case "f32", "f64":
		if isNumber(v) {
			into.SetFloat(number(v))
			return true
		}
	case "i32":
		if isInt32(v) {
			into.SetInt(int64(number(v)))
			return true
		}
	case "str":
		if v.Kind() == reflect.String {
			into.SetString(v.String())
			return true
		}
	case "bytes":
		if v.Type() == reflect.TypeOf([]byte(nil)) {
			into.SetBytes(v.Bytes())
			return true
		}
	case "union":
		return planOf(unions[f.of]).choose(v, into)
	case "msg":
		if v.Type() == f.of {
			into.Set(v)
			return true
		}
		if list := f.listOf(); list != nil && v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 {
			return list.takeAll(v, into.Field(list.index))
		}
	}
	return false
}

func (f *field) takeAll(v, into reflect.Value) bool {
	out := reflect.MakeSlice(into.Type(), v.Len(), v.Len())
	for i := 0; i < v.Len(); i++ {
		if !f.take(v.Index(i), out.Index(i)) {
			return false
		}
	}
	into.Set(out)
	return true
}

// choose puts a caller's value into `into`, a union's Go type, as the first kind that takes it.
func (p *plan) choose(v, into reflect.Value) bool {
	f, chosen := p.pick(v)
	if f == nil {
		return false
	}
	into.Set(f.value(chosen).Convert(into.Type()))
	return true
}

// pick finds the first kind of a union that takes a caller's value; never free JSON.
func (p *plan) pick(v reflect.Value) (*field, reflect.Value) {
	for i := range p.fields {
		into := reflect.New(p.fields[i].of).Elem()
		if p.fields[i].take(v, into) {
			return &p.fields[i], into
		}
	}
	return nil, reflect.Value{}
}
