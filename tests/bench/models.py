"""Makes the models that tests/bench/engine.py measures, with random weights.

    models.py OUT [NAME...]      writes OUT/NAME/model.onnx, skips what is there

Shapes and operators are those of exported models; the numbers are random but
keep activations near one, as trained weights do. Two spellings where exporters
differ and a run time may fuse one and not the other:

    minilm, bert-base      as torch writes them from opset 14 on: shapes computed
                           by Shape/Gather/Concat/Reshape, GELU from Erf,
                           LayerNormalization in nine nodes
    minilm-ln              the same at opset 17, LayerNormalization one node
    minilm-11, bert-base-11  opset 11, constant Reshape shapes: what ONNX Runtime
                           fuses into Attention
    minilm-int8            minilm through onnxruntime's quantize_dynamic
    minilm-int8-attention  the same, fused by onnxruntime before it is quantized
    resnet50, mobilenetv2  BatchNormalization folded, as torch exports for inference
    resnet50-bn, mobilenetv2-bn  BatchNormalization nodes left as they are
    mlp                    4 x (Gemm 128x128, Relu)
"""
import math
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes in the order they are added; every call returns a value's name."""

    def __init__(self, opset, seed=1):
        self.opset = opset
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(seed)
        self.count = 0

    def name(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def op(self, kind, *inputs, **attributes):
        out = self.name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [out],
                                           name=f"n{len(self.nodes)}",
                                           **attributes))
        return out

    def weight(self, array, stem="w"):
        name = self.name(stem)
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def constant(self, value, dtype=np.float32):
        """A Constant node, as torch writes them."""
        out = self.name("Constant")
        array = numpy_helper.from_array(np.asarray(value, dtype), out)
        self.nodes.append(helper.make_node("Constant", [], [out],
                                           name=f"n{len(self.nodes)}",
                                           value=array))
        return out

    def normal(self, *shape, scale=1.0):
        return (self.random.standard_normal(shape) * scale).astype(np.float32)

    def unsqueeze(self, x, axis):
        if self.opset < 13:
            return self.op("Unsqueeze", x, axes=[axis])
        return self.op("Unsqueeze", x, self.constant([axis], np.int64))

    def dim(self, x, axis):
        shape = self.op("Shape", x)
        return self.op("Gather", shape, self.constant(axis, np.int64), axis=0)

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, "bench", inputs, outputs,
                                  initializer=self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)],
            producer_name="specserve-bench",
            ir_version=6 if self.opset < 14 else 8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def tensor(name, dims, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, dims)


# --- transformers -----------------------------------------------------------

