"""Rows of a table through both doors: the model gives back the tensor that it is fed."""
import pathlib
import unittest

import bundles
import grpc
import harness
import rpc

COLUMNS = """\
    table:
      input: row
      tensor: x
      columns:
      - {name: age}
      - {name: city, values: [Bern, Rome], unknown: -1, missing: Rome}
      - {name: colour, values: [red, green], encode: onehot}
      - {name: income, missing: 0}
"""


def table_bundle(folder):
    """A bundle whose answer y [1, 5] is its row."""
    bundle = pathlib.Path(folder) / "table"
    bundle.mkdir()
    graph = (bundles.node("Identity", ["x"], "y") + bundles.part(2, "table")
             + bundles.port(11, "x", 1, 5) + bundles.port(12, "y", 1, 5))
    (bundle / "model.onnx").write_bytes(
        bundles.part(1, 8) + bundles.part(7, graph)
        + bundles.part(8, bundles.part(1, "") + bundles.part(2, 13)))
    (bundle / "citation.bib").write_text("@misc{none, title = {None}}\n")
    (bundle / "table.modelspec.yaml").write_text(
        bundles.SPEC.replace("TIMEOUT", "10").replace("steered", "table")
        + "  pipeline: {preprocess: {steps: [{name: table, type: columns}]}, "
        "postprocess: {steps: []}}\n")
    service = bundles.SERVICE.replace("steered", "table").replace("Steered", "Table")
    for old, new in (
            ('{name: x, type: "array<float>"}', "{name: row, type: object}"),
            ('{name: "y", type: float, from: {tensor: "y", index: 0}}',
             '{name: "y", type: "array<float>", from: {tensor: "y"}}'),
            ("shape: [1, -1]", "shape: [1, 5]"), ("shape: [1, 1]", "shape: [1, 5]"),
            ('outputs: {"y": float}', 'outputs: {"y": array<float>}'),
            ("{x: EXAMPLE}", "{row: {age: 4, colour: red}}"),
            ('finite: ["y"]', 'length: {"y": 5}'),
            ("  capabilities:", f"  steps:\n{COLUMNS}  capabilities:")):
        assert old in service, old
        service = service.replace(old, new)
    (bundle / "table.modelservice.yaml").write_text(service)
    return bundle


class Columns(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.start(harness.Server, bundle=table_bundle(self.folder.name))
        self.client = rpc.Client(self.server.port)
        self.addCleanup(self.client.close)

    def ask(self, row):
        """The answer, the same through both doors."""
        request = {"input_type": "tabular", "data": {"row": row}}
        status, answer = harness.rest_json(self.server.port, "POST", "/predict",
                                           request)
        code, other, _, text = self.client.call(
            "specserve.runtime.v1.ModelRuntime", "Predict", request)
        if status == 200:
            self.assertEqual(code, grpc.StatusCode.OK, text)
            for key in ("success", "results", "error_code"):
                self.assertEqual(other.get(key), answer.get(key))
        else:
            self.assertNotEqual(code, grpc.StatusCode.OK)
        return status, answer

    def test_a_row_is_fed_in_the_order_of_its_columns(self):
        for row, wanted in (
                ({"income": 2.5, "colour": "green", "city": "Bern", "age": True},
                 [1, 0, 0, 1, 2.5]),
                ({"age": -3, "colour": "red", "city": "Oslo", "income": None},
                 [-3, -1, 1, 0, 0])):
            status, answer = self.ask(row)
            self.assertEqual(status, 200, answer)
            self.assertEqual(answer["results"]["y"], wanted)

    def test_what_is_no_row_is_refused(self):
        for row, code, says in (
                ({"colour": "red"}, "VALIDATION_ERROR", "data.row.age is missing"),
                ({"age": "4", "colour": "red"}, "VALIDATION_ERROR", "must be a number"),
                ({"age": 4, "colour": "blue"}, "OUT_OF_DOMAIN", "'blue'"),
                ({"age": 1e300, "colour": "red"}, "VALIDATION_ERROR", "no float32"),
                ("age=4", "VALIDATION_ERROR", "data.row must be an object"),
                ([4], "VALIDATION_ERROR", "data.row must be an object")):
            with self.subTest(row):
                _, answer = self.ask(row)
                self.assertEqual(answer["error_code"], code, answer)
                self.assertIn(says, str(answer))


if __name__ == "__main__":
    unittest.main()
