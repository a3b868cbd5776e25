"""The service of one model: its .proto and OpenAPI, and calls by stock clients."""
import base64
import pathlib
import subprocess
import unittest

import grpc
import jsonschema
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import bundles
import harness
import rpc

DATA = harness.ROOT / "tests/data/bundles"


class Stub:
    """What protoc makes of the .proto that the server gives, and grpcio."""

    def __init__(self, case, port, proto):
        folder = pathlib.Path(case.folder.name)
        (folder / "model.proto").write_bytes(proto)
        subprocess.run(["protoc", f"-I{folder}", "--include_imports",
                        f"--descriptor_set_out={folder}/set", "model.proto"],
                       check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(
            (folder / "set").read_bytes())
        self.file, = files.file
        pool = descriptor_pool.DescriptorPool()
        pool.Add(self.file)
        self.package = self.file.package
        request, reply = (message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{self.package}.Predict{word}"))
            for word in ("Request", "Response"))
        self.request = request
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        case.addCleanup(channel.close)
        self.predict = channel.unary_unary(
            f"/{self.package}.Model/Predict",
            request_serializer=request.SerializeToString,
            response_deserializer=reply.FromString)


class Typed(harness.Case):
    def serve(self, bundle):
        server = self.start(harness.Server, bundle=bundle)
        _, headers, proto = harness.rest(server.port, "GET", "/model.proto")
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        return server.port, Stub(self, server.port, proto)

    def compare(self, port, stub, kind, data):
        """One input by both ways; the outcomes must be the same."""
        status, rest = harness.rest_json(
            port, "POST", "/predict", {"input_type": kind, "data": data})
        values = {key: base64.b64decode(value) if kind == "image" else value
                  for key, value in data.items()}
        try:
            reply = stub.predict(stub.request(**values), timeout=30)
        except grpc.RpcError as error:
            self.assertFalse(rest["success"])
            self.assertEqual(error.details(), rest.get("error_message")
                             or rest["error"])
            self.assertEqual(dict(error.trailing_metadata())["x-error-code"],
                             rest["error_code"])
            return None
        self.assertEqual(status, 200)
        self.assertTrue(rest["success"], rest)
        self.assertEqual(list(reply.warnings), rest["warnings"])
        for name, value in rest["results"].items():
            got = getattr(reply, name)
            if isinstance(value, list) and value and isinstance(value[0], float):
                self.assertEqual(len(got), len(value))
                for a, b in zip(got, value):
                    self.assertAlmostEqual(a, b, delta=1e-6)
            else:
                self.assertEqual(list(got) if isinstance(value, list) else got,
                                 value, name)
        return reply

    def test_answers_are_those_of_predict(self):
        port, stub = self.serve(harness.BUNDLE)
        _, told = harness.rest_json(port, "GET", "/test_examples")
        good = 0
        for example in told["examples"]:
            good += self.compare(port, stub, "text",
                                 example["data"]) is not None
        self.assertGreater(good, 5)
        self.assertLess(good, len(told["examples"]))
        self.compare(port, stub, "text", {})
        self.compare(port, stub, "text", {"text": "C" * 3000})
        reply = self.compare(port, stub, "text",
                             {"text": "CCO", "property": "LogS"})
        self.assertAlmostEqual(reply.LogS, 1.0049, delta=1e-3)
        self.assertIsNone(self.compare(port, stub, "text",
                                       {"text": "CCO", "property": "x"}))

    def test_arrays_and_images(self):
        port, stub = self.serve(DATA / "sentences")
        reply = self.compare(port, stub, "text", {"text": "A cat."})
        self.assertEqual(len(reply.embedding), 32)
        port, stub = self.serve(bundles.steered(self.folder.name))
        self.assertGreaterEqual(
            self.compare(port, stub, "tabular", {"x": [4, 4]}).y, 2)
        self.assertIsNone(self.compare(port, stub, "tabular", {"x": [-1]}))
        port, stub = self.serve(DATA / "picture")
        example = harness.rest_json(port, "GET", "/test_examples")[1]["examples"][0]
        self.assertIsNotNone(self.compare(port, stub, "image",
                                          example["data"]))

    def test_only_single_numbers_are_written_as_text(self):
        port, stub = self.serve(bundles.numbers_as_text(
            bundles.steered(self.folder.name)))
        self.assertIsInstance(
            self.compare(port, stub, "tabular", {"x": [4, 4]}).y, str)
        port, stub = self.serve(bundles.copied(
            self.folder.name, DATA / "sentences", "numbers", modelservice=[
                ("length: 32}", "length: 32, encoding: string}")]))
        reply = self.compare(port, stub, "text", {"text": "A cat."})
        self.assertEqual(len(reply.embedding), 32)

    def test_calls_that_wait_run_together(self):
        _, stub = self.serve(DATA / "sentences")
        texts = ["a", "A cat sits on the mat.", "o" * 40, "the"] * 8
        alone = {text: stub.predict(stub.request(text=text)).embedding
                 for text in set(texts)}
        waiting = [stub.predict.future(stub.request(text=text)) for text in texts]
        for text, call in zip(texts, waiting):
            for a, b in zip(call.result(30).embedding, alone[text], strict=True):
                self.assertAlmostEqual(a, b, delta=1e-5)

    def test_reflection_shows_what_the_file_says(self):
        port, stub = self.serve(harness.BUNDLE)
        client = rpc.Client(port)
        self.addCleanup(client.close)
        name = f"{stub.package}.Model"
        self.assertEqual(name, "specserve.model.solubility.Model")
        self.assertIn(name, client.services())
        told = descriptor_pb2.FileDescriptorProto()
        client.pool.FindServiceByName(name).file.CopyToProto(told)
        for file in (told, stub.file):
            file.ClearField("name")
            for message in file.message_type:
                for field in message.field:
                    field.ClearField("json_name")
        self.assertEqual(told, stub.file)
        code, answer, _, _ = client.call(name, "Predict", {"text": "CCO"})
        self.assertEqual(code, grpc.StatusCode.OK)
        self.assertEqual(answer["smiles"], "CCO")

    def test_a_renamed_or_retyped_result_is_absent(self):
        _, old = self.serve(harness.BUNDLE)
        bundle = bundles.edited(self.folder.name, modelservice=[
            ("name: LogS_low", "name: LogS_least"),
            ("LogS_low: float", "LogS_least: float")])
        text = (bundle / "solubility.modelservice.yaml").read_text()
        (bundle / "solubility.modelservice.yaml").write_text(
            text.replace("LogS_low", "LogS_least"))
        port, new = self.serve(bundle)
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.addCleanup(channel.close)
        reply = new.predict(new.request(text="CCO"))
        self.assertTrue(reply.HasField("LogS_least"))
        stale = type(old.predict(old.request(text="CCO"))).FromString(
            reply.SerializeToString())
        self.assertTrue(stale.HasField("LogS"))
        self.assertFalse(stale.HasField("LogS_low"))

    def test_a_model_of_tensors_only(self):
        server = self.start(harness.Server,
                            bundle=bundles.identity(self.folder.name, "FP32"))
        _, _, proto = harness.rest(server.port, "GET", "/model.proto")
        self.assertIn(b"package specserve.model.identity_fp32;", proto)


class OpenApi(harness.Case):
    def test_requests_and_answers_fit(self):
        for bundle, kind in ((harness.BUNDLE, "text"), (DATA / "sentences", "text"),
                             (DATA / "picture", "image")):
            server = self.start(harness.Server, bundle=bundle)
            _, document = harness.rest_json(server.port, "GET",
                                            "/model/openapi.json")
            self.assertEqual(document["openapi"], "3.1.0")
            parts = document["components"]["schemas"]
            for schema in parts.values():
                jsonschema.Draft202012Validator.check_schema(schema)
            _, told = harness.rest_json(server.port, "GET", "/test_examples")
            for example in told["examples"]:
                request = {"input_type": kind, "data": example["data"]}
                jsonschema.validate(request, parts["PredictRequest"])
                _, answer = harness.rest_json(server.port, "POST", "/predict",
                                              request)
                jsonschema.validate(answer, parts["PredictResponse"])
            for wrong in ({}, {"input_type": kind, "data": {}},
                          {"input_type": "x", "data": example["data"]}):
                with self.assertRaises(jsonschema.ValidationError):
                    jsonschema.validate(wrong, parts["PredictRequest"])

    def test_a_batch_fits(self):
        server = self.start(harness.Server, bundle=DATA / "sentences")
        _, document = harness.rest_json(server.port, "GET", "/model/openapi.json")
        parts = document["components"]["schemas"]
        request = {"input_type": "text", "data": {"text": ["a", "b"]}}
        jsonschema.validate(request, parts["PredictRequest"])
        _, answer = harness.rest_json(server.port, "POST", "/predict", request)
        self.assertEqual(len(answer["results"]["embedding"]), 2)
        jsonschema.validate(answer, parts["PredictResponse"])

    def test_the_document_is_the_bundles(self):
        server = self.start(harness.Server)
        _, headers, text = harness.rest(server.port, "GET", "/model/service")
        self.assertEqual(headers["Content-Type"], "application/yaml")
        file, = harness.BUNDLE.glob("*.modelservice.yaml")
        self.assertEqual(text, file.read_bytes())


if __name__ == "__main__":
    unittest.main(verbosity=2)
