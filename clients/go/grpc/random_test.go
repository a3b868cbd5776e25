package grpc

import (
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"specserve"
)

// random fills a message: everything in it is set, lists have elements.
func random(r *rand.Rand, m *dynamicpb.Message) *dynamicpb.Message {
	fields := m.Descriptor().Fields()
	if isUnion(m.Descriptor()) {
		if r.Intn(10) == 0 && fields.Len() > 1 { // a kind of a later version
			m.SetUnknown(protoreflect.RawFields("\x8a\x7d\x05later"))
			return m
		}
		f := fields.Get(r.Intn(fields.Len()))
		m.Set(f, value(r, f))
		return m
	}
	for i := 0; i < fields.Len(); i++ {
		f := fields.Get(i)
		switch {
		case f.IsMap():
			for k := r.Intn(3); k >= 0; k-- {
				m.Mutable(f).Map().Set(value(r, f.MapKey()).MapKey(), value(r, f.MapValue()))
			}
		case f.IsList():
			for k := r.Intn(3); k >= 0; k-- {
				m.Mutable(f).List().Append(value(r, f))
			}
		default:
			m.Set(f, value(r, f))
		}
	}
	if fields.Len() == 1 && fields.Get(0).IsList() && strings.HasSuffix(string(m.Descriptor().Name()), "List") {
		return m // what stands for a list in a union is the list alone
	}
	m.SetUnknown(protoreflect.RawFields("\x8a\x7d\x05later"))
	return m
}

func value(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	bits := r.Uint64() >> uint(r.Intn(64))
	switch f.Kind() {
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(random(r, dynamicpb.NewMessage(f.Message())))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(bits%2 == 0)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(r.NormFloat64() * 1e9)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(r.NormFloat64()))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(bits))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(bits)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(bits))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(bits))
	case protoreflect.EnumKind: // also of later versions
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.Intn(20)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{byte(bits), 0xff})
	}
	if strings.HasSuffix(string(f.Name()), "json") {
		return protoreflect.ValueOfString(`{"a":[1,null,"ä"]}`)
	}
	return protoreflect.ValueOfString(strings.Repeat("ä", r.Intn(3)) + "x")
}

// Whatever Go's protobuf writes, our codec reads and writes again, with all that it does not know.
func TestAgreesWithProtobuf(t *testing.T) {
	files, client := protocol(t), connect(t, specserve.WithEndpoints("grpc://127.0.0.1:1"))
	r, types := rand.New(rand.NewSource(7)), map[reflect.Type]protoreflect.MessageDescriptor{}
	for _, one := range documents(t) {
		for _, op := range one.Operations {
			if op.Method == "" {
				continue
			}
			if op.Stream && !strings.HasSuffix(op.Method, "/Watch") {
				continue // of many requests: clients have none
			}
			function, declared := method(client, op.ID).Type(), methodOf(t, files, op.Method)
			types[function.In(1).Elem()] = declared.Input()
			if !op.Stream {
				types[function.Out(0).Elem()] = declared.Output()
			}
		}
	}
	if len(types) < 40 {
		t.Fatalf("only %d messages", len(types))
	}
	for kind, of := range types {
		for i := 0; i < 50; i++ {
			wanted := random(r, dynamicpb.NewMessage(of))
			text, err := proto.Marshal(wanted)
			if err != nil {
				t.Fatal(err)
			}
			message := reflect.New(kind)
			if err = specserve.UnmarshalProto(text, message.Interface()); err == nil {
				text, err = specserve.MarshalProto(message.Interface())
			}
			got := dynamicpb.NewMessage(of)
			if err != nil || proto.Unmarshal(text, got) != nil || !proto.Equal(got, wanted) {
				t.Fatalf("%s: %v\nread %s\nof   %s", kind, err, got, wanted)
			}
		}
	}
}
