#!/usr/bin/env python3
"""Makes cases of this folder: small graphs that the float passes change, or
must leave alone.

    python tests/passes/make.py        (needs onnx and numpy)
    SPECSERVE_UPDATE=1 build/bin/test_passes
"""
import pathlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
RANDOM = np.random.default_rng(5)
LOWEST = np.finfo(np.float32).min
MS = "com.microsoft"


class Model:
    """Collects nodes; `m.Add(a, b)` adds one and returns its output's name."""

    def __init__(self, name, opset=14):
        self.name, self.opset = name, opset
        self.nodes, self.weights, self.inputs = [], [], []

    def input(self, name, dims, kind=onnx.TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, dims))
        return name

    def const(self, value):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *dims):
        return self.const(RANDOM.standard_normal(dims).astype(np.float32))

    def number(self, value):
        return self.const(np.float32(value))

    def __getattr__(self, op):
        def add(*inputs, outputs=1, **attributes):
            names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
            self.nodes.append(helper.make_node(op, inputs, names,
                                               **attributes))
            return names[0] if outputs == 1 else names
        return add

    def save(self, *outputs):
        folder = HERE / self.name
        folder.mkdir(exist_ok=True)
        graph = helper.make_graph(
            self.nodes, self.name, self.inputs,
            [helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, None)
             for o in outputs], self.weights)
        onnx.save(helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset),
                                  helper.make_opsetid("com.microsoft", 1)]
            if any(n.domain for n in self.nodes)
            else [helper.make_opsetid("", self.opset)],
            ir_version=8, producer_name="specserve"), folder / "model.onnx")
        for i, port in enumerate(self.inputs):
            array = self.data(port)
            (folder / f"input_{i}.pb").write_bytes(
                numpy_helper.from_array(array).SerializeToString())

    @staticmethod
    def data(port):
        """Masks are 0 or 1; t stands for 3 more rows (p) in front of s."""
        sizes = {"b": 2, "s": 5, "p": 3, "t": 8}
        dims = [d.dim_value or sizes[d.dim_param]
                for d in port.type.tensor_type.shape.dim]
        random = np.random.default_rng(list(port.name.encode()))
        if port.name == "mask":
            return (random.random(dims) > 0.3).astype(np.float32)
        return random.uniform(-2, 2, dims).astype(np.float32)


# --- attention ----------------------------------------------------------------

def heads(m, name, rows="s"):
    """An input [batch, rows, 3, 8], before its Transpose."""
    return m.input(name, ["b", rows, 3, 8])


def swapped(m, value):
    return m.Transpose(value, perm=[0, 2, 1, 3])


def close(m, weights, v):
    return swapped(m, m.MatMul(weights, v))


def fuse_attention_mask_added():
    m = Model("fuse_attention_mask_added", 11)
    q, k, v = (heads(m, n) for n in "qkv")
    mask = m.Mul(m.Sub(m.number(1), m.input("mask", ["b", 1, 1, "s"])),
                 m.number(-10000))
    scores = m.MatMul(swapped(m, q), m.Transpose(k, perm=[0, 2, 3, 1]))
    scores = m.Add(m.Div(scores, m.number(8 ** 0.5)), mask)
    m.save(close(m, m.Softmax(scores, axis=3), swapped(m, v)))


def fuse_attention_both_scaled():
    """As SDPA is exported: q and k both times the root of the scale."""
    m = Model("fuse_attention_both_scaled")
    q, k, v = (heads(m, n) for n in "qkv")
    keys = m.Transpose(swapped(m, k), perm=[0, 1, 3, 2])
    scores = m.MatMul(m.Mul(swapped(m, q), m.number(8 ** -0.25)),
                      m.Mul(keys, m.number(8 ** -0.25)))
    m.save(close(m, m.Softmax(m.Add(m.input("mask", [1, 1, "s", "s"]), scores),
                              axis=-1), swapped(m, v)))


