"""Embeddings and rerank: the numbers, and OpenAI's own Python client, unmodified.

The numbers are those of tests/data/bundles/reference.json, which numpy made.
"""
import base64
import contextlib
import http.server
import json
import struct
import threading
import unittest

import openai

import bundles
import harness
import rpc

DATA = harness.ROOT / "tests/data/bundles"
REFERENCE = json.loads((DATA / "reference.json").read_text())
TEXTS = [row["text"] for row in REFERENCE["sentences"]]
WITHIN = 2e-6


class Sentences(harness.Case):
    def serve(self, *arguments, bundle=DATA / "sentences"):
        return self.start(harness.Server, *arguments, bundle=bundle)

    def assert_near(self, got, want):
        self.assertEqual(len(got), len(want))
        for a, b in zip(got, want):
            self.assertAlmostEqual(a, b, delta=WITHIN)

    def predict(self, server, text):
        status, answer = harness.rest_json(
            server.port, "POST", "/predict",
            {"input_type": "text", "data": {"text": text}})
        self.assertEqual(status, 200, answer)
        return answer["results"]["embedding"]

    def test_vectors_are_those_of_the_reference(self):
        """Alone, in a batch, and with each way of pooling."""
        for method in ("mean", "cls", "max"):
            bundle = bundles.copied(
                self.folder.name, DATA / "sentences", method,
                modelservice=[("method: mean", f"method: {method}")])
            server = self.serve(bundle=bundle)
            for row in REFERENCE["sentences"]:
                with self.subTest(method=method, text=row["text"]):
                    self.assert_near(self.predict(server, row["text"]),
                                     row[method])
            several = REFERENCE["sentences"][:4]
            vectors = self.predict(server, [row["text"] for row in several])
            for vector, row in zip(vectors, several, strict=True):
                self.assert_near(vector, row[method])

    def test_batches_are_limited(self):
        server = self.serve()
        status, answer = harness.rest_json(
            server.port, "POST", "/predict",
            {"input_type": "text", "data": {"text": TEXTS[:5]}})
        self.assertEqual(status, 400)
        self.assertIn("from 1 to 4 are taken", answer["error"])

    def test_vectors_that_may_be_cut(self):
        bundle = bundles.copied(
            self.folder.name, DATA / "sentences", "cut",
            modelservice=[("length: 32}", "length: 32, dimensions: [8, 16]}")])
        client = self.client(self.serve(bundle=bundle))
        whole = REFERENCE["sentences"][0]["mean"][:8]
        norm = sum(x * x for x in whole) ** 0.5
        answer = client.embeddings.create(model="Sentences", input=TEXTS[0],
                                          dimensions=8)
        self.assert_near(answer.data[0].embedding, [x / norm for x in whole])
        with self.assertRaises(openai.BadRequestError):
            client.embeddings.create(model="Sentences", input="a", dimensions=9)

    # ---- the client of OpenAI ----

    def client(self, server, **options):
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1",
                               api_key="none", **options)
        self.addCleanup(client.close)
        return client

    def test_openai_client_embeds(self):
        """It asks for base64 unless told otherwise, and decodes it itself."""
        client = self.client(self.serve())
        want = REFERENCE["sentences"]
        answer = client.embeddings.create(model="Sentences", input=TEXTS)
        self.assertEqual([row.index for row in answer.data],
                         list(range(len(TEXTS))))
        for row, expected in zip(answer.data, want):
            self.assert_near(row.embedding, expected["mean"])
        self.assertEqual(answer.model, "Sentences")
        self.assertEqual(answer.usage.prompt_tokens,
                         sum(len(row["ids"]) for row in want))
        answer = client.embeddings.create(model="sentences", input=TEXTS[0],
                                          encoding_format="float", user="me")
        self.assert_near(answer.data[0].embedding, want[0]["mean"])
        for ids in (want[0]["ids"], [row["ids"] for row in want]):
            answer = client.embeddings.create(model="Sentences", input=ids)
            self.assert_near(answer.data[0].embedding, want[0]["mean"])

    def test_openai_client_raises_its_own_errors(self):
        client = self.client(self.serve(), max_retries=0)

        def embed(**request):
            return client.embeddings.create(
                **{"model": "Sentences", "input": "a", **request})

        with self.assertRaises(openai.NotFoundError) as raised:
            embed(model="text-embedding-3-small")
        self.assertEqual(raised.exception.param, "model")
        self.assertEqual(raised.exception.code, "not_found")
        with self.assertRaises(openai.BadRequestError) as raised:
            embed(input="o" * 100)
        self.assertEqual(raised.exception.code, "input_too_long")
        self.assertEqual(raised.exception.type, "invalid_request_error")
        self.assertIn("at most 64", raised.exception.message)
        with self.assertRaises(openai.BadRequestError):
            embed(input="")
        with self.assertRaises(openai.BadRequestError):
            embed(dimensions=7)
        self.assertEqual(len(embed().data), 1)

    def test_openai_client_tries_again_while_busy(self):
        """Statuses and Retry-After are what makes it repeat a call."""
        server = self.serve()
        for status in (503, 429):
            with self.subTest(status), refusing_once(server.port, status) as port:
                client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1",
                                       api_key="none", max_retries=1)
                answer = client.embeddings.create(model="Sentences", input="a")
                self.assertEqual(len(answer.data), 1)
                client.close()

    def refused(self, server, status, **request):
        got, answer = harness.rest_json(server.port, "POST", "/v1/embeddings",
                                        {"input": "a", **request})
        self.assertEqual(got, status, answer)
        self.assertEqual(harness.rest(server.port, "GET", "/health")[0], 200)
        return answer["error"]["param"]

    def test_bad_requests_name_the_field(self):
        server = self.serve()
        for value in ({"a": 1}, ["a", 1], [[1], "a"], [1.5], [True], None, 7,
                      [[[1]]], [2 ** 31], "", [""], []):
            with self.subTest(input=value):
                self.assertEqual(self.refused(server, 400, input=value), "input")
        for value in (0, -1, 2 ** 31, "8", 1.5, [8]):
            with self.subTest(dimensions=value):
                self.assertEqual(self.refused(server, 400, dimensions=value),
                                 "dimensions")
        self.assertEqual(self.refused(server, 400, model=["a"]), "model")
        self.assertEqual(self.refused(server, 400, colour=1), "colour")
        self.refused(server, 400, input="o" * 4000)

    def test_no_other_model_is_found(self):
        server = self.serve()
        for name in ("../x", "m" * 65, "a/b", "Sentences\u0301", "SENTENCES"):
            with self.subTest(name):
                self.assertEqual(self.refused(server, 404, model=name), "model")

    def test_base64_is_little_endian_floats(self):
        server = self.serve()
        request = {"input": TEXTS[0], "encoding_format": "base64"}
        _, answer = harness.rest_json(server.port, "POST", "/v1/embeddings",
                                      request)
        raw = base64.b64decode(answer["data"][0]["embedding"], validate=True)
        self.assert_near(struct.unpack("<32f", raw),
                         REFERENCE["sentences"][0]["mean"])


