#!/usr/bin/env python3
"""Calls a served model over gRPC with a stock client.

    python3 docs/examples/predict.py HOST:PORT TEXT

Needs python3-grpcio, python3-protobuf and protobuf-compiler, nothing of ours
but the .proto file.
"""
import pathlib
import subprocess
import sys
import tempfile

import grpc

PROTOS = pathlib.Path(__file__).resolve().parents[2] / "gen" / "proto"


def messages():
    """The messages of runtime.proto, compiled for this process."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", "-I", PROTOS, "--python_out", folder,
                        "specserve/runtime/v1/runtime.proto"], check=True)
        sys.path.insert(0, folder)
        from specserve.runtime.v1 import runtime_pb2
        return runtime_pb2


def main():
    target, text = sys.argv[1:]
    pb = messages()
    request = pb.PredictRequest(input_type="text")
    request.data["text"].text = text
    with grpc.insecure_channel(target) as channel:
        predict = channel.unary_unary(
            "/specserve.runtime.v1.ModelRuntime/Predict",
            request_serializer=pb.PredictRequest.SerializeToString,
            response_deserializer=pb.PredictResponse.FromString)
        print(predict(request, timeout=30))


if __name__ == "__main__":
    main()
