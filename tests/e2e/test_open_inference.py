"""The Open Inference Protocol by stock clients: tritonclient over HTTP and gRPC,
unmodified, and the calls of NVIDIA's load generator in its order.

One process serves a model per datatype (y is x), a slow one and the shipped
one; every port answers for all of them. What both protocols are asked must be
answered alike. Inputs that are wrong are in bad_open_inference.py.
"""
import concurrent.futures
import gzip
import itertools
import json
import pathlib
import queue
import subprocess
import tempfile
import time
import unittest
import zlib

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

import bad_open_inference
import bundles
import harness
from datatypes import values

BOTH = (triton_http, triton_grpc)
IDS = [[1, 2, 3, 4, 5]]


def same(datatype, left, right):
    if datatype == "BYTES":
        text = lambda v: v.decode() if isinstance(v, bytes) else v
        return [[text(v) for v in row] for row in left] == [
            [text(v) for v in row] for row in right]
    return (left.shape == right.shape
            and left.astype(right.dtype).tobytes() == right.tobytes())


def tensor(module, name, array, datatype, **options):
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **options)
    return made


class OpenInference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="specserve-")
        cls.addClassCleanup(cls.folder.cleanup)
        more = [bundles.identity(cls.folder.name, datatype)
                for datatype in bundles.DATATYPES]
        more.append(bundles.steered(cls.folder.name, timeout_s=30))
        more.append(bundles.edited(cls.folder.name,
                                   modelspec=[("      port: 5100\n", "")]))
        for bundle in more: # one each: consecutive ones may be taken
            spec = next(bundle.glob("*.modelspec.yaml"))
            spec.write_text(spec.read_text().replace(
                "serving: {", f"serving: {{port: {harness.free_port()}, ").replace(
                    "    serving:\n",
                    f"    serving:\n      port: {harness.free_port()}\n"))
        cls.server = harness.Program(
            [harness.BIN / "specserve", "serve", *more, "--threads", "2",
             "--registry-mode", "off"])
        cls.addClassCleanup(cls.server.stop)
        cls.port = harness.wait_until(lambda: cls.port_of("Identity_BOOL"), 30,
                                      "the first model listens")
        harness.wait_until(lambda: cls.port_of("Solubility"), 30,
                           "the last model listens")
        cls.address = f"127.0.0.1:{cls.port}"
        harness.wait_until(cls.all_ready, 30, "all models ready")
        cls.http = triton_http.InferenceServerClient(cls.address, concurrency=4)
        cls.grpc = triton_grpc.InferenceServerClient(cls.address)
        cls.addClassCleanup(cls.http.close)
        cls.addClassCleanup(cls.grpc.close)

    @classmethod
    def tearDownClass(cls):
        # before the folder goes; a sanitizer tells only now what it found
        code = cls.server.stop()
        log = cls.server.logged()
        assert code == 0 and "Sanitizer" not in log and "runtime error:" not in log, log

    @classmethod
    def port_of(cls, model):
        for line in cls.server.logged().splitlines():
            if f"listening model={model} " in line:
                return int(line.split("port=")[1].split()[0])
        return None

    @classmethod
    def all_ready(cls):
        return harness.rest(cls.port, "GET", "/v2/health/ready")[0] == 200

    def client(self, module):
        return self.http if module is triton_http else self.grpc

    def ids(self, module, count=5):
        """Inputs of the shipped model."""
        rows = np.arange(1, count + 1, dtype=np.int64)[None, :]
        return [tensor(module, "input_ids", rows, "INT64"),
                tensor(module, "attention_mask", np.ones_like(rows), "INT64")]

    # ---- the contract ----

    def test_our_proto_is_the_clients(self):
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run(["protoc", f"-I{harness.ROOT}/api/foreign",
                            f"--descriptor_set_out={file.name}",
                            "open_inference.proto"], check=True)
            ours = descriptor_pb2.FileDescriptorSet.FromString(
                pathlib.Path(file.name).read_bytes()).file[0]
        theirs = {}
        for module in (service_pb2, model_config_pb2):
            file = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(file)
            self.assertEqual((file.package, file.syntax),
                             (ours.package, ours.syntax))
            for item in itertools.chain(file.message_type, file.enum_type,
                                        file.service):
                theirs[item.name] = item
        for message in ours.message_type:
            self.compare_message(message, theirs[message.name])
        for enum in ours.enum_type:
            self.assertEqual(enum.value, theirs[enum.name].value)
        def shape(method):
            return (method.name, method.input_type, method.output_type,
                    method.client_streaming, method.server_streaming)
        known = [shape(m) for m in theirs[ours.service[0].name].method]
        for method in ours.service[0].method:
            self.assertIn(shape(method), known)
        self.assertEqual(len(ours.service[0].method), 10)

    def compare_message(self, ours, theirs):
        """All that ours has, theirs has the same way."""
        def facts(message, field):
            oneof = (message.oneof_decl[field.oneof_index].name
                     if field.HasField("oneof_index") else None)
            return (field.name, field.number, field.type, field.label,
                    field.type_name, oneof)
        known = {field.number: facts(theirs, field) for field in theirs.field}
        for field in ours.field:
            self.assertEqual(facts(ours, field), known.get(field.number),
                             ours.name)
        self.assertEqual(ours.options, theirs.options)
        nested = {item.name: item for item in theirs.nested_type}
        for item in ours.nested_type:
            self.compare_message(item, nested[item.name])
        enums = {item.name: item for item in theirs.enum_type}
        for item in ours.enum_type:
            self.assertEqual(item.value, enums[item.name].value)

    # ---- what there is ----

    def test_health_and_metadata(self):
        for module in BOTH:
            client = self.client(module)
            self.assertTrue(client.is_server_live())
            self.assertTrue(client.is_server_ready())
            self.assertTrue(client.is_model_ready("Solubility"))
            self.assertTrue(client.is_model_ready("Solubility", "1.0.0"))
        for name, version in (("Solubility", ""), ("Solubility", "1.0.0"),
                              ("Identity_BF16", "")):
            other = self.grpc.get_model_metadata(name, version, as_json=True)
            for port in other["inputs"] + other["outputs"]:
                port["shape"] = [int(size) for size in port["shape"]]
            self.assertEqual(self.http.get_model_metadata(name, version), other)
        server = self.http.get_server_metadata()
        self.assertEqual(server, self.grpc.get_server_metadata(as_json=True))
        self.assertIn("binary_tensor_data", server["extensions"])
        for path in ("/v2", "/v2/"):
            self.assertEqual(harness.rest_json(self.port, "GET", path)[1], server)

    def test_config_and_index(self):
        config = self.http.get_model_config("Identity_FP64")
        self.assertEqual(config["input"][0]["data_type"], "TYPE_FP64")
        self.assertEqual(config["input"][0]["dims"], [-1, -1])
        self.assertEqual(config["max_batch_size"], 0)
        other = self.grpc.get_model_config("Identity_FP64").config
        self.assertEqual(other.input[0].data_type, model_config_pb2.TYPE_FP64)
        self.assertEqual((other.name, other.backend), ("Identity_FP64", "specserve"))
        names = {row["name"]: row["state"]
                 for row in self.http.get_model_repository_index()}
        self.assertEqual(names, {row.name: row.state for row in
                                 self.grpc.get_model_repository_index().models})
        self.assertEqual(len(names), len(bundles.DATATYPES) + 2)
        self.assertEqual(set(names.values()), {"READY"})

    # ---- tensors ----

    def test_every_datatype_by_both_protocols(self):
        for datatype in bundles.DATATYPES:
            array = values(datatype)
            for module in BOTH:
                with self.subTest(datatype, module=module.__name__):
                    answer = self.client(module).infer(
                        f"Identity_{datatype}",
                        [tensor(module, "x", array, datatype)])
                    self.assertTrue(same(datatype, answer.as_numpy("y"), array),
                                    answer.as_numpy("y"))

    def test_json_data_both_ways(self):
        for datatype in bundles.DATATYPES:
            if datatype in ("FP16", "BF16"):
                continue  # the client sends these as binary data only
            array = values(datatype)
            with self.subTest(datatype):
                answer = self.http.infer(
                    f"Identity_{datatype}",
                    [tensor(triton_http, "x", array, datatype, binary_data=False)],
                    outputs=[triton_http.InferRequestedOutput(
                        "y", binary_data=False)])
                self.assertTrue(same(datatype, answer.as_numpy("y"), array),
                                answer.as_numpy("y"))

    def test_halves_as_json_numbers(self):
        for datatype in ("FP16", "BF16"):
            status, answer = self.post(f"Identity_{datatype}", {
                "inputs": [{"name": "x", "datatype": datatype, "shape": [1, 2],
                            "data": [1.5, -0.25]}]})
            self.assertEqual((status, answer["outputs"][0]["data"]),
                             (200, [1.5, -0.25]))

    def test_typed_contents(self):
        rows = {"BOOL": ("bool_contents", [True, False]),
                "INT8": ("int_contents", [-128, 127]),
                "INT16": ("int_contents", [-32768, 32767]),
                "INT32": ("int_contents", [-2**31, 2**31 - 1]),
                "INT64": ("int64_contents", [-2**63, 2**63 - 1]),
                "UINT8": ("uint_contents", [0, 255]),
                "UINT16": ("uint_contents", [0, 65535]),
                "UINT32": ("uint_contents", [0, 2**32 - 1]),
                "UINT64": ("uint64_contents", [0, 2**64 - 1]),
                "FP32": ("fp32_contents", [0.5, -1.5]),
                "FP64": ("fp64_contents", [0.1, -1e300]),
                "BYTES": ("bytes_contents", [b"", "ß".encode()])}
        stub = self.grpc._client_stub
        for datatype, (field, items) in rows.items():
            with self.subTest(datatype):
                request = service_pb2.ModelInferRequest(
                    model_name=f"Identity_{datatype}")
                made = request.inputs.add(name="x", datatype=datatype, shape=[1, 2])
                getattr(made.contents, field).extend(items)
                answer = stub.ModelInfer(request)
                raw = answer.raw_output_contents[0]
                if datatype == "BYTES":
                    self.assertEqual(raw, b"\0\0\0\0\2\0\0\0\xc3\x9f")
                else:
                    self.assertEqual(np.frombuffer(
                        raw, triton_to_np_dtype(datatype)).tolist(), items)

    def test_nested_flat_and_scalar_shapes(self):
        flat = list(range(6))
        for data in (flat, [flat[:3], flat[3:]]):
            status, answer = self.post("Identity_INT32", {
                "inputs": [{"data": data, "shape": [2, 3], "name": "x",
                            "datatype": "INT32"}]})
            self.assertEqual((status, answer["outputs"][0]["data"]), (200, flat))

    def test_empty_tensors(self):
        for datatype, module in itertools.product(("FP32", "BYTES"), BOTH):
            array = np.zeros((0, 3), triton_to_np_dtype(datatype))
            answer = self.client(module).infer(
                f"Identity_{datatype}", [tensor(module, "x", array, datatype)])
            self.assertEqual(list(answer.as_numpy("y").shape), [0, 3])
        status, answer = self.post("Identity_FP32", {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 0],
                        "data": [[], []]}]})
        self.assertEqual((status, answer["outputs"][0]["data"]), (200, []))

    def test_sixteen_megabytes(self):
        array = np.random.default_rng(1).random((2048, 2048), np.float32)
        for module in BOTH:
            answer = self.client(module).infer(
                "Identity_FP32", [tensor(module, "x", array, "FP32")])
            self.assertEqual(answer.as_numpy("y").tobytes(), array.tobytes())

    def test_not_a_number_is_binary_only(self):
        array = np.array([[np.nan, np.inf]], np.float32)
        for module in BOTH:
            answer = self.client(module).infer(
                "Identity_FP32", [tensor(module, "x", array, "FP32")])
            self.assertEqual(answer.as_numpy("y").tobytes(), array.tobytes())
        with self.assertRaisesRegex(InferenceServerException, "not finite"):
            self.http.infer("Identity_FP32", [tensor(triton_http, "x", array, "FP32")],
                            outputs=[triton_http.InferRequestedOutput(
                                "y", binary_data=False)])

    def test_raw_body_without_json(self):
        array = np.arange(6, dtype=np.float32)
        status, head, body = harness.rest(
            self.port, "POST", "/v2/models/Steered/infer",
            np.array([4], np.float32).tobytes(),
            {"Content-Type": "application/octet-stream",
             "Inference-Header-Content-Length": "0"})
        self.assertEqual(status, 200, body)
        split = int(head["Inference-Header-Content-Length"])
        answer = json.loads(body[:split])
        self.assertEqual(answer["outputs"][0]["shape"], [1, 1])
        self.assertEqual(len(body) - split, 4)

    # ---- requests ----

    def post(self, model, body, headers=None):
        return harness.rest_json(self.port, "POST", f"/v2/models/{model}/infer",
                                 body, headers)

    def test_what_a_request_may_say(self):
        for module in BOTH:
            answer = self.client(module).infer(
                "Solubility", self.ids(module), request_id="a/1 \u00fc",
                model_version="1.0.0", priority=2**64 - 1, timeout=20_000_000,
                parameters={"text": "x", "ratio": 0.5, "whole": 2**63 - 1,
                            "flag": True},
                outputs=[module.InferRequestedOutput("y")])
            got = answer.get_response()
            got = got["id"] if module is triton_http else got.id
            self.assertEqual(got, "a/1 \u00fc")

    def test_a_timeout_ends_a_slow_request(self):
        for module in BOTH:
            slow = np.zeros((1, len(bundles.SLOW)), np.float32)
            started = time.monotonic()
            with self.assertRaises(InferenceServerException):
                self.client(module).infer(
                    "Steered", [tensor(module, "x", slow, "FP32")], timeout=50_000)
            self.assertLess(time.monotonic() - started, 5 * harness.PATIENCE)

    def test_compressed_bodies(self):
        array = np.zeros((300, 300), np.float32)
        for name, asked in itertools.product((None, "gzip", "deflate"), repeat=2):
            answer = self.http.infer(
                "Identity_FP32", [tensor(triton_http, "x", array, "FP32")],
                request_compression_algorithm=name,
                response_compression_algorithm=asked)
            self.assertEqual(answer.as_numpy("y").tobytes(), array.tobytes())
        for unpack, name in ((gzip.decompress, "gzip"), (zlib.decompress, "deflate")):
            body = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 900],
                                "data": [7] * 900}]}
            status, head, packed = harness.rest(
                self.port, "POST", "/v2/models/Identity_INT32/infer", body,
                {"Accept-Encoding": f"br, {name};q=0.5"})
            self.assertEqual((status, head.get("Content-Encoding")), (200, name))
            self.assertEqual(json.loads(unpack(packed))["outputs"][0]["data"],
                             [7] * 900)

    def test_grpc_messages_are_not_compressed(self):
        """The gRPC door takes plain messages only, and says so."""
        array = np.zeros((300, 300), np.float32)
        with self.assertRaisesRegex(InferenceServerException, "disabled") as caught:
            self.grpc.infer("Identity_FP32",
                            [tensor(triton_grpc, "x", array, "FP32")],
                            compression_algorithm="gzip")
        self.assertIn("UNIMPLEMENTED", caught.exception.status())

    def test_many_at_once(self):
        expected = self.http.infer("Solubility", self.ids(triton_http)).as_numpy("y")
        pending = [self.http.async_infer("Solubility", self.ids(triton_http))
                   for _ in range(harness.repeats(40))]
        for request in pending:
            np.testing.assert_array_equal(request.get_result().as_numpy("y"), expected)
        done = queue.Queue()
        for _ in range(harness.repeats(40)):
            self.grpc.async_infer(
                "Solubility", self.ids(triton_grpc),
                callback=lambda result, error: done.put((result, error)))
        for _ in range(harness.repeats(40)):
            result, error = done.get(timeout=30 * harness.PATIENCE)
            self.assertIsNone(error)
            np.testing.assert_array_equal(result.as_numpy("y"), expected)

    def test_streams_answer_in_order_and_survive_a_bad_request(self):
        done = queue.Queue()
        with triton_grpc.InferenceServerClient(self.address) as client:
            client.start_stream(lambda result, error: done.put((result, error)))
            for i in range(6):
                name = "Solubility" if i != 3 else "nobody"
                client.async_stream_infer(name, self.ids(triton_grpc, i + 1),
                                          request_id=str(i))
            answers = [done.get(timeout=30 * harness.PATIENCE) for _ in range(6)]
            client.stop_stream()
        for i, (result, error) in enumerate(answers):
            if i == 3:
                self.assertIn("nobody", str(error))
            else:
                self.assertIsNone(error)
                self.assertEqual(result.get_response().id, str(i))

    # ---- other ports, statistics, the load generator ----

    def test_every_port_sees_every_model(self):
        port = self.port_of("Steered")
        client = triton_http.InferenceServerClient(f"127.0.0.1:{port}")
        expected = self.http.infer("Solubility", self.ids(triton_http)).as_numpy("y")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(self.infer_alone, p)
                     for p in [port, self.port] * harness.repeats(20)]
            for call in calls:
                np.testing.assert_array_equal(call.result(), expected)
        client.close()

    def infer_alone(self, port):
        client = triton_http.InferenceServerClient(f"127.0.0.1:{port}")
        try:
            return client.infer("Solubility", self.ids(triton_http)).as_numpy("y")
        finally:
            client.close()

    def counted(self, name):
        """(successes, failures, nanoseconds of both) by REST, like by gRPC."""
        row = self.http.get_inference_statistics(name)["model_stats"][0]
        other = self.grpc.get_inference_statistics(name, as_json=True)
        other = other["model_stats"][0]
        stats = row["inference_stats"]
        self.assertEqual(str(stats["success"]["count"]),
                         other["inference_stats"]["success"].get("count", "0"))
        return (stats["success"]["count"], stats["fail"]["count"], row)

    def test_statistics_count(self):
        good, bad, _ = self.counted("Identity_UINT8")
        array = np.zeros((1, 4), np.uint8)
        for module in BOTH:
            self.client(module).infer("Identity_UINT8",
                                      [tensor(module, "x", array, "UINT8")])
            with self.assertRaises(InferenceServerException):
                self.client(module).infer(
                    "Identity_UINT8",
                    [tensor(module, "x", array.astype(np.int8), "INT8")])
        now_good, now_bad, row = self.counted("Identity_UINT8")
        self.assertEqual((now_good - good, now_bad - bad), (2, 2))
        stats = row["inference_stats"]
        parts = sum(stats[key]["ns"] for key in (
            "queue", "compute_input", "compute_infer", "compute_output"))
        self.assertEqual(parts, stats["success"]["ns"])
        self.assertEqual(row["inference_count"], row["execution_count"])
        self.assertEqual(row["batch_stats"][0]["batch_size"], 1)
        self.assertLess(abs(row["last_inference"] / 1000 - time.time()), 60)
        everyone = self.http.get_inference_statistics()["model_stats"]
        self.assertEqual(len(everyone), len(bundles.DATATYPES) + 2)

    def test_calls_of_the_load_generator(self):
        """perf_analyzer: server and model metadata, configuration, statistics
        around each window of asynchronous requests, by either protocol."""
        for module in BOTH:
            client = self.client(module)
            as_json = {} if module is triton_http else {"as_json": True}
            server = client.get_server_metadata(**as_json)
            self.assertIn("statistics", server["extensions"])
            self.assertTrue(client.is_model_ready("Solubility"))
            meta = client.get_model_metadata("Solubility", **as_json)
            config = client.get_model_config("Solubility", **as_json)
            config = config.get("config", config)
            for absent in ("sequence_batching", "ensemble_scheduling",
                           "response_cache", "dynamic_batching"):
                self.assertNotIn(absent, config)
            self.assertEqual(int(config.get("max_batch_size", 0)), 0)
            self.assertFalse(config["model_transaction_policy"].get("decoupled"))
            # `--shape input_ids:1,5` fills what the model leaves open
            inputs = []
            for port in meta["inputs"]:
                self.assertEqual(port["datatype"], "INT64")
                inputs.append(tensor(module, port["name"],
                                     np.ones((1, 5), np.int64), port["datatype"]))
            outputs = [module.InferRequestedOutput(port["name"])
                       for port in meta["outputs"]]
            windows = [self.window(client, module, inputs, outputs)
                       for _ in range(2)]
            self.assertEqual(windows, [10, 10])

    def window(self, client, module, inputs, outputs):
        """Requests that the server has counted for ten of ours."""
        before = self.counted("Solubility")[0]
        done = queue.Queue()
        for i in range(10):
            if module is triton_http:
                done.put(client.async_infer("Solubility", inputs, outputs=outputs,
                                            request_id=str(i)))
            else:
                client.async_infer(
                    "Solubility", inputs, outputs=outputs, request_id=str(i),
                    callback=lambda result, error: done.put((result, error)))
        for _ in range(10):
            item = done.get(timeout=30 * harness.PATIENCE)
            if module is triton_http:
                item.get_result()
            else:
                self.assertIsNone(item[1])
        return self.counted("Solubility")[0] - before

    def test_metrics_count_every_url_of_an_endpoint_together(self):
        self.http.get_model_metadata("Solubility")
        self.http.get_model_metadata("Solubility", "1.0.0")
        _, _, text = harness.rest(self.port, "GET", "/metrics",
                                  headers={"Accept": "text/plain"})
        lines = [line.split(" ")[0] for line in text.decode().splitlines()
                 if not line.startswith("#")]
        self.assertEqual(len(lines), len(set(lines)))
        self.assertIn('specserve_request_duration_seconds_count'
                      '{endpoint="oip.model_metadata"}', lines)

    # ---- wrong inputs ----

    def test_bad_inputs(self):
        for row in bad_open_inference.REST:
            with self.subTest(row[0]):
                bad_open_inference.check_rest(self, self.port, *row)
        for row in bad_open_inference.GRPC:
            with self.subTest(row[0]):
                bad_open_inference.check_grpc(self, self.grpc._client_stub, *row)
        self.assertTrue(self.all_ready())
        self.assertEqual(harness.rest(self.port, "GET", "/health")[0], 200)

    def test_both_protocols_complain_alike(self):
        """The same wrong request, the same sentence."""
        cases = [("nobody", "x", [1, 2], "FP32"), ("Identity_FP32", "z", [1, 2], "FP32"),
                 ("Identity_FP32", "x", [1, 2], "FP64"), ("Identity_FP32", "x", [2], "FP32")]
        for model, name, shape, datatype in cases:
            array = np.zeros(shape, triton_to_np_dtype(datatype))
            said = []
            for module in BOTH:
                with self.assertRaises(InferenceServerException) as caught:
                    self.client(module).infer(
                        model, [tensor(module, name, array, datatype)])
                said.append(caught.exception.message())
            self.assertEqual(said[0], said[1])
            self.assertRegex(said[0], f"'{name}'|'{model}'")