class Encoder(Graph):
    """BERT-like encoder; `static` writes the head split as constant shapes."""

    def __init__(self, opset, layers, width, inner, heads, vocabulary=30522):
        super().__init__(opset)
        self.layers, self.width, self.inner = layers, width, inner
        self.heads, self.vocabulary = heads, vocabulary
        self.static = opset < 13

    def linear(self, x, rows, columns):
        weight = self.weight(self.normal(rows, columns,
                                         scale=1 / math.sqrt(rows)))
        bias = self.weight(self.normal(columns, scale=0.1), "b")
        product = self.op("MatMul", x, weight)
        return self.op("Add", product, bias) if self.static else \
            self.op("Add", bias, product)

    def layer_norm(self, x):
        gain = self.weight(1 + self.normal(self.width, scale=0.1), "gain")
        bias = self.weight(self.normal(self.width, scale=0.1), "bias")
        if self.opset >= 17:
            return self.op("LayerNormalization", x, gain, bias, axis=-1,
                           epsilon=1e-12)
        mean = self.op("ReduceMean", x, axes=[-1])
        centred = self.op("Sub", x, mean)
        square = self.op("Pow", centred, self.constant(2.0))
        variance = self.op("ReduceMean", square, axes=[-1])
        root = self.op("Sqrt", self.op("Add", variance, self.constant(1e-12)))
        return self.op("Add", self.op("Mul", self.op("Div", centred, root),
                                      gain), bias)

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.constant(math.sqrt(2))))
        return self.op("Mul", self.op("Mul", x, self.op(
            "Add", erf, self.constant(1.0))), self.constant(0.5))

    def reshape(self, x, dims):
        """dims: None = batch, sequence of x; numbers follow."""
        if self.static:
            return self.op("Reshape", x, self.weight(
                np.array([0, 0, *dims], np.int64), "shape"))
        parts = [self.unsqueeze(self.dim(x, i), 0) for i in range(2)]
        parts += [self.constant([n], np.int64) for n in dims]
        return self.op("Reshape", x, self.op("Concat", *parts, axis=0))

    def head(self, x, perm):
        split = self.reshape(self.linear(x, self.width, self.width),
                             (self.heads, self.width // self.heads))
        return self.op("Transpose", split, perm=perm)

    def attention(self, x, mask):
        query = self.head(x, [0, 2, 1, 3])
        key = self.head(x, [0, 2, 3, 1])
        value = self.head(x, [0, 2, 1, 3])
        scores = self.op("Div", self.op("MatMul", query, key), self.constant(
            math.sqrt(self.width // self.heads)))
        weights = self.op("Softmax", self.op("Add", scores, mask),
                          axis=3 if self.static else -1)
        mixed = self.op("Transpose", self.op("MatMul", weights, value),
                        perm=[0, 2, 1, 3])
        return self.linear(self.reshape(mixed, (self.width,)), self.width,
                           self.width)

    def embeddings(self):
        length = self.unsqueeze(self.dim("input_ids", 1), 0)
        positions = self.weight(np.arange(512, dtype=np.int64)[None], "ids")
        position = self.op("Slice", positions, self.constant([0], np.int64),
                           length, self.constant([1], np.int64),
                           self.constant([1], np.int64))
        tables = [self.weight(self.normal(n, self.width, scale=0.6), "table")
                  for n in (self.vocabulary, 2, 512)]
        words = self.op("Gather", tables[0], "input_ids")
        kinds = self.op("Gather", tables[1], "token_type_ids")
        places = self.op("Gather", tables[2], position)
        return self.layer_norm(self.op("Add", self.op("Add", words, kinds),
                                       places))

    def mask(self):
        wide = self.unsqueeze(self.unsqueeze("attention_mask", 1), 2)
        real = self.op("Cast", wide, to=TensorProto.FLOAT)
        off = self.op("Sub", self.constant(1.0), real)
        return self.op("Mul", off, self.constant(-10000.0))

    def build(self, path):
        mask = self.mask()
        x = self.embeddings()
        for _ in range(self.layers):
            x = self.layer_norm(self.op("Add", self.attention(x, mask), x))
            wide = self.gelu(self.linear(x, self.width, self.inner))
            x = self.layer_norm(self.op(
                "Add", self.linear(wide, self.inner, self.width), x))
        self.nodes[-1].output[0] = "last_hidden_state"
        ids = [tensor(n, ["batch", "sequence"], TensorProto.INT64)
               for n in ("input_ids", "attention_mask", "token_type_ids")]
        self.save(path, ids, [tensor("last_hidden_state",
                                     ["batch", "sequence", self.width])])


def minilm(opset):
    return lambda path: Encoder(opset, 6, 384, 1536, 12).build(path)


def bert_base(opset):
    return lambda path: Encoder(opset, 12, 768, 3072, 12).build(path)


def minilm_int8(path):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    source = os.path.join(os.path.dirname(path), "float.onnx")
    minilm(11)(source)
    quantize_dynamic(source, path, weight_type=QuantType.QInt8)
    os.remove(source)


def minilm_int8_attention(path):
    """Attention fused before quantization, as onnxruntime's tools advise."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic
    source, fused = (os.path.join(os.path.dirname(path), name)
                     for name in ("float.onnx", "fused.onnx"))
    minilm(11)(source)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = \
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = fused
    onnxruntime.InferenceSession(source, options,
                                 providers=["CPUExecutionProvider"])
    quantize_dynamic(fused, path, weight_type=QuantType.QInt8, extra_options={
        "DefaultTensorType": TensorProto.FLOAT})
    os.remove(source)
    os.remove(fused)


# --- convolutional networks -------------------------------------------------

class Convolutional(Graph):
    def __init__(self, folded):
        super().__init__(13)
        self.folded = folded

    def conv(self, x, fan_in, fan_out, size, stride=1, group=1, gain=1.0):
        """Convolution and batch normalization, in one node or two."""
        inner = fan_in // group
        weight = self.normal(fan_out, inner, size, size, scale=gain *
                             math.sqrt(2 / (inner * size * size)))
        shape = {"kernel_shape": [size, size], "strides": [stride, stride],
                 "pads": [size // 2] * 4, "group": group,
                 "dilations": [1, 1]}
        if self.folded:
            return self.op("Conv", x, self.weight(weight),
                           self.weight(self.normal(fan_out, scale=0.1)),
                           **shape)
        out = self.op("Conv", x, self.weight(weight), **shape)
        scale, variance = (self.random.uniform(0.8, 1.2, fan_out).astype(
            np.float32) for _ in range(2))
        bias, mean = (self.normal(fan_out, scale=0.1) for _ in range(2))
        return self.op("BatchNormalization", out, self.weight(scale),
                       self.weight(bias), self.weight(mean),
                       self.weight(variance), epsilon=1e-5, momentum=0.9)

    def relu6(self, x):
        return self.op("Clip", x, self.constant(0.0), self.constant(6.0))

    def classify(self, x, width, path):
        x = self.op("Flatten", self.op("GlobalAveragePool", x), axis=1)
        self.nodes.append(helper.make_node(
            "Gemm", [x, self.weight(self.normal(1000, width, scale=0.03)),
                     self.weight(self.normal(1000, scale=0.1))], ["logits"],
            name="classifier", transB=1))
        self.save(path, [tensor("input", ["batch", 3, 224, 224])],
                  [tensor("logits", ["batch", 1000])])


def resnet50(folded):
    def block(g, x, fan_in, width, stride):
        y = g.op("Relu", g.conv(x, fan_in, width, 1))
        y = g.op("Relu", g.conv(y, width, width, 3, stride))
        y = g.conv(y, width, 4 * width, 1, gain=0.3)
        if fan_in != 4 * width:
            x = g.conv(x, fan_in, 4 * width, 1, stride, gain=0.7)
        return g.op("Relu", g.op("Add", y, x))

    def build(path):
        g = Convolutional(folded)
        x = g.op("Relu", g.conv("input", 3, 64, 7, 2))
        x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2],
                 pads=[1, 1, 1, 1])
        fan_in = 64
        for stage, count in enumerate((3, 4, 6, 3)):
            for i in range(count):
                x = block(g, x, fan_in, 64 << stage,
                          2 if stage and i == 0 else 1)
                fan_in = 256 << stage
        g.classify(x, fan_in, path)
    return build


def mobilenetv2(folded):
    def block(g, x, fan_in, fan_out, stride, expand):
        wide = fan_in * expand
        y = g.relu6(g.conv(x, fan_in, wide, 1)) if expand > 1 else x
        y = g.relu6(g.conv(y, wide, wide, 3, stride, wide))
        y = g.conv(y, wide, fan_out, 1, gain=0.7)
        return g.op("Add", x, y) if stride == 1 and fan_in == fan_out else y

    def build(path):
        g = Convolutional(folded)
        x = g.relu6(g.conv("input", 3, 32, 3, 2))
        fan_in = 32
        for expand, fan_out, count, stride in (
                (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
            for i in range(count):
                x = block(g, x, fan_in, fan_out, stride if i == 0 else 1,
                          expand)
                fan_in = fan_out
        x = g.relu6(g.conv(x, fan_in, 1280, 1))
        g.classify(x, 1280, path)
    return build


def mlp(path):
    g = Graph(13)
    x = "input"
    for _ in range(4):
        x = g.op("Relu", g.op(
            "Gemm", x, g.weight(g.normal(128, 128, scale=0.12)),
            g.weight(g.normal(128, scale=0.1)), transB=1))
    g.nodes[-1].output[0] = "output"
    g.save(path, [tensor("input", ["batch", 128])],
           [tensor("output", ["batch", 128])])


# --- static quantization ------------------------------------------------------

def images():
    return {"input": np.random.default_rng(7).standard_normal(
        (1, 3, 224, 224)).astype(np.float32)}


def texts():
    ids = np.random.default_rng(7).integers(1, 30522, (1, 128))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids)}


def qdq(model, inputs):
    """QuantizeLinear and DequantizeLinear around everything, as onnxruntime's
    tools write them: uint8 activations, int8 weights by output channel."""
    def build(path):
        from onnxruntime.quantization import (CalibrationDataReader, QuantType,
                                              quantize_static)

        class Once(CalibrationDataReader):
            def __init__(self):
                self.left = [inputs()]

            def get_next(self):
                return self.left.pop() if self.left else None

        source = os.path.join(os.path.dirname(path), "float.onnx")
        model(source)
        quantize_static(source, path, Once(), per_channel=True,
                        activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)
        os.remove(source)
    return build


MODELS = {
    "minilm": minilm(14), "minilm-ln": minilm(17), "minilm-11": minilm(11),
    "minilm-int8": minilm_int8, "minilm-int8-attention": minilm_int8_attention,
    "bert-base": bert_base(14), "bert-base-11": bert_base(11),
    "resnet50": resnet50(True), "resnet50-bn": resnet50(False),
    "mobilenetv2": mobilenetv2(True), "mobilenetv2-bn": mobilenetv2(False),
    "mlp": mlp, "minilm-qdq": qdq(minilm(14), texts),
    "resnet50-qdq": qdq(resnet50(True), images),
    "mobilenetv2-qdq": qdq(mobilenetv2(True), images),
}


def make(out, name):
    """Path of the model, written if it is not there yet."""
    path = os.path.join(out, name, "model.onnx")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        partial = path + ".new"
        MODELS[name](partial)
        os.replace(partial, path)
    return path


if __name__ == "__main__":
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(MODELS):
        sys.exit(__doc__)
    for model in sys.argv[2:] or MODELS:
        print(make(sys.argv[1], model))
