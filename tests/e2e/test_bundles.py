"""What the documents of a bundle make the server do, and what stops its start.

The proof of server/bundle_fields.def for the rows of a ModelSpec that no other
test shows; several bundles in one process; bundles that cannot be served.
"""
import concurrent.futures
import json
import signal
import threading
import unittest

import bundles
import harness

PREDICT = {"input_type": "text", "data": {"text": "CCO"}}


class Declared(harness.Case):
    """One field of a document each, in a copy of the shipped bundle."""

    def serve(self, *arguments, environment=None, **edits):
        bundle = bundles.edited(self.folder.name, **edits)
        return self.start(harness.Server, *arguments, bundle=bundle,
                          environment=environment)

    def test_probe_paths_are_answered_like_health(self):
        server = self.serve(modelspec=[
            ("readinessProbe:\n        path: /health",
             "readinessProbe:\n        path: /probes/ready"),
            ("livenessProbe:\n        path: /health",
             "livenessProbe:\n        path: /live")])
        for path in ("/probes/ready", "/live", "/health"):
            status, answer = harness.rest_json(server.port, "GET", path)
            self.assertEqual((status, answer["status"]), (200, "ok"), path)
            status, _, body = harness.rest(server.port, "HEAD", path)
            self.assertEqual((status, body), (200, b""), path)
            status, headers, _ = harness.rest(server.port, "POST", path)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), path)
        status, _, _ = harness.rest(server.port, "GET", "/probes")
        self.assertEqual(status, 404)
        self.assertNotIn("Probe", server.logged())  # of what is not acted on

    def test_disabled_metrics_are_not_for_collectors(self):
        server = self.serve(modelspec=[("enabled: true", "enabled: false")])
        for accept in ("application/json", "text/plain",
                       "application/openmetrics-text"):
            status, headers, body = harness.rest(
                server.port, "GET", "/metrics", headers={"Accept": accept})
            self.assertEqual((status, headers["Content-Type"]),
                             (200, "application/json"))
            self.assertIn("uptime_s", json.loads(body))

    def test_precision_int8_is_measured_on_the_examples(self):
        text = (harness.BUNDLE / "solubility.modelservice.yaml").read_text()
        wide = [("tolerance: 0.001", "tolerance: 0.1")]
        server = self.serve(modelspec=[("precision: fp32", "precision: int8")],
                            modelservice=wide * text.count(wide[0][0]))
        status, answer = harness.rest_json(server.port, "POST", "/predict", PREDICT)
        self.assertEqual(status, 200)
        self.assertRegex(server.logged(), r" precision model=Solubility asked=int8 "
                         r"used=int8 products=3 of=6 examples=\d+ difference=0\.0")
        # not what floats give (1.0049), and near it
        logs = answer["results"]["LogS"]
        self.assertNotAlmostEqual(logs, 1.0049, 4)
        self.assertAlmostEqual(logs, 1.0049, 1)

    def test_precision_bf16_is_computed_as_fp32_and_says_so(self):
        server = self.serve(modelspec=[("precision: fp32", "precision: bf16")])
        self.assertIn("asked=bf16 used=fp32 reason=", server.logged())

    def test_logging_level_holds_where_no_flag_says_more(self):
        quiet = [("level: info", "level: warn")]
        server = self.serve(modelspec=quiet)
        self.assertNotIn(" info ", server.logged())
        self.assertEqual(server.stop(), 0)

    def test_log_level_flag_beats_the_document(self):
        server = self.serve("--log-level", "info",
                            modelspec=[("level: info", "level: error")])
        harness.wait_until(lambda: " info ready " in server.logged(), 20,
                           "ready in the log")

    def test_unknown_logging_level_is_said(self):
        server = self.serve(modelspec=[("level: info", "level: chatty")])
        self.assertIn("warning: 'chatty' is none of error, warn, info and debug",
                      server.logged())
        harness.wait_until(lambda: " info ready " in server.logged(), 20,
                           "ready in the log")

    def test_cpu_cores_limit_the_workers(self):
        server = self.serve(modelspec=[("cpuCores: 2", "cpuCores: 1")])
        self.assertRegex(server.logged(), r" listening .* workers=1\b")

    def test_threads_flag_beats_cpu_cores(self):
        server = self.serve("--threads", "3",
                            modelspec=[("cpuCores: 2", "cpuCores: 1")])
        self.assertRegex(server.logged(), r" listening .* workers=3\b")

    def test_batches_are_as_large_as_declared(self):
        server = self.serve(modelspec=[("maxBatchSize: 64", "maxBatchSize: 3")])

        def predict(count):
            return harness.rest_json(
                server.port, "POST", "/predict",
                {"input_type": "text", "data": {"text": ["CCO"] * count}})

        self.assertEqual(predict(3)[0], 200)
        status, answer = predict(4)
        self.assertEqual((status, answer["error_code"]), (400, "VALIDATION_ERROR"))
        self.assertIn("from 1 to 3 are taken", answer["error"])

    def test_registration_mode_of_the_service(self):
        off = [("mode: preferred", 'mode: "off"')]
        bundle = bundles.edited(self.folder.name, modelservice=off)
        registry = self.start(harness.Registry)
        server = self.start(harness.Program, [
            harness.BIN / "specserve", "serve", bundle, "--port",
            harness.free_port(), "--registry", f"http://127.0.0.1:{registry.port}"])
        harness.wait_until(lambda: " ready " in server.logged(), 30, "ready")
        self.assertEqual(registry.registrations(), [])
        self.assertNotIn(" registered ", server.logged())

    def test_required_registration_of_the_service(self):
        required = [("mode: preferred", "mode: required")]
        bundle = bundles.edited(self.folder.name, modelservice=required)
        server = self.start(harness.Program, [
            harness.BIN / "specserve", "serve", bundle, "--registry",
            f"http://127.0.0.1:{harness.free_port()}"])
        self.assertEqual(server.process.wait(30 * harness.PATIENCE), 3)


