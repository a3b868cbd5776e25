#!/usr/bin/env python3
"""Makes the tiny text models here and the numbers they must give.

    python tests/data/bundles/make.py     needs numpy and onnx; CC0-1.0 weights

  sentences/   BERT of two layers, random weights: last_hidden_state
  relevance/   BERT of one layer over text pairs, with a head: logits
  tokenizer.json of both: byte-level BPE with a few merges, [CLS] a [SEP] b [SEP]
  reference.json: ids and answers for the texts below

The answers are computed here in double precision by numpy, from the weights and
the published formulas, and by nothing that the server uses. The tokenizer is
written a second time, too: merges by rank, until none is left.
"""
import json
import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
HIDDEN, HEADS, INNER, POSITIONS = 32, 2, 64, 64
SPECIALS = ["[PAD]", "[CLS]", "[SEP]"]
MERGES = ["t h", "th e", "a t", "i n", "o n", "e r", "Ġ a", "Ġ the", "i s",
          "s t", "o r", "a n", "r e", "Ġ c", "Ġ s", "at s"]
TEXTS = ["A cat sits on the mat.", "A cat is sitting on a rug.", "the", "x",
         "Straße, naïve café, 東京 🙂",
         "The weather in the north is rather cold.", "  spaces   everywhere ",
         "cats cats cats cats cats cats cats cats"]
QUERY = "Where does the cat sit?"
DOCUMENTS = ["A cat sits on the mat.", "The stock market fell.", "cat",
             "The weather in the north is rather cold."]


# ---- tokenizer ----

