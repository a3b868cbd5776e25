#!/usr/bin/env python3
"""Text serving: this server and ONNX Runtime behind FastAPI, real tokens a second.

    .venv/bin/python tests/models/minilm.py --cache CACHE --texts 25   (the bundles)
    build/venv-bench/bin/pip install -r tests/bench/serving/requirements.txt
    build/venv-bench/bin/python tests/bench/serving/compare.py CACHE
                     [--pairs 5] [--seconds 8] [--connections 64] [--batch 4 16]

The model is all-MiniLM-L6-v2, here as its Hugging Face folder (CACHE/hf), at the peer
as ONNX (CACHE/onnx); both sides answer the vectors of the same texts, 8 to 256 tokens long, one text a request, closed loop by wrk on the same
cores, A B A B. The peer (peer.py) is tried with each size of batch and its
best one counts. Compares some vectors first.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

import numpy
import tokenizers

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parents[1] / "e2e")]
import batching  # noqa: E402
import harness  # noqa: E402

SHORTEST, LONGEST, TEXTS, LENGTH = 8, 256, 997, 256


def make_texts(tokenizer):
    """Words that are a token each; the two of the template come with them."""
    words = sorted(word for word in tokenizer.get_vocab() if word.isalpha()
                   and word.isascii() and word.islower())
    draw = random.Random(1)
    lengths = [draw.randint(SHORTEST, LONGEST) for _ in range(TEXTS)]
    texts = [" ".join(draw.choices(words, k=n - 2)) for n in lengths]
    counted = [len(row.ids) for row in tokenizer.encode_batch(texts)]
    assert counted == lengths
    return texts, statistics.mean(lengths)


class Peer(harness.Program):
    def __init__(self, bundle, batch):
        self.port = harness.free_port()
        super().__init__(
            [sys.executable, "-m", "uvicorn", "peer:app", "--app-dir",
             HERE, "--port", self.port, "--log-level", "warning",
             "--no-access-log"],
            {"PEER_MODEL": str(bundle / "model.onnx"),
             "PEER_TOKENIZER": str(bundle / "tokenizer.json"),
             "PEER_THREADS": str(len(os.sched_getaffinity(0))),
             "PEER_BATCH": str(batch), "PEER_LENGTH": str(LENGTH)})
        self.wait_for(self.ready, 60, "the peer answers")

    def ready(self):
        if not self.running():
            raise AssertionError(self.logged())
        try:
            return harness.rest(self.port, "GET", "/health")[0] == 200
        except OSError:
            return False


class Side:
    """A running program and how to ask it."""

    def __init__(self, program, path, make_body, folder, texts):
        self.program, self.path, self.make_body = program, path, make_body
        self.last = max(texts, key=len)
        self.script = pathlib.Path(folder, f"{program.port}.lua")
        listed = pathlib.Path(folder, f"{program.port}.txt")
        listed.write_text("".join(json.dumps(make_body(text)) + "\n"
                                  for text in texts))
        self.script.write_text((batching.LOAD % (listed, 0))
                               .replace("/predict", path))

    def ask(self, text):
        return harness.rest_json(self.program.port, "POST", self.path,
                                 self.make_body(text))

    def vector(self, text):
        status, answer = self.ask(text)
        assert status == 200, answer
        return numpy.array(answer.get("results", answer)["embedding"])

    def rate(self, chosen):
        rate = batching.served(self.program.port, chosen.seconds,
                               chosen.connections, self.script)
        # what wrk left waiting is not the next one's to compute
        harness.wait_until(lambda: self.ask(self.last)[0] == 200, 60, "idle")
        return rate


def compare(ours, theirs, texts):
    least = min(float(ours.vector(text) @ theirs.vector(text))
                for text in texts[:20])
    assert least > 0.9999, f"the vectors differ: cosine {least}"
    print(f"least cosine {least:.6f}")


def measure(chosen, folder):
    tokenizer = tokenizers.Tokenizer.from_file(
        str(chosen.cache / "onnx/tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    texts, mean = make_texts(tokenizer)
    server = harness.Server("--log-level", "warn", bundle=chosen.cache / "hf")
    peers = []
    try:
        ours = Side(server, "/predict", lambda text: {
            "input_type": "text", "data": {"text": text}}, folder, texts)
        peers = [Peer(chosen.cache / "onnx", batch) for batch in chosen.batch]
        theirs = [Side(peer, "/embed", lambda text: {"text": text}, folder,
                       texts) for peer in peers]
        compare(ours, theirs[0], texts)
        rows = []
        for side in (ours, *theirs):
            side.rate(argparse.Namespace(seconds=2, connections=16))
        for _ in range(chosen.pairs):
            rows.append([side.rate(chosen) * mean for side in (ours, *theirs)])
            print("  ".join(f"{rate:8.0f}" for rate in rows[-1]), flush=True)
    finally:
        for program in (server, *peers):
            program.stop()
    best = 1 + max(range(len(theirs)), key=lambda i: statistics.median(
        row[1 + i] for row in rows))
    print(f"specserve {statistics.median(row[0] for row in rows):.0f} tokens/s, "
          f"FastAPI with batches of {chosen.batch[best - 1]} "
          f"{statistics.median(row[best] for row in rows):.0f}, ratio "
          f"{statistics.median(row[0] / row[best] for row in rows):.2f}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("cache", type=pathlib.Path)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=8)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--batch", type=int, nargs="+", default=[4, 16])
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments.parse_args(), folder)


if __name__ == "__main__":
    main()
