#!/usr/bin/env python3
"""Makes relative/, an encoder of the T5 kind, and the numbers it must give.

    python tests/data/bundles/make_relative.py   needs numpy and onnx; CC0-1.0 weights

Two layers, random weights, positions as a bias of the scores that depends on how far
apart two tokens are: the engine has to pad such a model. The tokenizer is a Unigram
model with </s> at the end. relative/reference.json: ids and vectors of the texts
below, computed here in double precision by numpy and by a second Unigram search.
"""
import json
import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "relative"
HIDDEN, HEADS, INNER, LAYERS = 24, 2, 48, 2
BUCKETS, FAR = 8, 16  # of distances; all from FAR on are one
EPSILON = 1e-6
PIECES = {"▁": -3.0, "▁the": -2.1, "▁a": -2.5, "▁cat": -4.0, "▁s": -3.2, "at": -3.5,
          "ing": -3.4, "er": -3.3, "on": -3.6, "▁in": -3.3, "it": -3.9, "th": -3.8,
          "▁we": -4.1, "ea": -4.4, "▁mat": -5.0, ".": -3.1}
PIECES.update({letter: -5.5 - i / 50
               for i, letter in enumerate("etaoinshrdlucmfwypvbgkjqxz,?")})
VOCABULARY = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *PIECES.items()]
NUMBER = {name: i for i, (name, _) in enumerate(VOCABULARY)}
TEXTS = ["the cat sits on the mat.", "a", "we meet in the weather, at sea",
         "two  spaces", "unknown: # and €",
         "the cat sees another cat, and another cat sees the mat the cat is on. "
         "is it a cat that the other cat is near?"]


def tokenizer_json():
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
             "split": True}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": i, "content": name, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for i, (name, _) in enumerate(VOCABULARY[:3])],
        "normalizer": None, "pre_tokenizer": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, end,
                     {"Sequence": {"id": "B", "type_id": 0}}, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1],
                                        "tokens": ["</s>"]}}},
        "decoder": space,
        "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": False,
                  "vocab": [list(row) for row in VOCABULARY]}}


def encode_word(word):
    """The pieces with the largest sum of scores; unknown letters run together."""
    worst = min(PIECES.values()) - 10
    best = [(0.0, [])] + [None] * len(word)
    for end in range(1, len(word) + 1):
        rows = [(best[start][0] + PIECES[word[start:end]],
                 [*best[start][1], NUMBER[word[start:end]]])
                for start in range(end) if word[start:end] in PIECES]
        rows.append((best[end - 1][0] + worst, [*best[end - 1][1], 2]))
        best[end] = max(rows, key=lambda row: row[0])
    ids = best[-1][1]
    return [one for i, one in enumerate(ids) if one != 2 or i == 0 or ids[i - 1] != 2]


def encode(text):
    return [one for word in ("▁" + text.replace(" ", "▁")).replace("▁", " ▁").split(" ")
            if word for one in encode_word(word)] + [1]


def weights():
    rng = np.random.default_rng(21)

    def normal(*shape, scale=0.3):
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    w = {"words": normal(len(VOCABULARY), HIDDEN, scale=1.0),
         "distances": normal(BUCKETS, HEADS, scale=1.0),
         "norm": 1 + normal(HIDDEN, scale=0.1)}
    for i in range(LAYERS):
        for part in "qkvo":
            w[f"{i}.{part}"] = normal(HIDDEN, HIDDEN, scale=0.15)
        w[f"{i}.up"] = normal(HIDDEN, INNER)
        w[f"{i}.down"] = normal(INNER, HIDDEN)
        w[f"{i}.norm1"] = 1 + normal(HIDDEN, scale=0.1)
        w[f"{i}.norm2"] = 1 + normal(HIDDEN, scale=0.1)
    return w


# ---- the formulas, in double precision ----

def bucket(apart):
    """Half of the buckets for tokens behind, half of them exact."""
    half, exact, n = BUCKETS // 2, BUCKETS // 4, abs(apart)
    if n >= exact:
        n = min(half - 1, exact + int(math.log(n / exact) / math.log(FAR / exact)
                                      * (half - exact)))
    return n + (half if apart > 0 else 0)


def forward(w, ids):
    w = {k: v.astype(np.float64) for k, v in w.items()}

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * w[name]

    x = w["words"][ids]
    bias = np.array([[w["distances"][bucket(k - q)] for k in range(len(ids))]
                     for q in range(len(ids))]).transpose(2, 0, 1)
    for i in range(LAYERS):
        y = norm(x, f"{i}.norm1")
        q, k, v = ((y @ w[f"{i}.{p}"]).reshape(len(ids), HEADS, -1) for p in "qkv")
        scores = np.einsum("qhd,khd->hqk", q, k) + bias
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", share, v).reshape(len(ids), HIDDEN)
        x = x + mixed @ w[f"{i}.o"]
        y = norm(x, f"{i}.norm2")
        x = x + np.maximum(y @ w[f"{i}.up"], 0) @ w[f"{i}.down"]
    return norm(x, "norm")