class Limits(harness.Case):
    """A slow model, so that calls meet each other."""

    def serve(self, serving):
        bundle = bundles.steered(self.folder.name, timeout_s=5)
        spec = bundle / "steered.modelspec.yaml"
        spec.write_text(spec.read_text().replace(
            "timeoutSeconds: 5", f"timeoutSeconds: 5, {serving}"))
        return self.start(harness.Server, "--threads", "4", bundle=bundle)

    def test_calls_in_flight_are_as_many_as_declared(self):
        for limit in (1, 2):
            with self.subTest(limit=limit):
                server = self.serve(f"maxConcurrency: {limit}")
                self.check_in_flight(server, limit)
                self.assertEqual(server.stop(), 0, server.logged())
                self.folder.cleanup()
                bundles.pathlib.Path(self.folder.name).mkdir()

    def check_in_flight(self, server, limit):
        def predict(x):
            return harness.rest_json(server.port, "POST", "/predict",
                                     {"input_type": "tabular", "data": {"x": x}})

        def running():
            _, answer = harness.rest_json(server.port, "GET", "/metrics")
            return answer["requests_running"] == limit

        with concurrent.futures.ThreadPoolExecutor() as pool:
            slow = [pool.submit(predict, bundles.SLOW) for _ in range(limit)]
            harness.wait_until(running, 20, f"{limit} calls run")
            status, answer = predict([4])
            self.assertEqual((status, answer["error_code"]), (503, "OVERLOADED"))
            for call in slow:
                self.assertIn(call.result()[0], (200, 504))
        for _ in range(50):  # one after the other is never too many
            self.assertEqual(predict([4])[0], 200)


def two_free_ports():
    """The first of two neighbours that nobody has."""
    for _ in range(100):
        with harness.socket.socket() as one, harness.socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            first = one.getsockname()[1]
            try:
                other.bind(("127.0.0.1", first + 1))
            except (OSError, OverflowError):
                continue
            return first
    raise AssertionError("no two neighbours are free")