class Relevance(harness.Case):
    def test_scores_are_those_of_the_reference(self):
        server = self.start(harness.Server, bundle=DATA / "relevance")
        want = REFERENCE["relevance"]
        documents = [row["document"] for row in want["documents"]]
        status, answer = harness.rest_json(
            server.port, "POST", "/v1/rerank",
            {"query": want["query"], "documents": documents,
             "return_documents": True})
        self.assertEqual(status, 200, answer)
        best = sorted(range(len(documents)),
                      key=lambda i: -want["documents"][i]["score"])
        self.assertEqual([row["index"] for row in answer["results"]], best)
        for row in answer["results"]:
            expected = want["documents"][row["index"]]
            self.assertAlmostEqual(row["relevance_score"], expected["score"],
                                   delta=WITHIN)
            self.assertEqual(row["document"]["text"], expected["document"])
        self.assertEqual(answer["usage"]["total_tokens"],
                         sum(row["tokens"] for row in want["documents"]))


class Told(harness.Case):
    """Answers say what they took, in headers and in trailers."""

    def test_headers_and_trailers(self):
        server = self.start(harness.Server, bundle=DATA / "sentences")
        request = {"input": ["the", "x"]}
        _, headers, _ = harness.rest(server.port, "POST", "/v1/embeddings",
                                     request)
        client = rpc.Client(server.port)
        self.addCleanup(client.close)
        _, _, trailers, _ = client.call("specserve.text.v1.TextModel", "Embed",
                                        request)
        for told in ({k.lower(): v for k, v in headers.items()}, trailers):
            self.assertEqual(told["x-compute-tokens"], "6")
            self.assertEqual(told["x-truncated"], "false")
            self.assertGreater(float(told["x-compute-time-ms"]), 0)
            self.assertGreaterEqual(float(told["x-queue-time-ms"]), 0)
        _, headers, _ = harness.rest(server.port, "POST", "/v1/embeddings",
                                     {"input": ""})
        self.assertNotIn("X-Compute-Time-Ms", headers)

    def test_cut_texts_are_told(self):
        bundle = bundles.copied(
            self.folder.name, DATA / "sentences", "cut",
            modelservice=[("maxTokens: 64}",
                           "maxTokens: 64, onExcess: annotate-truncated}")])
        server = self.start(harness.Server, bundle=bundle)
        status, headers, _ = harness.rest(server.port, "POST", "/v1/embeddings",
                                          {"input": "o" * 100})
        self.assertEqual(status, 200)
        self.assertEqual(headers["X-Truncated"], "true")
        self.assertEqual(headers["X-Compute-Tokens"], "64")


@contextlib.contextmanager
def refusing_once(port, status):
    """The port of a relay that is busy once, then passes requests on."""
    refusals = [status]

    class Relay(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if refusals:
                code, answer = refusals.pop(), b'{"error":{"message":"busy"}}'
            else:
                code, _, answer = harness.rest(
                    port, "POST", self.path, body,
                    {"Content-Type": "application/json"})
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Relay) as relay:
        thread = threading.Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield relay.server_port
        finally:
            relay.shutdown()
            thread.join()


if __name__ == "__main__":
    unittest.main(verbosity=2)
