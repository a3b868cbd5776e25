"""BERT's weights as an ONNX file, spelled out as exporters do: MatMul, Softmax, Erf,
ReduceMean ..., opset 13; inputs input_ids, attention_mask, token_type_ids, output
last_hidden_state. The bytes are written here: a few fields of protobuf need no library.
"""
import math

import numpy

FLOAT, INT64 = 1, 7


# --- protobuf ---

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def part(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, array):
    kind = INT64 if array.dtype == numpy.int64 else FLOAT
    return b"".join(number(1, n) for n in array.shape) + number(2, kind) + \
        part(8, name) + part(9, numpy.ascontiguousarray(array).tobytes())


def attribute(name, value):
    out = part(1, name)
    if isinstance(value, list):
        return out + b"".join(number(8, n) for n in value) + number(20, 7)
    return out + number(3, value) + number(20, 2)


def port(name, kind, dims):
    shape = b"".join(part(1, number(1, dim) if isinstance(dim, int)
                          else part(2, dim)) for dim in dims)
    return part(1, name) + part(2, part(1, number(1, kind) + part(2, shape)))


# --- the graph ---

class Graph:
    def __init__(self, weights):
        self.weights = weights
        self.nodes, self.tensors, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        name = f"c{self.count}"
        self.tensors.append(tensor(name, numpy.asarray(array)))
        return name

    def f(self, x):
        return self.constant(numpy.float32(x))

    def weight(self, name, turn=False):
        array = self.weights[name]
        return self.constant(array.T if turn else array)

    def op(self, kind, *inputs, output=None, **attributes):
        self.count += 1
        output = output or f"v{self.count}"
        self.nodes.append(
            b"".join(part(1, name) for name in inputs) + part(2, output) +
            part(4, kind) + b"".join(part(5, attribute(key, value))
                                     for key, value in attributes.items()))
        return output

    def linear(self, x, name):
        product = self.op("MatMul", x, self.weight(name + ".weight", turn=True))
        return self.op("Add", product, self.weight(name + ".bias"))

    def norm(self, x, name, epsilon, output=None):
        centred = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1]))
        square = self.op("Pow", centred, self.f(2))
        variance = self.op("ReduceMean", square, axes=[-1])
        root = self.op("Sqrt", self.op("Add", variance, self.f(epsilon)))
        scaled = self.op("Mul", self.op("Div", centred, root),
                         self.weight(name + ".weight"))
        return self.op("Add", scaled, self.weight(name + ".bias"), output=output)

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.f(math.sqrt(2))))
        both = self.op("Mul", x, self.op("Add", erf, self.f(1)))
        return self.op("Mul", both, self.f(0.5))

    def heads(self, x, count, perm):
        shape = self.constant(numpy.array([0, 0, count, -1]))
        return self.op("Transpose", self.op("Reshape", x, shape), perm=perm)

    def attention(self, x, mask, at, count, size):
        query, key, value = (self.linear(x, f"{at}.{part}")
                             for part in ("query", "key", "value"))
        scores = self.op("MatMul", self.heads(query, count, [0, 2, 1, 3]),
                         self.heads(key, count, [0, 2, 3, 1]))
        scores = self.op("Div", scores, self.f(math.sqrt(size)))
        weights = self.op("Softmax", self.op("Add", scores, mask), axis=-1)
        mixed = self.op("MatMul", weights, self.heads(value, count, [0, 2, 1, 3]))
        mixed = self.op("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.op("Reshape", mixed,
                       self.constant(numpy.array([0, 0, count * size])))


def embed(graph, config):
    words = graph.op("Gather", graph.weight("embeddings.word_embeddings.weight"),
                     "input_ids")
    types = graph.op("Gather",
                     graph.weight("embeddings.token_type_embeddings.weight"),
                     "token_type_ids")
    length = graph.op("Gather", graph.op("Shape", "input_ids"),
                      graph.constant(numpy.array([1])), axis=0)
    positions = graph.op(
        "Slice", graph.weight("embeddings.position_embeddings.weight"),
        graph.constant(numpy.array([0])), length, graph.constant(numpy.array([0])))
    x = graph.op("Add", graph.op("Add", words, types), positions)
    return graph.norm(x, "embeddings.LayerNorm", config["layer_norm_eps"])


def add_mask(graph):
    wide = graph.op("Unsqueeze", "attention_mask",
                    graph.constant(numpy.array([1, 2])))
    keep = graph.op("Cast", wide, to=FLOAT)
    return graph.op("Mul", graph.op("Sub", graph.f(1), keep),
                    graph.f(numpy.finfo(numpy.float32).min))


def export(config, weights):
    graph = Graph(weights)
    heads = config["num_attention_heads"]
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    epsilon = config["layer_norm_eps"]
    x, mask = embed(graph, config), add_mask(graph)
    for i in range(layers):
        at = f"encoder.layer.{i}"
        mixed = graph.attention(x, mask, f"{at}.attention.self", heads,
                                width // heads)
        mixed = graph.linear(mixed, f"{at}.attention.output.dense")
        x = graph.norm(graph.op("Add", mixed, x),
                       f"{at}.attention.output.LayerNorm", epsilon)
        inner = graph.gelu(graph.linear(x, f"{at}.intermediate.dense"))
        outer = graph.linear(inner, f"{at}.output.dense")
        x = graph.norm(graph.op("Add", outer, x), f"{at}.output.LayerNorm",
                       epsilon,
                       "last_hidden_state" if i + 1 == layers else None)
    dims = ["batch", "sequence"]
    body = b"".join(part(1, node) for node in graph.nodes) + part(2, "bert") + \
        b"".join(part(5, item) for item in graph.tensors) + \
        b"".join(part(11, port(name, INT64, dims)) for name in
                 ("input_ids", "attention_mask", "token_type_ids")) + \
        part(12, port("last_hidden_state", FLOAT, dims + [width]))
    return number(1, 8) + part(7, body) + part(8, part(1, "") + number(2, 13))
