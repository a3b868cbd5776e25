"""Wrong requests of the Open Inference Protocol and what answers them.

The numbers are those of docs/limits.md. Every sentence names what is wrong.
"""
import gzip
import json
import struct

import grpc
from tritonclient.grpc import service_pb2

import harness

GOOD = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}


def body(**changes):
    return {"inputs": [{k: v for k, v in {**GOOD, **changes}.items()
                        if v is not None}]}


def text_data(text, **changes):
    """The request with this text as its data, valid JSON or not."""
    marked = json.dumps(body(**{**changes, "data": "MARK"}))
    return marked.replace('"MARK"', text).encode()


def binary(size, raw, header=None, datatype="FP32", shape=(1, 2)):
    """(body, headers) with raw bytes behind the JSON."""
    head = json.dumps({"inputs": [{
        "name": "x", "datatype": datatype, "shape": list(shape),
        "parameters": {"binary_data_size": size}}]}).encode()
    return head + raw, {"Content-Type": "application/octet-stream",
                        "Inference-Header-Content-Length":
                        str(len(head)) if header is None else header}


def with_headers(content, **headers):
    return content, {"Content-Type": "application/json",
                     **{k.replace("_", "-"): v for k, v in headers.items()}}


TWO = [1, 2, 3]
# name, model, body or (body, headers), status, words of the sentence
REST = [
    ("H30 inputs is an object", "FP32", {"inputs": {}}, 400, "'inputs' is no array"),
    ("H30 shape is a string", "FP32", body(shape="1,2"), 400, "'shape' is no array"),
    ("H30 a dimension is a string", "FP32", body(shape=["1"]), 400, "byte"),
    ("H30 a dimension is a fraction", "FP32", body(shape=[1.5]), 400, "no integer"),
    ("H30 name is a number", "FP32", body(name=7), 400, "'name'"),
    ("H30 datatype is null", "FP32", text_data("[1,2]", datatype=5), 400, "'datatype'"),
    ("H30 data is a number", "FP32", body(data=7), 400, "'x'"),
    ("H30 the request is a list", "FP32", [1], 400, "no object"),
    ("H30 outputs is a string", "FP32", {**body(), "outputs": "y"}, 400, "'outputs'"),
    ("H30 an output is a string", "FP32", {**body(), "outputs": ["y"]}, 400, "output"),
    ("H30 parameters is a list", "FP32", {**body(), "parameters": []}, 400, "'parameters'"),
    ("H30 a parameter is an object", "FP32", {**body(), "parameters": {"a": {}}}, 400,
     "parameter"),
    ("H30 id is a number", "FP32", {**body(), "id": 5}, 400, "'id'"),
    ("no inputs", "FP32", {}, 400, "no inputs"),
    ("no body", "FP32", b"", 400, "is missing"),
    ("H31 a negative dimension", "FP32", body(shape=[-1, 2]), 400, "'x'"),
    ("H31 overflow", "FP32", body(shape=[2**60, 2**4 + 2]), 400, "overflows"),
    ("H31 overflow in 64 bits", "FP32", body(shape=[2**32, 2**32]), 400, "overflows"),
    ("H31 a dimension of 2^63", "FP32", body(shape=[2**63]), 400, "no integer"),
    ("H31 rank 33", "FP32", body(shape=[1] * 33), 400, "dimensions"),
    ("H31 the product is more", "FP32", body(shape=[1, 3]), 400, "2 elements"),
    ("H31 the product is less", "FP32", body(shape=[1, 1]), 400, "more elements"),
    ("H31 huge shape, no data", "FP32", body(shape=[10**9, 2]), 400, "fewer elements"),
    ("H31 another rank than the model's", "FP32", body(shape=[2]), 400, "'x'"),
    ("nested otherwise", "FP32", body(data=[[1], [2]]), 400, "nested"),
    ("nested deeper", "FP32", body(data=[[[1, 2]]]), 400, "no number"),
    ("nested half", "FP32", body(shape=[2, 1], data=[[1], 2]), 400, "nested"),
    ("H32 missing", "FP32", {"inputs": []}, 400, "no inputs"),
    ("H32 twice", "FP32", {"inputs": [GOOD, GOOD]}, 400, "'x' is there twice"),
    ("H32 unknown", "FP32", {"inputs": [{**GOOD, "name": "z"}]}, 400, "'z'"),
    ("H32 another datatype", "FP32", body(datatype="INT32"), 400, "INT32"),
    ("H32 no such datatype", "FP32", body(datatype="FP31"), 400, "'x'"),
    ("H32 lower case", "FP32", body(datatype="fp32"), 400, "'x'"),
    ("no datatype", "FP32", body(datatype=None), 400, "no 'datatype'"),
    ("no shape", "FP32", body(shape=None), 400, "no 'shape'"),
    ("no data", "FP32", body(data=None), 400, "no data"),
    ("no name", "FP32", body(name=None), 400, "no 'name'"),
    ("H33 more than the body has", "FP32", binary(800, bytes(8)), 400, "8 bytes left"),
    ("H33 negative", "FP32", binary(-8, bytes(8)), 400, "no size"),
    ("H33 a text", "FP32", binary("8", bytes(8)), 400, "no size"),
    ("H33 2^64", "FP32", binary(2**64, bytes(8)), 400, "no size"),
    ("H33 2^64 - 1", "FP32", binary(2**64 - 1, bytes(8)), 400, "bytes left"),
    ("H33 bytes left over", "FP32", binary(8, bytes(9)), 400, "belong to no input"),
    ("H33 not what the shape makes", "FP32", binary(4, bytes(4)), 400, "make 8"),
    ("H33 both data and binary", "FP32", {"inputs": [
        {**GOOD, "parameters": {"binary_data_size": 8}}]}, 400, "both"),
    ("H34 beyond the body", "FP32", binary(8, bytes(8), "99999999999"), 400,
     "99999999999"),
    ("H34 beyond 64 bits", "FP32", binary(8, bytes(8), "99999999999999999999"), 400,
     "no size"),
    ("H34 negative", "FP32", binary(8, bytes(8), "-1"), 400, "no size"),
    ("H34 text", "FP32", binary(8, bytes(8), "1a"), 400, "no size"),
    ("H34 signed", "FP32", binary(8, bytes(8), "+1"), 400, "no size"),
    ("H34 in the middle of the JSON", "FP32", binary(8, bytes(8), "20"), 400, "byte"),
    ("raw body of no shape", "FP32", (bytes(8), {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": "0"}), 400, "fits no shape"),
    ("H35 unknown output", "FP32", {**body(), "outputs": [{"name": "q"}]}, 400, "'q'"),
    ("H35 twice", "FP32", {**body(), "outputs": [{"name": "y"}, {"name": "y"}]}, 400,
     "twice"),
    ("H35 without a name", "FP32", {**body(), "outputs": [{}]}, 400, "no 'name'"),
    ("classification", "FP32", {**body(), "outputs": [
        {"name": "y", "parameters": {"classification": 1}}]}, 501, "classification"),
    ("shared memory", "FP32", {"inputs": [
        {**GOOD, "parameters": {"shared_memory_region": "a"}}]}, 501, "shared memory"),
    ("H36 ten megabytes of zeros in JSON", "FP32",
     text_data("[" + "0," * 5_000_000 + "0]", shape=[1, 5_000_001]), 413, "larger"),
    ("H37 a prefix past the end", "BYTES",
     binary(8, struct.pack("<I", 100) + b"abcd", datatype="BYTES", shape=(1, 1)), 400,
     "past its data"),
    ("H37 a prefix of 4 GB", "BYTES",
     binary(8, struct.pack("<I", 2**32 - 1) + b"abcd", datatype="BYTES", shape=(1, 1)),
     400, "past its data"),
    ("H37 half a prefix", "BYTES",
     binary(6, struct.pack("<I", 0) + b"ab", datatype="BYTES", shape=(1, 2)), 400, "'x'"),
    ("H37 bytes behind the last", "BYTES",
     binary(6, struct.pack("<I", 0) + b"ab", datatype="BYTES", shape=(1, 1)), 400,
     "more elements"),
    ("strings that are not UTF-8", "BYTES",
     binary(5, struct.pack("<I", 1) + b"\xff", datatype="BYTES", shape=(1, 1)), 400,
     "not UTF-8"),
    ("a BOOL of 2", "BOOL", binary(2, b"\1\2", datatype="BOOL"), 400, "neither 0 nor 1"),
    ("H28 NaN", "FP32", text_data("[NaN,1]"), 400, "byte"),
    ("H28 Infinity", "FP32", text_data("[-Infinity,1]"), 400, "byte"),
    ("H28 1e999", "FP64", text_data("[1e999,1]", datatype="FP64"), 400, "too large"),
    ("H28 1e39", "FP32", text_data("[1e39,1]"), 400, "too large"),
    ("H28 70000 in FP16", "FP16", text_data("[70000,1]", datatype="FP16"), 400,
     "too large"),
    ("H28 2^63", "INT64", text_data(f"[{2**63},1]", datatype="INT64"), 400, "outside"),
    ("H28 -2^63-1", "INT64", text_data(f"[{-2**63 - 1},1]", datatype="INT64"), 400,
     "outside"),
    ("H28 2^64", "UINT64", text_data(f"[{2**64},1]", datatype="UINT64"), 400, "64 bits"),
    ("H28 -1 unsigned", "UINT64", text_data("[-1,1]", datatype="UINT64"), 400, "outside"),
    ("H28 a fraction", "INT32", text_data("[1.5,1]", datatype="INT32"), 400, "integer"),
    ("H28 300", "UINT8", text_data("[300,1]", datatype="UINT8"), 400, "outside"),
    ("H28 -129", "INT8", text_data("[-129,1]", datatype="INT8"), 400, "outside"),
    ("a number for BYTES", "BYTES", text_data("[1,2]", datatype="BYTES"), 400, "no string"),
    ("a text for FP32", "FP32", text_data('["1",2]'), 400, "no number"),
    ("a number for BOOL", "BOOL", text_data("[0,1]", datatype="BOOL"), 400, "true nor false"),
    ("null", "FP32", text_data("[null,1]"), 400, "no number"),
    ("H27 twice in one object", "FP32",
     b'{"inputs":[{"name":"x","name":"x"}]}', 400, "twice"),
    ("H25 truncated", "FP32", json.dumps(body()).encode()[:-3], 400, "byte"),
    ("H25 text behind", "FP32", json.dumps(body()).encode() + b" x", 400, "byte"),
    ("H26 deep", "FP32", b'{"other":' + b"[" * 250_000, 400, "byte"),
    ("H29 not UTF-8", "FP32", b'{"id":"\xff","inputs":[]}', 400, "byte"),
    ("H29 NUL in a name", "FP32", b'{"inputs":[{"name":"\\u0000"}]}', 400, "byte"),
    ("H39 line ends in the id", "FP32", b'{"id":"a\r\nSet-Cookie: b"}', 400, "byte"),
    ("H22 text/plain", "FP32", (b"{}", {"Content-Type": "text/plain"}), 415, "Content-Type"),
    ("H23 brotli", "FP32", with_headers(b"x", Content_Encoding="br"), 415, "Content-Encoding"),
    ("no gzip at all", "FP32", with_headers(b"{}", Content_Encoding="gzip"), 400,
     "Content-Encoding"),
    ("half a gzip", "FP32", with_headers(
        gzip.compress(json.dumps(body()).encode())[:-9], Content_Encoding="gzip"), 400,
     "Content-Encoding"),
    ("bytes behind the gzip", "FP32", with_headers(
        gzip.compress(json.dumps(body()).encode()) + b"x", Content_Encoding="gzip"), 400,
     "Content-Encoding"),
    ("H23 a bomb", "FP32", with_headers(
        gzip.compress(bytes(200 << 20)), Content_Encoding="gzip"), 413, "unpacks to more"),
    ("timeout is a text", "FP32", {**body(), "parameters": {"timeout": "1"}}, 400, "timeout"),
    ("timeout is negative", "FP32", {**body(), "parameters": {"timeout": -1}}, 400, "timeout"),
    ("H49 a timeout of 1 us", "FP32", {**body(), "parameters": {"timeout": 1}}, 504,
     "deadline"),
    ("H40 dots", "/v2/models/..%2Fx/infer", body(), 400, ""),
    ("H40 65 characters", "/v2/models/" + "a" * 65 + "/infer", body(), 404, "no model"),
    ("H40 a slash", "/v2/models/a/b/infer", body(), 404, ""),
    ("H40 NUL", "/v2/models/%00/infer", body(), 400, ""),
    ("H40 Unicode", "/v2/models/%C3%BC/infer", body(), 404, "no model"),
    ("H20 unknown version", "/v2/models/Identity_FP32/versions/9/infer", body(), 404,
     "no version '9'"),
    ("H20 unknown path", "/v2/models/Identity_FP32/fly", body(), 404, ""),
    ("H43 load", "/v2/repository/models/Identity_FP32/load", {}, 404, ""),
]


def check_rest(test, port, name, model, content, status, words):
    path = model if model.startswith("/") else f"/v2/models/Identity_{model}/infer"
    headers = {"Content-Type": "application/json"}
    if isinstance(content, tuple):
        content, headers = content
    elif not isinstance(content, bytes):
        content = json.dumps(content).encode()
    got, _, answer = harness.rest(port, "POST", path, content, headers)
    test.assertEqual(got, status, answer)
    test.assertIn(words, json.loads(answer)["error"])


def request(model="FP32", name="x", datatype="FP32", shape=(1, 2), raw=(bytes(8),),
            contents=None, times=1, **others):
    made = service_pb2.ModelInferRequest(
        model_name=model if "/" in model or model == "" else f"Identity_{model}",
        raw_input_contents=list(raw), **others)
    for _ in range(times):
        made.inputs.add(name=name, datatype=datatype, shape=shape,
                        contents=contents)
    return made


FLOATS = service_pb2.InferTensorContents(fp32_contents=[1, 2])
INVALID = grpc.StatusCode.INVALID_ARGUMENT
OUTPUT = service_pb2.ModelInferRequest.InferRequestedOutputTensor
# name, request, status, words of the details
GRPC = [
    ("G7 one raw for two inputs", request(times=2), INVALID, "raw_input_contents"),
    ("G7 two raw for one input", request(raw=(bytes(8), b"")), INVALID,
     "raw_input_contents"),
    ("G7 a raw of another size", request(raw=(bytes(7),)), INVALID, "7 bytes"),
    ("G7 raw and contents", request(contents=FLOATS), INVALID, "both"),
    ("contents of another datatype",
     request("FP64", datatype="FP64", raw=(), contents=FLOATS), INVALID, "another datatype"),
    ("fewer contents", request(raw=(), shape=(1, 3), contents=FLOATS), INVALID, "2 elements"),
    ("no contents", request(raw=()), INVALID, "0 elements"),
    ("contents of a half", request("FP16", datatype="FP16", raw=(), contents=FLOATS),
     INVALID, "raw bytes only"),
    ("a value outside", request("INT8", datatype="INT8", raw=(),
                                contents=service_pb2.InferTensorContents(
                                    int_contents=[1, 128])), INVALID, "outside"),
    ("a value outside, unsigned", request("UINT16", datatype="UINT16", raw=(),
                                          contents=service_pb2.InferTensorContents(
                                              uint_contents=[1, 65536])), INVALID, "outside"),
    ("G8 overflow", request(shape=(2**62, 4)), INVALID, "overflows"),
    ("G8 negative", request(shape=(-1, 2)), INVALID, "negative"),
    ("G8 rank 33", request(shape=(1,) * 33), INVALID, "33 dimensions"),
    ("G8 no such datatype", request(datatype="FLOAT"), INVALID, "'x'"),
    ("G8 not UTF-8", request("BYTES", datatype="BYTES", shape=(1, 1),
                             raw=(b"\1\0\0\0\xff",)), INVALID, "not UTF-8"),
    ("G8 not UTF-8 in contents", request(
        "BYTES", datatype="BYTES", shape=(1, 1), raw=(),
        contents=service_pb2.InferTensorContents(bytes_contents=[b"\xff"])), INVALID,
     "not UTF-8"),
    ("G9 unknown model", request("no/model"), grpc.StatusCode.NOT_FOUND, "no/model"),
    ("G9 no model", request(""), grpc.StatusCode.NOT_FOUND, "no model"),
    ("G9 unknown version", request(model_version="2"), grpc.StatusCode.NOT_FOUND, "'2'"),
    ("H32 twice", request(times=2, raw=(bytes(8), bytes(8))), INVALID, "twice"),
    ("H32 missing", service_pb2.ModelInferRequest(model_name="Identity_FP32"), INVALID,
     "'x' is missing"),
    ("H35 unknown output", request(outputs=[OUTPUT(name="q")]), INVALID, "'q'"),
    ("H35 twice", request(outputs=[OUTPUT(name="y")] * 2), INVALID, "twice"),
    ("timeout is a text", request(parameters={
        "timeout": service_pb2.InferParameter(string_param="1")}), INVALID, "timeout"),
]


def check_grpc(test, stub, name, message, status, words):
    with test.assertRaises(grpc.RpcError) as caught:
        stub.ModelInfer(message)
    test.assertEqual(caught.exception.code(), status, caught.exception.details())
    test.assertIn(words, caught.exception.details())