def byte_letters():
    """The letter that byte-level BPE writes for each byte."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in shown}
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + len(letters) - len(shown))
    return letters


def vocabulary():
    names = SPECIALS + sorted(byte_letters().values())
    return names + [m.replace(" ", "") for m in MERGES]


def tokenizer_json():
    special = {name: {"id": name, "ids": [SPECIALS.index(name)],
                      "tokens": [name]} for name in SPECIALS[1:]}
    piece = {"cls": {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
             "sep0": {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
             "sep1": {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
             "a": {"Sequence": {"id": "A", "type_id": 0}},
             "b": {"Sequence": {"id": "B", "type_id": 1}}}
    bytes_only = {"type": "ByteLevel", "add_prefix_space": False,
                  "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": POSITIONS,
                       "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [
            {"id": i, "content": name, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for i, name in enumerate(SPECIALS)],
        "normalizer": None,
        "pre_tokenizer": bytes_only,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece[k] for k in ("cls", "a", "sep0")],
            "pair": [piece[k] for k in ("cls", "a", "sep0", "b", "sep1")],
            "special_tokens": special},
        "decoder": bytes_only,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {name: i for i, name in enumerate(vocabulary())},
                  "merges": MERGES},
    }


def pieces(text):
    letters = byte_letters()
    parts = [letters[b] for b in text.encode()]
    for merge in sorted(MERGES, key=MERGES.index):
        left, right = merge.split()
        i = 0
        while i + 1 < len(parts):
            if parts[i] == left and parts[i + 1] == right:
                parts[i:i + 2] = [left + right]
            i += 1
    return [vocabulary().index(p) for p in parts]


def encode(text, pair=None):
    """ids, types"""
    first = [1, *pieces(text), 2]
    second = [] if pair is None else [*pieces(pair), 2]
    return first + second, [0] * len(first) + [1] * len(second)


# ---- weights ----

def weights(layers, head, seed):
    rng = np.random.default_rng(seed)

    def normal(*shape, scale=0.3):
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    made = {"words": normal(len(vocabulary()), HIDDEN, scale=1.0),
            "positions": normal(POSITIONS, HIDDEN, scale=0.2),
            "types": normal(2, HIDDEN, scale=0.2)}

    def norm(name):
        made[name + ".scale"] = 1 + normal(HIDDEN, scale=0.1)
        made[name + ".shift"] = normal(HIDDEN, scale=0.1)

    def linear(name, n, m):
        made[name + ".w"] = normal(n, m)
        made[name + ".b"] = normal(m, scale=0.1)

    norm("norm")
    for i in range(layers):
        for part in ("query", "key", "value", "joined"):
            linear(f"{i}.{part}", HIDDEN, HIDDEN)
        norm(f"{i}.norm1")
        linear(f"{i}.up", HIDDEN, INNER)
        linear(f"{i}.down", INNER, HIDDEN)
        norm(f"{i}.norm2")
    if head:
        linear("pooler", HIDDEN, HIDDEN)
        linear("head", HIDDEN, 1)
    return made


# ---- the formulas, in double precision ----

erf = np.vectorize(math.erf)


def forward(w, layers, ids, types):
    """Hidden states [tokens, HIDDEN] of one text; no padding, so no mask."""
    w = {k: v.astype(np.float64) for k, v in w.items()}
    size = HIDDEN // HEADS

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-12)
        return centred / spread * w[name + ".scale"] + w[name + ".shift"]

    def linear(x, name):
        return x @ w[name + ".w"] + w[name + ".b"]

    x = w["words"][ids] + w["positions"][:len(ids)] + w["types"][types]
    x = norm(x, "norm")
    for i in range(layers):
        q, k, v = (linear(x, f"{i}.{p}").reshape(-1, HEADS, size)
                   for p in ("query", "key", "value"))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", share, v).reshape(-1, HIDDEN)
        x = norm(x + linear(mixed, f"{i}.joined"), f"{i}.norm1")
        up = linear(x, f"{i}.up")
        up = up * 0.5 * (1 + erf(up / np.sqrt(2)))
        x = norm(x + linear(up, f"{i}.down"), f"{i}.norm2")
    return x


def score(w, x):
    w = {k: v.astype(np.float64) for k, v in w.items()}
    pooled = np.tanh(x[0] @ w["pooler.w"] + w["pooler.b"])
    logit = float((pooled @ w["head.w"] + w["head.b"])[0])
    return 1 / (1 + np.exp(-logit))


# ---- the ONNX file ----

class Graph:
    def __init__(self, w):
        self.nodes, self.w = [], dict(w)

    def add(self, op, *inputs, **attributes):
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(self, name, value):
        self.w[name] = np.array(value)
        return name

    def norm(self, x, name):
        return self.add("LayerNormalization", x, name + ".scale",
                        name + ".shift", epsilon=1e-12)

    def linear(self, x, name):
        return self.add("Add", self.add("MatMul", x, name + ".w"), name + ".b")

    def layer(self, x, i, mask):
        split = self.constant("split", np.int64([0, 0, HEADS, HIDDEN // HEADS]))
        join = self.constant("join", np.int64([0, 0, HIDDEN]))
        heads = {part: self.add("Reshape", self.linear(x, f"{i}.{part}"), split)
                 for part in ("query", "key", "value")}
        q = self.add("Transpose", heads["query"], perm=[0, 2, 1, 3])
        k = self.add("Transpose", heads["key"], perm=[0, 2, 3, 1])
        v = self.add("Transpose", heads["value"], perm=[0, 2, 1, 3])
        root = self.constant("root", np.float32(np.sqrt(HIDDEN // HEADS)))
        scores = self.add("Div", self.add("MatMul", q, k), root)
        share = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", share, v),
                         perm=[0, 2, 1, 3])
        mixed = self.linear(self.add("Reshape", mixed, join), f"{i}.joined")
        x = self.norm(self.add("Add", mixed, x), f"{i}.norm1")
        up = self.linear(x, f"{i}.up")
        bent = self.add("Erf", self.add("Div", up, self.constant(
            "two", np.float32(np.sqrt(2)))))
        bent = self.add("Add", bent, self.constant("one", np.float32(1)))
        up = self.add("Mul", self.add("Mul", up, bent),
                      self.constant("half", np.float32(0.5)))
        return self.norm(self.add("Add", self.linear(up, f"{i}.down"), x),
                         f"{i}.norm2")

    def embed(self):
        length = self.add("Gather", self.add("Shape", "input_ids"),
                          self.constant("axis1", np.int64(1)))
        length = self.add("Unsqueeze", length,
                          self.constant("axes0", np.int64([0])))
        places = self.add("Slice", self.constant(
            "places", np.arange(POSITIONS, dtype=np.int64)[None]),
            self.constant("first", np.int64([0])), length,
            self.constant("axes1", np.int64([1])))
        x = self.add("Add", self.add("Gather", "words", "input_ids"),
                     self.add("Gather", "types", "token_type_ids"))
        return self.norm(self.add("Add", x, self.add(
            "Gather", "positions", places)), "norm")

    def mask(self):
        m = self.add("Unsqueeze", "attention_mask",
                     self.constant("axes12", np.int64([1, 2])))
        m = self.add("Cast", m, to=TensorProto.FLOAT)
        m = self.add("Sub", self.constant("all", np.float32(1)), m)
        return self.add("Mul", m, self.constant(
            "least", np.float32(np.finfo(np.float32).min)))


def model(w, layers, head):
    graph = Graph(w)
    x, mask = graph.embed(), graph.mask()
    for i in range(layers):
        x = graph.layer(x, i, mask)
    name, shape = "last_hidden_state", ["batch", "tokens", HIDDEN]
    if head:
        first = graph.add("Gather", x, graph.constant("index0", np.int64(0)),
                          axis=1)
        pooled = graph.add("Tanh", graph.linear(first, "pooler"))
        x = graph.linear(pooled, "head")
        name, shape = "logits", ["batch", 1]
    graph.nodes.append(helper.make_node("Identity", [x], [name], name))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64,
                                            ["batch", "tokens"])
              for n in ("input_ids", "attention_mask", "token_type_ids")]
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    made = helper.make_model(
        helper.make_graph(graph.nodes, "tiny_bert", inputs, [output],
                          [numpy_helper.from_array(v, k)
                           for k, v in graph.w.items()]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        producer_name="make.py")
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


# ---- all of it ----

def unit(x):
    return x / np.linalg.norm(x)


def rounded(x):
    return [round(float(v), 9) for v in x]


def sentence(w, text):
    ids, types = encode(text)
    x = forward(w, 2, np.array(ids), np.array(types))
    return {"text": text, "ids": ids, "mean": rounded(unit(x.mean(0))),
            "cls": rounded(unit(x[0])), "max": rounded(unit(x.max(0)))}


def relevance(w, document):
    ids, types = encode(QUERY, document)
    x = forward(w, 1, np.array(ids), np.array(types))
    return {"document": document, "tokens": len(ids),
            "score": round(float(score(w, x)), 9)}


def write(folder, w, layers, head):
    (HERE / folder / "model.onnx").write_bytes(model(w, layers, head))
    (HERE / folder / "tokenizer.json").write_text(
        json.dumps(tokenizer_json(), ensure_ascii=False, indent=0) + "\n")


def main():
    words = weights(2, False, seed=11)
    pairs = weights(1, True, seed=12)
    write("sentences", words, 2, False)
    write("relevance", pairs, 1, True)
    reference = {
        "sentences": [sentence(words, text) for text in TEXTS],
        "relevance": {"query": QUERY,
                      "documents": [relevance(pairs, d) for d in DOCUMENTS]}}
    (HERE / "reference.json").write_text(
        json.dumps(reference, ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
