"""Texts of different length at once: each gets the answer that it gets alone.

The bundle of sentences runs without padding, relative/ (an encoder of the T5 kind)
padded to texts of near length; either way many texts share a run of the model, and
/metrics tells that they did. Models that must not be padded run text by text.
"""
import concurrent.futures
import itertools
import json
import random
import re
import tempfile
import unittest

import bundles
import harness

BUNDLES = harness.ROOT / "tests" / "data" / "bundles"
WORDS = "a cat sits on the mat and we read two texts of one word or more".split()


def texts(count, seed, longest=14):
    """From one word to `longest`."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, longest)))
            for _ in range(count)]


def predict(port, text):
    return harness.rest_json(port, "POST", "/predict",
                             {"input_type": "text", "data": {"text": text}})


class Served(harness.Case):
    def serve(self, bundle):
        self.server = self.start(harness.Server, bundle=bundle)

    def embed(self, text):
        status, answer = predict(self.server.port, text)
        self.assertEqual(status, 200, answer)
        return answer["results"]["embedding"]

    def same(self, got, wanted):
        self.assertEqual(len(got), len(wanted))
        self.assertLessEqual(max(abs(a - b) for a, b in zip(got, wanted)), 1e-5)

    def metric(self, name):
        _, _, body = harness.rest(self.server.port, "GET", "/metrics",
                                  headers={"Accept": "text/plain"})
        return float(re.search(rf"^{name} ([\d.]+)$", body.decode(), re.M)[1])

    def asked_together(self, many, times=4):
        """Answers as alone; how many runs of the model there were and for how many
        requests."""
        alone = [self.embed(text) for text in many]
        names = ["specserve_batch_requests_" + end for end in ("count", "sum")]
        before = [self.metric(name) for name in names]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            together = list(pool.map(self.embed, many * times))
        for got, wanted in zip(together, itertools.cycle(alone)):
            self.same(got, wanted)
        return [self.metric(name) - old for name, old in zip(names, before)]


class Batching(Served):
    bundle = BUNDLES / "sentences"

    def setUp(self):
        super().setUp()
        self.serve(self.bundle)

    def test_a_text_in_company_is_answered_as_alone(self):
        runs, requests = self.asked_together(texts(60, 1))
        self.assertEqual(requests, 240)
        self.assertLess(runs, requests)
        self.assertEqual(self.metric("specserve_batch_requests_sum"),
                         self.metric("specserve_batch_rows_sum"))
        self.assertGreater(self.metric("specserve_batch_tokens_sum"), 60 * 4)

    def test_texts_of_one_request_are_answered_as_alone(self):
        many = texts(4, 2)
        status, answer = predict(self.server.port, many)
        self.assertEqual(status, 200, answer)
        for got, text in zip(answer["results"]["embedding"], many):
            self.same(got, self.embed(text))

    def test_embeddings_of_many_texts_take_few_runs(self):
        many = texts(40, 3, longest=4)
        before = self.metric("specserve_batch_requests_count")
        status, answer = harness.rest_json(self.server.port, "POST",
                                           "/v1/embeddings", {"input": many})
        self.assertEqual(status, 200, answer)
        self.assertLessEqual(
            self.metric("specserve_batch_requests_count") - before, 10)
        for row, text in zip(answer["data"], many):
            self.same(row["embedding"], self.embed(text))

    def test_a_bad_text_fails_alone(self):
        good, bad = "a cat", "word " * 300
        wanted = self.embed(good)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(
                lambda i: predict(self.server.port, bad if i % 3 == 0 else good),
                range(90)))
        for i, (status, answer) in enumerate(answers):
            if i % 3 == 0:
                self.assertEqual(answer["error_code"], "INPUT_TOO_LONG")
            else:
                self.assertEqual(status, 200, answer)
                self.same(answer["results"]["embedding"], wanted)


class Padded(Batching):
    bundle = BUNDLES / "relative"

    def test_vectors_are_those_of_the_reference(self):
        rows = json.loads((self.bundle / "reference.json").read_text())
        for row in rows:
            self.same(self.embed(row["text"]), row["mean"])
            status, answer = harness.rest_json(
                self.server.port, "POST", "/v1/embeddings", {"input": [row["ids"]]})
            self.assertEqual(status, 200, answer)
            self.same(answer["data"][0]["embedding"], row["mean"])

    def test_long_texts_share_a_run_with_long_ones(self):
        lengths = texts(30, 4, longest=40)
        runs, requests = self.asked_together(lengths)
        self.assertLess(runs, requests)

    def test_the_log_says_how_texts_run(self):
        self.assertRegex(self.server.logged(),
                         r'batching model=Relative texts=padded reason="node ')


# Models of token ids whose rows must not be padded: the nodes that make y [b, 1] from
# x [b, n], floats; and what the log says.
ROWS = [bundles.node("Unsqueeze", ["m"], "y", axes=[1])]
WRONG = {
    "no mask": (
        [bundles.node("ReduceMin", ["x"], "m", axes=[1], keepdims=0), *ROWS],
        "a padded text has another output 'y' than alone"),
    "the batch is mixed": (
        [bundles.node("ReduceSum", ["x"], "s", axes=[1], keepdims=0),
         bundles.node("Softmax", ["s"], "t", axis=0),
         bundles.node("Add", ["s", "t"], "m"), *ROWS],
        "a padded text has another output 'y' than alone"),
    "the batch is lost": (
        [bundles.node("ReduceSum", ["x"], "y", axes=[0, 1], keepdims=1)],
        "output 'y' has no row for each text"),
}


def tokens_bundle(folder, nodes):
    """The sentences' documents around a model of ids: y of the nodes."""
    bundle = bundles.copied(
        folder, BUNDLES / "sentences", "sentences",
        modelspec=[("    postprocess:\n      steps:\n"
                    "      - {name: pool, type: pooling}\n"
                    "      - {name: unit, type: l2_normalize}\n", "")],
        modelservice=[
            ("length: 32}", 'length: 1, from: {tensor: "y"}}'),
            ("length: {embedding: 32}, norm: {embedding: 1.0, tolerance: 0.001}",
             "length: {embedding: 1}"),
            (", mask: attention_mask, types: token_type_ids", ""),
            ("      - {name: attention_mask, dtype: int64, shape: [-1, -1]}\n", ""),
            ("      - {name: token_type_ids, dtype: int64, shape: [-1, -1]}\n", ""),
            ("last_hidden_state, dtype: float32, shape: [-1, -1, 32]",
             '"y", dtype: float32, shape: [-1, 1]'),
            ("    pool: {tensor: last_hidden_state, method: mean, output: embedding}\n"
             "    unit: {value: embedding}\n", "")])
    graph = (b"".join([bundles.node("Cast", ["input_ids"], "x", to=1), *nodes])
             + bundles.part(2, "wrong")
             + bundles.port(11, "input_ids", "b", "n", element=7)
             + bundles.port(12, "y", "r", 1))
    (bundle / "model.onnx").write_bytes(
        bundles.part(1, 8) + bundles.part(7, graph)
        + bundles.part(8, bundles.part(1, "") + bundles.part(2, 12)))
    return bundle


