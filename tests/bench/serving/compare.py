#!/usr/bin/env python3
"""Text serving: this server, its engine in process, and ONNX Runtime behind FastAPI, in
real tokens a second.

    .venv/bin/python tests/models/minilm.py --cache CACHE --texts 25   (the bundles)
    build/venv-bench/bin/pip install -r tests/bench/serving/requirements.txt
    build/venv-bench/bin/python tests/bench/serving/compare.py CACHE [--pairs 3]
                     [--seconds 5] [--connections 64] [--batch 1 2 4 8 16] [--half]

The model is all-MiniLM-L6-v2, here as its Hugging Face folder (CACHE/hf) in float32 and
with `precision: int8`, at the peer as ONNX (CACHE/onnx) in float32 and quantised by
onnxruntime's quantize_dynamic. Both sides answer the vectors of the same texts, 8 to 256
tokens long, one text a request, closed loop by wrk on the same cores, in turns. The
peer (peer.py) is first tried with each size of batch; its best one counts. The engine
alone is bench_ragged over the same distribution of lengths. Ratios are told by what
came out and by the processor time of either process, which others' work disturbs less. With --half, arrivals at random
times at half the rate: p50 and p99. Compares some vectors first.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import tokenizers

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parents[1] / "e2e")]
import batching  # noqa: E402
import harness  # noqa: E402

SHORTEST, LONGEST, TEXTS, LENGTH = 8, 256, 997, 256
BUDGET = 256  # tokens of a run, as in the server


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
    def __init__(self, model, tokenizer, batch):
        self.port = harness.free_port()
        super().__init__(
            [sys.executable, "-m", "uvicorn", "peer:app", "--app-dir",
             HERE, "--port", self.port, "--log-level", "warning",
             "--no-access-log"],
            {"PEER_MODEL": str(model), "PEER_TOKENIZER": str(tokenizer),
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

    def processor_s(self):
        fields = pathlib.Path(f"/proc/{self.program.process.pid}/stat") \
            .read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rate(self, chosen):
        """Answers a second; self.each: and of each second of processor time."""
        before, start = self.processor_s(), time.monotonic()
        rate = batching.served(self.program.port, chosen.seconds,
                               chosen.connections, self.script)
        self.each = rate * (time.monotonic() - start) / \
            (self.processor_s() - before)
        # what wrk left waiting is not the next one's to compute
        harness.wait_until(lambda: self.ask(self.last)[0] == 200, 60, "idle")
        return rate


# --- models ---

def in_int8(bundle, folder):
    """The bundle with another precision; the files are the same ones."""
    made = pathlib.Path(folder, "hf")
    made.mkdir()
    for file in bundle.iterdir():
        if file.suffix == ".yaml" and "modelspec" in file.name:
            text = file.read_text()
            assert "precision: fp32" in text
            (made / file.name).write_text(
                text.replace("precision: fp32", "precision: int8"))
        elif file.is_file():
            shutil.copy(file, made / file.name)
    return made


def quantized(model, folder):
    from onnxruntime import quantization
    made = pathlib.Path(folder, "dynamic.onnx")
    quantization.quantize_dynamic(model, made, per_channel=True,
                                  weight_type=quantization.QuantType.QInt8)
    return made


def engine(bundle, precision, seconds):
    """Tokens a second of the packed engine in process, and of each second of
    processor time: the first is what it does with all cores."""
    text = subprocess.run(
        [harness.BIN / "bench_ragged", bundle, str(seconds),
         str(len(os.sched_getaffinity(0))), str(BUDGET), precision, "ragged"],
        check=True, capture_output=True, text=True).stdout
    return [float(x) for x in
            re.search(r"ragged +([\d.]+) tokens/s, ([\d.]+)", text).groups()]


# --- measuring ---

def close_to(ours, theirs, texts, least):
    found = min(float(ours.vector(text) @ theirs.vector(text))
                for text in texts[:20])
    assert found > least, f"the vectors differ: cosine {found}"


def best_peer(chosen, model, make_side):
    """The peer with the size of batch that is fastest here; others are ended."""
    tried = []
    tokenizer = chosen.cache / "onnx/tokenizer.json"
    for batch in chosen.batch if len(chosen.batch) > 1 else []:
        peer = Peer(model, tokenizer, batch)
        side = make_side(peer)
        side.rate(argparse.Namespace(seconds=1, connections=16))
        rate = side.rate(argparse.Namespace(seconds=3,
                                            connections=chosen.connections))
        peer.stop()
        tried.append((rate, batch))
    best = max(tried)[1] if tried else chosen.batch[0]
    return Peer(model, tokenizer, best), best


def half_load(side, texts, rate, seconds):
    bodies = [json.dumps(side.make_body(text)).encode() for text in texts]
    took = batching.open_loop(side.program.port, bodies, rate / 2, seconds,
                              side.path)
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def open_sides(chosen, folder, texts, programs):
    """name -> tokens a second (or answers, of a Side)."""
    def ours(bundle):
        programs.append(harness.Server("--log-level", "warn", bundle=bundle))
        return Side(programs[-1], "/predict", lambda text: {
            "input_type": "text", "data": {"text": text}}, folder, texts)

    def of_peer(peer):
        return Side(peer, "/embed", lambda text: {"text": text}, folder, texts)

    def theirs(model):
        peer, batch = best_peer(chosen, model, of_peer)
        programs.append(peer)
        return of_peer(peer), batch

    sides = {"specserve": ours(chosen.cache / "hf"),
             "specserve, int8": ours(in_int8(chosen.cache / "hf", folder))}
    for name, model in (("FastAPI", chosen.cache / "onnx/model.onnx"),
                        ("FastAPI, int8", quantized(
                            chosen.cache / "onnx/model.onnx", folder))):
        side, batch = theirs(model)
        sides[f"{name} (batches of {batch})"] = side
    first = sides["specserve"]
    for side in list(sides.values())[1:]:
        close_to(first, side, texts, 0.98)
        side.rate(argparse.Namespace(seconds=1, connections=16))
    first.rate(argparse.Namespace(seconds=1, connections=16))
    return sides


def measure(chosen, folder):
    tokenizer = tokenizers.Tokenizer.from_file(
        str(chosen.cache / "onnx/tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    texts, mean = make_texts(tokenizer)
    programs, rows = [], []
    try:
        sides = open_sides(chosen, folder, texts, programs)
        for _ in range(chosen.pairs):
            row = {"engine": engine(chosen.cache / "hf", "fp32", chosen.seconds),
                   "engine, int8": engine(chosen.cache / "hf", "int8",
                                          chosen.seconds)}
            row |= {name: [side.rate(chosen) * mean, side.each * mean]
                    for name, side in sides.items()}
            rows.append(row)
        medians = {name: statistics.median(row[name][0] for row in rows)
                   for name in rows[0]}
        late = {name: half_load(side, texts, medians[name] / mean,
                                chosen.seconds)
                for name, side in sides.items()} if chosen.half else {}
    finally:
        for program in programs:
            program.stop()
    return rows, medians, late


def report(rows, medians, late):
    def ratio(a, b, i):
        return statistics.median(row[a][i] / row[b][i] for row in rows)
    float_peer, int8_peer = [name for name in medians if "FastAPI" in name]
    for name, rate in medians.items():
        times = " p50 {:.0f} ms, p99 {:.0f} ms at half the load".format(
            *late[name]) if name in late else ""
        each = statistics.median(row[name][1] for row in rows)
        print(f"{name:32} {rate:8.0f} tokens/s, {each:.0f} a second of a "
              f"processor{times}")
    for a, b in (("specserve", "engine"), ("specserve, int8", "engine, int8"),
                 ("specserve", float_peer), ("specserve, int8", float_peer),
                 ("specserve, int8", int8_peer)):
        print(f"{a} / {b}: {ratio(a, b, 0):.2f}, "
              f"by processor time {ratio(a, b, 1):.2f}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("cache", type=pathlib.Path)
    arguments.add_argument("--pairs", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--batch", type=int, nargs="+",
                           default=[1, 2, 4, 8, 16])
    arguments.add_argument("--half", action="store_true")
    with tempfile.TemporaryDirectory() as folder:
        report(*measure(arguments.parse_args(), folder))


if __name__ == "__main__":
    main()
