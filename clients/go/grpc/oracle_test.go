package grpc

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The other opinion: messages as protoc and Go's protobuf see them. The client's own codec has
// to agree with it.

const root = "../../.."

func protocol(t *testing.T) *protoregistry.Files {
	files, err := filepath.Glob(root + "/gen/proto/specserve/*/v1/*.proto")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for i := range files {
		files[i], _ = filepath.Rel(root+"/gen/proto", files[i])
	}
	out := filepath.Join(t.TempDir(), "set")
	line := append([]string{"--include_imports", "--descriptor_set_out=" + out, "-I" + root + "/gen/proto",
		"-I" + root + "/api/foreign", "grpc_health.proto", "open_inference.proto"}, files...)
	if said, err := exec.Command("protoc", line...).CombinedOutput(); err != nil {
		t.Fatal(err, string(said))
	}
	text, err := os.ReadFile(out)
	set := new(descriptorpb.FileDescriptorSet)
	if err != nil || proto.Unmarshal(text, set) != nil {
		t.Fatal(err)
	}
	known, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func methodOf(t *testing.T, files *protoregistry.Files, path string) protoreflect.MethodDescriptor {
	name := protoreflect.FullName(strings.Replace(strings.Trim(path, "/"), "/", ".", 1))
	found, err := files.FindDescriptorByName(name)
	if err != nil {
		t.Fatal(name, err)
	}
	return found.(protoreflect.MethodDescriptor)
}

// fromJSON makes the message that our JSON stands for; keys without a field are left out.
func fromJSON(t *testing.T, of protoreflect.MessageDescriptor, value interface{}) *dynamicpb.Message {
	m := dynamicpb.NewMessage(of)
	if isUnion(of) {
		fillUnion(t, m, value)
		return m
	}
	for i := 0; i < of.Fields().Len(); i++ {
		f := of.Fields().Get(i)
		key := strings.TrimSuffix(string(f.Name()), "_json")
		object, _ := value.(map[string]interface{})
		item, given := object[key]
		switch {
		case !given || item == nil:
		case f.IsMap():
			into := m.Mutable(f).Map()
			for name, entry := range item.(map[string]interface{}) {
				into.Set(protoreflect.ValueOfString(name).MapKey(), one(t, f.MapValue(), entry))
			}
		case f.IsList():
			into := m.Mutable(f).List()
			for _, entry := range item.([]interface{}) {
				into.Append(one(t, f, entry))
			}
		default:
			m.Set(f, one(t, f, item))
		}
	}
	return m
}

func isUnion(of protoreflect.MessageDescriptor) bool {
	return of.Oneofs().Len() == 1 && of.Oneofs().Get(0).Name() == "kind"
}

func one(t *testing.T, f protoreflect.FieldDescriptor, item interface{}) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(fromJSON(t, f.Message(), item))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(item.(bool))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(item.(float64))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(item.(float64)))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(item.(float64)))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(item.(float64)))
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		for i := 0; i < values.Len(); i++ {
			if strings.HasSuffix(string(values.Get(i).Name()), "_"+strings.ToUpper(item.(string))) {
				return protoreflect.ValueOfEnum(values.Get(i).Number())
			}
		}
	case protoreflect.StringKind:
		if strings.HasSuffix(string(f.Name()), "json") {
			text, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			return protoreflect.ValueOfString(string(text))
		}
		return protoreflect.ValueOfString(item.(string))
	case protoreflect.BytesKind:
		if data, err := base64.StdEncoding.DecodeString(item.(string)); err == nil {
			return protoreflect.ValueOfBytes(data)
		}
	}
	t.Fatalf("%s: %v", f.FullName(), item)
	return protoreflect.Value{}
}

// fits tells whether the kind of a union takes the JSON value.
func fits(f protoreflect.FieldDescriptor, item interface{}) bool {
	switch value := item.(type) {
	case bool:
		return f.Kind() == protoreflect.BoolKind
	case float64:
		return f.Kind() == protoreflect.DoubleKind || f.Kind() == protoreflect.FloatKind ||
			f.Kind() == protoreflect.Int32Kind && value == float64(int32(value))
	case string:
		return f.Kind() == protoreflect.StringKind && f.Name() != "json" || f.Kind() == protoreflect.BytesKind
	case []interface{}:
		list := f.Message()
		if list != nil && isUnion(list) { // a list as one element of a list
			return fits(list.Fields().Get(0), item)
		}
		if list == nil || list.Fields().Len() != 1 || !list.Fields().Get(0).IsList() || len(value) == 0 {
			return false
		}
		for _, entry := range value {
			if !fits(list.Fields().Get(0), entry) {
				return false
			}
		}
		return true
	case map[string]interface{}:
		return f.Message() != nil && !f.Message().Fields().Get(0).IsList()
	}
	return false
}

func fillUnion(t *testing.T, m *dynamicpb.Message, value interface{}) {
	fields := m.Descriptor().Oneofs().Get(0).Fields()
	for i := 0; i < fields.Len(); i++ {
		f := fields.Get(i)
		if !fits(f, value) {
			continue
		}
		if items, ok := value.([]interface{}); ok {
			inner := m.Mutable(f).Message()
			for _, item := range items {
				inner.Mutable(f.Message().Fields().Get(0)).List().Append(one(t, f.Message().Fields().Get(0), item))
			}
			return
		}
		m.Set(f, one(t, f, value))
		return
	}
	free := fields.ByName("json")
	if free == nil {
		t.Fatalf("%s: %v", m.Descriptor().FullName(), value)
	}
	m.Set(free, one(t, free, value))
}