def fuse_attention_where():
    """DistilBERT: scores where the mask is 0 become the lowest float."""
    m = Model("fuse_attention_where")
    q, k, v = (heads(m, n) for n in "qkv")
    masked = m.Equal(m.input("mask", ["b", 1, 1, "s"]), m.number(0))
    scores = m.MatMul(m.Div(swapped(m, q), m.number(2.5)),
                      m.Transpose(swapped(m, k), perm=[0, 1, 3, 2]))
    shape = m.Shape(scores)
    masked = m.Expand(masked, shape)
    scores = m.Where(masked, m.number(LOWEST), scores)
    m.save(close(m, m.Softmax(scores, axis=-1), swapped(m, v)))


def fuse_attention_where_alone():
    m = Model("fuse_attention_where_alone")
    q, k, v = (heads(m, n) for n in "qkv")
    masked = m.Equal(m.input("mask", ["b", 1, 1, "s"]), m.number(0))
    scores = m.MatMul(m.Div(swapped(m, q), m.number(2.5)),
                      m.Transpose(swapped(m, k), perm=[0, 1, 3, 2]))
    scores = m.Where(masked, m.number(LOWEST), scores)
    m.save(close(m, m.Softmax(scores, axis=-1), swapped(m, v)))


def fuse_attention_past():
    """GPT-2: past keys in front, a causal Where, then an Add."""
    m = Model("fuse_attention_past", 13)
    q, k, v = (heads(m, n) for n in "qkv")
    past_k = m.input("past_k", ["b", 3, "p", 8])
    past_v = m.input("past_v", ["b", 3, "p", 8])
    k = m.Concat(past_k, swapped(m, k), axis=-2)
    v = m.Concat(past_v, swapped(m, v), axis=-2)
    scores = m.MatMul(swapped(m, q), m.Transpose(k, perm=[0, 1, 3, 2]))
    scores = m.Div(scores, m.number(8 ** 0.5))
    causal = m.Greater(m.input("causal", [1, 1, "s", "t"]), m.number(0))
    scores = m.Where(causal, scores, m.number(-1e4))
    scores = m.Add(scores, m.input("mask", ["b", 1, 1, "t"]))
    m.save(close(m, m.Softmax(scores, axis=-1), v), k, v)


def fuse_attention_other_axis():
    """Not attention: the softmax runs over heads."""
    m = Model("fuse_attention_other_axis")
    q, k, v = (heads(m, n) for n in "qkv")
    scores = m.MatMul(swapped(m, q), m.Transpose(k, perm=[0, 2, 3, 1]))
    m.save(close(m, m.Softmax(scores, axis=1), swapped(m, v)))


def fuse_attention_shown():
    """The weights are an output: they must stay."""
    m = Model("fuse_attention_shown")
    q, k, v = (heads(m, n) for n in "qkv")
    scores = m.MatMul(swapped(m, q), m.Transpose(k, perm=[0, 2, 3, 1]))
    weights = m.Softmax(m.Mul(scores, m.number(0.3)), axis=-1)
    m.save(close(m, weights, swapped(m, v)), weights)


def fuse_attention_fused_matmul():
    """As onnxruntime writes the scores: the factor and k' inside the product."""
    m = Model("fuse_attention_fused_matmul")
    q, k, v = (heads(m, n) for n in "qkv")
    scores = m.FusedMatMul(swapped(m, q), swapped(m, k), alpha=0.3, transB=1,
                           domain=MS)
    scores = m.Add(scores, m.input("mask", ["b", 1, 1, "s"]))
    m.save(close(m, m.Softmax(scores, axis=-1), swapped(m, v)))


# --- normalisation ------------------------------------------------------------

def fuse_norm_pow():
    m = Model("fuse_norm_pow", 11)
    x = m.input("x", ["b", "s", 8])
    d = m.Sub(x, m.ReduceMean(x, axes=[-1]))
    square = m.Pow(d, m.number(2))
    root = m.Sqrt(m.Add(m.ReduceMean(square, axes=[-1]), m.number(1e-12)))
    m.save(m.Add(m.Mul(m.Div(d, root), m.weight(8)), m.weight(8)))


