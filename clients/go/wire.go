package specserve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// Protobuf of messages, by the numbers and kinds of their tags. It is a codec of our own: the
// tables are there for JSON anyway, no descriptor has to be registered where another package may
// have registered the same, and what nobody knows is kept as it came.

const (
	wireVarint, wire64, wireBytes, wire32 = 0, 1, 2, 5

	deepest = 100 // messages in messages, as in other implementations
)

func wireType(kind string) uint64 {
	switch kind {
	case "f64":
		return wire64
	case "f32":
		return wire32
	case "str", "bytes", "json", "msg", "union", "time":
		return wireBytes
	}
	return wireVarint
}

// MarshalProto makes protobuf of a message of this package, as gRPC carries it.
func MarshalProto(message interface{}) ([]byte, error) {
	value := bare(reflect.ValueOf(message))
	return planOf(value.Type()).writeWire(value, nil, "")
}

func (p *plan) writeWire(message reflect.Value, out []byte, at string) ([]byte, error) {
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		value := message.Field(f.index)
		if !f.isSet(value) {
			continue
		}
		if out, err = f.writeWire(value, out, at+"/"+f.json); err != nil {
			return nil, err
		}
	}
	if p.extra >= 0 {
		out = append(out, message.Field(p.extra).Interface().(Extra).Wire...)
	}
	return out, nil
}

func (f *field) tag(out []byte) []byte {
	return binary.AppendUvarint(out, uint64(f.number)<<3|wireType(f.kind))
}

func sized(out, part []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(part))), part...)
}

func (f *field) writeWire(value reflect.Value, out []byte, at string) ([]byte, error) {
	var err error
	switch {
	case f.card == reflect.Map:
		return f.writeMap(value, out, at)
	case f.card == reflect.Slice && wireType(f.kind) != wireBytes: // packed
		var part []byte
		for i := 0; i < value.Len() && err == nil; i++ {
			part, err = f.writeOne(value.Index(i), part, at)
		}
		out = binary.AppendUvarint(out, uint64(f.number)<<3|wireBytes)
		return sized(out, part), err
	case f.card == reflect.Slice:
		for i := 0; i < value.Len() && err == nil; i++ {
			out, err = f.writeOne(value.Index(i), f.tag(out), at+"/"+strconv.Itoa(i))
		}
		return out, err
	}
	return f.writeOne(value, f.tag(out), at)
}

func (f *field) writeMap(value reflect.Value, out []byte, at string) ([]byte, error) {
	keys := value.MapKeys()
	sort.Slice(keys, func(a, b int) bool { return keys[a].String() < keys[b].String() })
	for _, key := range keys {
		name := key.String()
		if !utf8.ValidString(name) {
			return nil, wrong(at, "is not UTF-8")
		}
		entry := sized([]byte{1<<3 | wireBytes}, []byte(name))
		entry = append(entry, byte(2<<3|wireType(f.kind)))
		entry, err := f.writeOne(value.MapIndex(key), entry, at+"/"+name)
		if err != nil {
			return nil, err
		}
		out = sized(binary.AppendUvarint(out, uint64(f.number)<<3|wireBytes), entry)
	}
	return out, nil
}