class NotReady(harness.Case):
    def test_a_blocked_model_is_told_apart_from_an_unknown_one(self):
        # its example has no finite answer, so the service stays blocked
        bundle = bundles.steered(self.folder.name, example="[-1]")
        server = self.start(harness.Server, bundle=bundle, ready=False)
        harness.wait_until(lambda: "reason=" in server.logged(), 30, "blocked")
        ask = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1],
                           "data": [4]}]}
        for verb, path, body, status in (
                ("GET", "/v2/health/live", None, 200),
                ("GET", "/v2/health/ready", None, 400),
                ("GET", "/v2/models/Steered/ready", None, 400),
                ("GET", "/v2/models/other/ready", None, 404),
                ("POST", "/v2/models/Steered/infer", ask, 503)):
            got, head, text = harness.rest(server.port, verb, path,
                                           body and json.dumps(body),
                                           {"Content-Type": "application/json"})
            self.assertEqual(got, status, text)
            self.assertEqual("Retry-After" in head, status == 503)
        rows = harness.rest_json(server.port, "POST", "/v2/repository/index")[1]
        self.assertEqual(rows[0]["state"], "UNAVAILABLE")
        self.assertIn("test example", rows[0]["reason"])
        self.assertEqual(harness.rest_json(
            server.port, "POST", "/v2/repository/index", {"ready": True})[1], [])
        with triton_grpc.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            self.assertFalse(client.is_server_ready())
            self.assertFalse(client.is_model_ready("Steered"))
            with self.assertRaises(InferenceServerException) as caught:
                client.infer("Steered", [tensor(
                    triton_grpc, "x", np.ones((1, 1), np.float32), "FP32")])
            self.assertIn("UNAVAILABLE", caught.exception.status())

    def test_a_caller_that_leaves_stops_its_work(self):
        bundle = bundles.steered(self.folder.name, timeout_s=60)
        server = self.start(harness.Server, bundle=bundle)
        slow = np.zeros((1, len(bundles.SLOW)), np.float32)
        with triton_grpc.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            call = client.async_infer(
                "Steered", [tensor(triton_grpc, "x", slow, "FP32")],
                callback=lambda result, error: None)
            time.sleep(0.3)
            call.cancel()
            harness.wait_until(lambda: "code=CANCELLED" in server.logged(), 10,
                               "the work stopped")
        status, answer = harness.rest_json(
            server.port, "GET", "/v2/models/Steered/stats")
        stats = answer["model_stats"][0]["inference_stats"]
        self.assertEqual((status, stats["fail"]["count"], stats["success"]["count"]),
                         (200, 1, 0))


if __name__ == "__main__":
    unittest.main()