def fuse_norm_two_subs():
    """d twice, squared by Mul; reciprocal root; operands swapped; axis 2."""
    m = Model("fuse_norm_two_subs", 18)
    x = m.input("x", ["b", "s", 8])
    axes = m.const(np.array([2]))
    mean = m.ReduceMean(x, axes)
    a, b = m.Sub(x, mean), m.Sub(x, mean)
    variance = m.ReduceMean(m.Mul(a, a), axes)
    root = m.Sqrt(m.Add(m.number(1e-5), variance))
    m.save(m.Add(m.weight(8), m.Mul(m.weight(8),
                                    m.Mul(b, m.Reciprocal(root)))))


def fuse_norm_without_bias():
    m = Model("fuse_norm_without_bias", 13)
    x = m.input("x", ["b", "s", 8])
    d = m.Sub(x, m.ReduceMean(x, axes=[-1]))
    variance = m.ReduceMean(m.Mul(d, d), axes=[-1])
    root = m.Sqrt(m.Add(variance, m.number(1e-5)))
    m.save(m.Relu(m.Mul(m.Div(d, root), m.weight(8))))


def fuse_norm_rms():
    m = Model("fuse_norm_rms", 13)
    x = m.Cast(m.input("x", ["b", "s", 8]), to=1)
    mean = m.ReduceMean(m.Pow(x, m.number(2)), axes=[-1])
    root = m.Sqrt(m.Add(mean, m.number(1e-6)))
    m.save(m.Mul(m.weight(8), m.Mul(x, m.Div(m.number(1), root))))


def fuse_norm_other_axis():
    """Not a norm of rows: the mean is over axis 1."""
    m = Model("fuse_norm_other_axis", 13)
    x = m.input("x", ["b", 8, 8])
    d = m.Sub(x, m.ReduceMean(x, axes=[1]))
    variance = m.ReduceMean(m.Mul(d, d), axes=[1])
    root = m.Sqrt(m.Add(variance, m.number(1e-5)))
    m.save(m.Add(m.Mul(m.Div(d, root), m.weight(8)), m.weight(8)))


# --- activations --------------------------------------------------------------

def fuse_gelu_forms():
    """Six ways to write it, and one that is something else (0.6)."""
    m = Model("fuse_gelu_forms", 13)
    x = m.input("x", ["b", 8])
    one, half, root = m.number(1), m.number(0.5), m.number(2 ** 0.5)
    erf = lambda: m.Add(m.Erf(m.Div(x, root)), one)
    flip = lambda: m.Add(one, m.Erf(m.Mul(m.number(0.5 ** 0.5), x)))
    m.save(m.Mul(m.Mul(x, erf()), half), m.Mul(x, m.Mul(half, flip())),
           m.Mul(m.Mul(half, x), erf()), m.Mul(erf(), m.Mul(x, half)),
           m.Div(m.Mul(x, flip()), m.number(2)),
           m.Mul(x, m.Add(half, m.Mul(half, m.Erf(m.Div(x, root))))),
           m.Mul(m.Mul(x, erf()), m.number(0.6)))


def fuse_gelu_tanh_forms():
    m = Model("fuse_gelu_tanh_forms", 13)
    x = m.input("x", ["b", 8])
    one, half = m.number(1), m.number(0.5)
    root, cube = m.number((2 / np.pi) ** 0.5), m.number(0.044715)
    power = m.Mul(root, m.Add(x, m.Mul(cube, m.Pow(x, m.number(3)))))
    product = m.Mul(m.Add(m.Mul(m.Mul(m.Mul(cube, x), x), x), x), root)
    factored = m.Mul(m.Mul(root, x), m.Add(one, m.Mul(m.Mul(cube, x), x)))
    other = m.Mul(root, m.Add(x, m.Mul(m.number(0.05), m.Pow(x, m.number(3)))))
    gate = lambda u: m.Mul(m.Mul(half, x), m.Add(one, m.Tanh(u)))
    m.save(gate(power), gate(product), gate(factored), gate(other))


