package specserve

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{"7": 7, "7.0": 7, "7e2": 700, "-0.0": 0, "9223372036854775807": math.MaxInt64} {
		var got RegistryHeartbeatRequest
		if err := json.Unmarshal([]byte(`{"port":`+text+`}`), &got); err != nil || got.Port != want {
			t.Errorf("%s: %d, %v", text, got.Port, err)
		}
	}
	for _, text := range []string{"7.5", "1e300", `"7"`, "true", "null", "[7]", "9223372036854775808"} {
		if err := unmarshal([]byte(`{"port":`+text+`}`), new(RegistryHeartbeatRequest)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	var list TextFloatList
	for _, text := range []string{`{"values":[1,null]}`, `{"values":["1"]}`, `{"values":[1e39]}`, `{"values":{}}`} {
		if err := unmarshal([]byte(text), &list); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

// Of each kind of value, from JSON and from the wire, the same Go type; and back to the same JSON.
func TestValues(t *testing.T) {
	for text, want := range map[string]RuntimeValue{
		"1.5": 1.5, "true": true, `"a"`: "a", "[1,2.5]": []float32{1, 2.5}, `["a","b"]`: []string{"a", "b"},
		"[[1,2],[3]]": []RuntimeVector{{1, 2}, {3}}, "[]": json.RawMessage("[]"), `{"a":[1,"b"]}`: json.RawMessage(`{"a":[1,"b"]}`),
		"[1,null]": json.RawMessage("[1,null]"), `[1,"a"]`: json.RawMessage(`[1,"a"]`), "null": json.RawMessage("null"),
	} {
		request := RuntimePredictRequest{InputType: "x"}
		if err := json.Unmarshal([]byte(`{"input_type":"x","data":{"v":`+text+`}}`), &request); err != nil {
			t.Fatal(text, err)
		}
		wire, err := MarshalProto(&request)
		var again RuntimePredictRequest
		if err == nil {
			err = UnmarshalProto(wire, &again)
		}
		if err != nil || !reflect.DeepEqual(request.Data["v"], want) || !reflect.DeepEqual(again.Data["v"], want) {
			t.Errorf("%s: %#v and %#v; %v", text, request.Data["v"], again.Data["v"], err)
		}
		if back, err := json.Marshal(again); err != nil || string(back) != `{"input_type":"x","data":{"v":`+text+`}}` {
			t.Errorf("%s: %s, %v", text, back, err)
		}
	}
}

// What a caller may give converts to what the contract has, and means the same over both.
func TestGivenValues(t *testing.T) {
	type named string
	for _, row := range []struct {
		given, want RuntimeValue
	}{{3, 3.0}, {float32(0.5), 0.5}, {uint8(3), 3.0}, {json.Number("2"), 2.0}, {named("a"), "a"}, {Ptr("a"), "a"},
		{[]float64{1, 2}, []float32{1, 2}}, {[]int{1}, []float32{1}}, {[]interface{}{1, 2.5}, []float32{1, 2.5}},
		{[]interface{}{"a"}, []string{"a"}}, {[][]float64{{1}}, []RuntimeVector{{1}}}, {json.RawMessage("[1]"), []float32{1}},
		{map[string]interface{}{"a": 1}, json.RawMessage(`{"a":1}`)}, {[]byte("ab"), []byte("ab")}} {
		request := RuntimePredictRequest{Data: map[string]RuntimeValue{"v": row.given}}
		var got RuntimePredictRequest
		wire, err := MarshalProto(&request)
		if err == nil {
			err = UnmarshalProto(append(wire, "\x0a\x00"...), &got)
		}
		if err != nil || !reflect.DeepEqual(got.Data["v"], row.want) {
			t.Errorf("%#v: %#v, %v", row.given, got.Data["v"], err)
		}
	}
	for _, bad := range []RuntimeValue{math.NaN(), "\xff", []string{"\xff"}, map[string]interface{}{"\xff": 1}, func() {}, json.RawMessage("{")} {
		request := &RuntimePredictRequest{Data: map[string]RuntimeValue{"v": bad}}
		_, overREST := marshal(*request)
		_, overRPC := MarshalProto(request)
		if f, isFloat := bad.(float64); overREST == nil || overRPC == nil && !(isFloat && math.IsNaN(f)) {
			t.Errorf("%#v: %v, %v", bad, overREST, overRPC)
		}
	}
}

func TestBytesThatAreNoMessage(t *testing.T) {
	for _, bad := range []string{"\xff\xff\xff", "\x0a\x05ab", "\x0a", "\x00\x01", "\x0b", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"\x0a\x02\xff\xff", "\x0d\x01", "\x09\x01"} {
		if err := UnmarshalProto([]byte(bad), new(RuntimeHealthResponse)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	var p *problem
	if err := UnmarshalProto([]byte("\x0a\x02ok\x12\x01m"), new(RuntimeHealthResponse)); !errors.As(err, &p) || p.at != "/version" {
		t.Error(err)
	}
	type tree struct {
		Child *tree `spec:"child 1 msg"`
	}
	for levels, ok := range map[int]bool{50: true, 200: false} {
		var deep []byte
		for i := 0; i < levels; i++ {
			deep = sized([]byte{0x0a}, deep)
		}
		if err := UnmarshalProto(deep, new(tree)); (err == nil) != ok {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
	if err := unmarshal([]byte("{\"status\":\"\xff\"}"), new(RuntimeHealthResponse)); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Error(err)
	}
}

// Keys that nobody knows yet come back as they came.
func TestUnknownKeys(t *testing.T) {
	text := `{"status":"ok","model":"m","version":"9","later":{"a":[1,null]}}`
	var got RuntimeHealthResponse
	if err := json.Unmarshal([]byte(text), &got); err != nil || string(got.Extra.Keys["later"]) != `{"a":[1,null]}` {
		t.Fatal(got, err)
	}
	if back, err := json.Marshal(got); err != nil || string(back) != text {
		t.Errorf("%s, %v", back, err)
	}
}

// What is read is written again, and then reads the same. Seeds run as tests;
// `go test -fuzz=Answers .` looks for more.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{`{"success":true,"model":"m","results":{"a":[1,2.5],"b":["x"],"c":{"d":null},"e":[[1],[2]]}}`,
		`{"status":"ok","model":"m","version":"1","later":[1e400]}`, `{"data":[{"object":"o","index":1.0,"embedding":"AAAA"}]}`} {
		f.Add([]byte(text))
	}
	f.Add([]byte("\x08\x01\x12\x0d\x0a\x04LogS\x12\x05\x22\x03\x0a\x01\x00\x1a\x01m\x9a\x7d\x01x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, sample := range []interface{}{RuntimePredictResponse{}, RuntimeHealthResponse{}, RegistryListResponse{}, RegistryWatchEvent{},
			TextEmbeddingsResponse{}, TextRerankRequest{}, TextEmbeddingsRequest{}, OipModelInferResponse{}, OipModelConfigResponse{}} {
			kind := reflect.TypeOf(sample)
			first, second := reflect.New(kind), reflect.New(kind)
			if unmarshal(text, first.Interface()) == nil {
				out, err := marshal(first.Elem().Interface())
				if err != nil || unmarshal(out, second.Interface()) != nil {
					t.Fatalf("%s: %q, %v", kind, out, err)
				}
				if again, _ := marshal(second.Elem().Interface()); len(again) != len(out) {
					t.Fatalf("%s: %q, then %q", kind, out, again)
				}
			}
			if UnmarshalProto(text, first.Interface()) == nil {
				out, err := MarshalProto(first.Interface())
				if err == nil {
					err = UnmarshalProto(out, second.Interface())
				}
				if err != nil {
					t.Fatalf("%s: %q, %v", kind, out, err)
				}
				if again, _ := MarshalProto(second.Interface()); string(again) != string(out) {
					t.Fatalf("%s: %q, then %q", kind, out, again)
				}
			}
		}
	})
}