class Refused(Served):
    def test_what_must_not_be_padded_runs_text_by_text(self):
        for name, (nodes, reason) in WRONG.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.serve(tokens_bundle(folder, nodes))
                self.assertIn(f'texts=none reason="{reason}"', self.server.logged())
                many = texts(12, 5)
                runs, requests = self.asked_together(many, times=2)
                self.assertEqual(runs, requests)
                status, answer = predict(self.server.port, many[:4])
                self.assertEqual(status, 200, answer)
                for got, text in zip(answer["results"]["embedding"], many):
                    self.same(got, self.embed(text))

    def test_rows_that_are_lost_later_are_an_error(self):
        """A model that gives its first three rows only, as many as were tried."""
        nodes = [bundles.node("ReduceSum", ["x"], "s", axes=[1], keepdims=1),
                 bundles.node("Constant", [], "zero", value_ints=[0]),
                 bundles.node("Constant", [], "three", value_ints=[3]),
                 bundles.node("Slice", ["s", "zero", "three", "zero"], "y")]
        with tempfile.TemporaryDirectory() as folder:
            self.serve(tokens_bundle(folder, nodes))
            self.assertIn("texts=padded", self.server.logged())
            status, answer = predict(self.server.port, texts(3, 6))
            self.assertEqual(status, 200, answer)
            status, answer = predict(self.server.port, ["a cat"] * 4)
            self.assertEqual(status, 500, answer)
            self.assertIn("output 'y' has no row for each text", str(answer))


if __name__ == "__main__":
    unittest.main()