def fuse_gelu_gates():
    m = Model("fuse_gelu_gates", 14)
    x = m.Mul(m.input("x", ["b", 8]), m.number(3))
    zero, six = m.number(0), m.number(6)
    clip = m.Clip(m.Add(x, m.number(3)), zero, six)
    m.save(m.Mul(x, m.Sigmoid(m.Mul(x, m.number(1.702)))),
           m.Mul(m.Sigmoid(x), x), m.Div(m.Mul(x, clip), six),
           m.Mul(x, m.Sigmoid(m.Add(x, m.number(1)))))


def bypass_nothing():
    """Nodes that do nothing, and two of them that make an output."""
    m = Model("bypass_nothing", 13)
    x = m.input("x", ["b", 8])
    same = m.Identity(m.Cast(m.Dropout(m.Relu(x)), to=1))
    m.save(m.Neg(m.Identity(same)), m.Identity(same),
           m.Cast(m.Cast(same, to=11), to=1))

# --- products -----------------------------------------------------------------

def fuse_linear_layers():
    """Every part of it: number, bias, activation, residual."""
    m = Model("fuse_linear_layers", 20)
    x = m.input("x", ["b", "s", 8])
    y = m.Relu(m.Add(m.MatMul(x, m.weight(8, 12)), m.weight(12)))
    y = m.Add(m.weight(8), m.Mul(m.MatMul(y, m.weight(12, 8)), m.number(0.25)))
    y = m.Add(x, m.Gelu(y, approximate="tanh"))
    z = m.Add(m.Div(m.MatMul(y, m.weight(8, 8)), m.number(3)), y)
    m.save(m.Gelu(z), m.Add(m.Add(m.MatMul(z, m.weight(8, 4)), m.weight(1, 4)),
                            m.input("r", [4])))


def fuse_linear_gemm():
    m = Model("fuse_linear_gemm", 13)
    x = m.input("x", ["b", 8])
    y = m.Sigmoid(m.Gemm(x, m.weight(6, 8), m.weight(6), transB=1, alpha=0.5))
    r = m.input("r", [6])
    m.save(m.Tanh(m.Gemm(y, m.weight(6, 6))), m.Gemm(y, m.weight(6, 6), r),
           m.Gemm(y, m.weight(6, 6), m.weight(6), beta=0.5),
           m.Gemm(x, m.weight(2, 8), transA=1),
           m.Gemm(y, m.weight(6, 6), m.weight(1, 6)))


def fuse_linear_activations():
    m = Model("fuse_linear_activations", 14)
    x = m.input("x", ["b", 8])
    y = lambda: m.MatMul(x, m.weight(8, 8))
    m.save(m.LeakyRelu(y()), m.LeakyRelu(y(), alpha=0.25), m.HardSigmoid(y()),
           m.HardSwish(y()), m.Clip(y(), m.number(-0.5), m.number(2)),
           m.Clip(y(), "", m.number(0.5)), m.Clip(y(), m.input("low", [])),
           m.Elu(y()))


def fuse_linear_gelus():
    m = Model("fuse_linear_gelus", 14)
    x = m.input("x", ["b", 8])
    y = lambda: m.MatMul(x, m.weight(8, 8))
    ms = "com.microsoft"
    m.save(m.BiasGelu(y(), m.weight(8), domain=ms),
           m.FastGelu(y(), m.weight(8), domain=ms), m.FastGelu(y(), domain=ms),
           m.QuickGelu(y(), domain=ms), m.Gelu(y(), domain=ms),
           m.BiasGelu(m.Add(y(), m.weight(8)), m.weight(8), domain=ms))


def fuse_linear_stays():
    """Two readers, two run values, a stack of matrices, a vector, integers."""
    m = Model("fuse_linear_stays", 13)
    x = m.input("x", ["b", "s", 8])
    y = m.MatMul(x, m.weight(8, 8))
    z = m.MatMul(x, m.weight(8, 8))
    i = m.Cast(x, to=6)
    i = m.MatMul(i, m.const(np.ones((8, 4), np.int32)))
    m.save(m.Relu(y), m.Tanh(y), z, m.Relu(z),
           m.Add(m.MatMul(y, m.Transpose(z, perm=[0, 2, 1])), m.weight(5)),
           m.Add(m.MatMul(x, m.weight(2, 8, 3)), m.weight(3)),
           m.Add(m.MatMul(x, m.weight(8)), m.weight(1)), m.Cast(i, to=1))