func (f *field) writeOne(value reflect.Value, out []byte, at string) ([]byte, error) {
	if value.Kind() == reflect.Ptr {
		value = value.Elem()
	}
	switch f.kind {
	case "msg":
		part, err := planOf(f.of).writeWire(value, nil, at)
		return sized(out, part), err
	case "union":
		part, err := planOf(unions[f.of]).writeUnion(value, at)
		return sized(out, part), err
	case "bool":
		if value.Bool() {
			return append(out, 1), nil
		}
		return append(out, 0), nil
	case "i32", "i64":
		return binary.AppendUvarint(out, uint64(value.Int())), nil
	case "u32", "u64":
		return binary.AppendUvarint(out, value.Uint()), nil
	case "f32":
		return binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(value.Float()))), nil
	case "f64":
		return binary.LittleEndian.AppendUint64(out, math.Float64bits(value.Float())), nil
	case "bytes":
		return sized(out, value.Bytes()), nil
	case "json":
		var text bytes.Buffer
		if json.Compact(&text, value.Bytes()) != nil || !utf8.Valid(text.Bytes()) {
			return nil, wrong(at, "is not JSON")
		}
		return sized(out, text.Bytes()), nil
	case "time":
		part, err := writeTime(value.String(), at)
		return sized(out, part), err
	case "enum":
		number, ok := value.Interface().(openEnum).numbers()[value.String()]
		if other, err := strconv.ParseInt(value.String(), 10, 32); !ok && err == nil {
			number, ok = int32(other), true
		}
		if !ok {
			return nil, wrong(at, "'%s' is not a %s", value.String(), f.of.Name())
		}
		return binary.AppendUvarint(out, uint64(int64(number))), nil
	}
	if !utf8.ValidString(value.String()) {
		return nil, wrong(at, "is not UTF-8")
	}
	return sized(out, []byte(value.String())), nil
}

// writeUnion writes a caller's value as the kind that takes it; as JSON if none does.
func (p *plan) writeUnion(value reflect.Value, at string) ([]byte, error) {
	if value.Kind() == reflect.Interface {
		if later, ok := value.Interface().(Later); ok {
			return later.Wire, nil
		}
		if raw, ok := value.Interface().(json.RawMessage); ok {
			read := reflect.New(value.Type()).Elem()
			if !json.Valid(raw) {
				return nil, wrong(at, "is not JSON")
			}
			if err := p.readUnion(raw, read, at); err != nil {
				return nil, err
			}
			value = read
		}
	}
	free := p.byKind("json")
	if plainValue := bare(value); free != nil && plainValue.IsValid() && plainValue.Kind() == reflect.Slice && plainValue.Len() == 0 {
		return free.writeOne(reflect.ValueOf(json.RawMessage("[]")), free.tag(nil), at)
	}
	if f, chosen := p.pick(value); f != nil {
		return f.writeOne(chosen, f.tag(nil), at)
	}
	if free == nil {
		return nil, wrong(at, "is nothing that a %s may be", p.name)
	}
	text, err := json.Marshal(value.Interface())
	if err != nil || !validText(value) {
		return nil, wrong(at, "cannot be JSON: %v", err)
	}
	return free.writeOne(reflect.ValueOf(json.RawMessage(text)), free.tag(nil), at)
}

func writeTime(text, at string) ([]byte, error) {
	when, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, wrong(at, "is no time of RFC 3339")
	}
	out := binary.AppendUvarint([]byte{1<<3 | wireVarint}, uint64(when.Unix()))
	return binary.AppendUvarint(append(out, 2<<3|wireVarint), uint64(when.Nanosecond())), nil
}

// ---- reading ----

// UnmarshalProto fills the message that `message` points to, as from the body of an Answer over
// gRPC. It refuses what breaks the contract and keeps what it does not know.
func UnmarshalProto(in []byte, message interface{}) error {
	into := reflect.ValueOf(message).Elem()
	into.Set(reflect.Zero(into.Type()))
	return planOf(into.Type()).readWire(in, into, "", 0)
}

// part is one field on the wire: a number, or bytes.
type part struct {
	number int
	kind   uint64
	bits   uint64
	bytes  []byte
	whole  []byte // with its tag
}

