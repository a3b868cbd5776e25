"""Bundles made for a test: copies of the shipped one with edits, and a small
model whose answers the caller steers.

`steered(folder)` takes x, an array of floats, and answers y = sqrt(mean(x)) + c:
  - x = [4]       an ordinary answer
  - x = [-1]      no number: what a broken model gives
  - x = [0] * n   as [4], but the work grows with n^3; see SLOW
Its time limit is one second.
"""
import pathlib

import harness

LINKS = 240  # matrix products of n x n, one after the other
SLOW = [0] * 1536  # 1.7 * 10^12 operations: seconds, on any processor

SPEC = """\
apiVersion: piqc.ai/v1alpha1
kind: ModelSpec
metadata: {name: steered, version: "1"}
spec:
  identity:
    model:
      id: steered
      family: test
      task: regression
      framework: onnx
      precision: fp32
      artifacts: {modelUri: model.onnx}
  runtime:
    accelerator: {vendor: any, type: cpu, count: 1}
  operations:
    serving: {protocol: http, timeoutSeconds: TIMEOUT}
"""

SERVICE = """\
apiVersion: specserve/v1alpha1
kind: ModelService
metadata: {name: Steered, version: "1", description: "A model for tests"}
spec:
  modelSpec: steered.modelspec.yaml
  api: {specification: "1.2"}
  info: {license: Apache-2.0, maintainer: "The tests", citationUrl: "https://example.org/"}
  citation: {paper: "None.", softwareBibtex: citation.bib}
  signature:
    inputs:
    - {name: x, type: "array<float>"}
    outputs:
    - {name: "y", type: float, from: {tensor: "y", index: 0}}
    tensors:
      inputs:
      - {name: x, dtype: float32, shape: [1, -1]}
      outputs:
      - {name: "y", dtype: float32, shape: [1, 1]}
  capabilities:
  - {name: regression, inputTypes: [tabular], outputs: {"y": float}, description: "sqrt"}
  examples:
  - name: Four
    data: {x: EXAMPLE}
    description: "an ordinary answer"
    category: test
    expect: {success: true, finite: ["y"]}
"""


# ---- ONNX, as its messages are on the wire ----

def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def part(number, content):
    """A field: text, bytes or a number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    if isinstance(content, str):
        content = content.encode()
    return varint(number << 3 | 2) + varint(len(content)) + content


def node(kind, inputs, output, domain="", **attributes):
    """A NodeProto with one output; attributes are integers or lists of them."""
    fields = b"".join(part(1, name) for name in inputs)
    fields += part(2, output) + part(3, output) + part(4, kind) + part(7, domain)
    for name, value in attributes.items():
        if isinstance(value, list):
            inner = b"".join(part(8, v) for v in value) + part(20, 7)
        else:
            inner = part(3, value) + part(20, 2)
        fields += part(5, part(1, name) + inner)
    return part(1, fields)


def port(number, name, *dims, element=1):
    """An input (11) or output (12), of floats if nothing else is said; a
    dimension is a size or a name."""
    shape = b"".join(part(1, part(1 if isinstance(d, int) else 2, d))
                     for d in dims)
    tensor = part(1, element) + part(2, shape)
    return part(number, part(1, name) + part(2, part(1, tensor)))


def steered_model():
    nodes = [node("Transpose", ["x"], "column"),
             node("MatMul", ["column", "x"], "m0")]
    for i in range(LINKS):
        nodes += [node("MatMul", [f"m{i}", f"m{i}"], f"p{i}"),
                  node("Softmax", [f"p{i}"], f"m{i + 1}")]
    nodes += [node("ReduceMean", ["x"], "mean", keepdims=1),
              node("Sqrt", ["mean"], "root"),
              node("ReduceMean", [f"m{LINKS}"], "last", keepdims=1),
              node("Add", ["root", "last"], "y")]
    graph = (b"".join(nodes) + part(2, "steered") + port(11, "x", 1, "n")
             + port(12, "y", 1, 1))
    return part(1, 8) + part(7, graph) + part(8, part(1, "") + part(2, 13))


# ---- bundles ----

def steered(folder, timeout_s=1, example="[4]"):
    """A bundle of the model above in `folder`/steered."""
    bundle = pathlib.Path(folder) / "steered"
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(steered_model())
    (bundle / "citation.bib").write_text("@misc{none, title = {None}}\n")
    (bundle / "steered.modelspec.yaml").write_text(
        SPEC.replace("TIMEOUT", str(timeout_s)))
    (bundle / "steered.modelservice.yaml").write_text(
        SERVICE.replace("EXAMPLE", example))
    return bundle


def numbers_as_text(bundle):
    """Turns the number that steered() gives into text, for old clients."""
    file = bundle / "steered.modelservice.yaml"
    text = file.read_text()
    for old, new in (("type: float, from", "type: float, encoding: string, from"),
                     ('finite: ["y"]', 'values: {"y": "3.0"}')):
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)
    return bundle


def copied(folder, source, name, **edits):
    """A copy of the bundle `source`, called `name`, in `folder`. Each edit is
    the kind of a document (modelspec, modelservice) and pairs of old and new
    text."""
    bundle = pathlib.Path(folder) / name
    bundle.mkdir()
    for file in source.iterdir():
        if file.is_file():
            (bundle / file.name).write_bytes(file.read_bytes())
    for kind, pairs in edits.items():
        file = bundle / f"{source.name}.{kind}.yaml"
        text = file.read_text()
        for old, new in pairs:
            assert old in text, f"'{old}' is not in {file.name}"
            text = text.replace(old, new, 1)
        file.write_text(text)
    return bundle


def edited(folder, **edits):
    """A copy of the shipped bundle in `folder`, with edits as above."""
    return copied(folder, harness.BUNDLE, "solubility", **edits)


# Datatypes of the Open Inference Protocol and ONNX's numbers for them.
DATATYPES = {"BOOL": 9, "UINT8": 2, "UINT16": 4, "UINT32": 12, "UINT64": 13,
             "INT8": 3, "INT16": 5, "INT32": 6, "INT64": 7, "FP16": 10, "FP32": 1,
             "FP64": 11, "BF16": 16, "BYTES": 8}


def identity(folder, datatype):
    """A bundle of a model that is called with tensors only: y [n, m] is x."""
    name = f"Identity_{datatype}"
    bundle = pathlib.Path(folder) / name
    bundle.mkdir()
    element = DATATYPES[datatype]
    graph = (node("Identity", ["x"], "y") + part(2, name)
             + port(11, "x", "n", "m", element=element)
             + port(12, "y", "n", "m", element=element))
    (bundle / "model.onnx").write_bytes(
        part(1, 8) + part(7, graph) + part(8, part(1, "") + part(2, 13)))
    (bundle / "citation.bib").write_text("@misc{none, title = {None}}\n")
    (bundle / "x.modelspec.yaml").write_text(
        SPEC.replace("TIMEOUT", "30").replace("steered", "identity"))
    service = SERVICE.replace("steered.modelspec", "x.modelspec")
    service = service.replace("name: Steered", f"name: {name}")
    service = service.replace('{specification: "1.2"}',
                              '{specification: "1.2", bodyLimitBytes: 67108864}')
    (bundle / "x.modelservice.yaml").write_text(
        service[:service.index("  signature:")] + """\
  signature: {inputs: [], outputs: []}
  capabilities:
  - {name: identity, inputTypes: [], outputs: {}, description: "x as it came"}
""")
    return bundle