def fuse_linear_numbers_stay():
    """A number behind the bias; one that gives the product more axes."""
    m = Model("fuse_linear_numbers_stay", 13)
    x = m.input("x", ["b", "s", 8])
    m.save(m.Mul(m.Add(m.MatMul(x, m.weight(8, 8)), m.weight(8)), m.number(2)),
           m.Mul(m.MatMul(x, m.weight(8, 8)), m.weight(1, 1, 1, 1)),
           m.Div(m.number(2), m.MatMul(x, m.weight(8, 8))))


def fuse_linear_residuals():
    """Residuals that broadcast, both ways, and the sum of two products."""
    m = Model("fuse_linear_residuals", 13)
    x = m.input("x", [4, 8])
    y = lambda: m.MatMul(x, m.weight(8, 6))
    m.save(m.Add(y(), m.input("column", [4, 1])),
           m.Add(m.input("more", [3, 4, 6]), m.Relu(y())), m.Add(y(), y()),
           m.Add(m.Add(y(), m.weight(4, 6)), m.weight(6)))


# --- fold ---------------------------------------------------------------------

def fold_made_weights():
    """Weights made step by step, as large as to have memory of their own; a
    step that is read again much later, and one that is an output."""
    m = Model("fold_made_weights", 13)
    ints = [m.const(np.int64(n)) for n in (0, 1, 30000, 7919)]
    steps = m.Range(ints[0], ints[2], ints[1])
    mixed = m.Mod(m.Mul(m.Mul(steps, steps), ints[3]), m.const(np.int64(997)))
    wave = m.Sub(m.Div(m.Cast(mixed, to=1), m.number(498)), m.number(1))
    parts = m.Split(m.Reshape(wave, m.const([300, 100])),
                    m.const([100, 200]), outputs=2, axis=0)
    late = m.Cast(m.Mod(steps, m.const(np.int64(3))), to=1)
    x = m.input("x", ["b", 100])
    m.save(m.MatMul(x, parts[0]), m.Relu(parts[1]),
           m.Add(x, m.ReduceMax(m.Reshape(late, m.const([300, 100])),
                                axes=[0], keepdims=0)))


# --- 8-bit integers ---------------------------------------------------------------

class Steps:
    """A scale and zero point that a model holds once."""

    def __init__(self, m, scale, zero, kind=np.uint8):
        self.m, self.list = m, (m.number(scale), m.const(kind(zero)))

    def into(self, value):
        return self.m.QuantizeLinear(value, *self.list)

    def out_of(self, value):
        return self.m.DequantizeLinear(value, *self.list)

    def both(self, value):
        return self.out_of(self.into(value))


def bytes_of(*dims, kind=np.int8):
    info = np.iinfo(kind)
    return RANDOM.integers(info.min, info.max + 1, dims).astype(kind)


def filters(m, *dims, axis=0, kind=np.int8):
    """Constant weights with a scale for each output channel."""
    count = dims[axis]
    scale = RANDOM.uniform(0.002, 0.01, count).astype(np.float32)
    return m.DequantizeLinear(m.const(bytes_of(*dims, kind=kind)),
                              m.const(scale), m.const(np.zeros(count, kind)),
                              axis=axis)