// next cuts the first field off; ok is false where there is none.
func next(in []byte) (p part, rest []byte, ok bool) {
	tag, size := binary.Uvarint(in)
	if size <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return p, nil, false
	}
	p.number, p.kind = int(tag>>3), tag&7
	rest = in[size:]
	switch p.kind {
	case wireVarint:
		p.bits, size = binary.Uvarint(rest)
	case wire64:
		if size = 8; len(rest) >= 8 {
			p.bits = binary.LittleEndian.Uint64(rest)
		}
	case wire32:
		if size = 4; len(rest) >= 4 {
			p.bits = uint64(binary.LittleEndian.Uint32(rest))
		}
	case wireBytes:
		length, head := binary.Uvarint(rest)
		if head <= 0 || length > uint64(len(rest)-head) {
			return p, nil, false
		}
		p.bytes, size = rest[head:head+int(length)], head+int(length)
	default: // groups are of proto2
		return p, nil, false
	}
	if size <= 0 || size > len(rest) {
		return p, nil, false
	}
	p.whole, rest = in[:len(in)-len(rest)+size], rest[size:]
	return p, rest, true
}

func (p *plan) readWire(in []byte, into reflect.Value, at string, depth int) error {
	var unknown []byte
	seen := map[int]bool{}
	for len(in) > 0 {
		part, rest, ok := next(in)
		if !ok || depth > deepest {
			return wrong(at, "is not a protobuf message")
		}
		in = rest
		f := p.byNumber(part.number)
		packed := f != nil && f.card == reflect.Slice && part.kind == wireBytes && wireType(f.kind) != wireBytes
		if f == nil || !packed && f.card != reflect.Map && part.kind != wireType(f.kind) {
			unknown = append(unknown, part.whole...)
			continue
		}
		seen[f.number] = true
		if err := f.readWire(part, packed, into.Field(f.index), at+"/"+f.json, depth); err != nil {
			return err
		}
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.required && f.card == reflect.Invalid && !seen[f.number] {
			return wrong(at+"/"+f.json, "is missing")
		}
		if f.plain && f.kind == "enum" && f.card == reflect.Invalid && !seen[f.number] {
			value := into.Field(f.index)
			value.SetString(nameOf(value.Interface().(openEnum), 0))
		}
	}
	if p.extra >= 0 && unknown != nil {
		into.Field(p.extra).Set(reflect.ValueOf(Extra{Wire: unknown}))
	}
	return nil
}

func (f *field) readWire(in part, packed bool, into reflect.Value, at string, depth int) error {
	switch {
	case f.card == reflect.Map:
		return f.readEntry(in, into, at, depth)
	case packed:
		return f.readPacked(in.bytes, into, at)
	case f.card == reflect.Slice:
		value := reflect.New(f.of).Elem()
		if err := f.readOne(in, value, at+"/"+strconv.Itoa(into.Len()), depth); err != nil {
			return err
		}
		into.Set(reflect.Append(into, value))
		return nil
	}
	if into.Kind() == reflect.Ptr && f.kind == "msg" && !into.IsNil() {
		return f.readOne(in, into.Elem(), at, depth) // again: it is merged
	}
	return f.readOne(in, slot(into), at, depth)
}

func (f *field) readPacked(in []byte, into reflect.Value, at string) error {
	size := map[uint64]int{wire32: 4, wire64: 8}[wireType(f.kind)]
	if size > 0 && len(in)%size != 0 {
		return wrong(at, "is not a protobuf message")
	}
	if f.of.Kind() == reflect.Float32 {
		floats := into.Interface().([]float32)
		for ; len(in) > 0; in = in[4:] {
			floats = append(floats, math.Float32frombits(binary.LittleEndian.Uint32(in)))
		}
		into.Set(reflect.ValueOf(floats))
		return nil
	}
	for len(in) > 0 {
		var one part
		switch step := size; step {
		case 8:
			one.bits, in = binary.LittleEndian.Uint64(in), in[8:]
		default:
			bits, read := binary.Uvarint(in)
			if read <= 0 {
				return wrong(at, "is not a protobuf message")
			}
			one.bits, in = bits, in[read:]
		}
		value := reflect.New(f.of).Elem()
		if err := f.readOne(one, value, at, 0); err != nil {
			return err
		}
		into.Set(reflect.Append(into, value))
	}
	return nil
}

