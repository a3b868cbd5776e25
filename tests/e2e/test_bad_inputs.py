"""Hostile input against the programs as they are shipped: docs/limits.md.

HTTP rows are the cases of bad_http.py, against a real server and a real
registry; the rows about JSON values (H20, H25 to H29) and about a full queue
(H48) need an endpoint that means something and are here, as are the documents
(Y1 to Y6) that `specserve serve` must refuse. gRPC rows run in test_grpc.py,
registry rows in test_registry.py. After every case /health is asked.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import grpc

import bad_http
import bundles
import harness
import rpc

SERVICE = "specserve.runtime.v1.ModelRuntime"
CANNOT = 1  # exit code of `serve` for a bundle that is wrong
LOAD_S = 10  # for starting, refusing and ending; never for work

# name, text of data.x (an array of numbers), error_code
NUMBERS = [
    ("H28 NaN", "[NaN]", "MALFORMED_JSON"),
    ("H28 Infinity", "[-Infinity]", "MALFORMED_JSON"),
    ("H28 1e999", "[1e999]", None),
    ("H28 beyond a float", "[1e39]", None),
    ("H28 text in a list", '["1"]', None),
    ("H28 null in a list", "[null]", None),
    ("H28 true in a list", "[true]", None),
    ("H28 a list of lists", "[[1]]", None),
    ("H28 an object", '{"a":1}', None),
    ("H26 depth 33", "[" * 33 + "]" * 33, None),
    ("H26 a million elements and one", "[" + "0," * 1000000 + "0]", None),
]
# name, whole body, word of the sentence
BODIES = [
    ("H25 empty", b"", "byte 0"),
    ("H25 truncated", b'{"input_type":"text","data":{"text":"C', "byte 3"),
    ("H25 trailing text", b'{"input_type":"text","data":{}} x', "byte 32"),
    ("H25 BOM", b"\xef\xbb\xbf{}", "byte 0"),
    ("H25 comment", b"{/**/}", "byte 1"),
    ("H25 comma at the end", b'{"input_type":"text",}', "byte 21"),
    ("H27 key twice", b'{"data":{},"data":{}}', "duplicate key"),
    ("H27 key twice inside", b'{"input_type":"text","data":{"a":1,"a":1}}',
     "duplicate key"),
    ("H27 key twice, escaped", b'{"data":{},"d\\u0061ta":{}}', "duplicate key"),
    ("H29 invalid UTF-8", b'{"input_type":"\xff"}', "UTF-8"),
    ("H29 lone surrogate", b'{"input_type":"\\ud800"}', "lone surrogate"),
    ("H29 NUL in a name", b'{"input_type":"text","data":{"a\\u0000":1}}', ""),
    ("H29 NUL in a text", b'{"input_type":"te\\u0000xt","data":{}}', ""),
    ("H28 2^63 as a type", b'{"input_type":9223372036854775808}', "input_type"),
    ("wrong type of data", b'{"input_type":"text","data":[]}', "data"),
    ("unknown key", b'{"input_type":"text","data":{},"extra":1}', "extra"),
]


class Http(harness.Case):
    """Over REST, on a server whose body limit is that of the specification."""

    def setUp(self):
        super().setUp()
        self.server = self.start(harness.Server, bundle=bundles.edited(
            self.folder.name, modelservice=[
                ("bodyLimitBytes: 65536", "bodyLimitBytes: 1048576")]))

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0, self.server.logged())

    def refused(self, path, body, headers=None):
        """The answer to a bad POST: 400, in a moment, and /health is 200."""
        begin = time.monotonic()
        status, answer = harness.rest_json(self.server.port, "POST", path, body,
                                           headers or bad_headers())
        took = time.monotonic() - begin
        self.assertEqual(status, 400, answer)
        self.assertIs(answer["success"], False)
        self.assertTrue(self.server.ready())
        return answer, took

    def test_raw_http_cases(self):
        address = ("127.0.0.1", self.server.port)
        self.assertTrue(bad_http.run_all(address, ""))

    def test_json_bodies(self):
        for name, body, word in BODIES:
            with self.subTest(name):
                answer, _ = self.refused("/predict", body)
                self.assertIn(word, answer["error"])
                self.assertEqual(answer["error"], answer["error_message"])

    def test_h26_deep_json_is_refused_at_once(self):
        for body in (b"[" * 250000, b'{"data":' + b"[" * 250000,
                     b'{"a":' * 30000):
            _, took = self.refused("/predict", body)
            self.assertLess(took, 0.1 * harness.PATIENCE)

    def test_h20_paths_that_do_not_exist(self):
        for path in ("/nothing", "/predict/x", "/v2/nothing", "/health/"):
            status, answer = harness.rest_json(self.server.port, "GET", path)
            self.assertEqual((status, answer["error_code"]), (404, "NOT_FOUND"))
        # the Open Inference Protocol has an error body of its own
        status, answer = harness.rest_json(self.server.port, "GET",
                                           "/v2/models/absent")
        self.assertEqual((status, list(answer)), (404, ["error"]))
        self.assertIn("absent", answer["error"])
        self.assertTrue(self.server.ready())


def bad_headers():
    return {"Content-Type": "application/json"}


class Numbers(harness.Case):
    def test_values_of_a_numeric_input(self):
        server = self.start(harness.Server,
                            bundle=bundles.steered(self.folder.name))
        for name, x, code in NUMBERS:
            with self.subTest(name):
                body = '{"input_type":"tabular","data":{"x":%s}}' % x
                status, answer = harness.rest_json(
                    server.port, "POST", "/predict", body.encode(), bad_headers())
                self.assertIn(status, (400, 413), answer)
                self.assertTrue(code is None or answer["error_code"] == code)
                self.assertTrue(server.ready())
        status, _ = harness.rest_json(
            server.port, "POST", "/predict",
            {"input_type": "tabular", "data": {"x": [4]}})
        self.assertEqual(status, 200)


class FullQueue(harness.Case):
    def test_h48_full_queue_is_503_at_once_with_retry_after(self):
        """Runtime API: 503 OVERLOADED, not the 429 of the general list."""
        server = self.start(
            harness.Server, "--threads", "1", "--queue", "1",
            bundle=bundles.steered(self.folder.name, timeout_s=2))
        client = rpc.Client(server.port)
        self.addCleanup(client.close)
        body = {"input_type": "tabular", "data": {"x": bundles.SLOW}}

        def load_is(**want):
            _, load = harness.rest_json(server.port, "GET", "/metrics")
            return all(load[f"requests_{k}"] == v for k, v in want.items())

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            held = []
            for load in ({"running": 1}, {"running": 1, "waiting": 1}):
                held.append(pool.submit(harness.rest_json, server.port, "POST",
                                        "/predict", body))
                harness.wait_until(lambda: load_is(**load), 10, str(load))
            begin = time.monotonic()
            status, headers, text = harness.rest(server.port, "POST",
                                                 "/predict", body)
            code, _, trailers, _ = client.call(SERVICE, "Predict", body)
            self.assertLess(time.monotonic() - begin, 1 * harness.PATIENCE)
            answer = json.loads(text)
            self.assertEqual((status, answer["error_code"]), (503, "OVERLOADED"))
            self.assertEqual(answer["error"], answer["error_message"])
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertEqual(trailers["x-error-code"], "OVERLOADED")
            self.assertGreater(int(trailers["grpc-retry-pushback-ms"]), 0)
            self.assertTrue(server.ready())
            self.assertEqual({one.result()[0] for one in held}, {504})


class Registry(harness.Case):
    def test_s2_preferred_port_that_cannot_be_given(self):
        """Runtime API: 200 with another port; only no port at all is 400."""
        registry = self.start(harness.Registry, ports="5400-5499")
        for preferred, status in ((0, 400), (65536, 400), (-1, 400), (80, 200)):
            with self.subTest(preferred):
                got, answer = harness.rest_json(
                    registry.port, "POST", "/register",
                    {"app_name": "A", "app_version": "1.2.0",
                     "model_name": f"m{preferred}", "process_id": os.getpid(),
                     "preferred_port": preferred})
                self.assertEqual(got, status, answer)
                if got == 200:
                    self.assertIn(answer["assigned_port"], range(5400, 5500))
                    self.assertIn("80", answer["message"])
                self.assertTrue(registry.answers())

    def test_http_cases_of_the_guard_hold_at_the_registry_too(self):
        registry = self.start(harness.Registry)
        address = ("127.0.0.1", registry.port)
        for row in ("H1 ", "H2 ", "H3 ", "H6", "H10", "H13", "H14", "H15", "H17"):
            self.assertTrue(bad_http.run_all(address, row), row)
        self.assertEqual(registry.stop(), 0)


class Documents(harness.Case):
    """`specserve serve` of a bundle with one bad document ends, with a reason.

    Which sentence each fault gets is proved by unit.doc and unit.bundle.
    """

    def refuses(self, word, **edits):
        """Edits of a document, or its whole new content."""
        with tempfile.TemporaryDirectory() as folder:
            bundle = bundles.edited(folder)
            for kind, content in edits.items():
                file = bundle / f"solubility.{kind}.yaml"
                if isinstance(content, tuple):
                    text = file.read_text()
                    self.assertIn(content[0], text)
                    content = text.replace(*content, 1).encode()
                file.write_bytes(content)
            self.refuses_bundle(bundle, word)

    def refuses_bundle(self, bundle, word):
        done = subprocess.run(
            [harness.BIN / "specserve", "serve", bundle, "--registry-mode",
             "off", "--port", str(harness.free_port())],
            capture_output=True, timeout=LOAD_S * harness.PATIENCE)
        said = done.stderr.decode("utf-8")
        self.assertEqual(done.returncode, CANNOT, said)
        self.assertIn(word, said)
        self.assertNotIn("\0", said)

    def test_y1_no_document_at_all(self):
        for content, word in (
                (b"", "empty"), (b"# nothing\n", "empty"),
                (b"\x7fELF\x02\x01\x01\0\0\0", ""), (b"\xef\xbb\xbfkind: X\n", ""),
                ("kind: ModelSpec\n".encode("utf-16"), ""), (b"a: b\0c\n", "")):
            with self.subTest(content):
                self.refuses(word or "solubility.modelspec.yaml",
                             modelspec=content)

    def test_y2_too_large_or_too_deep(self):
        for content in (b"a" * 65537, b"[" * 40000, b"{" * 40000,
                        b"a: " + b"[" * 33 + b"]" * 33):
            with self.subTest(content[:4]):
                self.refuses("solubility.modelservice.yaml", modelservice=content)

    def test_y3_aliases_anchors_merges_and_tags(self):
        for name in ("alias_bomb", "anchor", "merge_key", "python_tag", "tags"):
            file = (harness.ROOT / "tests/data/documents/bad"
                    / f"y3_{name.replace('_key', '')}.yaml")
            with self.subTest(name):
                self.refuses("not supported", modelspec=file.read_bytes())

    def test_y4_keys_indents_and_documents(self):
        first = "kind: ModelSpec"
        for new, word in (
                (first + "\nkind: ModelSpec", "duplicate key"),
                (first + "\nknid: x", "knid"),
                (first + "\nmore:\n\tx: 1", "tab"),
                (first + "\n---\nkind: ModelSpec", "document")):
            with self.subTest(new):
                self.refuses(word, modelspec=(first, new))

    def test_y5_values_that_look_like_other_types(self):
        """A ModelSpec is read as its upstream validator reads it, where 1e3 is
        a text; our own kinds leave nothing to guess."""
        for value in ("no", "012", "1e3", "0x10", ".nan", "2026-01-01", "~"):
            with self.subTest(value):
                self.refuses("name", modelservice=(
                    "  name: Solubility", f"  name: {value}"))
        for value in ("no", "012", "0x10", ".nan", "2026-01-01", "~"):
            with self.subTest(f"ModelSpec {value}"):
                self.refuses("name", modelspec=(
                    "  name: solubility", f"  name: {value}"))
        for value in ('"64"', "64.5", "yes", "1e3"):
            with self.subTest(f"number {value}"):
                self.refuses("bodyLimitBytes", modelservice=(
                    "bodyLimitBytes: 65536", f"bodyLimitBytes: {value}"))

    def test_y6_names_of_files(self):
        for path in ("../solubility/model.onnx", "/etc/passwd", "~/model.onnx",
                     "$HOME/model.onnx", "model.onnx%00"):
            with self.subTest(path):
                self.refuses("solubility.modelspec.yaml", modelspec=(
                    "modelUri: model.onnx", f'modelUri: "{path}"'))

    def test_y6_files_that_are_none(self):
        for name, make in (
                ("symlink", lambda p: p.symlink_to(harness.BUNDLE / "model.onnx")),
                ("FIFO", os.mkfifo), ("device", lambda p: p.symlink_to("/dev/zero")),
                ("directory", pathlib.Path.mkdir)):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                bundle = bundles.edited(folder)
                (bundle / "model.onnx").unlink()
                make(bundle / "model.onnx")
                self.refuses_bundle(bundle, "model.onnx")


if __name__ == "__main__":
    unittest.main(verbosity=2)