def quantized_convolutions():
    """Channels first becomes last and stays so over the sum; groups stay first;
    MaxPool moves bytes; the last activation needs floats."""
    m = Model("quantized_convolutions", 13)
    x, y, z = (Steps(m, s, zero) for s, zero in
               ((0.02, 100), (0.03, 0), (0.05, 90)))
    first = m.Conv(x.both(m.input("x", ["b", 3, 9, 8])), filters(m, 8, 3, 3, 3),
                   m.weight(8), pads=[1, 1, 1, 1], strides=[2, 1])
    first = y.both(m.Relu(first))
    bias = m.DequantizeLinear(m.const(RANDOM.integers(-900, 900, 8)
                                      .astype(np.int32)),
                              m.const(np.full(8, 0.03 * 0.004, np.float32)),
                              axis=0)
    depth = m.DequantizeLinear(m.const(bytes_of(8, 1, 3, 3, kind=np.uint8)),
                               m.number(0.004), m.const(np.uint8(120)))
    second = m.Conv(first, depth, bias, group=8, pads=[1, 1, 1, 1])
    second = z.both(second)
    total = y.both(m.Relu(m.Add(first, second)))
    pooled = y.both(m.MaxPool(total, kernel_shape=[2, 2], pads=[0, 0, 1, 1]))
    grouped = z.both(m.Conv(pooled, filters(m, 4, 4, 2, 2), group=2))
    m.save(m.Tanh(grouped), z.out_of(z.into(m.Flatten(grouped, axis=1))))


def quantized_signed():
    """int8 activations, Clip by attributes and a filter of one position."""
    m = Model("quantized_signed", 10)
    x = Steps(m, 0.02, -3, np.int8)
    y = Steps(m, 6 / 255, -128, np.int8)
    first = m.Conv(x.both(m.input("x", ["b", 8, 5, 4])), m.DequantizeLinear(
        m.const(bytes_of(6, 8, 1, 1)), m.number(0.004), m.const(np.int8(0))))
    first = y.both(m.Clip(first, min=0.0, max=6.0))
    depth = m.DequantizeLinear(m.const(bytes_of(6, 1, 3, 3)), m.number(0.01),
                               m.const(np.int8(0)))
    m.save(x.both(m.Conv(first, depth, m.weight(6), group=6, dilations=[1, 2],
                         pads=[1, 2, 1, 2])))


def quantized_products():
    m = Model("quantized_products", 13)
    x, y = Steps(m, 0.02, 100), Steps(m, 0.04, 128)
    rows = x.both(m.input("x", ["b", 5, 12]))
    q = y.both(m.MatMul(rows, filters(m, 12, 7, axis=1)))
    floats = m.Add(m.MatMul(rows, filters(m, 12, 7, axis=1)), m.weight(7))
    flat = m.Reshape(rows, m.const([-1, 12]))
    flat = x.both(flat)
    gemm = m.Gemm(flat, filters(m, 6, 12, axis=0), m.weight(6), transB=1)
    m.save(y.both(m.Mul(q, y.both(m.Relu(q)))), m.Relu(floats),
           y.both(m.Relu(gemm)))


def quantized_stays():
    """Steps from an input; an activation that saturation does not do; a scale
    along another axis; a result that somebody else reads, too."""
    m = Model("quantized_stays", 13)
    x, y = Steps(m, 0.02, 100), Steps(m, 0.05, 128)
    image = x.both(m.input("x", ["b", 4, 9]))
    conv = lambda: m.Conv(image, filters(m, 4, 4, 3))
    given = m.Reshape(m.input("scale", [1]), m.const(np.zeros(0, np.int64)))
    shared = conv()
    turned = m.DequantizeLinear(
        m.const(bytes_of(4, 4, 1)),
        m.const(np.full(4, 0.01, np.float32)), m.const(np.zeros(4, np.int8)),
        axis=1)
    m.save(m.DequantizeLinear(m.QuantizeLinear(conv(), given,
                                               m.const(np.uint8(9))), given,
                              m.const(np.uint8(9))),
           y.both(m.Relu(conv())), m.Tanh(shared), y.both(shared),
           y.both(m.Conv(image, turned)))


def channels_last_branches():
    """QLinearConv as a file has it: two of one input, their product, and a sum
    with something that has channels first."""
    m = Model("channels_last_branches", 13)
    x, y = Steps(m, 0.02, 100), Steps(m, 0.05, 128)
    image = x.into(m.input("x", ["b", 4, 6, 5]))

    def conv(value, bias):
        return m.QLinearConv(
            value, *x.list, m.const(bytes_of(4, 4, 3, 3)), m.number(0.004),
            m.const(np.int8(0)), *y.list,
            *([m.const(RANDOM.integers(-900, 900, 4).astype(np.int32))]
              if bias else []), pads=[1, 1, 1, 1])

    def both(op, a, b):
        m.nodes.append(helper.make_node(op, [a, *y.list, b, *y.list, *y.list],
                                        [f"v{len(m.nodes)}_0"],
                                        domain="com.microsoft"))
        return m.nodes[-1].output[0]

    product = both("QLinearMul", conv(image, True), conv(image, False))
    first = y.into(m.input("z", ["b", 4, 6, 5]))
    m.save(y.out_of(product), y.out_of(both("QLinearAdd", product, first)))