func (f *field) readEntry(in part, into reflect.Value, at string, depth int) error {
	key, value := "", reflect.New(f.of).Elem()
	if in.kind != wireBytes {
		return wrong(at, "is not a protobuf message")
	}
	for rest := in.bytes; len(rest) > 0; {
		part, after, ok := next(rest)
		if !ok {
			return wrong(at, "is not a protobuf message")
		}
		rest = after
		switch {
		case part.number == 1 && part.kind == wireBytes:
			key = string(part.bytes)
		case part.number == 2 && part.kind == wireType(f.kind):
			if err := f.readOne(part, value, at+"/"+key, depth); err != nil {
				return err
			}
		}
	}
	if !utf8.ValidString(key) {
		return wrong(at, "is not UTF-8")
	}
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	into.SetMapIndex(reflect.ValueOf(key), value)
	return nil
}

func (f *field) readOne(in part, into reflect.Value, at string, depth int) error {
	switch f.kind {
	case "msg":
		return planOf(f.of).readWire(in.bytes, into, at, depth+1)
	case "union":
		return planOf(unions[f.of]).readOneof(in.bytes, into, at, depth+1)
	case "bool":
		into.SetBool(in.bits != 0)
	case "i32":
		into.SetInt(int64(int32(in.bits)))
	case "i64":
		into.SetInt(int64(in.bits))
	case "u32":
		into.SetUint(uint64(uint32(in.bits)))
	case "u64":
		into.SetUint(in.bits)
	case "f32":
		into.SetFloat(float64(math.Float32frombits(uint32(in.bits))))
	case "f64":
		into.SetFloat(math.Float64frombits(in.bits))
	case "enum":
		into.SetString(nameOf(into.Interface().(openEnum), int32(in.bits)))
	case "bytes", "json":
		if f.kind == "json" && (!json.Valid(in.bytes) || !utf8.Valid(in.bytes)) {
			return wrong(at, "is not JSON")
		}
		into.SetBytes(append([]byte{}, in.bytes...))
	case "time":
		return readTime(in.bytes, into, at)
	default:
		if !utf8.Valid(in.bytes) {
			return wrong(at, "is not UTF-8")
		}
		into.SetString(string(in.bytes))
	}
	return nil
}

// readOneof takes the last kind of a union that is there and known.
func (p *plan) readOneof(in []byte, into reflect.Value, at string, depth int) error {
	if into.Kind() == reflect.Interface {
		into.Set(reflect.ValueOf(Later{append([]byte{}, in...)}))
	}
	for len(in) > 0 {
		part, rest, ok := next(in)
		if !ok || depth > deepest {
			return wrong(at, "is not a protobuf message")
		}
		in = rest
		f := p.byNumber(part.number)
		if f == nil || part.kind != wireType(f.kind) {
			continue
		}
		value := reflect.New(f.of).Elem()
		if err := f.readOne(part, value, at, depth); err != nil {
			return err
		}
		into.Set(f.value(value).Convert(into.Type()))
	}
	return nil
}

// nameOf is the word of an enum's number; that of a later version stays a number.
func nameOf(of openEnum, number int32) string {
	for name, known := range of.numbers() {
		if known == number {
			return name
		}
	}
	return strconv.Itoa(int(number))
}

func readTime(in []byte, into reflect.Value, at string) error {
	var seconds, nanos int64
	for len(in) > 0 {
		part, rest, ok := next(in)
		if !ok {
			return wrong(at, "is not a protobuf message")
		}
		in = rest
		switch {
		case part.number == 1 && part.kind == wireVarint:
			seconds = int64(part.bits)
		case part.number == 2 && part.kind == wireVarint:
			nanos = int64(part.bits)
		}
	}
	into.SetString(time.Unix(seconds, nanos).UTC().Format(time.RFC3339Nano))
	return nil
}