class Several(harness.Case):
    def two(self):
        """Two copies of the bundle under different names."""
        made = []
        for name in ("Left", "Right"):
            folder = bundles.pathlib.Path(self.folder.name) / name
            folder.mkdir()
            made.append(bundles.edited(folder, modelservice=[
                ("name: Solubility", f"name: {name}"),
                ("appName: Solubility_API", f"appName: {name}_API")]))
        return made

    def serve_two(self, *arguments):
        return self.start(harness.Program,
                          [harness.BIN / "specserve", "serve", *self.two(),
                           *arguments])

    def ready(self, program, port):
        def answers():
            self.assertTrue(program.running(), program.logged())
            try:
                return harness.rest(port, "GET", "/health")[0] == 200
            except OSError:
                return False
        harness.wait_until(answers, 30, f"port {port} is ready")

    def check_answers(self, port, model):
        status, answer = harness.rest_json(port, "POST", "/predict", PREDICT)
        self.assertEqual((status, answer["model_name"]), (200, model))
        self.assertAlmostEqual(answer["results"]["LogS"], 1.0049, delta=0.001)
        self.assertEqual(harness.rest_json(port, "GET", "/info")[1]["name"], model)

    def test_two_bundles_have_two_ports_and_one_end(self):
        registry = self.start(harness.Registry)
        program = self.serve_two("--registry", f"http://127.0.0.1:{registry.port}")
        entries = harness.wait_until(
            lambda: len(registry.registrations()) == 2 and registry.registrations(),
            30, "both registered")
        ports = {entry["model_name"]: entry["port"] for entry in entries}
        self.assertEqual(set(ports), {"Left", "Right"})
        self.assertEqual(len(set(ports.values())), 2)
        self.assertEqual({entry["process_id"] for entry in entries},
                         {program.process.pid})
        for model, port in ports.items():
            self.ready(program, port)
            self.check_answers(port, model)
        self.assertEqual(program.stop(), 0, program.logged())
        self.assertEqual(registry.registrations(), [])
        self.assertEqual(program.logged().count(" drained "), 2)
        self.assertEqual(program.logged().count(" unregistered "), 2)
        self.assertEqual(registry.stop(), 0)

    def test_load_on_both_is_answered_to_its_end(self):
        registry = self.start(harness.Registry)
        program = self.serve_two("--registry", f"http://127.0.0.1:{registry.port}")
        harness.wait_until(lambda: program.logged().count(" ready ") == 2, 30,
                           "both ready")
        ports = [entry["port"] for entry in registry.registrations()]
        ended = threading.Event()
        wrong = []

        def call(port):
            while not ended.is_set():
                try:
                    status, answer = harness.rest_json(port, "POST", "/predict",
                                                       PREDICT)
                except OSError:  # closed: it is draining, or gone
                    continue
                if status != 200 and answer["error_code"] != "NOT_READY":
                    wrong.append((port, status, answer))

        with concurrent.futures.ThreadPoolExecutor() as pool:
            for port in ports * 2:
                pool.submit(call, port)
            before = [self.served(port) for port in ports]
            harness.wait_until(
                lambda: all(self.served(port) > count + 20
                            for port, count in zip(ports, before)), 30, "load")
            try:
                self.assertEqual(program.stop(signal.SIGTERM), 0, program.logged())
            finally:
                ended.set()
        self.assertEqual(wrong, [])
        self.assertEqual(registry.registrations(), [])

    def served(self, port):
        return harness.rest_json(port, "GET", "/metrics")[1]["requests_served"]

    def test_port_flag_counts_on(self):
        first = two_free_ports()
        program = self.serve_two("--registry-mode", "off", "--port", first)
        self.ready(program, first)
        self.ready(program, first + 1)
        self.check_answers(first, "Left")
        self.check_answers(first + 1, "Right")
        self.assertEqual(program.stop(), 0)

    def test_shutdown_of_one_ends_both(self):
        registry = self.start(harness.Registry)
        program = self.serve_two("--registry", f"http://127.0.0.1:{registry.port}",
                                 "--shutdown", "loopback")
        harness.wait_until(lambda: program.logged().count(" ready ") == 2, 30,
                           "both ready")
        port = registry.registrations()[1]["port"]
        status, _ = harness.rest_json(port, "POST", "/shutdown", {})
        self.assertEqual(status, 200)
        self.assertEqual(program.process.wait(30 * harness.PATIENCE), 0)
        self.assertEqual(registry.registrations(), [])

    def test_a_broken_second_one_ends_the_first(self):
        registry = self.start(harness.Registry)
        good, broken = self.two()
        (broken / "model.onnx").write_bytes(b"no model")
        program = self.start(harness.Program, [
            harness.BIN / "specserve", "serve", good, broken,
            "--registry", f"http://127.0.0.1:{registry.port}"])
        self.assertEqual(program.process.wait(30 * harness.PATIENCE), 1)
        self.assertIn(f"specserve serve: {broken}: ", program.logged())
        self.assertEqual(registry.registrations(), [])