# ---- the ONNX file ----

class Graph:
    def __init__(self, w):
        self.nodes, self.w = [], dict(w)

    def add(self, op, *inputs, **attributes):
        names = [name if isinstance(name, str) else self.constant(name)
                 for name in inputs]
        made = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [made], made, **attributes))
        return made

    def constant(self, value):
        name = f"constant_{len(self.w)}"
        self.w[name] = np.array(value)
        return name

    def norm(self, x, name):
        mean = self.add("ReduceMean", self.add("Pow", x, np.float32(2)), axes=[-1])
        root = self.add("Sqrt", self.add("Add", mean, np.float32(EPSILON)))
        return self.add("Mul", self.add("Div", x, root), name)

    def bias(self):
        length = self.add("Gather", self.add("Shape", "input_ids"), np.int64(1))
        places = self.add("Range", np.int64(0), length, np.int64(1))
        apart = self.add("Sub", self.add("Unsqueeze", places, np.int64([0])),
                         self.add("Unsqueeze", places, np.int64([1])))
        behind = self.add("Mul", self.add("Cast", self.add(
            "Greater", apart, np.int64(0)), to=TensorProto.INT64),
            np.int64(BUCKETS // 2))
        n = self.add("Abs", apart)
        exact = BUCKETS // 4
        far = self.add("Log", self.add("Div", self.add(
            "Cast", self.add("Max", n, np.int64(1)), to=TensorProto.FLOAT),
            np.float32(exact)))
        far = self.add("Mul", self.add("Div", far, np.float32(
            math.log(FAR / exact))), np.float32(BUCKETS // 2 - exact))
        far = self.add("Add", self.add("Cast", far, to=TensorProto.INT64),
                       np.int64(exact))
        far = self.add("Min", far, np.int64(BUCKETS // 2 - 1))
        which = self.add("Add", behind, self.add(
            "Where", self.add("Less", n, np.int64(exact)), n, far))
        table = self.add("Transpose", self.add("Gather", "distances", which),
                         perm=[2, 0, 1])
        table = self.add("Unsqueeze", table, np.int64([0]))
        mask = self.add("Cast", self.add("Unsqueeze", "attention_mask",
                                         np.int64([1, 2])), to=TensorProto.FLOAT)
        mask = self.add("Mul", self.add("Sub", np.float32(1), mask),
                        np.float32(np.finfo(np.float32).min))
        return self.add("Add", table, mask)

    def layer(self, x, i, bias):
        split = np.int64([0, 0, HEADS, HIDDEN // HEADS])
        y = self.norm(x, f"{i}.norm1")
        q, k, v = (self.add("Transpose", self.add(
            "Reshape", self.add("MatMul", y, f"{i}.{p}"), split), perm=perm)
            for p, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]),
                            ("v", [0, 2, 1, 3])))
        share = self.add("Softmax", self.add("Add", self.add("MatMul", q, k), bias),
                         axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", share, v), perm=[0, 2, 1, 3])
        mixed = self.add("Reshape", mixed, np.int64([0, 0, HIDDEN]))
        x = self.add("Add", x, self.add("MatMul", mixed, f"{i}.o"))
        up = self.add("Relu", self.add("MatMul", self.norm(x, f"{i}.norm2"),
                                       f"{i}.up"))
        return self.add("Add", x, self.add("MatMul", up, f"{i}.down"))


def model(w):
    graph = Graph(w)
    x, bias = graph.add("Gather", "words", "input_ids"), graph.bias()
    for i in range(LAYERS):
        x = graph.layer(x, i, bias)
    x = graph.norm(x, "norm")
    graph.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"])
              for n in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT,
                                           ["batch", "tokens", HIDDEN])
    made = helper.make_model(
        helper.make_graph(graph.nodes, "tiny_t5", inputs, [output],
                          [numpy_helper.from_array(v, k)
                           for k, v in graph.w.items()]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        producer_name="make_relative.py")
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def row(w, text):
    ids = encode(text)
    mean = forward(w, np.array(ids)).mean(0)
    return {"text": text, "ids": ids,
            "mean": [round(float(v), 9) for v in mean / np.linalg.norm(mean)]}


def main():
    w = weights()
    (HERE / "model.onnx").write_bytes(model(w))
    for name, value in (("tokenizer.json", tokenizer_json()),
                        ("reference.json", [row(w, text) for text in TEXTS])):
        (HERE / name).write_text(
            json.dumps(value, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
