#!/usr/bin/env python3
"""Mixed traffic for minutes: does memory stay flat?

    .venv/bin/python tests/bench/soak.py [--minutes 10] [--embed BUNDLE] [--load 0.7]

Serves an embedding bundle (tests/data/bundles/sentences, or any with an input `text`
and an output `embedding`, such as the folder that tests/models/minilm.py leaves) and
tests/data/bundles/relevance. First asks as fast as it can for five seconds; then
random arrivals at `--load` of that rate: /predict with one text or many, of one
word to too many, /v1/embeddings with texts, ids and base64, /v1/rerank, the Open
Inference Protocol over REST and gRPC, streams of bad requests, callers that hang up.
Every answer's status is checked. Prints the resident memory a minute and its slope
(least squares) after the first fifth; fails above 1 MB a minute, and when an
answer is not the expected one.
"""
import argparse
import collections
import http.client
import json
import pathlib
import queue
import random
import socket
import sys
import threading
import time

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

DATA = harness.ROOT / "tests" / "data" / "bundles"
BOUND = 1.0  # MB a minute
THREADS = 16
WORDS = "a cat sits on the mat and we read two texts of one word or more".split()
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Busy(Exception):
    """The server said that it has too much to do: not a fault, but counted."""


class Caller:
    """One thread's connections and what it may ask."""

    def __init__(self, embed, rerank, model, seed):
        self.draw = random.Random(seed)
        self.embed, self.rerank, self.model = embed, rerank, model
        self.connections = {}
        self.grpc = triton.InferenceServerClient(f"127.0.0.1:{embed}")
        self.kinds = [(30, self.predict), (6, self.predict_many),
                      (12, self.embeddings), (8, self.embeddings_of_ids),
                      (8, self.ask_rerank), (10, self.infer), (10, self.infer_grpc),
                      (6, self.bad_json), (4, self.bad_value), (4, self.bad_model),
                      (3, self.bad_tensor), (3, self.bad_grpc), (2, self.hang_up)]

    def text(self, most=40):
        return " ".join(self.draw.choices(WORDS, k=self.draw.randint(1, most)))

    def post(self, port, path, body, wanted):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if port not in self.connections or self.draw.random() < 0.02:
            self.connections[port] = http.client.HTTPConnection(
                "127.0.0.1", port, timeout=60)
        connection = self.connections[port]
        try:
            connection.request("POST", path, body,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            del self.connections[port] # it was idle for too long
            return self.post(port, path, body, wanted)
        if answer.status == 429 or answer.status == 503:
            raise Busy
        assert answer.status in wanted, f"{path} {body[:80]}: {answer.status} {text}"
        return json.loads(text)

    def predict(self):
        data = {"text": self.text(12)}
        self.post(self.embed, "/predict", {"input_type": "text", "data": data}, [200])

    def predict_many(self):
        data = {"text": [self.text(12) for _ in range(self.draw.randint(1, 4))]}
        self.post(self.embed, "/predict", {"input_type": "text", "data": data}, [200])

    def embeddings(self):
        texts = [self.text(12) for _ in range(self.draw.randint(1, 6))]
        form = self.draw.choice(["float", "base64"])
        answer = self.post(self.embed, "/v1/embeddings",
                           {"input": texts, "encoding_format": form}, [200])
        assert len(answer["data"]) == len(texts)

    def embeddings_of_ids(self):
        ids = [self.draw.randint(3, 200) for _ in range(self.draw.randint(1, 50))]
        self.post(self.embed, "/v1/embeddings", {"input": [ids]}, [200])

    def ask_rerank(self):
        documents = [self.text(8) for _ in range(self.draw.randint(1, 8))]
        self.post(self.rerank, "/v1/rerank",
                  {"query": self.text(4), "documents": documents}, [200])

    def ids(self):
        shape = [self.draw.randint(1, 3), self.draw.randint(1, 50)]
        return {name: np.full(shape, 5 if name == "input_ids" else
                              int(name == "attention_mask"), np.int64)
                for name in INPUTS}

    def infer(self):
        inputs = [{"name": name, "datatype": "INT64", "shape": list(array.shape),
                   "data": array.flatten().tolist()}
                  for name, array in self.ids().items()]
        self.post(self.embed, f"/v2/models/{self.model}/infer",
                  {"inputs": inputs}, [200])

    def infer_grpc(self):
        inputs = []
        for name, array in self.ids().items():
            inputs.append(triton.InferInput(name, array.shape, "INT64"))
            inputs[-1].set_data_from_numpy(array)
        try:
            self.grpc.infer(self.model, inputs, client_timeout=60)
        except InferenceServerException as error:
            if "RESOURCE_EXHAUSTED" in str(error) or "UNAVAILABLE" in str(error):
                raise Busy from None
            raise

    def bad_json(self):
        body = self.draw.choice([b"{", b"", b"[1", b'{"input_type": "text"}',
                                 b"\xff\xfe", b'{"a":' * 200,
                                 b'{"input_type": 3, "data": {}}'])
        self.post(self.embed, "/predict", body, [400, 422])

    def bad_value(self):
        data = self.draw.choice([{"text": 3}, {"text": []}, {}, {"text": "x " * 5000},
                                 {"text": ["a"] * 999}])
        self.post(self.embed, "/predict", {"input_type": "text", "data": data},
                  [200, 400, 413, 422])

    def bad_model(self):
        self.post(self.embed, "/v1/embeddings",
                  {"input": "a", "model": "m" * self.draw.randint(1, 99)}, [404])

    def bad_tensor(self):
        tensor = {"name": "input_ids", "datatype": self.draw.choice(["INT64", "FP32"]),
                  "shape": [1, self.draw.randint(2, 9)], "data": [1]}
        self.post(self.embed, f"/v2/models/{self.model}/infer",
                  {"inputs": [tensor]}, [400])

    def bad_grpc(self):
        one = triton.InferInput("nothing", [1, 1], "INT64")
        one.set_data_from_numpy(np.ones((1, 1), np.int64))
        try:
            self.grpc.infer(self.model, [one], client_timeout=60)
        except InferenceServerException as error:
            assert "INVALID_ARGUMENT" in str(error) or "busy" in str(error), error
            return
        raise AssertionError("a tensor that is not there was taken")

    def hang_up(self):
        """Leaves in the middle of a body, or before the answer."""
        body = json.dumps({"input_type": "text", "data": {"text": self.text()}})
        head = ("POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.embed), 10) as raw:
            raw.sendall((head + body[:self.draw.choice([5, len(body)])]).encode())

    def one(self):
        kind = self.draw.choices([k for _, k in self.kinds],
                                 [w for w, _ in self.kinds])[0]
        kind()
        return kind.__name__


class Load:
    """Threads that answer to tickets; a ticket is a request to make."""

    def __init__(self, callers):
        self.tickets, self.counts = queue.Queue(), collections.Counter()
        self.faults = []
        self.threads = [threading.Thread(target=self.work, args=[caller], daemon=True)
                        for caller in callers]
        for thread in self.threads:
            thread.start()

    def work(self, caller):
        while self.tickets.get():
            try:
                self.counts[caller.one()] += 1
            except Busy:
                self.counts["busy"] += 1
            except Exception as error: # counted, told at the end
                self.faults.append(repr(error))

    def run(self, seconds, rate, each_second):
        """Random arrivals; without a rate as fast as answers come."""
        start = due = second = time.monotonic()
        draw, before = random.Random(9), self.counts.total()
        while time.monotonic() - start < seconds:
            if rate:
                due += draw.expovariate(rate)
                time.sleep(max(0, due - time.monotonic()))
                self.tickets.put(True)
            elif self.tickets.qsize() < THREADS:
                self.tickets.put(True)
            else:
                time.sleep(0.0005)
            if time.monotonic() - second >= 1:
                second += 1
                each_second()
        while not self.tickets.empty():
            time.sleep(0.01)
        return (self.counts.total() - before) / (time.monotonic() - start)

    def stop(self):
        for _ in self.threads:
            self.tickets.put(False)
        for thread in self.threads:
            thread.join()


def slope(samples):
    """MB a minute of (seconds, kB), by least squares."""
    at, size = np.array(samples, float).T
    return float(np.polyfit(at / 60, size / 1024, 1)[0])


def soak(chosen, servers, model):
    samples, start = [], time.monotonic()

    def sample():
        samples.append((time.monotonic() - start, sum(
            harness.resident_kb(server.process) for server in servers)))
        if len(samples) % 60 == 0:
            print(f"{len(samples) // 60:3} min {samples[-1][1] / 1024:8.2f} MB",
                  flush=True)

    load = Load([Caller(servers[0].port, servers[1].port, model, i)
                 for i in range(THREADS)])
    fastest = load.run(5, None, lambda: None)
    rate = load.run(chosen.minutes * 60, chosen.load * fastest, sample)
    load.stop()
    print(f"at most {fastest:.0f} requests/s; then {rate:.0f} for "
          f"{chosen.minutes} minutes:", dict(load.counts))
    for fault in load.faults[:5]:
        print("fault:", fault)
    found = slope(samples[len(samples) // 5:])
    print(f"memory grows by {found:.3f} MB a minute, at most {BOUND}; "
          f"{samples[-1][1] / 1024:.1f} MB at the end")
    return found <= BOUND and not load.faults


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--load", type=float, default=0.7)
    arguments.add_argument("--embed", type=pathlib.Path, default=DATA / "sentences")
    chosen = arguments.parse_args()
    servers = [harness.Server("--log-level", "error", bundle=bundle)
               for bundle in (chosen.embed, DATA / "relevance")]
    try:
        _, listed = harness.rest_json(servers[0].port, "POST",
                                      "/v2/repository/index", {})
        good = soak(chosen, servers, listed[0]["name"])
    finally:
        for server in servers:
            server.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