class Refused(harness.Case):
    """Bundles that cannot be served: a sentence, exit code 1, no registration."""

    def refused(self, bundle, *words):
        registry = self.start(harness.Registry)
        program = self.start(harness.Program, [
            harness.BIN / "specserve", "serve", bundle,
            "--registry", f"http://127.0.0.1:{registry.port}"])
        code = program.process.wait(30 * harness.PATIENCE)
        self.assertEqual(code, 1, program.logged())
        for word in (*words, f"specserve serve: {bundle}: "):
            self.assertIn(word, program.logged())
        self.assertEqual(registry.registrations(), [])

    def edited(self, **edits):
        return bundles.edited(self.folder.name, **edits)

    def test_no_folder(self):
        self.refused(f"{self.folder.name}/nothing", "nothing", "1 fault\n")

    def test_document_that_breaks_its_schema(self):
        bundle = self.edited(modelspec=[("count: 1", "count: none")])
        self.refused(bundle, "solubility.modelspec.yaml:", "count", "1 fault\n")

    def test_documents_that_contradict_each_other(self):
        bundle = self.edited(modelspec=[
            ("maxSequenceLengthTokens: 512", "maxSequenceLengthTokens: 100")])
        self.refused(bundle, "maxSequenceLengthTokens is 100", "[MS190]")

    def test_framework_of_others(self):
        bundle = self.edited(modelspec=[("framework: onnx", "framework: vllm")])
        self.refused(bundle, "framework 'vllm' cannot be served, only onnx")

    def test_precision_that_changes_the_examples(self):
        bundle = self.edited(modelspec=[("precision: fp32", "precision: int8")])
        self.refused(bundle, "precision int8 is not accurate enough, fp32 is: "
                     "example '")

    def test_no_model(self):
        bundle = self.edited()
        (bundle / "model.onnx").unlink()
        self.refused(bundle, "model.onnx", "/spec/identity/model/artifacts/modelUri")

    def test_no_tokenizer(self):
        bundle = self.edited()
        (bundle / "tokenizer.json").write_text("{}")
        self.refused(bundle, "tokenizer")

    def test_file_that_is_no_model(self):
        bundle = self.edited()
        (bundle / "model.onnx").write_bytes(b"no model" * 100)
        self.refused(bundle)

    def test_model_cut_short(self):
        bundle = self.edited()
        model = (bundle / "model.onnx").read_bytes()
        (bundle / "model.onnx").write_bytes(model[:len(model) // 2])
        self.refused(bundle)

    def test_operator_that_the_engine_does_not_have(self):
        bundle = bundles.steered(self.folder.name)
        model = (bundle / "model.onnx").read_bytes()
        self.assertIn(b"Sqrt", model)
        (bundle / "model.onnx").write_bytes(model.replace(b"Sqrt", b"Sqrx"))
        self.refused(bundle, "Sqrx", "root")

    def test_signature_of_another_model(self):
        bundle = self.edited(modelservice=[
            ("{name: input_ids, dtype: int64", "{name: input_ids, dtype: float32")])
        self.refused(bundle, "'input_ids' is int64 in the model file [MS190]",
                     "the model file and signature.tensors differ\n")

    def test_probe_path_of_another_endpoint(self):
        bundle = self.edited(modelspec=[
            ("readinessProbe:\n        path: /health",
             "readinessProbe:\n        path: /predict")])
        self.refused(bundle, "'/predict' cannot stand for '/health'")

    def test_probe_path_that_no_request_has(self):
        for path in ("health", "/a//b", "/a/../b"):
            with self.subTest(path):
                bundle = self.edited(modelspec=[
                    ("readinessProbe:\n        path: /health",
                     f"readinessProbe:\n        path: {path}")])
                self.refused(bundle, f"'{path}'")
                for file in bundle.iterdir():
                    file.unlink()
                bundle.rmdir()


if __name__ == "__main__":
    unittest.main(verbosity=2)
