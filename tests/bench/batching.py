#!/usr/bin/env python3
"""Texts of 8 to 256 tokens: real tokens a second.

    ./test.sh -R none          (sets up and builds)
    python tests/bench/models.py MODELS minilm
    .venv/bin/python tests/bench/batching.py MODELS/minilm/model.onnx
                     [--pairs 3] [--seconds 8] [--connections 64] [--json]

The model has the shapes of MiniLM and random weights; a letter is a token, and two
stand around a text, so that the load knows its lengths. Figures are medians of neighbouring runs, A B A B:

  alone, padded, ragged   the engine in process (bench_ragged): text by text, in
                          batches padded to the longest, and without padding
  served                  POST /predict over loopback by wrk, closed loop
  half load               the same at half the rate of `served`: p50, p99

The load generator shares the cores with the server.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

SHORTEST, LONGEST, TEXTS = 8, 256, 997
WIDTH = 384

MODELSPEC = """apiVersion: piqc.ai/v1alpha1
kind: ModelSpec
metadata: {name: bench, version: "1", description: Shapes of MiniLM}
spec:
  identity:
    model:
      id: bench
      family: bert
      task: embedding
      framework: onnx
      precision: fp32
      artifacts: {modelUri: model.onnx, tokenizerUri: tokenizer.json}
  runtime:
    accelerator: {vendor: any, type: cpu, count: 1}
    batch: {maxBatchSize: 64, maxSequenceLengthTokens: 512}
  operations:
    serving: {protocol: http, timeoutSeconds: 30}
  pipeline:
    preprocess:
      steps:
      - {name: tokens, type: tokenize}
    postprocess:
      steps:
      - {name: pool, type: pooling}
      - {name: unit, type: l2_normalize}
"""
MODELSERVICE = """apiVersion: specserve/v1alpha1
kind: ModelService
metadata: {name: Bench, version: "1", description: "Shapes of MiniLM"}
spec:
  modelSpec: bench.modelspec.yaml
  api: {specification: "1.2"}
  info: {license: CC0-1.0, maintainer: "The tests", citationUrl: "https://example.org/"}
  citation: {paper: "None.", softwareBibtex: citation.bib}
  signature:
    inputs:
    - {name: text, type: text, required: true, maxBytes: 8192, maxTokens: 512}
    outputs:
    - {name: embedding, type: "array<float>", length: 384}
  steps:
    tokens: {input: text, ids: input_ids, mask: attention_mask, types: token_type_ids}
    pool: {tensor: %s, method: mean, output: embedding}
    unit: {value: embedding}
  capabilities:
  - {name: embedding, inputTypes: [text], outputs: {embedding: "array<float>"}, batch: true, description: "A vector."}
  examples:
  - {name: One, data: {text: "ab"}, description: "two letters", category: text}
"""
LOAD = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local i = %d
request = function()
  i = i %% #bodies + 1
  return wrk.format("POST", "/predict", {["Content-Type"] = "application/json"},
                    bodies[i])
end
"""


def make_bundle(folder, model, output):
    """A bundle around the model, whose tokenizer makes a token of each letter."""
    folder = pathlib.Path(folder, "bench")
    folder.mkdir()
    tokenizer = json.loads((harness.ROOT / "tests" / "data" / "bundles"
                            / "sentences" / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = []
    tokenizer["truncation"] = None
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "bench.modelspec.yaml").write_text(MODELSPEC)
    (folder / "bench.modelservice.yaml").write_text(MODELSERVICE % output)
    (folder / "citation.bib").write_text("@misc{none, title={None}}\n")
    shutil.copy(model, folder / "model.onnx")
    return folder


def make_texts():
    draw = random.Random(1)
    lengths = [draw.randint(SHORTEST, LONGEST) for _ in range(TEXTS)]
    return ["".join(draw.choices(string.ascii_lowercase, k=n - 2))
            for n in lengths], statistics.mean(lengths)


def in_process(model, seconds, threads):
    text = subprocess.run(
        [harness.BIN / "bench_ragged", model, str(seconds), str(threads)],
        check=True, capture_output=True, text=True).stdout
    return {name: float(rate)
            for name, rate in re.findall(r"(\w+)\s+([\d.]+) tokens/s", text)}


def served(port, seconds, connections, script):
    """Answers a second."""
    text = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
         "-s", script, f"http://127.0.0.1:{port}"], check=True,
        capture_output=True, text=True).stdout
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))


def open_loop(port, bodies, rate, seconds, path="/predict"):
    """Milliseconds of each answer, for arrivals at random times."""
    draw, took, threads = random.Random(3), [], []

    def one(body, due):
        harness.rest(port, "POST", path, body,
                     {"Content-Type": "application/json"})
        took.append((time.monotonic() - due) * 1e3)

    start = due = time.monotonic()
    for i in range(int(rate * seconds)):
        due += draw.expovariate(rate)
        time.sleep(max(0, due - time.monotonic()))
        thread = threading.Thread(target=one, args=(bodies[i % len(bodies)], due))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 3 * seconds, "it did not keep up"
    return sorted(took)


def measure(chosen, folder):
    threads = len(os.sched_getaffinity(0))
    bundle = make_bundle(folder, chosen.model, chosen.output)
    texts, mean = make_texts()
    bodies = [json.dumps({"input_type": "text", "data": {"text": text}})
              for text in texts]
    listed = pathlib.Path(folder, "bodies")
    listed.write_text("\n".join(bodies) + "\n")
    script = pathlib.Path(folder, "load.lua")
    script.write_text(LOAD % (listed, 0))
    server = harness.Server("--log-level", "warn", bundle=bundle)
    try:
        served(server.port, 1, chosen.connections, script)
        rows = []
        for _ in range(chosen.pairs):
            row = in_process(chosen.model, chosen.seconds, threads)
            row["served"] = mean * served(server.port, chosen.seconds,
                                          chosen.connections, script)
            rows.append(row)
        medians = {name: statistics.median(row[name] for row in rows)
                   for name in rows[0]}
        took = open_loop(server.port, [body.encode() for body in bodies],
                         medians["served"] / mean / 2, chosen.seconds)
    finally:
        server.stop()
    return {"tokens_per_s": medians,
            "ragged_to_padded": statistics.median(
                row["ragged"] / row["padded"] for row in rows),
            "served_to_ragged": statistics.median(
                row["served"] / row["ragged"] for row in rows),
            "half_load_ms": {"p50": took[len(took) // 2],
                             "p99": took[int(len(took) * 0.99)]}}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model")
    arguments.add_argument("--output", default="last_hidden_state")
    arguments.add_argument("--pairs", type=int, default=3)
    arguments.add_argument("--seconds", type=int, default=8)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(chosen, folder)
    if chosen.json:
        print(json.dumps(result))
        return
    for name, rate in result["tokens_per_s"].items():
        print(f"{name:8} {rate:9.0f} tokens/s")
    print(f"ragged / padded  {result['ragged_to_padded']:.2f}")
    print(f"served / ragged  {result['served_to_ragged']:.2f}")
    print("at half the load p50 {p50:.0f} ms, p99 {p99:.0f} ms"
          .format(**result["half_load_ms"]))


if __name__ == "__main__":
    main()
