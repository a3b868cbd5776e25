"""specserve bench: what it measures of models and servers, and how it says so."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import harness

MODELS = harness.ROOT / "tests" / "data" / "models"
CONV = MODELS / "torch_cnn_relu"
MLP = MODELS / "torch_mlp"


# What bench hands to Python: script, model, threads, seconds, one per input.
RIVAL = """#!/bin/sh
[ "$1" = -c ] && [ "$4" = 1 ] && [ "$5" = 0.05 ] || exit 1
case "$6" in "x|float32|4x8|"*) ;; *) exit 1 ;; esac
[ "$(wc -c <"${6##*|}")" = 128 ] || exit 1
echo 1.2.3 1000 17.5
"""


def bench(*arguments, seconds="0.05", **options):
    return subprocess.run(
        [harness.BIN / "specserve", "bench", *map(str, arguments),
         *(["--seconds", seconds] if seconds else [])], text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=300, **options)


def measured(*arguments):
    done = bench(*arguments, "--json")
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Model(unittest.TestCase):
    def test_json_has_the_figures(self):
        got = measured(MLP / "model.onnx", "--data", MLP / "test_data_set_0")
        self.assertEqual(got["threads"], 1)
        self.assertGreaterEqual(got["runs"], 1)
        self.assertLess(0, got["median_ms"])
        self.assertLessEqual(got["median_ms"], got["p95_ms"])
        self.assertLessEqual(got["p95_ms"], got["p99_ms"])
        for figure in ("throughput_per_s", "peak_rss_mb", "load_ms",
                       "gflop_per_s", "peak_gflop_per_s"):
            self.assertGreater(got[figure], 0, figure)

    def test_work_is_what_the_layers_multiply(self):
        weights = 8 * 32 + 32 * 16 + 16 * 3
        got = measured(MLP / "model.onnx", "--shape", "4x8")
        self.assertAlmostEqual(got["gflop"] * 1e9, 2 * 4 * weights)
        self.assertEqual(got["inputs"], [
            {"name": "x", "datatype": "float32", "shape": [4, 8]}])

    def test_work_is_not_counted_on_request(self):
        got = measured(MLP / "model.onnx", "--shape", "4x8", "--no-work")
        self.assertNotIn("gflop", got)

    def test_precision_in_use_is_told(self):
        got = measured(harness.BUNDLE / "model.onnx", "--shape", "1x32",
                       "--precision", "int8")
        self.assertEqual(got["precision"], "int8")
        self.assertGreater(got["int8_products"], 0)

    def test_profile_names_operators_and_shares(self):
        got = measured(CONV / "model.onnx", "--data",
                       CONV / "test_data_set_0", "--profile")["profile"]
        self.assertTrue(any(row["operator"].startswith("Conv")
                            for row in got), got)
        self.assertTrue(all(row["implementation"] for row in got))
        self.assertLessEqual(sum(row["share"] for row in got), 1.0)
        self.assertGreater(sum(row["share"] for row in got), 0.2)
        times = [row["ms"] for row in got]
        self.assertEqual(times, sorted(times, reverse=True))

    def test_table_is_plain_when_piped(self):
        done = bench(CONV / "model.onnx", "--data", CONV / "test_data_set_0",
                     "--profile")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\x1b", done.stdout)
        self.assertRegex(done.stdout, r"run +[0-9.]+ ms median")
        self.assertRegex(done.stdout, r"Conv\w* +\S+ +[0-9]+ +[0-9.]+ +[0-9.]+%")

    def test_picture_is_as_wide_as_its_operators(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "profile.svg")
            measured(CONV / "model.onnx", "--data", CONV / "test_data_set_0",
                     "--profile-svg", path)
            root = xml.etree.ElementTree.parse(path).getroot()
        space = "{http://www.w3.org/2000/svg}"
        self.assertEqual(root.tag, space + "svg")
        names = [t.text for t in root.iter(space + "title")]
        self.assertTrue(any(re.match(r"Conv\w* \S+ [0-9.]+ ms, ", n)
                            for n in names), names)
        ends = [float(r.get("x")) + float(r.get("width"))
                for r in root.iter(space + "rect")]
        self.assertAlmostEqual(max(ends), float(root.get("width")), delta=1)

    def test_outputs_are_those_of_the_data_set(self):
        with tempfile.TemporaryDirectory() as folder:
            case = pathlib.Path(folder, "case", "test_data_set_0")
            case.mkdir(parents=True)
            (case.parent / "model.onnx").write_bytes(
                (CONV / "model.onnx").read_bytes())
            for file in (CONV / "test_data_set_0").glob("input_*"):
                (case / file.name).write_bytes(file.read_bytes())
            measured(CONV / "model.onnx", "--data", case, "--outputs", case)
            self.assertTrue((case / "output_0.pb").exists())
            done = subprocess.run(
                [harness.BIN / "specserve", "check", case.parent, "--rtol",
                 "1e-6"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("1 data sets", done.stdout)

    def compare(self, script):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "python")
            path.write_text(script)
            path.chmod(0o755)
            return bench(MLP / "model.onnx", "--shape", "4x8", "--json",
                         "--compare", "onnxruntime",
                         env={**os.environ, "SPECSERVE_PYTHON": str(path)})

    def test_rival_gets_the_same_inputs(self):
        done = self.compare(RIVAL)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)
        self.assertEqual(got["onnxruntime"]["version"], "1.2.3")
        self.assertEqual(got["onnxruntime"]["median_ms"], 1000)
        self.assertAlmostEqual(got["onnxruntime"]["ratio"],
                               1000 / got["median_ms"], delta=100)

    def test_rival_that_does_not_run_is_said(self):
        for script in ("#!/bin/sh\nexit 1\n", "#!/bin/sh\necho nothing\n"):
            done = self.compare(script)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("onnxruntime does not run", done.stderr)

    def test_what_cannot_be_measured_is_said(self):
        for code, words, arguments in (
                (2, "no such input", ("--shape", "y=4x8")),
                (2, "no shape", ("--shape", "x=4xx8")),
                (1, "expected", ("--shape", "x=4x9")),
                (2, "cannot write", ("--shape", "4x8", "--profile-svg",
                                     "/no/such/folder/x.svg")),
                (2, "usage", ("--threads", "0")),
                (2, "usage", ("--precision", "int4")),
                (2, "usage", ("--seconds", "-1"))):
            with self.subTest(arguments):
                done = bench(MLP / "model.onnx", *arguments, seconds=None
                             if "--seconds" in arguments else "0.05")
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
        done = bench("/no/such/model.onnx")
        self.assertEqual(done.returncode, 2)


class Target(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server()
        cls.address = f"127.0.0.1:{cls.server.port}"

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0, cls.server.logged()

    def test_both_doors_answer_callers_at_once(self):
        for door in ("rest", "grpc"):
            with self.subTest(door):
                flag = ["--grpc"] if door == "grpc" else []
                got = measured(self.address, "--threads", "2", *flag)
                self.assertEqual(got["door"], door)
                self.assertEqual(got["address"], self.address)
                self.assertEqual(got["threads"], 2)
                self.assertGreaterEqual(got["runs"], 2)
                self.assertGreater(got["throughput_per_s"], 0)
                self.assertLessEqual(got["median_ms"], got["p99_ms"])

    def test_request_of_ones_own(self):
        done = bench(self.address, "--request", '{"text":"CCO"}')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"throughput +[0-9.]+ calls/s")

    def test_refused_request_is_no_measurement(self):
        done = bench(self.address, "--request", '{"text":""}')
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no prediction", done.stderr)

    def test_nobody_there(self):
        done = bench(f"127.0.0.1:{harness.free_port()}", "--request",
                     '{"text":"CCO"}')
        self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main()