# --- com.microsoft Attention, MultiHeadAttention -------------------------------

def int_mask(m, dims):
    return m.Cast(m.input("mask", dims), to=6)


def open_attention_self():
    """Two layers with the same mask; v is narrower; the second has no bias and
    another factor."""
    m = Model("open_attention_self")
    x, mask = m.input("x", ["b", "s", 12]), int_mask(m, ["b", "s"])
    y = m.Attention(x, m.weight(12, 30), m.weight(30), mask, num_heads=3,
                    qkv_hidden_sizes=[12, 12, 6], domain=MS)
    y = m.MatMul(y, m.weight(6, 12))
    m.save(m.Attention(y, m.weight(12, 36), "", mask, num_heads=2, scale=0.2,
                       domain=MS))


def open_attention_counted():
    """The mask says how many rows count; scores get more added to them."""
    m = Model("open_attention_counted")
    x, mask = m.input("x", ["b", "s", 12]), int_mask(m, ["b", "s"])
    counted = m.ReduceSum(mask, m.const(np.array([1])), keepdims=0)
    m.save(m.Attention(x, m.weight(12, 36), m.weight(36), counted, "",
                       m.input("add", ["b", 3, "s", "s"]), num_heads=3,
                       mask_filter_value=-50.0, domain=MS))


def open_attention_many():
    """q, k and v from products of their own; k and v of another length."""
    m = Model("open_attention_many")
    x, z = m.input("x", ["b", "s", 12]), m.input("z", ["b", "p", 8])
    mask = int_mask(m, ["b", "s", "p"])
    parts = [m.MatMul(x, m.weight(12, 6)), m.MatMul(z, m.weight(8, 6)),
             m.MatMul(z, m.weight(8, 4))]
    m.save(m.MultiHeadAttention(*parts, m.weight(16), mask, num_heads=2,
                                domain=MS),
           m.MultiHeadAttention(*parts, num_heads=2, domain=MS))


def open_attention_stays():
    """A past, causal, and weights that are no constant."""
    m = Model("open_attention_stays")
    x, w = m.input("x", ["b", "s", 12]), m.input("w", [12, 36])
    y = m.Attention(x, m.weight(12, 36), m.weight(36), num_heads=3,
                    unidirectional=1, domain=MS)
    z = m.Attention(x, w, m.weight(36), num_heads=3, domain=MS)
    past = m.input("past", [2, "b", 3, "p", 4])
    m.save(y, z, m.Attention(x, m.weight(12, 36), m.weight(36), "", past,
                             num_heads=3, domain=MS))


def channels_last_pool():
    """The largest of what a convolution made, and of what one reads."""
    m = Model("channels_last_pool", 13)
    x, y = Steps(m, 0.02, 100), Steps(m, 0.05, 128)
    image = x.into(m.input("x", ["b", 4, 9, 7]))

    def conv(value, steps):
        return m.QLinearConv(
            value, *steps.list, m.const(bytes_of(4, 4, 3, 3)), m.number(0.004),
            m.const(np.int8(0)), *y.list, pads=[1, 1, 1, 1])

    pooled = m.MaxPool(conv(image, x), kernel_shape=[3, 3], strides=[2, 2],
                       pads=[1, 1, 1, 1])
    m.save(y.out_of(conv(pooled, y)),
           x.out_of(m.MaxPool(image, kernel_shape=[2, 3], ceil_mode=1)))


if __name__ == "__main__":
    for name, make in list(globals().items()):
        if name.startswith(("bypass_", "channels_", "fold_", "fuse_",
                            "open_", "quantized_")):
            make()
