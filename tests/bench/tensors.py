#!/usr/bin/env python3
"""What a prediction costs by tensors: the Open Inference Protocol, /predict.

    .venv/bin/python tests/bench/tensors.py [--pairs 5] [--seconds 2]

The shipped model at saturation, the same tokens on each way, in turns in one
run; medians of requests per second and of each pair's ratio to /predict, which
also parses, checks and tokenizes its text. Load generator and server share the
cores:
  rest    POST /v2/models/Solubility/infer, binary tensors both ways
  json    the same with tensors in JSON
  grpc    ModelInfer with raw contents
"""
import argparse
import json
import statistics
import struct
import subprocess
import tempfile

import doors
from doors import harness  # found through the path that doors.py adds
from tritonclient.grpc import service_pb2

LUA = """wrk.method = "POST"
wrk.headers["Content-Type"] = "%s"
%s
local file = io.open("%s", "rb")
wrk.body = file:read("*a")
file:close()
"""


def token_ids():
    line = [harness.BIN / "specserve", "tokenize",
            harness.BUNDLE / "tokenizer.json", "--json"]
    text = subprocess.run(line, check=True, capture_output=True, text=True,
                          input=json.dumps({"text": doors.SMILES}) + "\n").stdout
    return json.loads(text)[0]["ids"]


def tensors(ids):
    """(name, values) of the model's inputs."""
    return [("input_ids", ids), ("attention_mask", [1] * len(ids))]


def script(folder, name, body, json_size=None):
    file = folder / name
    file.write_bytes(body)
    kind, extra = "application/json", ""
    if json_size is not None:
        kind = "application/octet-stream"
        extra = f'wrk.headers["Inference-Header-Content-Length"] = "{json_size}"'
    lua = folder / f"{name}.lua"
    lua.write_text(LUA % (kind, extra, file))
    return str(lua)


def binary_request(ids):
    head = json.dumps({"parameters": {"binary_data_output": True}, "inputs": [
        {"name": name, "datatype": "INT64", "shape": [1, len(values)],
         "parameters": {"binary_data_size": 8 * len(values)}}
        for name, values in tensors(ids)]}).encode()
    raw = b"".join(struct.pack(f"<{len(values)}q", *values)
                   for _, values in tensors(ids))
    return head + raw, len(head)


def json_request(ids):
    return json.dumps({"inputs": [
        {"name": name, "datatype": "INT64", "shape": [1, len(values)],
         "data": values} for name, values in tensors(ids)]}).encode()


def grpc_frame(ids):
    message = service_pb2.ModelInferRequest(model_name="Solubility")
    for name, values in tensors(ids):
        message.inputs.add(name=name, datatype="INT64", shape=[1, len(values)])
        message.raw_input_contents.append(
            struct.pack(f"<{len(values)}q", *values))
    body = message.SerializeToString()
    return b"\0" + struct.pack(">I", len(body)) + body


def ways(port, seconds, folder):
    ids = token_ids()
    predict = folder / "predict.lua"
    predict.write_text(doors.POST)
    body, size = binary_request(ids)
    frame = folder / "frame"
    frame.write_bytes(grpc_frame(ids))
    infer = "/v2/models/Solubility/infer"
    binary = script(folder, "binary", body, size)
    plain = script(folder, "plain", json_request(ids))
    return {
        "predict": lambda: doors.wrk(port, "/predict", seconds, str(predict)),
        "rest": lambda: doors.wrk(port, infer, seconds, binary),
        "json": lambda: doors.wrk(port, infer, seconds, plain),
        "grpc": lambda: doors.h2load(
            port, "/inference.GRPCInferenceService/ModelInfer", seconds,
            str(frame)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    server = harness.Server("--log-level", "warn")
    try:
        with tempfile.TemporaryDirectory() as name:
            runs = ways(server.port, options.seconds, doors.pathlib.Path(name))
            rates = {way: [] for way in runs}
            for _ in range(options.pairs + 1):
                for way, run in runs.items():
                    rates[way].append(run())
    finally:
        server.stop()
    for way, values in rates.items():  # the first of each warms up
        ratio = statistics.median(
            a / b for a, b in zip(values[1:], rates["predict"][1:]))
        print(f"{way:8} {statistics.median(values[1:]):8.0f}/s  "
              f"{ratio:.2f} x predict")


if __name__ == "__main__":
    main()
