"""Texts of different length at once: each gets the answer that it gets alone.

The bundle of sentences runs without padding, so many texts share a run of the
model; /metrics tells that they did.
"""
import concurrent.futures
import itertools
import random
import re
import unittest

import harness

BUNDLE = harness.ROOT / "tests" / "data" / "bundles" / "sentences"
WORDS = "a cat sits on the mat and we read two texts of one word or more".split()


def texts(count, seed):
    """From one word to fourteen."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 14)))
            for _ in range(count)]


def predict(port, text):
    return harness.rest_json(port, "POST", "/predict",
                             {"input_type": "text", "data": {"text": text}})


class Batching(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.start(harness.Server, bundle=BUNDLE)

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

    def test_a_text_in_company_is_answered_as_alone(self):
        many = texts(60, 1)
        alone = [self.embed(text) for text in many]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            together = list(pool.map(self.embed, many * 4))
        for got, wanted in zip(together, itertools.cycle(alone)):
            self.same(got, wanted)
        runs = self.metric("specserve_batch_requests_count")
        self.assertEqual(self.metric("specserve_batch_requests_sum"),
                         self.metric("specserve_batch_rows_sum"))
        self.assertLess(runs, self.metric("specserve_batch_requests_sum"))
        self.assertGreater(self.metric("specserve_batch_tokens_sum"), 60 * 4)

    def test_texts_of_one_request_are_answered_as_alone(self):
        many = texts(4, 2)
        status, answer = predict(self.server.port, many)
        self.assertEqual(status, 200, answer)
        for got, text in zip(answer["results"]["embedding"], many):
            self.same(got, self.embed(text))

    def test_a_bad_text_fails_alone(self):
        good, bad = "a cat", "word " * 100
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


if __name__ == "__main__":
    unittest.main()
