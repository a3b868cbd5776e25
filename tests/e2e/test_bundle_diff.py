"""specserve diff: each rule with a change that breaks it and one that does not."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import bundles
import harness

BASE = harness.ROOT / "tests/data/documents/bundle"
RULES = harness.ROOT / "server/diff/rules.def"
TENSORS = {"inputs": {"x": ("n", 4)}, "outputs": {"y": ("n", 4)}}
SPEC, SERVICE, BEHAVIOR = "modelspec", "modelservice", "behavior"
NEWER = (SERVICE, "version: 1.2.3", "version: 1.2.4")
INPUT = "{name: text, type: text, format: smiles, maxBytes: 4096, maxTokens: 128}"
SPARE = "{name: spare, type: float, required: false}"
LEVEL = "minimum: 0.5, maximum: 0.99, default: 0.8"
LENGTH = "{name: fingerprint, type: \"array<float>\", length: 8"
FINGERPRINT = (SERVICE, "      - {name: smiles, type: string, from: {input: text}}",
               "      - {name: smiles, type: string, from: {input: text}}\n"
               f"      - {LENGTH}, dimensions: [2, 4]}}")
GIVES = (SERVICE, "outputs: {LogS: float, LogS_low: float, smiles: string}",
         "outputs: {LogS: float, LogS_low: float, smiles: string, "
         "fingerprint: \"array<float>\"}")
ARRAY = [FINGERPRINT, GIVES]
MORE = [(SERVICE, "  elements: [C, H, O]\n  ranges", """\
    - name: bounds
      inputTypes: [text]
      outputs: {LogS_low: float}
      description: The lower bound.
  elements: [C, H, O]
  ranges""")]


def edit(old, new, kind=SERVICE):
    return [(kind, old, new)]


# rule, level, breaking edits, passing edits[, edits of every version before]
DOCUMENTS = [
    ("I1", "error", edit("name: Demo,", "name: Demonstration,"),
     edit('description: "A model for tests"', 'description: "A model"')),
    ("I3", "warning", edit("A guess", "Only a guess"),
     [*edit("A guess", "Only a guess"), NEWER]),
    ("I4", "warning", edit("version: 1.2.3", "version: 1.1.9"),
     edit("version: 1.2.3", "version: 1.10.0")),
    ("I5", "error", edit("factors: [1.0, 2.5]", "factors: [1.0, 2.0]"),
     [*edit("factors: [1.0, 2.5]", "factors: [1.0, 2.0]"), NEWER]),
    ("P1", "error", edit("      - {name: level, type: float", "      - {name: grade, type: float")
     + edit("level: 0.9}", "grade: 0.9}"),
     edit("    parameters:\n", "    parameters:\n      - {name: more, type: float}\n")),
    ("P2", "error", edit("{name: level, type: float, minimum: 0.5, maximum: 0.99, default: 0.8}",
                         "{name: level, type: integer, minimum: 0, maximum: 3, default: 1}")
     + edit("level: 0.9}", "level: 1}"),
     edit(LEVEL, "minimum: 0.1, maximum: 0.99, default: 0.8")),
    ("P3", "error", edit("      - {name: level, type: float, minimum: 0.5, maximum: 0.99, default: 0.8}",
                         "      - {name: level, type: float, minimum: 0.5, maximum: 0.99, required: true}")
     + edit("data: {text: hello world}", "data: {text: hello world, level: 0.9}"),
     edit(INPUT, INPUT.replace("4096", "8192"))),
    ("P4", "error", edit("maxBytes: 4096", "maxBytes: 2048"),
     edit("maxBytes: 4096", "maxBytes: 8192")),
    ("P4", "error", edit("minimum: 0.5", "minimum: 0.6"), edit("minimum: 0.5", "minimum: 0.4")),
    ("P4", "error", edit("maximum: 0.99", "maximum: 0.9"), edit(", maximum: 0.99", "")),
    ("P4", "error", edit("enum: [LogS, LogP]", "enum: [LogS]"),
     edit("enum: [LogS, LogP]", "enum: [LogP, LogS, more]"),
     edit("enum: [LogS]", "enum: [LogS, LogP]")),
    ("P4", "error", edit("{name: more, type: string}", "{name: more, type: string, enum: [a]}"),
     edit("{name: more, type: string}", "{name: more, type: string, description: any}"),
     edit("    parameters:\n", "    parameters:\n      - {name: more, type: string}\n")),
    ("P5", "error", edit("default: 0.8", "default: 0.9"), edit("A guess", "Guessed")),
    ("P6", "error", edit("strict: false", "strict: true"), edit("A guess", "Guessed"),
     edit("strict: true", "strict: false")),
    ("O1", "error", edit("LogS_low", "LogS_least"), ARRAY),
    ("O2", "error", edit("{name: LogS_low, type: float,", "{name: LogS_low, type: string,")
     + edit("LogS_low: float", "LogS_low: string"),
     edit("Predicts LogS.", "Predicts a number.")),
    ("O3", "error", edit("length: 8", "length: 16"), edit("A guess", "Guessed"), ARRAY),
    ("O3", "error", edit("dimensions: [2, 4]", "dimensions: [4]"),
     edit("dimensions: [2, 4]", "dimensions: [2, 3, 4]"), ARRAY),
    ("O4", "error", edit("{name: LogS_low, type: float, unit: log10(mol/L)", "{name: LogS_low, type: float, unit: mol/L"),
     edit("A guess", "Guessed")),
    ("R1", "error", edit("      LogS:\n", "      other:\n") + edit("property: LogS,", "property: other,"),
     edit("samples: 7985\n", "samples: 8000\n")),
    ("R2", "error", edit("unit: log10(mol/L)", "unit: mol/L"),
     edit("{R2: 0.81", "{R2: 0.82")),
    ("R3", "warning", edit("min: -14, max: 3,", "min: -13.75, max: 3,"),
     edit("min: -14, max: 3,", "min: -15, max: 3,")),
    ("R4", "error", edit("[C, H, O]", "[C, H]") + edit("[O, H, C]", "[C, H]")
     + edit("[C, H, O]", "[C, H]", BEHAVIOR),
     edit("[C, H, O]", "[C, H, O, N]") + edit("[O, H, C]", "[C, H, O, N]")
     + edit("[C, H, O]", "[C, H, O, N]", BEHAVIOR)),
    ("L1", "error", edit("bodyLimitBytes: 65536", "bodyLimitBytes: 32768"),
     edit("bodyLimitBytes: 65536", "bodyLimitBytes: 131072")),
    ("L1", "error", edit("maxBatchSize: 64", "maxBatchSize: 32", SPEC),
     edit("maxBatchSize: 64", "maxBatchSize: 65", SPEC)),
    ("L2", "warning", edit("timeoutSeconds: 30", "timeoutSeconds: 20", SPEC),
     edit("timeoutSeconds: 30", "timeoutSeconds: 60", SPEC)),
    ("L2", "warning", edit("maxConcurrency: 64", "maxConcurrency: 8", SPEC),
     edit("maxConcurrency: 64", "maxConcurrency: 65", SPEC)),
    ("C1", "error", edit("name: regression", "name: prediction"),
     edit("description: Predicts LogS.", "description: Predicts.")),
    ("C2", "error", edit("inputTypes: [text]", "inputTypes: []"),
     edit("category: alcohol", "category: alcohols")),
    ("C3", "error", edit("outputs: {LogS: float, LogS_low: float, smiles",
                         "outputs: {LogS: float, smiles") + MORE, MORE),
    ("C4", "error", edit("batch: true", "batch: false"),
     edit("description: Predicts LogS.", "description: Predicts.")),
    ("E1", "warning", edit("values: {LogS: 0.62", "values: {LogS: 0.72"),
     edit("description: soluble", "description: mixes")),
    ("E1", "warning", edit("name: Not a SMILES", "name: No SMILES"),
     edit("category: alcohol", "category: alcohols")),
    ("B1", "error", edit("  behaviorSpec: demo.behavior.yaml\n", "") + [(BEHAVIOR, None, None)],
     edit("rationale: No evidence.", "rationale: None.", BEHAVIOR)),
    ("B2", "error", edit("mode: enforce", "mode: observe", BEHAVIOR),
     edit("title: Elements inside", "title: Elements within", BEHAVIOR)),
    ("B2", "error", edit("id: BS-IN-001", "id: BS-IN-002", BEHAVIOR),
     edit("rationale: No evidence.", "rationale: None.", BEHAVIOR)),
    ("B3", "warning", edit("severity: high", "severity: low", BEHAVIOR),
     edit("title: Elements inside", "title: Elements within", BEHAVIOR)),
]

# rule, tensors of the old version, those that break, those that do not
MODELS = [
    ("T1", TENSORS, {"inputs": {"x": ("n", 4)}, "outputs": {"z": ("n", 4)}}, TENSORS),
    ("T2", TENSORS, {**TENSORS, "element": 11}, TENSORS),
    ("T3", {"inputs": {"x": ("n", "m")}, "outputs": {"y": ("n", "m")}}, TENSORS,
     {"inputs": {"x": ("a", "b")}, "outputs": {"y": ("a", "b")}}),
    ("T3", TENSORS, {"inputs": {"x": ("n", 4)}, "outputs": {"y": ("n", "m")}},
     {"inputs": {"x": ("n", "m")}, "outputs": {"y": ("n", 4)}}),
    ("T4", TENSORS, {**TENSORS, "inputs": {"x": ("n", 4), "w": ("n", 4)}}, TENSORS),
]


def model(tensors):
    """y = x, or their sum."""
    inputs, outputs = tensors["inputs"], tensors["outputs"]
    element = tensors.get("element", 1)
    kind = "Add" if len(inputs) == 2 else "Identity"
    part = bundles.part
    graph = bundles.node(kind, list(inputs), *outputs) + part(2, "m")
    for number, side in ((11, inputs), (12, outputs)):
        for name, dims in side.items():
            graph += bundles.port(number, name, *dims, element=element)
    return part(1, 8) + part(7, graph) + part(8, part(1, "") + part(2, 13))


def rules(level=None):
    return {rule for rule, of in re.findall(r"^RULE\((\w+), (\w+),",
                                            RULES.read_text(), re.M)
            if level in (None, of)}


class Diff(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.count = 0

    def bundle(self, *edits):
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        for file in BASE.iterdir():
            shutil.copy(file, folder)
        for kind, old, new in edits:
            file = folder / f"demo.{kind}.yaml"
            if old is None:
                file.unlink()
                continue
            text = file.read_text()
            self.assertIn(old, text)
            file.write_text(text.replace(old, new))
        return folder

    def diff(self, old, new, *arguments, code=None):
        done = subprocess.run(
            [harness.BIN / "specserve", "diff", old, new, *arguments],
            check=False, capture_output=True, text=True)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def found(self, old, new):
        """[(level, rule)]; the exit code must fit."""
        done = self.diff(old, new)
        self.assertEqual(done.stderr, "")
        rows = [tuple(line.split()[:2]) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode,
                         int(any(level == "error" for level, _ in rows)))
        return rows

    def check(self, rule, level, old, breaks, passes):
        self.assertIn((level, rule), self.found(old, breaks))
        self.assertNotIn((level, rule), self.found(old, passes))

    def test_each_rule_breaks_and_passes(self):
        for rule, level, breaks, passes, *first in DOCUMENTS:
            with self.subTest(rule=rule, breaks=breaks):
                before = first[0] if first else []
                self.check(rule, level, self.bundle(*before),
                           self.bundle(*before, *breaks),
                           self.bundle(*before, *passes))

    def of_tensors(self, tensors):
        """A bundle whose model has these and whose documents say none."""
        folder = self.bundle(
            (SERVICE, "    tensors:\n      inputs:\n"
             "        - {name: input_ids, dtype: int64, shape: [-1, 128]}\n"
             "      outputs:\n        - {name: y, dtype: float32, shape: [-1, 3]}\n", ""),
            (SERVICE, ", from: {tensor: y, index: 1}", ""),
            (SERVICE, ", from: {tensor: y}", ""))
        (folder / "model.onnx").write_bytes(model(tensors))
        return folder

    def test_tensors_are_those_of_the_model_files(self):
        for rule, was, breaks, passes in MODELS:
            with self.subTest(rule=rule, breaks=breaks):
                versions = [self.of_tensors(t) for t in (was, breaks, passes)]
                for newer in versions[1:]:
                    service = newer / "demo.modelservice.yaml"
                    service.write_text(service.read_text().replace(*NEWER[1:]))
                self.check(rule, "error", *versions)

    def test_every_rule_has_a_pair(self):
        paired = {row[0] for row in DOCUMENTS} | {row[0] for row in MODELS} | {"I2"}
        self.assertEqual(paired, rules() - rules("INFO"))

    def test_weights_that_changed_need_a_new_version(self):
        old = self.of_tensors(TENSORS)
        new = self.folder / "new"
        shutil.copytree(old, new)
        weights = new / "model.onnx"
        weights.write_bytes(weights.read_bytes() + bundles.part(2, "a producer"))
        done = self.diff(old, new, code=1)
        self.assertRegex(done.stdout, r"^error I2 identity.model: was sha256:")
        service = new / "demo.modelservice.yaml"
        service.write_text(service.read_text().replace(*NEWER[1:]))
        done = self.diff(old, new, code=0)
        self.assertIn("info A1 identity.model", done.stdout)

    def test_a_renamed_result_says_what_stands_there(self):
        done = self.diff(self.bundle(),
                         self.bundle((SERVICE, "LogS_low", "LogS_least")), code=1)
        self.assertIn("error O1 outputs.LogS_low: is gone; 'LogS_least' stands "
                      "there now\n", done.stdout)
        self.assertIn("info A2 outputs.LogS_least: is new\n", done.stdout)
        same = self.bundle()
        self.assertEqual(self.diff(same, same, code=0).stdout, "")

    def test_waivers_and_formats(self):
        old = self.bundle()
        new = self.bundle((SERVICE, "name: Demo,", "name: Demon,"), NEWER)
        file = self.folder / "waivers.yaml"
        row = ("waivers:\n  - rule: I1\n    path: identity.name\n"
               "    reason: nobody calls it\n    expires: \"2027-01-31\"\n")

        def waived(text, today, code):
            file.write_text(text)
            return self.diff(old, new, "--waivers", file, "--today", today,
                             code=code)
        self.assertIn("waived I1 identity.name", waived(row, "2027-01-31", 0).stdout)
        for text, today, why in ((row, "2027-02-01", "expired on 2027-01-31"),
                                 (row.replace("I1", "Z1"), "2027-01-01",
                                  "'Z1' is not a rule"),
                                 (row.replace("identity.name", "x"), "2027-01-01",
                                  "is not needed")):
            self.assertIn(why, waived(text, today, 1).stderr)
        lines = self.diff(old, new, code=1).stdout.splitlines()
        report = json.loads(self.diff(old, new, "--format", "json", code=1).stdout)
        self.assertEqual(report["broken"], 1)
        self.assertEqual(lines, [
            f"{c['level']} {c['rule']} {c['path']}: {c['message']}"
            for c in report["changes"]])
        text = self.diff(old, new, "--format", "markdown", code=1).stdout
        self.assertTrue(text.startswith("# Changes since 1.2.3\n\n## Breaking\n"))
        self.diff(old, new, "--format", "xml", code=2)

    def test_what_is_no_bundle_is_told(self):
        empty = self.folder / "empty"
        empty.mkdir()
        done = self.diff(self.bundle(), empty, code=2)
        self.assertIn("the bundle has no ModelSpec", done.stderr)
        self.diff(empty, empty, "--waivers", code=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
