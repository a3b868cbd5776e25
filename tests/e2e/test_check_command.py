"""specserve check: what it says of a model that runs, and of one that cannot."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import bundles
import harness

MODEL = harness.ROOT / "tests/data/models/torch_mlp"


def check(*arguments):
    return subprocess.run([harness.BIN / "specserve", "check", *arguments],
                          text=True, capture_output=True, timeout=60)


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def with_unknown_operators(self):
        """torch_mlp whose Tanh and Softmax are operators that nobody has."""
        path = pathlib.Path(self.folder.name) / "model.onnx"
        data = (MODEL / "model.onnx").read_bytes()
        for old, new in ((b"Tanh", b"Tanq"), (b"Softmax", b"Softmaz")):
            tag = bytes([0x22, len(old)])  # NodeProto.op_type
            self.assertEqual(data.count(tag + old), 1)
            data = data.replace(tag + old, tag + new)
        path.write_bytes(data)
        return path

    def test_every_node_in_the_way_is_named(self):
        done = check("--json", self.with_unknown_operators())
        [case] = json.loads(done.stdout)["cases"]
        self.assertEqual((done.returncode, case["status"]), (1, "unsupported"))
        self.assertEqual([(o["node"], o["op"]) for o in case["obstacles"]],
                         [("/n/n.4/Tanh", "Tanq"), ("/Softmax", "Softmaz")])
        for obstacle in case["obstacles"]:
            self.assertIn(obstacle["op"], obstacle["reason"])
        self.assertEqual(case["detail"], case["obstacles"][0]["reason"])

    def test_widths_that_overflow_are_told_as_they_are(self):
        """Attention whose columns for q, k and v are 30 only when they wrap."""
        part = bundles.part
        weights = (part(1, 12) + part(1, 30) + part(2, 1) + part(8, "w")
                   + part(9, bytes(12 * 30 * 4)))
        graph = (bundles.node("Attention", ["x", "w"], "y", domain="com.microsoft",
                              num_heads=1,
                              qkv_hidden_sizes=[2**63 - 1, 2**63 - 1, 32])
                 + part(2, "widths") + part(5, weights)
                 + bundles.port(11, "x", 1, 2, 12) + bundles.port(12, "y", 1, 2, 6))
        path = pathlib.Path(self.folder.name) / "model.onnx"
        path.write_bytes(part(1, 8) + part(7, graph)
                         + part(8, part(1, "") + part(2, 13))
                         + part(8, part(1, "com.microsoft") + part(2, 1)))
        done = check(path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("30 columns are not those of q, k and v", done.stdout)

    def test_text_lists_them_below_the_model(self):
        lines = check(self.with_unknown_operators()).stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines],
                         ["unsupported", "node", "node", "0"])

    def test_verbose_shows_the_steps_of_a_run(self):
        done = check("--verbose", MODEL)
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        self.assertIn("bytes a run", lines[0])
        softmax = [line for line in lines if "/Softmax" in line]
        self.assertEqual(len(softmax), 1)
        self.assertIn("float32[1,3] -> float32[1,3]", softmax[0])

    def test_a_model_that_runs_has_no_obstacles(self):
        [case] = json.loads(check("--json", MODEL).stdout)["cases"]
        self.assertEqual(case["status"], "pass")
        self.assertNotIn("obstacles", case)


if __name__ == "__main__":
    unittest.main()
